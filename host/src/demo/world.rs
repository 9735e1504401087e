//! Dean in a simulated world: the same pipeline, store and policies as on a real account.

use super::rivals::{self, Caps};
use super::watch::Watch;
use super::{Daily, Profit, Rules, WorldReport};
use crate::config::{self, Effective, Environment, Sources};
use crate::domain::{Clock, Verb};
use crate::meta::{self, ApiUsage, Call, Client, Credentials, HttpTransport, Reply, Transport, TransportError};
use crate::pipeline::{self, Options, Recent, RunReport, Runner};
use crate::policies::{self, Shelf, StagePolicy};
use crate::scoring::Models;
use crate::store::{SqliteStore, Store};
use async_trait::async_trait;
use dean_policy::Registry;
use dean_sim::{Delivery, Graph, Params, Stage, World};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const VERSION: &str = "v26.0";
const TOKEN: &str = "simulated-token";
const SECRET: &str = "simulated-secret";

/// What a stage may spend in a day in the demo unless the configuration says so: its world is larger than
/// the account that the shipped caps are for.
const CAPS: [(&str, f64); 3] = [
    ("stages.testing.daily_cap", 1_000.0),
    ("stages.validation.daily_cap", 2_000.0),
    ("stages.scaling.daily_cap", 5_000.0),
];

/// A simulated account in this process: the same requests and answers as over HTTP.
#[derive(Clone, Debug)]
pub struct InProcess(Arc<Mutex<Graph>>);

impl InProcess {
    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, call: &Call) -> Result<Reply, TransportError> {
        let method = match call.method {
            meta::Method::Get => dean_sim::Method::Get,
            meta::Method::Post => dean_sim::Method::Post,
        };
        let request = dean_sim::Request {
            method,
            path: call.path.clone(),
            parameters: call.params.clone(),
            base: "http://simulated".into(),
        };
        let response = self.graph().handle(&request);
        match response.delivery {
            Delivery::Whole | Delivery::Slowly => {
                Ok(Reply { status: response.status, headers: response.headers, body: response.body.into_bytes() })
            }
            Delivery::Never => Err(no_answer("it took too long")),
            Delivery::Broken => Err(no_answer("the connection broke")),
        }
    }
}

fn no_answer(reason: &str) -> TransportError {
    TransportError::NoAnswer { host: "simulated".into(), reason: reason.into() }
}

/// The configuration of a simulated account: rules as they are given, with its campaigns.
///
/// # Errors
/// When the configuration is refused.
pub fn demo_config(world: &World, rules: &Rules) -> anyhow::Result<Effective> {
    let mut sources = Sources {
        folder: rules.folder.clone(),
        profile: rules.profile.clone(),
        client: rules.client.clone(),
        environment: Environment::default(),
        flags: Vec::new(),
    };
    let own = config::load(&sources)?;
    let id = |stage| json!(world.campaign(stage).to_string());
    let mut flags = vec![
        ("account.id", json!(format!("act_{}", world.account()))),
        ("ids.testing_campaign_id", id(Stage::Testing)),
        ("ids.validation_campaign_id", id(Stage::Validation)),
        ("ids.scaling_campaign_id", id(Stage::Scaling)),
        ("economics.cogs_per_purchase", json!(world.params().cogs * world.params().price_level)),
    ];
    let unset = CAPS.iter().filter(|(key, _)| own.tree.at(key).is_none());
    flags.extend(unset.map(|(key, cap)| (*key, json!(cap * world.params().price_level))));
    sources.flags = flags.into_iter().map(|(key, value)| (key.to_string(), value, "demo")).collect();
    let policies =
        rules.policies.iter().map(|(stage, policy)| (format!("stages.{stage}.policy"), json!(policy), "gym"));
    sources.flags.extend(policies);
    Ok(config::load(&sources)?)
}

fn client(transport: Arc<dyn Transport>, clock: &Clock, world: &World) -> Client {
    let credentials = Credentials { token: SecretString::from(TOKEN), app_secret: Some(SecretString::from(SECRET)) };
    Client::new(transport, clock.clone(), VERSION, &world.account().to_string(), credentials)
}

fn new_graph(world: World, clock: &Clock) -> Graph {
    let credentials = dean_sim::Credentials { token: TOKEN.into(), app_secret: SECRET.into() };
    let mut graph = Graph::new(world, VERSION, credentials);
    let time = clock.clone();
    graph.set_time(Arc::new(move || time.now().as_second() as f64));
    graph
}

fn clock_of(world: &World) -> Clock {
    Clock::simulated(Timestamp::from_second(world.now()).unwrap_or_default())
}

