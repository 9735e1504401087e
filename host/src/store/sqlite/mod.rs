//! SQLite behind the store: one file, write-ahead log, migrations, a newer schema refused.

mod ghost;
mod health;
mod ledger;
mod limits;
mod metrics;
mod models;
mod policies;
mod queue;
mod read;
mod runs;
mod tables;

use super::policies::{PolicyCallsRow, PolicyRow, PolicySwitchRow, PolicyTrialRow, PolicyUseRow};
use super::queue::QueueRow;
use super::rows::{
    ActionRow, ApprovalRow, ArtifactRow, GhostIntentRow, JournalRow, JournalledRun, LifecycleRow, ModelRow, OrderRow,
    PlanRow, PolicyFaultRow, PromotionRow, RunRow, StageModeRow, SwitchRow,
};
use super::tables::{Cell, Table};
use super::{AccountLock, Store, StoreError};
use crate::domain::{ApiLimit, DayFacts, DayLook, Lifetime, Money, Unusable, Vitals};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{M, Migrations};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../migrations/0001_first.sql")),
    M::up(include_str!("../migrations/0002_three_stages.sql")),
    M::up(include_str!("../migrations/0003_tables.sql")),
    M::up(include_str!("../migrations/0004_learned.sql")),
    M::up(include_str!("../migrations/0005_models.sql")),
    M::up(include_str!("../migrations/0006_model_registry.sql")),
    M::up(include_str!("../migrations/0007_limits.sql")),
    M::up(include_str!("../migrations/0008_plans.sql")),
    M::up(include_str!("../migrations/0009_health.sql")),
    M::up(include_str!("../migrations/0010_ghost.sql")),
    M::up(include_str!("../migrations/0011_queue.sql")),
    M::up(include_str!("../migrations/0012_policies.sql")),
    M::up(include_str!("../migrations/0013_policy_trials.sql")),
    M::up(include_str!("../migrations/0014_policy_calls.sql")),
    M::up(include_str!("../migrations/0015_trials_steered.sql")),
    M::up(include_str!("../migrations/0016_policy_signatures.sql")),
];

/// Another process writes for milliseconds; longer than this it hangs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Mutex<Connection>,
    file: PathBuf,
    locks: Option<PathBuf>,
}

impl SqliteStore {
    /// Opens `dean.sqlite` in a folder, made if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// When the folder cannot be used, the file is damaged, or a newer program wrote it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|source| StoreError::File { path: folder.to_path_buf(), source })?;
        let file = folder.join("dean.sqlite");
        let connection = Connection::open(&file).map_err(|e| damaged(&file, &e))?;
        Self::prepare(connection, file, Some(folder.to_path_buf()))
    }

    /// A store in memory, for simulations and tests.
    ///
    /// # Errors
    /// When SQLite cannot start.
    pub fn in_memory() -> Result<Self, StoreError> {
        let file = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(|e| damaged(&file, &e))?;
        Self::prepare(connection, file, None)
    }

    fn prepare(mut connection: Connection, file: PathBuf, locks: Option<PathBuf>) -> Result<Self, StoreError> {
        let usable = |connection: &Connection| -> rusqlite::Result<i64> {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // A row of the ledger has to be on the disk before its write is sent: one that a power cut
            // took along could not be reconciled. A run makes few commits.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        };
        let found = usable(&connection).map_err(|e| damaged(&file, &e))?;
        let known = MIGRATIONS.len() as i64;
        if found > known {
            return Err(StoreError::Newer { file, found, known });
        }
        Migrations::from_slice(MIGRATIONS)
            .to_latest(&mut connection)
            .map_err(|error| StoreError::Damaged { file: file.clone(), reason: error.to_string() })?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(SqliteStore { connection: Mutex::new(connection), file, locks })
    }

    /// The database file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs statements in one transaction: all of them happen or none.
    fn write<T>(
        &self,
        what: &'static str,
        statements: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let run = || {
            let transaction = connection.transaction()?;
            let answer = statements(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        };
        run().map_err(|error| self.failed(what, &error))
    }

    fn read<T>(
        &self,
        what: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        query(&self.connection()).map_err(|error| self.failed(what, &error))
    }

    fn failed(&self, what: &'static str, error: &rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(&self.file, error),
            _ => StoreError::Database { what, reason: error.to_string() },
        }
    }
}

fn damaged(file: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Damaged { file: file.to_path_buf(), reason: error.to_string() }
}

#[async_trait]
impl Store for SqliteStore {
    async fn accounts(&self) -> Result<Vec<String>, StoreError> {
        self.read("reading accounts", runs::accounts)
    }

