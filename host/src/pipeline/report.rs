//! What a run did, as one value: printed for people, serialised for programs, kept in the store.

use super::quality::DataQuality;
use crate::domain::{OwnerKind, Verb};
use crate::guard::Held;
use crate::health::Health;
use crate::meta::ApiUsage;
use dean_policy::types::Comparison;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run. Money is in major units of the account's currency; what is not known is null.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The run's id.
    pub run_id: String,
    /// The client.
    pub client: String,
    /// The account.
    pub account: String,
    /// The account's currency.
    pub currency: String,
    /// The account's time zone: days are days there.
    #[serde(default)]
    pub timezone: String,
    /// The moment decided for.
    pub as_of: String,
    /// Whether nothing was written to the account.
    pub dry_run: bool,
    /// Ads of the account.
    pub ads: usize,
    /// The stages.
    pub stages: Vec<StageReport>,
    /// The models: what they scored, or why they did not.
    #[serde(default)]
    pub models: Vec<ModelReport>,
    /// One decision for every ad of a stage.
    pub decisions: Vec<Decision>,
    /// Decisions on budgets.
    pub budgets: Vec<Budget>,
    /// What was written, or in a dry run would be.
    pub actions: Vec<Action>,
    /// Promotions under way or ended in this run.
    pub promotions: Vec<Promotion>,
    /// Ads that were not decided on, each with its reason.
    pub skipped: Vec<Skip>,
    /// What it cost in calls.
    pub api: ApiUsage,
    /// What Meta's answers lacked, repeated, or changed of days that were over.
    #[serde(default)]
    pub data: DataQuality,
    /// What a person should know of account and data.
    pub health: Vec<Health>,
    /// Milliseconds by phase.
    pub timings_ms: BTreeMap<String, f64>,
}

/// A stage in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// Its policy's name; null without one.
    pub policy: Option<String>,
    /// Its policy's version.
    pub version: Option<String>,
    /// Its policy's digest.
    pub sha256: Option<String>,
    /// Who chose the policy: `shipped`, a place in the configuration, or an activation.
    #[serde(default)]
    pub chosen: Option<String>,
    /// Its ads that were decided on.
    pub ads: usize,
    /// Those that are delivered.
    pub live: usize,
    /// How its policy failed, if it did: its ads were held.
    pub fault: Option<String>,
    /// What asking its policy cost; null where nobody was asked.
    #[serde(default)]
    pub cost: Option<PolicyCost>,
    /// The policy that is on trial beside it, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialReport>,
    /// Numbers of the account and the stage, null where not known; only with `--explain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<BTreeMap<String, Option<f64>>>,
}

/// What a call of a policy cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyCost {
    /// Wall time, milliseconds.
    pub ms: f64,
    /// WebAssembly instructions.
    pub instructions: u64,
    /// The largest memory that it had, bytes.
    pub memory_bytes: u64,
}

/// A policy on trial in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// Its name.
    pub policy: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub sha256: String,
    /// The part of the ads that it decides about; 0: it is a shadow, and decides about none.
    pub share: f64,
    /// The ads that it decided about.
    pub ads: usize,
    /// How it failed, if it did: the stage's own policy then decided about all ads.
    pub fault: Option<String>,
    /// What asking it cost; null where it was not asked.
    #[serde(default)]
    pub cost: Option<PolicyCost>,
}

/// A model in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// Its name.
    pub model: String,
    /// Its version; null where its manifest could not be read.
    pub version: Option<String>,
    /// The digest of its file.
    pub sha256: Option<String>,
    /// Ads that it scored.
    pub ads: usize,
    /// Why it was left out, if it was: its scores are not known.
    pub problem: Option<String>,
    /// What lies most often outside of its training, if that is more than one ad in five.
    pub outside: Option<String>,
}

/// What was decided on an ad.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// The ad.
    pub ad_id: String,
    /// Its name.
    pub ad_name: String,
    /// Its stage.
    pub stage: String,
    /// The policy on trial that decided, where the stage's own did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// Who holds the budget that it spends.
    #[serde(default)]
    pub owner: Option<Owner>,
    /// What the policy wanted; hold when no rule fired.
    pub verb: Verb,
    /// With which amount, where the verb has one.
    pub amount: Option<f64>,
    /// The rule's id; null when none fired.
    pub rule: Option<String>,
    /// How sure the policy was.
    pub confidence: Option<f64>,
    /// The comparisons of the rule that decided.
    pub evidence: Vec<Evidence>,
    /// What is done.
    #[serde(rename = "final")]
    pub done: Final,
    /// Why not what the policy wanted.
    pub held: Option<Held>,
    /// The sentence.
    pub why: String,
    /// Every column, with `--explain`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub columns: Option<BTreeMap<String, Option<serde_json::Value>>>,
    /// Every comparison of every rule, with `--explain`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checks: Option<Vec<RuleCheck>>,
}

