//! A simulated account behind HTTP, with a store in a folder of its own and Dean to run on it.

use crate::mortal::{Life, MortalStore, MortalTransport};
use async_trait::async_trait;
use dean::config::{self, Effective, Environment, Sources};
use dean::domain::{Clock, CreativeSpec};
use dean::meta::{Call, Client, Credentials, HttpTransport, Method, Reply, Transport, TransportError};
use dean::pipeline::{Applied, Options, Plan, Recent, RunReport, Runner};
use dean::policies::{self, Begun, Shelf, StagePolicy, Trying};
use dean::scoring::Models;
use dean::store::{QueueRow, SqliteStore, Store};
use dean_policy::{Artifact, Limits, Registry, Runtime};
use dean_sim::{Graph, Params, Server, Stage, World};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

const TOKEN: &str = "token";
const SECRET: &str = "secret";

/// The policies, loaded once for all tests of a process.
///
/// # Panics
/// When the engine does not start.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let runtime = Runtime::new(Limits::default(), None);
        Registry::new(runtime.unwrap_or_else(|error| panic!("{error}")))
    })
}

/// The shipped models, loaded once for all tests of a process.
pub fn models() -> &'static Models {
    static MODELS: OnceLock<Models> = OnceLock::new();
    MODELS.get_or_init(Models::shipped)
}

fn client(transport: Arc<dyn Transport>, clock: &Clock, account: &str) -> Client {
    let credentials = Credentials { token: SecretString::from(TOKEN), app_secret: Some(SecretString::from(SECRET)) };
    Client::new(transport, clock.clone(), "v26.0", account, credentials)
}

/// A way that loses one answer.
struct Losing {
    inner: HttpTransport,
    of: &'static str,
    lost: AtomicBool,
}

#[async_trait]
impl Transport for Losing {
    async fn send(&self, call: &Call) -> Result<Reply, TransportError> {
        let reply = self.inner.send(call).await?;
        let copied = format!("copied_{}_id", self.of);
        let is_it = call.method == Method::Post && String::from_utf8_lossy(&reply.body).contains(&copied);
        if is_it && !self.lost.swap(true, Ordering::Relaxed) {
            return Err(TransportError::NoAnswer { host: "test".into(), reason: "the answer was lost".into() });
        }
        Ok(reply)
    }
}

/// A way on which a process dies: at its n-th write, before or after the write arrives.
struct Dying {
    inner: HttpTransport,
    writes: AtomicUsize,
    at: usize,
    arrives: bool,
    died: Arc<tokio::sync::Notify>,
}

#[async_trait]
impl Transport for Dying {
    async fn send(&self, call: &Call) -> Result<Reply, TransportError> {
        let is_last = call.method == Method::Post && self.writes.fetch_add(1, Ordering::Relaxed) + 1 == self.at;
        if !is_last {
            return self.inner.send(call).await;
        }
        if self.arrives {
            self.inner.send(call).await?;
        }
        self.died.notify_one();
        std::future::pending().await
    }
}

type Instead = dyn Fn(&Call) -> Option<Value> + Send + Sync;
type Alter = dyn Fn(&Call, &mut Value) + Send + Sync;

/// A way that answers some calls itself and changes the answers of others.
struct Altering {
    inner: HttpTransport,
    instead: Box<Instead>,
    alter: Box<Alter>,
}

#[async_trait]
impl Transport for Altering {
    async fn send(&self, call: &Call) -> Result<Reply, TransportError> {
        if let Some(body) = (self.instead)(call) {
            return Ok(Reply { status: 400, headers: Vec::new(), body: body.to_string().into_bytes() });
        }
        let mut reply = self.inner.send(call).await?;
        if let Ok(mut body) = serde_json::from_slice(&reply.body) {
            (self.alter)(call, &mut body);
            reply.body = body.to_string().into_bytes();
        }
        Ok(reply)
    }
}

