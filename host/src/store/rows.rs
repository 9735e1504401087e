//! Rows as the store keeps them: texts, integers and bytes, which every database has.

use crate::domain::{Money, hours};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One stage of one ad's life.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleRow {
    /// The account.
    pub account_id: String,
    /// The ad.
    pub ad_id: String,
    /// The stage.
    pub stage: String,
    /// When it entered.
    pub entered_at: Timestamp,
    /// What it had done before it entered, as JSON of its facts; `None` when it began here.
    pub before: Option<String>,
    /// The ad that it is a copy of.
    pub source_ad_id: Option<String>,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub run_id: String,
    /// The account.
    pub account_id: String,
    /// The client.
    pub client: String,
    /// The moment decided for.
    pub as_of: Timestamp,
    /// When it began on the machine's clock.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs or when it was cut off.
    pub finished_at: Option<Timestamp>,
    /// Whether it wrote nothing to the account.
    pub dry_run: bool,
    /// `running`, `done`, `partial` or `failed`.
    pub state: String,
    /// The report without columns: JSON, zstd.
    pub report: Option<Vec<u8>>,
}

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionState {
    /// Written down, not sent.
    Planned,
    /// About to be sent, or sent without an answer yet.
    Sent,
    /// It happened.
    Done,
    /// It did not happen: Meta refused it.
    Failed,
    /// It was given up before it was sent.
    Dropped,
    /// It may or may not have happened.
    Unknown,
}

impl ActionState {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ActionState::Planned => "planned",
            ActionState::Sent => "sent",
            ActionState::Done => "done",
            ActionState::Failed => "failed",
            ActionState::Dropped => "dropped",
            ActionState::Unknown => "unknown",
        }
    }

    /// The state of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        use ActionState::{Done, Dropped, Failed, Planned, Sent, Unknown};
        [Planned, Sent, Done, Failed, Dropped, Unknown].into_iter().find(|s| s.as_str() == word)
    }
}

/// An intended change to the account.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionRow {
    /// Its id, also the marker in the name of whatever it creates.
    pub action_id: String,
    /// The run that planned it.
    pub run_id: String,
    /// The account.
    pub account_id: String,
    /// Its place within the run.
    pub seq: i64,
    /// `pause`, `resume`, `set-budget`, `copy-adset`, `copy-ad`, `activate`, `archive`.
    pub kind: String,
    /// The object that is changed or copied.
    pub target_id: String,
    /// The ad that it is about, if it is about one.
    pub ad_id: Option<String>,
    /// The stage.
    pub stage: String,
    /// The rule that led to it.
    pub rule: String,
    /// What the target was: a status, or a budget in minor units.
    pub from_value: Option<String>,
    /// What it shall be: a status, a budget in minor units, or where a copy goes.
    pub to_value: String,
    /// Where it stands.
    pub state: ActionState,
    /// When it was planned, sent, and when its outcome became known.
    pub planned_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// When its outcome became known.
    pub finished_at: Option<Timestamp>,
    /// The id of what it created, or what Meta said.
    pub answer: Option<String>,
    /// Why it failed, was dropped or is unknown.
    pub reason: Option<String>,
    /// How often a created object was looked for without being found, and when last.
    pub lookups: i64,
    /// When it was last looked for.
    pub looked_at: Option<Timestamp>,
    /// What the ad had done in its stage when the action was planned, as JSON of
    /// [`Evidence`](crate::domain::Evidence).
    pub evidence: Option<String>,
}

/// Where a promotion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromotionState {
    /// Decided; the copy is not complete yet.
    Copying,
    /// The copy is there and paused; not verified yet.
    Copied,
    /// The copy is switched on; the source still runs.
    Activated,
    /// The copy delivers and the source is paused.
    Done,
    /// Given up; the source goes on.
    Failed,
}

impl PromotionState {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PromotionState::Copying => "copying",
            PromotionState::Copied => "copied",
            PromotionState::Activated => "activated",
            PromotionState::Done => "done",
            PromotionState::Failed => "failed",
        }
    }

    /// The state of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        use PromotionState::{Activated, Copied, Copying, Done, Failed};
        [Copying, Copied, Activated, Done, Failed].into_iter().find(|s| s.as_str() == word)
    }

    /// Whether it came to nothing.
    #[must_use]
    pub fn has_failed(self) -> bool {
        self == PromotionState::Failed
    }

    /// Whether it still goes on.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, PromotionState::Done | PromotionState::Failed)
    }
}

/// What becomes of the source of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyKind {
    /// The copy takes its place in the next stage.
    Promote,
    /// The copy stands beside it in its own stage.
    Duplicate,
}

impl CopyKind {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CopyKind::Promote => "promote",
            CopyKind::Duplicate => "duplicate",
        }
    }

    /// The kind of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [CopyKind::Promote, CopyKind::Duplicate].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A copy on its way into a stage, the next or its source's own: a saga over runs.
