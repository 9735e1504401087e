//! What most commands need, made from the global options: configuration, store, policies, client.

use super::Global;
use super::output::Usage;
use crate::config::{self, Effective, Environment, Sources};
use crate::domain::{Clock, Currency};
use crate::import::Frame;
use crate::meta::{Client, Credentials, HttpTransport, PlayingTransport, Transport};
use crate::pipeline::RunReport;
use crate::policies::{self, Shelf, StagePolicy};
use crate::scoring::{self, Models};
use crate::store::{SqliteStore, Store};
use dean_policy::{Limits, Registry, Runtime};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Runs that are looked through for one that ended.
const RUNS_SEARCHED: u32 = 100;

/// The effective configuration and where things lie.
pub(super) struct Context {
    pub effective: Effective,
    pub sources: Sources,
    pub folder: PathBuf,
    pub data_dir: PathBuf,
}

impl Context {
    /// Loads the configuration.
    pub(super) fn load(global: &Global) -> anyhow::Result<Self> {
        let named = global.config != Path::new("config");
        if named && !global.config.is_dir() {
            let message = format!("--config {}: there is no such folder", global.config.display());
            return Err(Usage(message).into());
        }
        let environment = Environment::read(Path::new(".env"))?;
        let data_dir = data_dir(global, &environment);
        let sources = Sources {
            folder: global.config.clone(),
            profile: global.profile.clone(),
            client: global.client.clone(),
            environment,
            flags: Vec::new(),
        };
        Ok(Context { effective: config::load(&sources)?, sources, folder: global.config.clone(), data_dir })
    }

    /// A registry of policies with the configured limits and a cache in the data folder.
    pub(super) fn registry(&self) -> anyhow::Result<Registry> {
        let limits = &self.effective.config.limits;
        let limits = Limits {
            deadline: Duration::from_millis(limits.deadline_ms),
            memory_bytes: (limits.memory_mib as usize) << 20,
            instructions: limits.million_instructions * 1_000_000,
            ..Limits::default()
        };
        Ok(Registry::new(Runtime::new(limits, Some(&self.data_dir.join("cache")))?))
    }

    /// The client's models, unless they are switched off.
    pub(super) async fn models(&self, store: &dyn Store) -> anyhow::Result<Models> {
        if !self.effective.config.ml.mode {
            return Ok(Models::none());
        }
        Ok(scoring::models_of(store, &self.effective.client).await?)
    }

    /// The columns that the client's models fill; those of the shipped ones where nothing is stored yet.
    pub(super) async fn scores(&self) -> anyhow::Result<BTreeSet<String>> {
        if !self.data_dir.join("dean.sqlite").exists() {
            return Ok(scoring::shipped_columns().clone());
        }
        Ok(scoring::columns_for(&self.store()?, &self.effective.client).await?)
    }

    /// What there is to choose policies from; what is shipped where nothing is stored yet.
    pub(super) async fn shelf(&self) -> anyhow::Result<Shelf> {
        if !self.data_dir.join("dean.sqlite").exists() {
            return Ok(Shelf::nothing_installed(&self.effective, &self.folder));
        }
        Ok(Shelf::load(&self.store()?, &self.effective, &self.folder).await?)
    }

    /// The policies of the client's stages, which may use the columns that models fill.
    pub(super) async fn policies(
        &self,
        registry: &Registry,
        scores: &BTreeSet<String>,
    ) -> anyhow::Result<Vec<StagePolicy>> {
        Ok(policies::prepare(&self.effective, registry, &self.shelf().await?, &self.folder, scores)?)
    }

    /// The store.
    pub(super) fn store(&self) -> anyhow::Result<SqliteStore> {
        Ok(SqliteStore::open(&self.data_dir)?)
    }

    /// A client of the configured account.
    pub(super) fn client(&self, clock: &Clock) -> anyhow::Result<Client> {
        self.client_by(self.transport()?, clock)
    }

    /// The way to the configured server.
    pub(super) fn transport(&self) -> anyhow::Result<Arc<dyn Transport>> {
        let url = &self.effective.config.api.url;
        let transport = HttpTransport::new(url).map_err(|reason| Usage(format!("api.url: {reason}")))?;
        Ok(Arc::new(transport))
    }