/// What Dean did in the first world.
#[derive(Debug)]
pub(super) struct FirstWorld {
    /// The comparison.
    pub report: WorldReport,
    /// What each stage may spend in a day.
    pub daily_caps: BTreeMap<String, Option<f64>>,
    /// Profit day by day.
    pub daily: Vec<Daily>,
    /// Ads of the world at its beginning.
    pub ads: usize,
    /// Hourly runs.
    pub runs: usize,
    /// Decisions.
    pub decisions: usize,
    /// Ads paused.
    pub kills: usize,
    /// Promotions completed.
    pub promotions: usize,
    /// Budgets changed.
    pub budget_changes: usize,
    /// Calls.
    pub api: ApiUsage,
    /// The last reason of each kind of change.
    pub examples: Vec<String>,
}

/// Lives a world through HTTP and the store in a folder.
///
/// # Errors
/// When a run fails.
pub(super) async fn live_through_http(
    params: Params,
    seed: u64,
    days: u32,
    folder: &Path,
    rules: &Rules,
    registry: &Registry,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<FirstWorld> {
    let world = World::new(seed, params);
    let start = world.clone();
    let (clock, effective) = (clock_of(&world), demo_config(&world, rules)?);
    let (server, serving) = dean_sim::serve(new_graph(world, &clock), 0).await?;
    let serving = tokio::spawn(serving);
    let transport = Arc::new(HttpTransport::new(&server.url()).map_err(anyhow::Error::msg)?);
    let client = client(transport, &clock, &start);
    let store = SqliteStore::open(folder)?;
    let lived = {
        let advance = || {
            let mut graph = server.graph();
            graph.world_mut().advance();
            progress(1);
            graph.world().now()
        };
        let look = || server.graph().world().clone();
        live(
            &start,
            days,
            &Setting { rules, client: &client, store: &store, clock: &clock, effective: &effective, registry, folder },
            &advance,
            &look,
        )
        .await
    };
    serving.abort();
    lived
}

/// Lives a world in this process, with a store in memory.
///
/// # Errors
/// When a run fails.
pub(super) async fn live_in_process(
    params: Params,
    seed: u64,
    days: u32,
    rules: &Rules,
    registry: &Registry,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<FirstWorld> {
    let life = Life::new(World::new(seed, params), rules)?;
    let start = life.world();
    let advance = || {
        progress(1);
        life.advance()
    };
    let look = || life.world();
    let setting = Setting {
        rules,
        client: &life.client,
        store: &life.store,
        clock: &life.clock,
        effective: &life.effective,
        registry,
        folder: Path::new(NOWHERE),
    };
    live(&start, days, &setting, &advance, &look).await
}

/// A folder that is not there: no kill switch lies in it.
const NOWHERE: &str = "no-such-folder";

/// A simulated account in this process with all that runs on it need, and a store in memory.
#[derive(Debug)]
pub struct Life {
    account: InProcess,
    client: Client,
    store: SqliteStore,
    clock: Clock,
    effective: Effective,
    recent: Recent,
}

impl Life {
    /// An account in a world.
    ///
    /// # Errors
    /// When the configuration is refused.
    pub fn new(world: World, rules: &Rules) -> anyhow::Result<Self> {
        let (clock, effective) = (clock_of(&world), demo_config(&world, rules)?);
        let account = InProcess(Arc::new(Mutex::new(new_graph(world.clone(), &clock))));
        let client = client(Arc::new(account.clone()), &clock, &world);
        Ok(Life { account, client, store: SqliteStore::in_memory()?, clock, effective, recent: Recent::default() })
    }

    /// The world as it is.
    #[must_use]
    pub fn world(&self) -> World {
        self.account.graph().world().clone()
    }

    /// What Dean remembers of the account.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &self.store
    }

    /// The account's id.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.client.account_id()
    }

    /// The configuration.
    #[must_use]
    pub fn effective(&self) -> &Effective {
        &self.effective
    }

    /// One run with such policies and models.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub async fn run(&self, policies: &[StagePolicy], models: &Models, options: &Options) -> anyhow::Result<RunReport> {
        let runner = Runner {
            client: &self.client,
            store: &self.store,
            clock: &self.clock,
            effective: &self.effective,
            policies,
            models,
            data_dir: Path::new(NOWHERE),
            progress: &|_| {},
            recent: &self.recent,
        };
        runner.run(options).await
    }

    /// One hour passes; the moment after it, seconds since 1970-01-01 UTC.
    pub fn advance(&self) -> i64 {
        let mut graph = self.account.graph();
        graph.world_mut().advance();
        let now = graph.world().now();
        self.clock.set(Timestamp::from_second(now).unwrap_or_default());
        now
    }
}