#[derive(Clone, Debug, PartialEq)]
pub struct PromotionRow {
    /// Its id, the marker in the names of the copies.
    pub promotion_id: String,
    /// What becomes of its source.
    pub kind: CopyKind,
    /// The account.
    pub account_id: String,
    /// The ad that is copied.
    pub source_ad_id: String,
    /// Where it is.
    pub from_stage: String,
    /// Where it goes.
    pub to_stage: String,
    /// The campaign that the copy goes into.
    pub campaign_id: String,
    /// The copy's daily budget, minor units.
    pub daily_budget: i64,
    /// The rule that promoted it.
    pub rule: String,
    /// Where it stands.
    pub state: PromotionState,
    /// The copied ad set.
    pub adset_id: Option<String>,
    /// The copied ad.
    pub ad_id: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last came further.
    pub step_at: Timestamp,
    /// Why it failed.
    pub reason: Option<String>,
}

/// What a dry run would have done.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanRow {
    /// The dry run.
    pub run_id: String,
    /// The account.
    pub account_id: String,
    /// The plan, JSON.
    pub body: String,
    /// The run that did it, if one has.
    pub applied_by: Option<String>,
}

/// How a stage of an account is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageModeRow {
    /// The account.
    pub account_id: String,
    /// The stage.
    pub stage: String,
    /// Since when it was observed.
    pub observed_since: Timestamp,
    /// Since when it acts; `None` while it only observes.
    pub live_since: Option<Timestamp>,
}

/// What a stage that only observes would have done with an ad, the first time that it would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GhostIntentRow {
    /// The account.
    pub account_id: String,
    /// The ad.
    pub ad_id: String,
    /// The verb.
    pub kind: String,
    /// The ad's name.
    pub ad_name: String,
    /// The stage.
    pub stage: String,
    /// The rule that led to it.
    pub rule: String,
    /// Why, in words.
    pub why: String,
    /// When.
    pub at: Timestamp,
    /// The run.
    pub run_id: String,
    /// What the ad had done on that account day until then, as JSON of its facts.
    pub today: String,
}

/// Something that a person was asked to approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalRow {
    /// The account.
    pub account_id: String,
    /// The ad that is copied, or the owner whose budget is raised.
    pub target_id: String,
    /// `promote`, `duplicate` or `budget`.
    pub kind: String,
    /// The stage that asks.
    pub stage: String,
    /// What it would add to a day's spend, minor units.
    pub amount: i64,
    /// Why, in words.
    pub why: String,
    /// When it was asked last.
    pub asked_at: Timestamp,
    /// When a person approved it.
    pub approved_at: Option<Timestamp>,
}

impl ApprovalRow {
    /// Hours for which an approval holds: a day later the numbers are others.
    pub const HOLDS_HOURS: f64 = 24.0;
    /// By how much the amount may have grown since it was asked: a policy's answer moves with every hour.
    pub const MARGIN: f64 = 1.2;

    /// The most that a person approved, while that holds.
    #[must_use]
    pub fn approved(&self, now: Timestamp) -> Option<Money> {
        let holds = self.approved_at.is_some_and(|at| hours(at, now) < Self::HOLDS_HOURS);
        holds.then(|| Money((self.amount as f64 * Self::MARGIN).floor() as i64))
    }
}

/// An order of the shop, whoever brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// The shop's id of it.
    pub order_id: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// What was paid, in the account's currency.
    pub value: Money,
    /// Whether it never came to a payment.
    pub cancelled: bool,
}

/// A policy that decided something.
#[derive(Clone, Debug, PartialEq)]
pub struct ArtifactRow {
    /// Its SHA-256.
    pub digest: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The component.
    pub bytes: Vec<u8>,
}

/// A model that was imported.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRow {
    /// Its name.
    pub model: String,
    /// Its version: a name and version never change their file.
    pub version: String,
    /// The digest of its file.
    pub sha256: String,
    /// Its manifest, JSON.
    pub manifest: String,
    /// The ONNX file.
    pub file: Vec<u8>,
    /// When.
    pub imported_at: Timestamp,
}

/// A choice of a model's version that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchRow {
    /// For whom; empty for all.
    pub client: String,
    /// The model.
    pub model: String,
    /// The version.
    pub version: String,
    /// Since when.
    pub switched_at: Timestamp,
}

/// What one stage of a run saw and answered.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// The run.
    pub run_id: String,
    /// The stage.
    pub stage: String,
    /// The run that its columns are written against; `None` when they stand alone.
    pub base_run_id: Option<String>,
    /// The blob.
    pub bytes: Vec<u8>,
}

/// A run that journalled something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalledRun {
    /// The run.
    pub run_id: String,
    /// The moment that it decided for.
    pub as_of: Timestamp,
    /// Whether it wrote nothing to the account.
    pub dry_run: bool,
}

/// How a stage's policy failed when it was last asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyFaultRow {
    /// The account.
    pub account_id: String,
    /// The stage.
    pub stage: String,
    /// The policy's SHA-256: another one begins anew.
    pub digest: String,
    /// Failures in a row.
    pub failures: i64,
    /// It is not asked before this moment.
    pub suspended_until: Timestamp,
    /// What happened last.
    pub reason: String,
    /// When.
    pub failed_at: Timestamp,
}
