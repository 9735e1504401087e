//! The Graph API on a world: a request comes in, an answer goes out, the same in process and over
//! HTTP. Meta's official SDK is the judge of its fidelity.

mod batch;
mod edges;
mod error;
mod fields;
pub(crate) mod filter;
mod nodes;
mod request;
mod write;

pub(crate) use error::ApiError;
pub(crate) use fields::Fields;
pub(crate) use request::Query;
pub use request::{Method, Request, Response};

use crate::insights::{self, Scope};
use crate::world::World;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// What a caller has to present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The access token.
    pub token: String,
    /// The app's secret: key of `appsecret_proof`, which is checked where it is sent.
    pub app_secret: String,
}

/// A world behind the Graph API.
#[derive(Debug)]
pub struct Graph {
    world: World,
    credentials: Credentials,
    version: String,
    reports: Vec<Report>,
    calls: u64,
    /// Percent of its limit that every answer says is used up.
    usage: u32,
}

/// An asynchronous insights report.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<String>,
    polls: u32,
}

/// How often a report is asked for before it is there.
const POLLS_UNTIL_DONE: u32 = 2;
const REPORT_IDS: u64 = 6_000_000_000_000;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    Account,
    User,
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
        Graph { world, credentials, version: version.into(), reports: Vec::new(), calls: 0, usage: 1 }
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

    /// Sets the share of its limit, in percent, that every answer says is used up; at first next to none.
    pub fn set_usage(&mut self, percent: u32) {
        self.usage = percent;
    }

    /// How many calls were answered, batches counted one by one.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Answers one request.
    pub fn handle(&mut self, request: &Request) -> Response {
        let mut response = match self.dispatch(request) {
            Ok(body) => Response::json(200, body),
            Err(error) => error.response(),
        };
        let usage = json!({ self.world.account.to_string(): [{
            "type": "ads_management", "call_count": self.usage, "total_cputime": 1, "total_time": 1,
            "estimated_time_to_regain_access": 0, "ads_api_access_tier": "standard_access"}]});
        response.headers.push(("x-business-use-case-usage".into(), usage.to_string()));
        response.headers.push(("facebook-api-version".into(), self.version.clone()));
        response
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
        if rest.is_some() {
            return Err(ApiError::unknown_path(path));
        }
        let id = first.unwrap_or_default();
        let text = |value: Value| value.to_string();
        if id.is_empty() && request.method == Method::Get {
            return self.several(&query).map(text);
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
                self.reports.push(Report { rows, polls: 0 });
                let id = REPORT_IDS + self.reports.len() as u64 - 1;
                Ok(text(json!({"report_run_id": id.to_string()})))
            }
            (Method::Post, node, Some("copies")) => write::copy(&mut self.world, node, &query).map(text),
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

    fn poll(&mut self, index: usize) -> Value {
        let report = &mut self.reports[index];
        report.polls += 1;
        let done = report.polls >= POLLS_UNTIL_DONE;
        json!({
            "id": (REPORT_IDS + index as u64).to_string(),
            "account_id": self.world.account.to_string(),
            "async_status": if done { "Job Completed" } else { "Job Running" },
            "async_percent_completion": if done { 100 } else { 50 },
            "date_start": self.world.today().to_string(),
            "date_stop": self.world.today().to_string(),
        })
    }
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