    async fn lock_account(&self, account: &str) -> Result<AccountLock, StoreError> {
        // A store in memory belongs to one process anyway.
        let Some(folder) = &self.locks else { return Ok(AccountLock { _file: None }) };
        let path = folder.join(format!("{account}.lock"));
        let failed = |source| StoreError::File { path: path.clone(), source };
        let mut options = File::options();
        let mut file = options.create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's name is a help, not a need.
                let _ = file.read_to_string(&mut holder);
                return Err(StoreError::Locked { account: account.into(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut name = || {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "process {}", std::process::id())
        };
        name().map_err(failed)?;
        Ok(AccountLock { _file: Some(file) })
    }

    async fn save_days(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        days: &[DayFacts],
    ) -> Result<(), StoreError> {
        self.write("saving days", |connection| metrics::save_days(connection, account, attribution, at, days))
    }

    async fn days_since(&self, account: &str, attribution: &str, from: Date) -> Result<Vec<DayFacts>, StoreError> {
        self.read("reading days", |connection| metrics::days_since(connection, account, attribution, from))
    }

    async fn last_history(&self, account: &str, attribution: &str) -> Result<Option<Timestamp>, StoreError> {
        self.read("reading when history was read", |connection| metrics::last_history(connection, account, attribution))
    }

    async fn save_lifetimes(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        lifetimes: &[Lifetime],
    ) -> Result<(), StoreError> {
        self.write("saving lifetimes", |connection| {
            metrics::save_lifetimes(connection, account, attribution, at, lifetimes)
        })
    }

    async fn lifetimes(&self, account: &str, attribution: &str) -> Result<Vec<Lifetime>, StoreError> {
        self.read("reading lifetimes", |connection| metrics::lifetimes(connection, account, attribution))
    }

    async fn save_unusable(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        days: Option<(Date, Date)>,
        rows: &[Unusable],
    ) -> Result<(), StoreError> {
        self.write("saving unusable rows", |connection| {
            metrics::save_unusable(connection, account, attribution, at, days, rows)
        })
    }

    async fn unusable(&self, account: &str, attribution: &str, from: Date) -> Result<Vec<Unusable>, StoreError> {
        self.read("reading unusable rows", |connection| metrics::unusable(connection, account, attribution, from))
    }

    async fn save_morning_budgets(
        &self,
        account: &str,
        date: Date,
        budgets: &BTreeMap<String, Money>,
    ) -> Result<(), StoreError> {
        self.write("saving the morning's budgets", |connection| {
            metrics::save_morning_budgets(connection, account, date, budgets)
        })
    }

    async fn morning_budgets(&self, account: &str, date: Date) -> Result<BTreeMap<String, Money>, StoreError> {
        self.read("reading the morning's budgets", |connection| metrics::morning_budgets(connection, account, date))
    }

    async fn save_looks(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        looks: &[DayLook],
    ) -> Result<(), StoreError> {
        self.write("saving account days", |connection| metrics::save_looks(connection, account, attribution, at, looks))
    }

    async fn looks(&self, account: &str, attribution: &str, from: Date) -> Result<Vec<DayLook>, StoreError> {
        self.read("reading account days", |connection| metrics::looks(connection, account, attribution, from))
    }

    async fn policy_faults(&self, account: &str) -> Result<Vec<PolicyFaultRow>, StoreError> {
        self.read("reading failures of policies", |connection| runs::policy_faults(connection, account))
    }

    async fn save_policy_fault(&self, row: &PolicyFaultRow) -> Result<(), StoreError> {
        self.write("saving a failure of a policy", |connection| runs::save_policy_fault(connection, row))
    }

    async fn clear_policy_fault(&self, account: &str, stage: &str) -> Result<(), StoreError> {
        self.write("forgetting failures of a policy", |connection| runs::clear_policy_fault(connection, account, stage))
    }

    async fn upsert(&self, table: &'static Table, rows: &[Vec<Cell>]) -> Result<(), StoreError> {
        self.write("saving a table", |connection| tables::upsert(connection, table, rows))
    }

    async fn rows(&self, table: &'static Table, account: &str) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.read("reading a table", |connection| tables::rows(connection, table, account))
    }

    async fn lifecycle(&self, account: &str) -> Result<Vec<LifecycleRow>, StoreError> {
        self.read("reading lives of ads", |connection| ledger::lifecycle(connection, account))
    }

    async fn save_lifecycle(&self, rows: &[LifecycleRow]) -> Result<(), StoreError> {
        self.write("saving lives of ads", |connection| ledger::save_lifecycle(connection, rows))
    }

    async fn save_run(&self, run: &RunRow) -> Result<(), StoreError> {
        self.write("saving a run", |connection| runs::save_run(connection, run))
    }

    async fn run(&self, id: &str) -> Result<Option<RunRow>, StoreError> {
        self.read("reading a run", |connection| runs::run(connection, id))
    }

    async fn runs(&self, account: &str, most: u32) -> Result<Vec<RunRow>, StoreError> {
        self.read("reading runs", |connection| runs::runs(connection, account, most))
    }

    async fn save_actions(&self, actions: &[ActionRow]) -> Result<(), StoreError> {
        self.write("saving actions", |connection| ledger::save_actions(connection, actions))
    }

    async fn action(&self, id: &str) -> Result<Option<ActionRow>, StoreError> {
        self.read("reading an action", |connection| ledger::action(connection, id))
    }

    async fn actions_since(&self, account: &str, since: Timestamp) -> Result<Vec<ActionRow>, StoreError> {
        self.read("reading actions", |connection| ledger::actions_since(connection, account, since))
    }

    async fn last_actions_before(&self, account: &str, before: Timestamp) -> Result<Vec<ActionRow>, StoreError> {
        self.read("reading earlier actions", |connection| ledger::last_actions_before(connection, account, before))
    }

    async fn open_actions(&self, account: &str) -> Result<Vec<ActionRow>, StoreError> {
        self.read("reading open actions", |connection| ledger::open_actions(connection, account))
    }

    async fn actions_of(&self, run: &str) -> Result<Vec<ActionRow>, StoreError> {
        self.read("reading actions of a run", |connection| ledger::actions_of(connection, run))
    }

    async fn save_promotions(&self, promotions: &[PromotionRow]) -> Result<(), StoreError> {
        self.write("saving promotions", |connection| ledger::save_promotions(connection, promotions))
    }

    async fn promotions(&self, account: &str) -> Result<Vec<PromotionRow>, StoreError> {
        self.read("reading promotions", |connection| ledger::promotions(connection, account))
    }

    async fn save_artifact(&self, artifact: &ArtifactRow) -> Result<(), StoreError> {
        self.write("saving a policy", |connection| runs::save_artifact(connection, artifact))
    }

    async fn artifact(&self, digest: &str) -> Result<Option<ArtifactRow>, StoreError> {
        self.read("reading a policy", |connection| runs::artifact(connection, digest))
    }

    async fn save_plan(&self, plan: &PlanRow) -> Result<(), StoreError> {
        self.write("saving a plan", |connection| runs::save_plan(connection, plan))
    }

    async fn plan(&self, run: &str) -> Result<Option<PlanRow>, StoreError> {
        self.read("reading a plan", |connection| runs::plan(connection, run))
    }

    async fn save_limits(&self, account: &str, limits: &[ApiLimit]) -> Result<(), StoreError> {
        self.write("saving Meta's limits", |connection| limits::save(connection, account, limits))
    }

    async fn limits(&self, account: &str) -> Result<Vec<ApiLimit>, StoreError> {
        self.read("reading Meta's limits", |connection| limits::limits(connection, account))
    }

    async fn save_vitals(&self, account: &str, at: Timestamp, vitals: &Vitals) -> Result<(), StoreError> {
        self.write("saving the account's health", |connection| health::save_vitals(connection, account, at, vitals))
    }

    async fn vitals(&self, account: &str) -> Result<Option<(Timestamp, Vitals)>, StoreError> {
        self.read("reading the account's health", |connection| health::vitals(connection, account))
    }

    async fn save_orders(&self, account: &str, orders: &[OrderRow]) -> Result<(), StoreError> {
        self.write("saving orders", |connection| health::save_orders(connection, account, orders))
    }

    async fn orders_since(&self, account: &str, since: Timestamp) -> Result<Vec<OrderRow>, StoreError> {
        self.read("reading orders", |connection| health::orders_since(connection, account, since))
    }

    async fn ask_approvals(&self, asked: &[ApprovalRow]) -> Result<(), StoreError> {
        self.write("saving what is to be approved", |connection| health::ask_approvals(connection, asked))
    }

    async fn approvals(&self, account: &str) -> Result<Vec<ApprovalRow>, StoreError> {
        self.read("reading what is to be approved", |connection| health::approvals(connection, account))
    }

    async fn approve(&self, question: &ApprovalRow, at: Timestamp) -> Result<bool, StoreError> {
        self.write("approving", |connection| health::approve(connection, question, at))
    }

    async fn stage_modes(&self, account: &str) -> Result<Vec<StageModeRow>, StoreError> {
        self.read("reading modes of stages", |connection| ghost::stage_modes(connection, account))
    }

    async fn save_stage_mode(&self, row: &StageModeRow) -> Result<(), StoreError> {
        self.write("saving a stage's mode", |connection| ghost::save_stage_mode(connection, row))
    }

    async fn save_ghost_intents(&self, rows: &[GhostIntentRow]) -> Result<(), StoreError> {
        self.write("saving intents", |connection| ghost::save_intents(connection, rows))
    }

    async fn ghost_intents(&self, account: &str) -> Result<Vec<GhostIntentRow>, StoreError> {
        self.read("reading intents", |connection| ghost::intents(connection, account))
    }

    async fn save_queue(&self, rows: &[QueueRow]) -> Result<(), StoreError> {
        self.write("saving the queue", |connection| queue::save(connection, rows))
    }

    async fn queue(&self, account: &str) -> Result<Vec<QueueRow>, StoreError> {
        self.read("reading the queue", |connection| queue::queue(connection, account))
    }

    async fn save_policy(&self, policy: &PolicyRow) -> Result<String, StoreError> {
        self.write("installing a policy", |connection| policies::save(connection, policy))
    }

    async fn policies(&self) -> Result<Vec<PolicyRow>, StoreError> {
        self.read("reading policies", policies::policies)
    }

    async fn save_policy_signature(&self, digest: &str, signature: &str) -> Result<(), StoreError> {
        self.write("keeping a signature", |connection| policies::save_signature(connection, digest, signature))
    }

    async fn policy_signatures(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read("reading signatures", policies::signatures)
    }

    async fn switch_policies(&self, switches: &[PolicySwitchRow], trials: &[PolicyTrialRow]) -> Result<(), StoreError> {
        self.write("switching a policy", |connection| {
            policies::switch(connection, switches)?;
            policies::save_trials(connection, trials)
        })
    }

    async fn withdraw_policy_switches(&self, switches: &[PolicySwitchRow], at: Timestamp) -> Result<bool, StoreError> {
        self.write("taking a policy back", |connection| policies::withdraw(connection, switches, at))
    }

    async fn policy_switches(&self) -> Result<Vec<PolicySwitchRow>, StoreError> {
        self.read("reading which policies decide", policies::switches)
    }

    async fn save_policy_uses(&self, rows: &[PolicyUseRow]) -> Result<(), StoreError> {
        self.write("saving which policy decided", |connection| policies::save_uses(connection, rows))
    }

    async fn policy_uses(&self, client: &str) -> Result<Vec<PolicyUseRow>, StoreError> {
        self.read("reading which policy decided", |connection| policies::uses(connection, client))
    }

    async fn save_policy_trials(&self, rows: &[PolicyTrialRow]) -> Result<(), StoreError> {
        self.write("saving which policy is on trial", |connection| policies::save_trials(connection, rows))
    }

    async fn policy_trials(&self) -> Result<Vec<PolicyTrialRow>, StoreError> {
        self.read("reading which policies are on trial", policies::trials)
    }

    async fn add_policy_calls(&self, rows: &[PolicyCallsRow]) -> Result<(), StoreError> {
        self.write("saving what policies cost", |connection| policies::add_calls(connection, rows))
    }

    async fn policy_calls(&self, account: &str, from: Date) -> Result<Vec<PolicyCallsRow>, StoreError> {
        self.read("reading what policies cost", |connection| policies::calls(connection, account, from))
    }

    async fn save_model(&self, model: &ModelRow) -> Result<(), StoreError> {
        self.write("saving a model", |connection| models::save(connection, model))
    }

    async fn model(&self, model: &str, version: &str) -> Result<Option<ModelRow>, StoreError> {
        self.read("reading a model", |connection| models::model(connection, model, version))
    }

    async fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
        self.read("reading models", models::models)
    }

    async fn switch_model(&self, client: &str, model: &str, version: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write("switching a model", |connection| models::switch(connection, client, model, version, at))
    }

    async fn withdraw_model_switch(&self, client: &str, model: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write("switching a model back", |connection| models::withdraw(connection, client, model, at))
    }

    async fn model_switches(&self) -> Result<Vec<SwitchRow>, StoreError> {
        self.read("reading the switches of models", models::switches)
    }

    async fn save_journal(&self, rows: &[JournalRow]) -> Result<(), StoreError> {
        self.write("saving the journal", |connection| runs::save_journal(connection, rows))
    }

    async fn journal(&self, run: &str, stage: &str) -> Result<Option<JournalRow>, StoreError> {
        self.read("reading the journal", |connection| runs::journal(connection, run, stage))
    }

    async fn journalled_runs(
        &self,
        account: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<JournalledRun>, StoreError> {
        self.read("reading what was journalled", |connection| runs::journalled_runs(connection, account, since, until))
    }

    async fn journal_of(&self, run: &str) -> Result<Vec<JournalRow>, StoreError> {
        self.read("reading the journal of a run", |connection| runs::journal_of(connection, run))
    }

    async fn journal_stages(&self, run: &str) -> Result<Vec<String>, StoreError> {
        self.read("reading the journal's stages", |connection| runs::journal_stages(connection, run))
    }
}