/// A simulated account with Dean on it.
pub struct TestAccount {
    /// The server.
    pub server: Server,
    /// The client.
    pub client: Client,
    /// The store.
    pub store: SqliteStore,
    /// The clock, which stands where the world's does.
    pub clock: Clock,
    /// The configuration.
    pub effective: Effective,
    /// Where the configuration comes from.
    pub sources: Sources,
    /// The policies.
    pub policies: Vec<StagePolicy>,
    /// The models; the shipped ones.
    pub models: Models,
    /// Where the store lies.
    pub folder: TempDir,
    recent: Recent,
    died: Arc<tokio::sync::Notify>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn prepared(effective: &Effective) -> anyhow::Result<Vec<StagePolicy>> {
    Ok(policies::prepare(effective, registry(), &Shelf::default(), Path::new("."), &models().columns())?)
}

impl Drop for TestAccount {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl TestAccount {
    /// An account of a seed, with settings laid over the defaults.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn new(seed: u64, params: Params, settings: &[(&str, Value)]) -> anyhow::Result<Self> {
        let world = World::new(seed, params);
        let clock = Clock::simulated(Timestamp::from_second(world.now())?);
        let id = |stage| json!(world.campaign(stage).to_string());
        let mut flags = vec![
            ("account.id", json!(world.account().to_string())),
            ("ids.testing_campaign_id", id(Stage::Testing)),
            ("ids.validation_campaign_id", id(Stage::Validation)),
            ("ids.scaling_campaign_id", id(Stage::Scaling)),
            ("stages.validation.daily_cap", json!(5_000.0 * world.params().price_level)),
        ];
        flags.extend(settings.iter().cloned());
        let account = world.account().to_string();
        let sources = Sources {
            environment: Environment::default(),
            flags: flags.into_iter().map(|(key, value)| (key.to_string(), value, "test")).collect(),
            ..Sources::default()
        };
        let effective = config::load(&sources)?;
        let policies = prepared(&effective)?;
        let credentials = dean_sim::Credentials { token: TOKEN.into(), app_secret: SECRET.into() };
        let mut graph = Graph::new(world, "v26.0", credentials);
        let time = clock.clone();
        graph.set_time(Arc::new(move || time.now().as_second() as f64));
        let (server, serving) = dean_sim::serve(graph, 0).await?;
        let serving = tokio::spawn(serving);
        let transport = HttpTransport::new(&server.url()).map_err(anyhow::Error::msg)?;
        let client = client(Arc::new(transport), &clock, &account);
        let folder = TempDir::new()?;
        let store = SqliteStore::open(folder.path())?;
        let recent = Recent::default();
        let died = Arc::default();
        let models = models().clone();
        Ok(TestAccount {
            server,
            client,
            store,
            clock,
            effective,
            sources,
            policies,
            models,
            folder,
            recent,
            died,
            serving,
        })
    }

    /// The policies under other settings.
    ///
    /// # Errors
    /// When they do not accept them.
    pub fn policies_with(&self, settings: &[(&str, Value)]) -> anyhow::Result<Vec<StagePolicy>> {
        let mut sources = self.sources.clone();
        sources.flags.extend(settings.iter().map(|(key, value)| (key.to_string(), value.clone(), "test")));
        prepared(&config::load(&sources)?)
    }

    /// Takes a policy into the store.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn install(&self, artifact: &Artifact) -> anyhow::Result<()> {
        let now = self.clock.now();
        policies::install(&self.store, registry(), &self.effective, artifact, None, now).await?;
        Ok(())
    }

