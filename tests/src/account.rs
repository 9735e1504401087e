//! A simulated account behind HTTP, with a store in a folder of its own and Dean to run on it.

use dean::config::{self, Effective, Environment, Sources};
use dean::domain::Clock;
use dean::meta::{Client, Credentials, HttpTransport};
use dean::pipeline::{self, Options, Recent, RunReport, Runner, StagePolicy};
use dean::store::SqliteStore;
use dean_policy::{Limits, Registry, Runtime};
use dean_sim::{Graph, Params, Server, Stage, World};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::Path;
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
    /// The policies.
    pub policies: Vec<StagePolicy>,
    /// Where the store lies.
    pub folder: TempDir,
    recent: Recent,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
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
        let policies = pipeline::prepare(&effective, registry(), Path::new("."))?;
        let credentials = dean_sim::Credentials { token: TOKEN.into(), app_secret: SECRET.into() };
        let (server, serving) = dean_sim::serve(Graph::new(world, "v26.0", credentials), 0).await?;
        let serving = tokio::spawn(serving);
        let transport = HttpTransport::new(&server.url()).map_err(anyhow::Error::msg)?;
        let credentials =
            Credentials { token: SecretString::from(TOKEN), app_secret: Some(SecretString::from(SECRET)) };
        let client = Client::new(Arc::new(transport), clock.clone(), "v26.0", &account, credentials);
        let folder = TempDir::new()?;
        let store = SqliteStore::open(folder.path())?;
        let recent = Recent::default();
        Ok(TestAccount { server, client, store, clock, effective, policies, folder, recent, serving })
    }

    /// One run.
    ///
    /// # Errors
    /// Those of the run.
    pub async fn run(&self, options: &Options) -> anyhow::Result<RunReport> {
        let runner = Runner {
            client: &self.client,
            store: &self.store,
            clock: &self.clock,
            effective: &self.effective,
            policies: &self.policies,
            data_dir: self.folder.path(),
            progress: &|_| {},
            recent: &self.recent,
        };
        runner.run(options).await
    }

    /// Lets hours pass, in the world and on the clock.
    pub fn advance(&self, hours: u32) {
        let mut graph = self.server.graph();
        (0..hours).for_each(|_| graph.world_mut().advance());
        self.clock.set(Timestamp::from_second(graph.world().now()).unwrap_or_default());
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
