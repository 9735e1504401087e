//! The Graph API on a world: a request comes in, an answer goes out, the same in process and over
//! HTTP. Meta's official SDK is the judge of its fidelity.

mod batch;
mod create;
mod edges;
mod error;
mod fields;
pub(crate) mod filter;
mod limits;
mod nodes;
mod request;
mod write;

pub(crate) use error::ApiError;
pub(crate) use fields::Fields;
pub use limits::Tier;
pub(crate) use request::Query;
pub use request::{Delivery, Method, Request, Response};

use crate::faults::{Fault, Faults};
use crate::insights::{self, Scope};
use crate::world::World;
use hmac::{Hmac, KeyInit, Mac};
use limits::Limits;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a caller has to present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The access token.
    pub token: String,
    /// The app's secret: key of `appsecret_proof`, which is checked where it is sent.
    pub app_secret: String,
}

/// The seconds by which limits are counted: those of the caller's clock.
pub type Time = Arc<dyn Fn() -> f64 + Send + Sync>;

/// A world behind the Graph API.
pub struct Graph {
    world: World,
    credentials: Credentials,
    version: String,
    reports: Vec<Report>,
    calls: u64,
    limits: Limits,
    time: Option<Time>,
    faults: Faults,
    /// Requests, batches counted once.
    number: u64,
    hits: BTreeMap<Fault, u64>,
    token_expired: bool,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("version", &self.version).field("calls", &self.calls).finish_non_exhaustive()
    }
}

/// An asynchronous insights report.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<String>,
    polls: u32,
    /// How it ends.
    end: &'static str,
}

/// How often a report is asked for before it is there.
const POLLS_UNTIL_DONE: u32 = 2;
const REPORT_IDS: u64 = 6_000_000_000_000;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    Account,
    User,
    Pixel,
    Campaign(usize),
    AdSet(usize),
    Ad(usize),
    Creative(usize),
    Report(usize),
}

impl Graph {
    /// Puts a world behind an API version such as `v26.0`.
    #[must_use]
    pub fn new(world: World, version: &str, credentials: Credentials) -> Self {
        Graph {
            world,
            credentials,
            version: version.into(),
            reports: Vec::new(),
            calls: 0,
            limits: Limits::new(Tier::Standard),
            time: None,
            faults: Faults::default(),
            number: 0,
            hits: BTreeMap::new(),
            token_expired: false,
        }
    }

    /// The world, to look at.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to move.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// The API version it answers.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The credentials it wants.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Makes another token the one that works.
    pub fn set_token(&mut self, token: &str) {
        self.credentials.token = token.into();
    }

    /// How much may be called.
    pub fn set_tier(&mut self, tier: Tier) {
        self.limits = Limits::new(tier);
    }

    /// The clock by which limits are counted; without it the world's.
    pub fn set_time(&mut self, time: Time) {
        self.time = Some(time);
    }

    /// Fills the limits to a share, in percent, as other programs of the same app would.
    pub fn fill_limits(&mut self, percent: f64) {
        let now = self.now();
        self.limits.fill(percent, now);
    }

