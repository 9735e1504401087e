//! What Dean remembers: measured days, lives of ads, runs, the ledger, the journal, policies.
//!
//! [`Store`] is async and speaks in types that Postgres has too; SQLite stands behind it, one file
//! in the data folder. Every implementation passes the conformance suite in `tests/store.rs`.

mod policies;
mod queue;
mod rows;
mod sqlite;
pub mod tables;

pub use policies::{PolicyCallsRow, PolicyRow, PolicySwitchRow, PolicyTrialRow, PolicyUseRow};
pub use queue::{QueueRow, QueueState};
pub use rows::{
    ActionRow, ActionState, ApprovalRow, ArtifactRow, CopyKind, GhostIntentRow, JournalRow, JournalledRun,
    LifecycleRow, ModelRow, OrderRow, PlanRow, PolicyFaultRow, PromotionRow, PromotionState, RunRow, StageModeRow,
    SwitchRow,
};
pub use sqlite::SqliteStore;
pub use tables::{Cell, Table};

use crate::domain::{ApiLimit, DayFacts, DayLook, Lifetime, Money, Unusable, Vitals};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::path::PathBuf;
use thiserror::Error;

/// Why the store did not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database was written by a newer program.
    #[error("{} was written by a newer version of Dean (its schema is {found}, this program knows {known})\n  hint: use the newer program, or another --data-dir; nothing was changed", .file.display())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that is known.
        known: i64,
    },
    /// The file is damaged or no database.
    #[error("{} is no usable database: {reason}\n  hint: restore it from a backup, or move it away to begin anew; nothing was changed", .file.display())]
    Damaged {
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// Another process runs on the account.
    #[error(
        "another run is under way on {account} ({holder})\n  hint: wait for it to end; a lock of a process that died is free again by itself"
    )]
    Locked {
        /// The account.
        account: String,
        /// Who holds the lock.
        holder: String,
    },
    /// A file or folder cannot be used.
    #[error("{}: {source}\n  hint: check --data-dir and its permissions", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Anything else that the database said.
    #[error("the database failed at {what}: {reason}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// What it said.
        reason: String,
    },
}

/// Holds an account for one process; dropped, or when the process ends, the account is free.
#[derive(Debug)]
pub struct AccountLock {
    _file: Option<std::fs::File>,
}

/// What Dean remembers.
#[async_trait]
pub trait Store: Send + Sync {
    /// Accounts that have runs.
    async fn accounts(&self) -> Result<Vec<String>, StoreError>;

    /// Takes an account for this process, or says who has it.
    async fn lock_account(&self, account: &str) -> Result<AccountLock, StoreError>;

    /// Writes days, each in place of what was known of it, and counts a restatement where a complete
    /// day changed.
    async fn save_days(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        days: &[DayFacts],
    ) -> Result<(), StoreError>;

    /// Days from a date on, of all ads of an account under one attribution.
    async fn days_since(&self, account: &str, attribution: &str, from: Date) -> Result<Vec<DayFacts>, StoreError>;

    /// When the days of an account were last read as far back as Meta may restate them.
    async fn last_history(&self, account: &str, attribution: &str) -> Result<Option<Timestamp>, StoreError>;

    /// Writes what ads did before the days that are kept, and notes that history was read.
    async fn save_lifetimes(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        lifetimes: &[Lifetime],
    ) -> Result<(), StoreError>;

    /// What ads did before the days that are kept.
    async fn lifetimes(&self, account: &str, attribution: &str) -> Result<Vec<Lifetime>, StoreError>;

    /// Writes which rows of the days of a range made no sense (`None`: of what lies before the days that are
    /// kept), in place of what was known of them.
    async fn save_unusable(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        days: Option<(Date, Date)>,
        rows: &[Unusable],
    ) -> Result<(), StoreError>;

    /// Rows that made no sense when they were last read: of the days from a date on, and of what lies
    /// before the days that are kept.
    async fn unusable(&self, account: &str, attribution: &str, from: Date) -> Result<Vec<Unusable>, StoreError>;

    /// Writes the daily budgets that owners have at the first look on an account day, in place of those of
    /// earlier days; what is known of the day already is left as it is.
    async fn save_morning_budgets(
        &self,
        account: &str,
        date: Date,
        budgets: &BTreeMap<String, Money>,
    ) -> Result<(), StoreError>;

    /// The daily budgets of owners at the first look on an account day.
    async fn morning_budgets(&self, account: &str, date: Date) -> Result<BTreeMap<String, Money>, StoreError>;

    /// Writes how account days look now, each in place of the last look at the same age.
    async fn save_looks(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        looks: &[DayLook],
    ) -> Result<(), StoreError>;

    /// How account days from a date on looked at each age.
    async fn looks(&self, account: &str, attribution: &str, from: Date) -> Result<Vec<DayLook>, StoreError>;

