//! A process that dies: at a step of its own, between two calls or two writes to its store. From then on nothing
//! that it does reaches anybody.

use async_trait::async_trait;
use dean::domain::{ApiLimit, DayFacts, DayLook, Lifetime, Money, Unusable, Vitals};
use dean::meta::{Call, Method, Reply, Transport, TransportError};
use dean::store::{
    AccountLock, ActionRow, ApprovalRow, ArtifactRow, Cell, GhostIntentRow, JournalRow, JournalledRun, LifecycleRow,
    ModelRow, OrderRow, PlanRow, PolicyCallsRow, PolicyFaultRow, PolicyRow, PolicySwitchRow, PolicyTrialRow,
    PolicyUseRow, PromotionRow, QueueRow, RunRow, SqliteStore, StageModeRow, Store, StoreError, SwitchRow, Table,
};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The life of a process: its steps by name, and the one at which it ends.
#[derive(Debug, Default)]
pub struct Life(Mutex<Steps>);

#[derive(Debug, Default)]
struct Steps {
    passed: u64,
    last: Option<u64>,
    died_at: Option<String>,
}

impl Life {
    /// A life that ends at a step, counted from 1 on; without one it does not end.
    #[must_use]
    pub fn until(last: Option<u64>) -> Arc<Self> {
        Arc::new(Life(Mutex::new(Steps { last, ..Steps::default() })))
    }

    fn steps(&self) -> std::sync::MutexGuard<'_, Steps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many steps it took.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.steps().passed
    }

    /// The step at which it died.
    #[must_use]
    pub fn died_at(&self) -> Option<String> {
        self.steps().died_at.clone()
    }

    /// Takes a step; whether it is still alive.
    fn pass(&self, when: &str, what: &str) -> bool {
        let mut steps = self.steps();
        if steps.died_at.is_some() {
            return false;
        }
        steps.passed += 1;
        if steps.last == Some(steps.passed) {
            steps.died_at = Some(format!("{when} {what}"));
        }
        steps.died_at.is_none()
    }
}

/// A way to the account that ends with a life.
pub struct MortalTransport {
    /// The way.
    pub inner: Box<dyn Transport>,
    /// The life.
    pub life: Arc<Life>,
}

#[async_trait]
impl Transport for MortalTransport {
    async fn send(&self, call: &Call) -> Result<Reply, TransportError> {
        let what = if call.method == Method::Post { "a write to the account" } else { "a read" };
        let dead = || TransportError::NoAnswer { host: "test".into(), reason: "the process died".into() };
        if !self.life.pass("before", what) {
            return Err(dead());
        }
        let reply = self.inner.send(call).await;
        if self.life.pass("after", what) { reply } else { Err(dead()) }
    }
}

/// A store that ends with a life.
pub struct MortalStore<'a> {
    /// The store.
    pub inner: &'a SqliteStore,
    /// The life.
    pub life: Arc<Life>,
}

fn dead(what: &'static str) -> StoreError {
    StoreError::Database { what, reason: "the process died".into() }
}

macro_rules! store {
    (reads { $(fn $read:ident($($ra:ident: $rt:ty),*) -> $ro:ty;)* }
     writes { $(fn $write:ident($($wa:ident: $wt:ty),*) -> $wo:ty;)* }) => {
        #[async_trait]
        impl Store for MortalStore<'_> {
            $(async fn $read(&self, $($ra: $rt),*) -> Result<$ro, StoreError> {
                if self.life.died_at().is_some() {
                    return Err(dead(stringify!($read)));
                }
                self.inner.$read($($ra),*).await
            })*
            $(async fn $write(&self, $($wa: $wt),*) -> Result<$wo, StoreError> {
                if !self.life.pass("before", stringify!($write)) {
                    return Err(dead(stringify!($write)));
                }
                let done = self.inner.$write($($wa),*).await;
                if self.life.pass("after", stringify!($write)) { done } else { Err(dead(stringify!($write))) }
            })*
        }
    };
}