    /// What goes wrong from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.token_expired = false;
    }

    /// How often each fault happened.
    #[must_use]
    pub fn hits(&self) -> &BTreeMap<Fault, u64> {
        &self.hits
    }

    /// Calls that were refused because there were too many, those of faults not among them.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.limits.refused
    }

    /// How many calls were answered, batches counted one by one.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    fn now(&self) -> f64 {
        self.time.as_ref().map_or(self.world.now as f64, |time| time())
    }

    /// Answers one request.
    pub fn handle(&mut self, request: &Request) -> Response {
        self.number += 1;
        let fault = self.faults.of(self.number, None, request);
        let mut response = match fault {
            Some(Fault::Reset) => Response::none(Delivery::Broken),
            Some(Fault::TimeoutBefore) => Response::none(Delivery::Never),
            Some(Fault::Html) => Response::html(),
            other => self.answer(request, other),
        };
        let mut happened = true;
        match fault {
            Some(Fault::TimeoutAfter) => response.delivery = Delivery::Never,
            Some(Fault::Drip) => response.delivery = Delivery::Slowly,
            Some(Fault::Cut) => response.body.truncate(half(&response.body)),
            Some(Fault::Duplicates) => match edges::overlapping(&response.body) {
                Some(page) => response.body = page,
                None => happened = false,
            },
            _ => {}
        }
        if let Some(fault) = fault.filter(|_| happened) {
            *self.hits.entry(fault).or_default() += 1;
        }
        let account = self.world.account.to_string();
        let of_insights = request.path.contains("/insights");
        response.headers.extend(self.limits.headers(&account, self.now(), of_insights));
        response.headers.push(("facebook-api-version".into(), self.version.clone()));
        response
    }

    /// Answers one request of a batch; `None` when its entry is lost.
    fn entry(&mut self, entry: usize, request: &Request) -> Option<Response> {
        let fault = self.faults.of(self.number, Some(entry), request);
        if let Some(fault) = fault {
            *self.hits.entry(fault).or_default() += 1;
        }
        if fault == Some(Fault::NullEntry) {
            if self.faults.was_done(self.number, entry) {
                self.answer(request, None);
            }
            return None;
        }
        Some(self.answer(request, fault))
    }

    /// Does what is asked, unless a fault forbids it.
    fn answer(&mut self, request: &Request, fault: Option<Fault>) -> Response {
        self.token_expired |= fault == Some(Fault::TokenExpired);
        let error = fault.and_then(ApiError::of_fault);
        let (ads, reports) = (self.world.ads.len(), self.reports.len());
        let answer = match error {
            Some(error) => Err(error),
            None => self.dispatch(request),
        };
        match fault {
            Some(Fault::Rejected) => self.world.ads[ads..].iter_mut().for_each(|ad| ad.rejected = true),
            Some(Fault::ReportFailed) => self.reports[reports..].iter_mut().for_each(|r| r.end = "Job Failed"),
            Some(Fault::ReportSkipped) => self.reports[reports..].iter_mut().for_each(|r| r.end = "Job Skipped"),
            _ => {}
        }
        match answer {
            Ok(body) => Response::json(200, body),
            Err(error) => error.response(),
        }
    }

    fn dispatch(&mut self, request: &Request) -> Result<String, ApiError> {
        let path = request.path.trim_matches('/');
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_some_and(|part| is_version(part)) {
            let asked = parts.next().unwrap_or_default();
            if asked != self.version {
                return Err(ApiError::parameter(&format!("version {asked} is not served here, {} is", self.version)));
            }
        }
        let query = Query::new(&request.parameters);
        self.authorize(&query)?;
        let (first, edge, rest) = (parts.next(), parts.next(), parts.next());
        if first.is_none() && request.method == Method::Post {
            return batch::run(self, &query, &request.base);
        }
        self.calls += 1;
        let asks = request.method == Method::Get || edge == Some("insights");
        let now = self.now();
        self.limits.charge(if asks { limits::READ } else { limits::WRITE }, now)?;
        if rest.is_some() {
            return Err(ApiError::unknown_path(path));
        }
        let id = first.unwrap_or_default();
        let text = |value: Value| value.to_string();
        if id.is_empty() && request.method == Method::Get {
            return self.several(&query).map(text);
        }
        if (request.method, id, edge) == (Method::Get, "debug_token", None) {
            return self.token(&query).map(text);
        }
        if !asks && !self.world.standing.scopes.iter().any(|scope| scope == "ads_management") {
            return Err(ApiError::new(200, "(#200) Requires ads_management permission to manage the object"));
        }
        if let (Some(video), Method::Get, None) = (create::find_video(&self.world, id), request.method, edge) {
            return Ok(text(create::show_video(&mut self.world, video)));
        }
        let node = self.find(request.method, id)?;
        match (request.method, node, edge) {
            (Method::Get, Node::Report(i), None) => Ok(text(self.poll(i))),
            (Method::Get, Node::Report(i), Some("insights")) => edges::page(&self.reports[i].rows, &query, request),
            (Method::Get, node, None) => {
                let fields = Fields::parse(query.get("fields").unwrap_or("id"))?;
                nodes::render(&self.world, node, &fields).map(text)
            }
            (Method::Get, node, Some("insights")) => {
                let rows = insights::rows(&self.world, scope(node)?, &query)?;
                edges::page(&rows, &query, request)
            }
            (Method::Get, node, Some(edge)) => edges::read(&self.world, node, edge, &query, request),
            (Method::Post, node, Some("insights")) => {
                let rows = insights::rows(&self.world, scope(node)?, &query)?;
                self.reports.push(Report { rows, polls: 0, end: "Job Completed" });
                let id = REPORT_IDS + self.reports.len() as u64 - 1;
                Ok(text(json!({"report_run_id": id.to_string()})))
            }
            (Method::Post, node, Some("copies")) => write::copy(&mut self.world, node, &query).map(text),
            (Method::Post, Node::Account, Some("adimages")) => {
                create::image(&mut self.world, &query, &request.parameters).map(text)
            }
            (Method::Post, Node::Account, Some("advideos")) => {
                create::video(&mut self.world, &query, &request.parameters).map(text)
            }
            (Method::Post, Node::Account, Some("adcreatives")) => create::creative(&mut self.world, &query).map(text),
            (Method::Post, Node::Account, Some("ads")) => create::ad(&mut self.world, &query).map(text),
            (Method::Post, node, None) => write::update(&mut self.world, node, &query).map(text),
            (Method::Delete, node, None) => write::delete(&mut self.world, node).map(text),
            _ => Err(ApiError::unknown_path(path)),
        }
    }

    /// Several objects at once, by `ids`.
    fn several(&self, query: &Query<'_>) -> Result<Value, ApiError> {
        let ids = query.list("ids")?;
        if ids.is_empty() {
            return Err(ApiError::parameter("The parameter ids is required"));
        }
        let fields = Fields::parse(query.get("fields").unwrap_or("id"))?;
        let one = |id: String| {
            let node = self.find(Method::Get, &id)?;
            Ok((id, nodes::render(&self.world, node, &fields)?))
        };
        Ok(Value::Object(ids.into_iter().map(one).collect::<Result<_, ApiError>>()?))
    }

    fn authorize(&self, query: &Query<'_>) -> Result<(), ApiError> {
        let token = query.get("access_token").unwrap_or_default();
        if token.is_empty() {
            return Err(ApiError::new(
                2500,
                "An active access token must be used to query information about the current user.",
            ));
        }
        if self.token_expired {
            return Err(ApiError::expired());
        }
        if token != self.credentials.token {
            return Err(ApiError::new(190, "Invalid OAuth access token - Cannot parse access token"));
        }
        if let Some(proof) = query.get("appsecret_proof") {
            let key = self.credentials.app_secret.as_bytes();
            let expected = Hmac::<Sha256>::new_from_slice(key).map(|mut mac| {
                mac.update(token.as_bytes());
                mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>()
            });
            if expected.as_deref() != Ok(proof) {
                return Err(ApiError::new(100, "Invalid appsecret_proof provided in the API argument"));
            }
        }
        Ok(())
    }

    /// What an id names; Meta does not tell "there is none" from "you may not see it".
    fn find(&self, method: Method, id: &str) -> Result<Node, ApiError> {
        let world = &self.world;
        if id == "me" {
            return Ok(Node::User);
        }
        if id.strip_prefix("act_").is_some_and(|digits| digits == world.account.to_string()) {
            return Ok(Node::Account);
        }
        let missing = || ApiError::missing_object(method, id);
        let number: u64 = id.parse().map_err(|_| missing())?;
        if number == world.pixel() {
            return Ok(Node::Pixel);
        }
        let campaign = || world.campaigns.iter().position(|c| c.id == number).map(Node::Campaign);
        let adset = || world.adsets.iter().position(|a| a.id == number).map(Node::AdSet);
        let seen = |created: i64| created <= world.now;
        let ad = || world.ads.iter().position(|a| a.id == number && seen(a.created)).map(Node::Ad);
        let creative = || world.creatives.iter().position(|c| c.id == number && seen(c.launched)).map(Node::Creative);
        let report = || {
            let index = number.checked_sub(REPORT_IDS)? as usize;
            (index < self.reports.len()).then_some(Node::Report(index))
        };
        ad().or_else(adset).or_else(campaign).or_else(creative).or_else(report).ok_or_else(missing)
    }

    /// What a token may do, and how long.
    fn token(&self, query: &Query<'_>) -> Result<Value, ApiError> {
        if query.get("input_token") != Some(&self.credentials.token) {
            return Err(ApiError::parameter("input_token is no token of this app"));
        }
        let standing = &self.world.standing;
        Ok(json!({"data": {
            "app_id": "500000000000001",
            "application": "Simulated app",
            "type": "USER",
            "is_valid": true,
            "expires_at": standing.token_expires_at,
            "data_access_expires_at": standing.data_access_expires_at,
            "scopes": standing.scopes,
            "user_id": "100000000000001",
        }}))
    }

    fn poll(&mut self, index: usize) -> Value {
        let report = &mut self.reports[index];
        report.polls += 1;
        let done = report.polls >= POLLS_UNTIL_DONE;
        json!({
            "id": (REPORT_IDS + index as u64).to_string(),
            "account_id": self.world.account.to_string(),
            "async_status": if done { report.end } else { "Job Running" },
            "async_percent_completion": if done { 100 } else { 50 },
            "date_start": self.world.today().to_string(),
            "date_stop": self.world.today().to_string(),
        })
    }
}

/// The place in the middle of a text where it may be cut.
fn half(text: &str) -> usize {
    (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn scope(node: Node) -> Result<Scope, ApiError> {
    match node {
        Node::Account => Ok(Scope::Account),
        Node::Campaign(i) => Ok(Scope::Campaign(i)),
        Node::AdSet(i) => Ok(Scope::AdSet(i)),
        Node::Ad(i) => Ok(Scope::Ad(i)),
        _ => Err(ApiError::parameter("this object has no insights")),
    }
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|v| v.split('.').count() == 2 && v.split('.').all(|n| n.parse::<u32>().is_ok()))
}