struct Setting<'a> {
    rules: &'a Rules,
    client: &'a Client,
    store: &'a dyn Store,
    clock: &'a Clock,
    effective: &'a Effective,
    registry: &'a Registry,
    folder: &'a Path,
}

async fn live(
    start: &World,
    days: u32,
    setting: &Setting<'_>,
    advance: &(dyn Fn() -> i64 + Sync),
    look: &(dyn Fn() -> World + Sync),
) -> anyhow::Result<FirstWorld> {
    let models = &setting.rules.models;
    let policies = policies::prepare(
        setting.effective,
        setting.registry,
        &Shelf::default(),
        &setting.rules.folder,
        &models.columns(),
    )?;
    if let Some(reason) = policies.iter().find_map(|policy| policy.broken()) {
        anyhow::bail!("a policy cannot be used: {reason}");
    }
    let recent = Recent::default();
    let runner = Runner {
        client: setting.client,
        store: setting.store,
        clock: setting.clock,
        effective: setting.effective,
        policies: &policies,
        models,
        data_dir: setting.folder,
        progress: &|_| {},
        recent: &recent,
    };
    let since = start.today();
    let caps = Caps::of(&setting.effective.config);
    let minor = start.params().minor_units() as f64;
    let mut seen = Seen::default();
    let mut watch = Watch::default();
    let mut dean = Vec::new();
    for hour in 0..days * 24 {
        let report = runner.run(&Options::default()).await?;
        seen.note(&report);
        watch.note(&report, look);
        let now = advance();
        setting.clock.set(Timestamp::from_second(now)?);
        if hour % 24 == 23 {
            let world = look();
            dean.push(world.profit_since(since) as f64 / minor);
            watch.day_over(&world, world.today().yesterday()?, &caps);
        }
    }
    let compared = rivals::compare(start, days, since, caps);
    let profit = Profit { dean: dean.last().copied().unwrap_or(0.0), ..compared.profit };
    let last_week = compared.untouched.today().checked_sub(jiff::Span::new().days(7))?;
    let share = |world: &World| {
        let (winners, all) = world.spend_on_winners_since(last_week);
        winners as f64 / all.max(1) as f64
    };
    let day = |i: usize| -> anyhow::Result<Daily> {
        let date = since.checked_add(jiff::Span::new().days(i as i64))?;
        let at = |r: usize| compared.daily[r][i];
        let profit = Profit { dean: dean[i], untouched: at(0), thresholds: at(1), truth: at(2) };
        Ok(Daily { date: date.to_string(), profit })
    };
    Ok(FirstWorld {
        report: WorldReport {
            seed: start.seed(),
            profit,
            flips: watch.flips,
            wrong_kills: watch.wrong_kills,
            caps_passed: watch.caps_passed,
            promoted_into: watch.promoted_into,
            winners_share: share(&look()),
            winners_share_untouched: share(&compared.untouched),
        },
        daily_caps: setting.effective.config.stages().into_iter().map(|s| (s.name, s.daily_cap)).collect(),
        daily: (0..dean.len()).map(day).collect::<anyhow::Result<_>>()?,
        ads: start.params().ads,
        runs: seen.runs,
        decisions: seen.decisions,
        kills: seen.kills,
        promotions: seen.promotions,
        budget_changes: seen.budget_changes,
        api: setting.client.usage(),
        examples: seen.examples.into_iter().flatten().collect(),
    })
}

/// What is counted over the runs of a world.
#[derive(Default)]
struct Seen {
    runs: usize,
    decisions: usize,
    kills: usize,
    promotions: usize,
    budget_changes: usize,
    examples: [Option<String>; 3],
}

impl Seen {
    fn note(&mut self, report: &RunReport) {
        self.runs += 1;
        self.decisions += report.decisions.len();
        self.promotions += report.promotions.iter().filter(|p| p.state == "done").count();
        let done = |kind: &str| report.actions.iter().filter(|a| a.kind == kind && a.state == "done").count();
        self.budget_changes += done("set-budget");
        for decision in &report.decisions {
            let example = match decision.done.verb {
                Verb::Pause => 0,
                Verb::Promote => 1,
                _ if decision.held.is_some() && decision.rule.is_some() => 2,
                _ => continue,
            };
            self.kills += usize::from(decision.done.verb == Verb::Pause);
            self.examples[example] = Some(format!("{}: {}", pipeline::plain_name(&decision.ad_name), decision.why));
        }
    }
}