    /// A client of the configured account by some way.
    pub(super) fn client_by(&self, transport: Arc<dyn Transport>, clock: &Clock) -> anyhow::Result<Client> {
        let account = self.effective.account_id()?;
        let secrets = &self.effective.secrets;
        let credentials = Credentials { token: secrets.access_token()?, app_secret: secrets.app_secret.clone() };
        Ok(Client::new(transport, clock.clone(), &self.effective.config.api.version, account, credentials))
    }

    /// A client of a recording, and the clock that stands at its moment. It needs no token.
    pub(super) fn playing(&self, folder: &Path) -> anyhow::Result<(Client, Clock)> {
        let playing = PlayingTransport::load(folder)?;
        let head = playing.head().clone();
        let clock = Clock::simulated(head.at);
        let credentials = Credentials { token: SecretString::from("recorded"), app_secret: None };
        Ok((Client::new(Arc::new(playing), clock.clone(), &head.api_version, &head.account, credentials), clock))
    }

    /// Who asks registries of containers.
    pub(super) fn login(&self) -> policies::Login {
        let of = |name: &str| self.sources.environment.get(name).filter(|text| !text.is_empty()).map(String::from);
        let (host, user) = (of("DEAN_REGISTRY_HOST"), of("DEAN_REGISTRY_USER"));
        policies::Login { host, user, password: self.effective.secrets.registry_password.clone() }
    }

    /// Whether the server is on this machine, as simulations and recordings are.
    pub(super) fn is_simulated(&self) -> bool {
        let url = self.effective.config.api.url.as_str();
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
    }

    /// What amounts and days are meant in: as the last run that ended saw the account, else as Meta says now.
    pub(super) async fn frame(&self, store: &dyn Store, account: &str) -> anyhow::Result<Frame> {
        for run in store.runs(account, RUNS_SEARCHED).await? {
            let report = run.report.and_then(|bytes| RunReport::unpack(&bytes).ok());
            if let Some(report) = report
                && let Ok(zone) = TimeZone::get(&report.timezone)
            {
                return Ok(Frame { currency: Currency::new(&report.currency), zone });
            }
        }
        let account = self.client(&Clock::System)?.account().await?;
        Ok(Frame { currency: account.currency, zone: account.zone })
    }

    /// The account whose runs are looked at: the configured one, or the only one that the store knows.
    pub(super) async fn account_with_runs(&self, store: &dyn Store) -> anyhow::Result<String> {
        match (self.stored_account(), store.accounts().await?.as_slice()) {
            (Ok(account), _) => Ok(account),
            (Err(_), [only]) => Ok(only.clone()),
            (Err(error), _) => Err(error),
        }
    }

    /// The account of stored runs: the configured one with `act_`.
    pub(super) fn stored_account(&self) -> anyhow::Result<String> {
        let id = self.effective.account_id()?;
        Ok(format!("act_{}", id.trim().trim_start_matches("act_")))
    }
}

fn data_dir(global: &Global, environment: &Environment) -> PathBuf {
    let variable = || environment.get("DEAN_DATA_DIR").map(PathBuf::from);
    global.data_dir.clone().or_else(variable).unwrap_or_else(|| "data".into())
}

/// The clock: the machine's, or one that stands at `--now`.
pub(super) fn clock(now: Option<&str>) -> anyhow::Result<Clock> {
    let Some(text) = now else { return Ok(Clock::System) };
    let moment: Result<Timestamp, _> = text.parse();
    let wrong = || {
        Usage(format!(
            "--now {text} is no moment\n  hint: write it like 2026-06-01T12:00:00Z or 2026-06-01T12:00:00+02:00"
        ))
    };
    Ok(Clock::Standing(moment.map_err(|_| wrong())?))
}

/// The data folder without a configuration, for commands that need none.
pub(super) fn data_dir_only(global: &Global) -> anyhow::Result<PathBuf> {
    Ok(data_dir(global, &Environment::read(Path::new(".env"))?))
}