/// Who holds a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its id.
    pub id: String,
    /// Ad set or campaign.
    pub kind: OwnerKind,
}

/// What is done with an ad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// The verb.
    pub verb: Verb,
    /// The amount, where the verb has one.
    pub amount: Option<f64>,
}

/// A comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was looked at.
    pub column: String,
    /// What was found; null when not known.
    pub value: Option<f64>,
    /// How it was compared.
    pub comparison: Comparison,
    /// With what.
    pub threshold: f64,
}

/// A comparison of any rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleCheck {
    /// The rule's id.
    pub rule: String,
    /// The comparison.
    #[serde(flatten)]
    pub evidence: Evidence,
    /// Whether it held.
    pub met: bool,
}

/// What was decided on a budget.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Budget {
    /// The owner.
    pub owner_id: String,
    /// Ad set or campaign.
    pub kind: OwnerKind,
    /// Its stage.
    pub stage: String,
    /// The policy on trial that decided, where the stage's own did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// The daily budget before.
    pub from: Option<f64>,
    /// What the policy wanted.
    pub to: f64,
    /// The rule's id.
    pub rule: String,
    /// How sure the policy is, from 0 to 1.
    pub confidence: f64,
    /// The comparisons of the rule, on the owner's leading ad.
    pub evidence: Vec<Evidence>,
    /// What it becomes; null when it stays.
    #[serde(rename = "final")]
    pub done: Option<f64>,
    /// Why not what the policy wanted.
    pub held: Option<Held>,
    /// The sentence.
    pub why: String,
}

/// A write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Its id in the ledger.
    pub id: String,
    /// What kind.
    pub kind: String,
    /// What is changed.
    pub target: String,
    /// What it was.
    pub from: Option<String>,
    /// What it becomes: a status, a budget in minor units, or where a copy goes.
    pub to: String,
    /// Where it stands; `planned` in a dry run.
    pub state: String,
    /// The id of what it made.
    #[serde(default)]
    pub created: Option<String>,
    /// Why it failed, was dropped or is unknown.
    pub reason: Option<String>,
}

/// An ad on its way into another stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    /// The ad that is copied.
    pub ad_id: String,
    /// The copy, once it is there.
    pub copy_id: Option<String>,
    /// Where it goes.
    pub to_stage: String,
    /// Where it stands.
    pub state: String,
    /// What happens next, or what happened.
    pub note: String,
}

/// An ad that was not decided on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Skip {
    /// The ad.
    pub ad_id: String,
    /// Its name.
    pub ad_name: String,
    /// Who holds the budget that it spends.
    #[serde(default)]
    pub owner: Option<Owner>,
    /// Why.
    pub reason: String,
    /// Its columns, with `--explain`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub columns: Option<BTreeMap<String, Option<serde_json::Value>>>,
}

/// A report is sentences that resemble each other: this level makes it a twentieth.
const ZSTD_LEVEL: i32 = 3;

impl RunReport {
    /// The report as the store keeps it.
    ///
    /// # Errors
    /// When it cannot be compressed, which memory alone could cause.
    pub fn pack(&self) -> std::io::Result<Vec<u8>> {
        zstd::stream::encode_all(serde_json::to_vec(self)?.as_slice(), ZSTD_LEVEL)
    }

    /// The report of packed bytes.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn unpack(bytes: &[u8]) -> std::io::Result<Self> {
        Ok(serde_json::from_reader(zstd::stream::Decoder::new(bytes)?)?)
    }

    /// Whether everything that was to be written was.
    #[must_use]
    pub fn complete(&self) -> bool {
        let ended = |a: &Action| matches!(a.state.as_str(), "done" | "planned");
        self.actions.iter().all(ended) && self.stages.iter().all(|s| s.fault.is_none())
    }

    /// Why the account itself takes no writes, if so; a kill switch is somebody's wish and no fault.
    #[must_use]
    pub fn unhealthy(&self) -> Option<&str> {
        let stops = |h: &&Health| h.level == "critical" && h.stops.as_deref() == Some("writes");
        let health = self.health.iter().find(stops)?;
        (health.source == "health").then_some(health.message.as_str())
    }

    /// Decisions that change something.
    pub fn changes(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|d| d.done.verb != Verb::Hold)
    }

    /// Decisions on budgets that change one.
    pub fn budget_changes(&self) -> impl Iterator<Item = &Budget> {
        self.budgets.iter().filter(|b| b.done.is_some())
    }
}