store! {
    reads {
        fn accounts() -> Vec<String>;
        fn lock_account(account: &str) -> AccountLock;
        fn days_since(account: &str, attribution: &str, from: Date) -> Vec<DayFacts>;
        fn last_history(account: &str, attribution: &str) -> Option<Timestamp>;
        fn lifetimes(account: &str, attribution: &str) -> Vec<Lifetime>;
        fn unusable(account: &str, attribution: &str, from: Date) -> Vec<Unusable>;
        fn morning_budgets(account: &str, date: Date) -> BTreeMap<String, Money>;
        fn looks(account: &str, attribution: &str, from: Date) -> Vec<DayLook>;
        fn policy_faults(account: &str) -> Vec<PolicyFaultRow>;
        fn rows(table: &'static Table, account: &str) -> Vec<Vec<Cell>>;
        fn lifecycle(account: &str) -> Vec<LifecycleRow>;
        fn run(id: &str) -> Option<RunRow>;
        fn runs(account: &str, most: u32) -> Vec<RunRow>;
        fn action(id: &str) -> Option<ActionRow>;
        fn actions_since(account: &str, since: Timestamp) -> Vec<ActionRow>;
        fn last_actions_before(account: &str, before: Timestamp) -> Vec<ActionRow>;
        fn open_actions(account: &str) -> Vec<ActionRow>;
        fn actions_of(run: &str) -> Vec<ActionRow>;
        fn promotions(account: &str) -> Vec<PromotionRow>;
        fn vitals(account: &str) -> Option<(Timestamp, Vitals)>;
        fn orders_since(account: &str, since: Timestamp) -> Vec<OrderRow>;
        fn approvals(account: &str) -> Vec<ApprovalRow>;
        fn stage_modes(account: &str) -> Vec<StageModeRow>;
        fn ghost_intents(account: &str) -> Vec<GhostIntentRow>;
        fn queue(account: &str) -> Vec<QueueRow>;
        fn limits(account: &str) -> Vec<ApiLimit>;
        fn plan(run: &str) -> Option<PlanRow>;
        fn artifact(digest: &str) -> Option<ArtifactRow>;
        fn policies() -> Vec<PolicyRow>;
        fn policy_switches() -> Vec<PolicySwitchRow>;
        fn policy_signatures() -> Vec<(String, String)>;
        fn policy_uses(client: &str) -> Vec<PolicyUseRow>;
        fn policy_trials() -> Vec<PolicyTrialRow>;
        fn policy_calls(account: &str, from: Date) -> Vec<PolicyCallsRow>;
        fn model(model: &str, version: &str) -> Option<ModelRow>;
        fn models() -> Vec<ModelRow>;
        fn model_switches() -> Vec<SwitchRow>;
        fn journal(run: &str, stage: &str) -> Option<JournalRow>;
        fn journalled_runs(account: &str, since: Timestamp, until: Timestamp) -> Vec<JournalledRun>;
        fn journal_of(run: &str) -> Vec<JournalRow>;
        fn journal_stages(run: &str) -> Vec<String>;
    }
    writes {
        fn save_days(account: &str, attribution: &str, at: Timestamp, days: &[DayFacts]) -> ();
        fn save_lifetimes(account: &str, attribution: &str, at: Timestamp, lifetimes: &[Lifetime]) -> ();
        fn save_unusable(account: &str, attribution: &str, at: Timestamp, days: Option<(Date, Date)>, rows: &[Unusable]) -> ();
        fn save_morning_budgets(account: &str, date: Date, budgets: &BTreeMap<String, Money>) -> ();
        fn save_looks(account: &str, attribution: &str, at: Timestamp, looks: &[DayLook]) -> ();
        fn save_policy_fault(row: &PolicyFaultRow) -> ();
        fn clear_policy_fault(account: &str, stage: &str) -> ();
        fn upsert(table: &'static Table, rows: &[Vec<Cell>]) -> ();
        fn save_lifecycle(rows: &[LifecycleRow]) -> ();
        fn save_run(run: &RunRow) -> ();
        fn save_actions(actions: &[ActionRow]) -> ();
        fn save_promotions(promotions: &[PromotionRow]) -> ();
        fn save_plan(plan: &PlanRow) -> ();
        fn save_vitals(account: &str, at: Timestamp, vitals: &Vitals) -> ();
        fn save_orders(account: &str, orders: &[OrderRow]) -> ();
        fn ask_approvals(asked: &[ApprovalRow]) -> ();
        fn approve(question: &ApprovalRow, at: Timestamp) -> bool;
        fn save_stage_mode(row: &StageModeRow) -> ();
        fn save_ghost_intents(rows: &[GhostIntentRow]) -> ();
        fn save_queue(rows: &[QueueRow]) -> ();
        fn save_limits(account: &str, limits: &[ApiLimit]) -> ();
        fn save_artifact(artifact: &ArtifactRow) -> ();
        fn save_policy(policy: &PolicyRow) -> String;
        fn save_policy_signature(digest: &str, signature: &str) -> ();
        fn switch_policies(switches: &[PolicySwitchRow], trials: &[PolicyTrialRow]) -> ();
        fn withdraw_policy_switches(switches: &[PolicySwitchRow], at: Timestamp) -> bool;
        fn save_policy_uses(rows: &[PolicyUseRow]) -> ();
        fn save_policy_trials(rows: &[PolicyTrialRow]) -> ();
        fn add_policy_calls(rows: &[PolicyCallsRow]) -> ();
        fn save_model(model: &ModelRow) -> ();
        fn switch_model(client: &str, model: &str, version: &str, at: Timestamp) -> ();
        fn withdraw_model_switch(client: &str, model: &str, at: Timestamp) -> bool;
        fn save_journal(rows: &[JournalRow]) -> ();
    }
}