    /// Puts an installed policy on trial in the testing stage.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_on_trial(&self, named: (&str, &str), share: f64) -> anyhow::Result<Begun> {
        let (client, stage) = (None, Some("testing"));
        let trying = Trying { named, share, keeps_share: false, client, stage, now: self.clock.now() };
        policies::put_on_trial(&self.store, registry(), &self.sources, trying).await
    }

    /// The same account with the policies that the store says, as a process finds them before each run.
    ///
    /// # Errors
    /// When they do not fit the settings.
    pub async fn with_stored_policies(mut self) -> anyhow::Result<Self> {
        let shelf = Shelf::load(&self.store, &self.effective, Path::new(".")).await?;
        let columns = models().columns();
        self.policies = policies::prepare(&self.effective, registry(), &shelf, Path::new("."), &columns)?;
        Ok(self)
    }

    /// One run.
    ///
    /// # Errors
    /// Those of the run.
    pub async fn run(&self, options: &Options) -> anyhow::Result<RunReport> {
        self.runner(&self.client, &self.store, &self.recent).run(options).await
    }

    /// One run of a process that may die: at the end of its life nothing more of it reaches account or store.
    ///
    /// # Errors
    /// Those of the run, death among them.
    pub async fn run_mortal(&self, life: &Arc<Life>, options: &Options) -> anyhow::Result<RunReport> {
        let inner = HttpTransport::new(&self.server.url()).map_err(anyhow::Error::msg)?;
        let transport = MortalTransport { inner: Box::new(inner), life: Arc::clone(life) };
        let client = client(Arc::new(transport), &self.clock, self.client.account_id());
        let store = MortalStore { inner: &self.store, life: Arc::clone(life) };
        self.runner(&client, &store, &Recent::default()).run(options).await
    }

    /// Does a plan.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn apply(&self, plan: &Plan) -> anyhow::Result<Applied> {
        self.runner(&self.client, &self.store, &self.recent).apply(plan).await
    }

    /// Puts creatives into the queue.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn queue(&self, creatives: &[CreativeSpec]) -> anyhow::Result<()> {
        let now = self.clock.now();
        let account = self.client.account_id();
        let row = |(i, spec): (usize, &CreativeSpec)| QueueRow::waiting(format!("q{i}"), account, spec, now, i);
        let rows: Vec<QueueRow> = creatives.iter().enumerate().map(row).collect();
        Ok(self.store.save_queue(&rows).await?)
    }

    /// Puts a run back.
    ///
    /// # Errors
    /// When it cannot be.
    pub async fn undo(&self, run: &str) -> anyhow::Result<Applied> {
        self.runner(&self.client, &self.store, &self.recent).undo(run).await
    }

    fn runner<'a>(&'a self, client: &'a Client, store: &'a dyn Store, recent: &'a Recent) -> Runner<'a> {
        Runner {
            client,
            store,
            clock: &self.clock,
            effective: &self.effective,
            policies: &self.policies,
            models: &self.models,
            data_dir: self.folder.path(),
            progress: &|_| {},
            recent,
        }
    }

    /// Lets hours pass, in the world and on the clock.
    pub fn advance(&self, hours: u32) {
        let mut graph = self.server.graph();
        (0..hours).for_each(|_| graph.world_mut().advance());
        self.clock.set(Timestamp::from_second(graph.world().now()).unwrap_or_default());
    }

    /// The same account as another process would find it: the store opened anew, nothing in memory.
    ///
    /// # Errors
    /// When the store does not open.
    pub fn reopen(mut self) -> anyhow::Result<Self> {
        self.store = SqliteStore::open(self.folder.path())?;
        self.recent = Recent::default();
        Ok(self)
    }

    /// The account with a client that loses the first answer to a copy of an `adset` or `ad`, after
    /// the copy was made.
    ///
    /// # Panics
    /// When the server's address is none.
    #[must_use]
    pub fn losing_the_answer_of_a_copy(mut self, of: &'static str) -> Self {
        let inner = HttpTransport::new(&self.server.url()).unwrap_or_else(|reason| panic!("{reason}"));
        let transport = Losing { inner, of, lost: AtomicBool::new(false) };
        self.client = client(Arc::new(transport), &self.clock, self.client.account_id());
        self
    }

    /// The account with a client whose answers are changed on their way.
    ///
    /// # Panics
    /// When the server's address is none.
    #[must_use]
    pub fn altering(self, alter: impl Fn(&Call, &mut Value) + Send + Sync + 'static) -> Self {
        self.on_the_way(Box::new(|_| None), Box::new(alter))
    }

    /// The account with a client some of whose calls never arrive: they are refused with an error of Meta's
    /// form.
    ///
    /// # Panics
    /// When the server's address is none.
    #[must_use]
    pub fn refusing(self, refuse: impl Fn(&Call) -> Option<Value> + Send + Sync + 'static) -> Self {
        self.on_the_way(Box::new(refuse), Box::new(|_, _| {}))
    }

    /// The account with a process that dies at its n-th write: see [`TestAccount::run_or_die`].
    ///
    /// # Panics
    /// When the server's address is none.
    #[must_use]
    pub fn dying_at_write(mut self, at: usize, arrives: bool) -> Self {
        let inner = HttpTransport::new(&self.server.url()).unwrap_or_else(|reason| panic!("{reason}"));
        let died = Arc::clone(&self.died);
        let transport = Dying { inner, writes: AtomicUsize::new(0), at, arrives, died };
        self.client = client(Arc::new(transport), &self.clock, self.client.account_id());
        self
    }

    /// One run, or true when the process died in it: nothing after that point happened.
    ///
    /// # Panics
    /// When the run fails.
    pub async fn run_or_die(&self, options: &Options) -> bool {
        tokio::select! {
            done = self.run(options) => {
                done.unwrap_or_else(|error| panic!("{error:#}"));
                false
            }
            () = self.died.notified() => true,
        }
    }

    /// A client whose calls all arrive.
    ///
    /// # Panics
    /// When the server's address is none.
    #[must_use]
    pub fn plain_client(&self) -> Client {
        let transport = HttpTransport::new(&self.server.url()).unwrap_or_else(|reason| panic!("{reason}"));
        client(Arc::new(transport), &self.clock, self.client.account_id())
    }

    fn on_the_way(mut self, instead: Box<Instead>, alter: Box<Alter>) -> Self {
        let inner = HttpTransport::new(&self.server.url()).unwrap_or_else(|reason| panic!("{reason}"));
        let transport = Altering { inner, instead, alter };
        self.client = client(Arc::new(transport), &self.clock, self.client.account_id());
        self
    }

    /// Ad sets and ads of the account.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        self.server.graph().world().sizes()
    }

    /// Gives the account another token, and the client too.
    ///
    /// # Panics
    /// When the server's address is none.
    pub fn renew_token(&mut self) {
        let token = "another-token";
        self.server.graph().set_token(token);
        let transport = HttpTransport::new(&self.server.url()).unwrap_or_else(|reason| panic!("{reason}"));
        let credentials = Credentials { token: SecretString::from(token), app_secret: None };
        let id = self.client.account_id().to_string();
        self.client = Client::new(Arc::new(transport), self.clock.clone(), "v26.0", &id, credentials);
    }

    /// Sets a daily budget as somebody would in Ads Manager, minor units.
    pub fn set_daily_budget(&self, owner: &str, minor: i64) {
        self.post(owner, "daily_budget", minor.to_string());
    }

    /// Sets a status as somebody would in Ads Manager.
    pub fn set_status(&self, id: &str, status: &str) {
        self.post(id, "status", status.to_string());
    }

    fn post(&self, id: &str, name: &str, value: String) {
        let parameters = vec![(name.into(), value), ("access_token".into(), TOKEN.into())];
        let (method, path) = (dean_sim::Method::Post, id.to_string());
        self.server.graph().handle(&dean_sim::Request { method, path, parameters, base: String::new() });
    }

    /// What Meta makes of an ad.
    pub fn effective_status(&self, ad: &str) -> String {
        let request = dean_sim::Request {
            method: dean_sim::Method::Get,
            path: ad.into(),
            parameters: vec![("fields".into(), "effective_status".into()), ("access_token".into(), TOKEN.into())],
            base: String::new(),
        };
        let response = self.server.graph().handle(&request);
        let value: Value = serde_json::from_str(&response.body).unwrap_or_default();
        value["effective_status"].as_str().unwrap_or_default().to_string()
    }
}