    /// Policies of an account that failed when they were last asked.
    async fn policy_faults(&self, account: &str) -> Result<Vec<PolicyFaultRow>, StoreError>;

    /// Writes how a stage's policy failed, in place of what was known of it.
    async fn save_policy_fault(&self, row: &PolicyFaultRow) -> Result<(), StoreError>;

    /// Forgets the failures of a stage's policy.
    async fn clear_policy_fault(&self, account: &str, stage: &str) -> Result<(), StoreError>;

    /// Writes rows of one of the product's tables, each in place of the one with its key.
    async fn upsert(&self, table: &'static Table, rows: &[Vec<Cell>]) -> Result<(), StoreError>;

    /// The rows of an account in one of the product's tables, in the order of their keys.
    async fn rows(&self, table: &'static Table, account: &str) -> Result<Vec<Vec<Cell>>, StoreError>;

    /// The lives of an account's ads, one row an ad and stage.
    async fn lifecycle(&self, account: &str) -> Result<Vec<LifecycleRow>, StoreError>;

    /// Writes rows of lives, each in place of an earlier time in the same stage.
    async fn save_lifecycle(&self, rows: &[LifecycleRow]) -> Result<(), StoreError>;

    /// Writes a run, in place of what was known of it.
    async fn save_run(&self, run: &RunRow) -> Result<(), StoreError>;

    /// A run by its id, or by an unambiguous beginning of it.
    async fn run(&self, id: &str) -> Result<Option<RunRow>, StoreError>;

    /// The newest runs of an account, newest first.
    async fn runs(&self, account: &str, most: u32) -> Result<Vec<RunRow>, StoreError>;

    /// Writes actions in their present state, all or none.
    async fn save_actions(&self, actions: &[ActionRow]) -> Result<(), StoreError>;

    /// An action by its id.
    async fn action(&self, id: &str) -> Result<Option<ActionRow>, StoreError>;

    /// Actions of an account planned since a moment, oldest first.
    async fn actions_since(&self, account: &str, since: Timestamp) -> Result<Vec<ActionRow>, StoreError>;

    /// The last done action of each kind on each target that was planned before a moment, oldest first.
    async fn last_actions_before(&self, account: &str, before: Timestamp) -> Result<Vec<ActionRow>, StoreError>;

    /// Actions of an account whose outcome is open, oldest first.
    async fn open_actions(&self, account: &str) -> Result<Vec<ActionRow>, StoreError>;

    /// Actions of one run, in order.
    async fn actions_of(&self, run: &str) -> Result<Vec<ActionRow>, StoreError>;

    /// Writes promotions in their present state.
    async fn save_promotions(&self, promotions: &[PromotionRow]) -> Result<(), StoreError>;

    /// Promotions of an account, oldest first.
    async fn promotions(&self, account: &str) -> Result<Vec<PromotionRow>, StoreError>;

    /// Writes what a dry run would have done, in place of what was known of it.
    async fn save_plan(&self, plan: &PlanRow) -> Result<(), StoreError>;

    /// What a dry run would have done.
    async fn plan(&self, run: &str) -> Result<Option<PlanRow>, StoreError>;

    /// Writes how much of Meta's limits is used up, in place of what was known of them.
    async fn save_limits(&self, account: &str, limits: &[ApiLimit]) -> Result<(), StoreError>;

    /// How much of Meta's limits was used up when it was last heard of.
    async fn limits(&self, account: &str) -> Result<Vec<ApiLimit>, StoreError>;

    /// Writes what keeps an account going beside its ads, as it was read at a moment.
    async fn save_vitals(&self, account: &str, at: Timestamp, vitals: &Vitals) -> Result<(), StoreError>;

    /// What keeps an account going, and when it was read.
    async fn vitals(&self, account: &str) -> Result<Option<(Timestamp, Vitals)>, StoreError>;

    /// Writes what the shop sold, each order in place of what was known of it.
    async fn save_orders(&self, account: &str, orders: &[OrderRow]) -> Result<(), StoreError>;

    /// What the shop sold since a moment, oldest first.
    async fn orders_since(&self, account: &str, since: Timestamp) -> Result<Vec<OrderRow>, StoreError>;

    /// Writes what a person is asked to approve, each question in place of the last of its kind on its target.
    async fn ask_approvals(&self, asked: &[ApprovalRow]) -> Result<(), StoreError>;

    /// What a person was asked to approve, oldest question first.
    async fn approvals(&self, account: &str) -> Result<Vec<ApprovalRow>, StoreError>;

    /// Approves a question as it was asked; whether it still stands so.
    async fn approve(&self, question: &ApprovalRow, at: Timestamp) -> Result<bool, StoreError>;

    /// How the stages of an account are run, as far as that was ever noted.
    async fn stage_modes(&self, account: &str) -> Result<Vec<StageModeRow>, StoreError>;

    /// Writes how a stage is run, in place of what was known of it.
    async fn save_stage_mode(&self, row: &StageModeRow) -> Result<(), StoreError>;

    /// Writes what stages that only observe would have done; what was intended before stays as it is.
    async fn save_ghost_intents(&self, rows: &[GhostIntentRow]) -> Result<(), StoreError>;

    /// What stages of an account would have done, oldest first.
    async fn ghost_intents(&self, account: &str) -> Result<Vec<GhostIntentRow>, StoreError>;

    /// Writes creatives of the queue in their present state.
    async fn save_queue(&self, rows: &[QueueRow]) -> Result<(), StoreError>;

    /// Creatives that wait to be launched and what became of others, oldest first.
    async fn queue(&self, account: &str) -> Result<Vec<QueueRow>, StoreError>;

    /// Keeps a policy by its digest, once.
    async fn save_artifact(&self, artifact: &ArtifactRow) -> Result<(), StoreError>;

    /// A policy by its digest.
    async fn artifact(&self, digest: &str) -> Result<Option<ArtifactRow>, StoreError>;

    /// Keeps an installed policy; one of the same name and version stays as it is, save that a serial may become known.
    /// The digest that name and version mean from now on: that of whoever came first.
    async fn save_policy(&self, policy: &PolicyRow) -> Result<String, StoreError>;

    /// Keeps a signature of a policy's bytes beside those that are there.
    async fn save_policy_signature(&self, digest: &str, signature: &str) -> Result<(), StoreError>;

    /// Every signature of policies, with the digest of what it signs.
    async fn policy_signatures(&self) -> Result<Vec<(String, String)>, StoreError>;

    /// Every installed policy, by name and in the order of their installation.
    async fn policies(&self) -> Result<Vec<PolicyRow>, StoreError>;

    /// Lets policies decide for stages from now on and writes trials that this ends, all or none.
    async fn switch_policies(&self, switches: &[PolicySwitchRow], trials: &[PolicyTrialRow]) -> Result<(), StoreError>;

    /// Withdraws switches that are the newest of their client and stage, all or none; whether they still were.
    async fn withdraw_policy_switches(&self, switches: &[PolicySwitchRow], at: Timestamp) -> Result<bool, StoreError>;

    /// The switches of policies that hold, oldest first.
    async fn policy_switches(&self) -> Result<Vec<PolicySwitchRow>, StoreError>;

    /// Writes which policies decided for a client's stages, each in place of the one before.
    async fn save_policy_uses(&self, rows: &[PolicyUseRow]) -> Result<(), StoreError>;

    /// Which policies decided last for a client's stages.
    async fn policy_uses(&self, client: &str) -> Result<Vec<PolicyUseRow>, StoreError>;

    /// Writes trials of policies in their present state, all or none.
    async fn save_policy_trials(&self, rows: &[PolicyTrialRow]) -> Result<(), StoreError>;

    /// Every trial of a policy, those that are over among them, oldest first.
    async fn policy_trials(&self) -> Result<Vec<PolicyTrialRow>, StoreError>;

    /// Adds calls of policies to those of the same day.
    async fn add_policy_calls(&self, rows: &[PolicyCallsRow]) -> Result<(), StoreError>;

    /// What calls of policies cost from an account day on.
    async fn policy_calls(&self, account: &str, from: Date) -> Result<Vec<PolicyCallsRow>, StoreError>;

    /// Keeps an imported model; one of the same name and version stays as it is.
    async fn save_model(&self, model: &ModelRow) -> Result<(), StoreError>;

    /// An imported model.
    async fn model(&self, model: &str, version: &str) -> Result<Option<ModelRow>, StoreError>;

    /// Every imported model, by name and in the order of their import.
    async fn models(&self) -> Result<Vec<ModelRow>, StoreError>;

    /// Lets a version of a model score from now on, for a client or (empty) for all.
    async fn switch_model(&self, client: &str, model: &str, version: &str, at: Timestamp) -> Result<(), StoreError>;

    /// Withdraws the newest switch of a model that holds; whether there was one.
    async fn withdraw_model_switch(&self, client: &str, model: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// The switches that hold, oldest first.
    async fn model_switches(&self) -> Result<Vec<SwitchRow>, StoreError>;

    /// Writes what the decisions of a run saw.
    async fn save_journal(&self, rows: &[JournalRow]) -> Result<(), StoreError>;

    /// What one stage of a run saw.
    async fn journal(&self, run: &str, stage: &str) -> Result<Option<JournalRow>, StoreError>;

    /// The runs of an account between two moments that journalled something, oldest first.
    async fn journalled_runs(
        &self,
        account: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<JournalledRun>, StoreError>;

    /// Everything that a run journalled.
    async fn journal_of(&self, run: &str) -> Result<Vec<JournalRow>, StoreError>;

    /// The stages that a run journalled, in order.
    async fn journal_stages(&self, run: &str) -> Result<Vec<String>, StoreError>;
}
