//! Safety limits: what a policy proposes and how things stand go in, verdicts with reasons come out.
//!
//! Pure, so that a replay judges again and has to come to the same verdicts. The policy proposes,
//! the guard disposes: it may hold a proposal or make it smaller, never invent one.

mod budgets;
mod rules;
mod standing;

pub use rules::{judge, may_grow};
pub use standing::{AdStanding, OwnerStanding, StageStanding};

use crate::domain::{Currency, Money, Verb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Meta may spend this times a daily budget in one day; caps are kept so that they hold even then.
pub const OVERSPEND: f64 = 1.75;

/// How things stand, for all stages together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// The account's currency, for reasons that name money.
    pub currency: Currency,
    /// Why nothing may be written at all, if so.
    pub stopped: Option<Stopped>,
    /// Why nothing may be made to spend more, if so.
    pub growth_stopped: Option<String>,
    /// Why no ad may be paused, if so.
    pub pauses_stopped: Option<String>,
    /// Hours between two changes of one ad or budget.
    pub cooldown_hours: f64,
    /// The largest share of the account's daily spend that the pauses of one run may stop.
    pub max_spend_share: f64,
    /// The same for all pauses of an account day.
    pub max_spend_share_day: f64,
    /// What ads spent in a day that were paused this account day, major units.
    pub paused_today: f64,
    /// Ads of a stage that stay live.
    pub min_live_ads: u32,
    /// How sure a policy has to be to pause one of them all the same.
    pub last_ad_confidence: f64,
    /// What may be added to a day's spend at once without a person's approval.
    pub approve_above: Option<Money>,
    /// The step above which an owner that is learning waits.
    pub learning_step: f64,
    /// The largest rise of a budget within a day.
    pub max_daily_rise: f64,
    /// What the account spends in a day, major units.
    pub account_daily_spend: f64,
    /// The most the account may spend in a day.
    pub account_cap: Option<Money>,
    /// Daily budgets of all live owners together.
    pub account_budgets: Money,
    /// What the account spent today.
    pub account_spend_today: Money,
    /// The share of the account day that is over.
    pub elapsed: f64,
    /// The stages.
    pub stages: BTreeMap<String, StageSituation>,
}

/// Why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// `kill-switch` or `health`.
    pub by: String,
    /// For a person.
    pub reason: String,
}

/// How a stage stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageSituation {
    /// Whether it only observes.
    pub ghost: bool,
    /// Its live ads.
    pub live_ads: u32,
    /// Daily budgets of its live owners together.
    pub budgets: Money,
    /// What it spent today.
    pub spend_today: Money,
    /// The most it may spend in a day.
    pub cap: Option<Money>,
    /// The smallest daily budget of an owner.
    pub min_budget: Money,
    /// The largest daily budget of an owner.
    pub max_budget: Money,
    /// The stage that promotions go into, if it can take them.
    pub next: Option<String>,
    /// Why there is none.
    pub no_next: Option<String>,
    /// Whether the campaign that copies go into holds the budget, which they then join.
    pub campaign_holds_budget: bool,
    /// Duplicates that were made in it this account day.
    pub duplicates_today: u32,
    /// The most duplicates that are made in it in an account day.
    pub max_duplicates: u32,
}

/// What a policy wants done with an ad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdProposal {
    /// The ad.
    pub ad_id: String,
    /// Its stage.
    pub stage: String,
    /// What to do.
    pub verb: Verb,
    /// The amount, where the verb has one.
    pub amount: Money,
    /// How sure the policy is.
    pub confidence: f64,
    /// Whether the ad is delivered.
    pub live: bool,
    /// What it spends in a day, major units.
    pub daily_spend: f64,
    /// Hours since Dean last changed it; NaN when it never did.
    pub hours_since_change: f64,
    /// Whether it is, or was, on its way into another stage.
    pub promotion: Promotion,
    /// Whether its creative can be copied: an ad without one cannot.
    pub copyable: bool,
    /// Whether its campaign holds the budget.
    pub in_shared_campaign: bool,
    /// Whether its ad set has a lifetime budget, which a copy would have too.
    pub lifetime_budget: bool,
    /// Whether Dean brought it back before.
    pub resumed: bool,
    /// Daily budget that is spent again when the ad runs: that of an owner without a live ad.
    pub idle_budget: Money,
    /// Hours since a new creative was last asked for in its place; NaN when it never was.
    pub hours_since_refresh: f64,
    /// What a person approved that it may add to a day's spend.
    pub approved: Money,
    /// Whether its stage, which only observes, intended the same before.
    pub intended: bool,
}

/// What became of promoting an ad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promotion {
    /// Nothing was tried.
    None,
    /// It is on its way.
    UnderWay,
    /// Its copy took its place.
    Done,
    /// It failed lately.
    Failed(String),
}

/// What a policy wants done with a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetProposal {
    /// The owner.
    pub owner_id: String,
    /// Its stage.
    pub stage: String,
    /// The daily budget now; `None` for a lifetime budget, which is never changed.
    pub from: Option<Money>,
    /// The daily budget wanted.
    pub to: Money,
    /// The daily budget when the account day began.
    pub day_start: Option<Money>,
    /// Hours since Dean last changed it; NaN when it never did.
    pub hours_since_change: f64,
    /// How often Dean changed it within the last hour.
    pub changes_1h: u32,
    /// Whether it is learning.
    pub learning: bool,
    /// What copies that joined it since its last change begin with: no step for the others.
    pub joined: Money,
    /// Whether it also holds the budget of ads of another stage.
    pub shared: bool,
    /// Whether the policy pauses one of its ads in the same answer.
    pub kill: bool,
    /// What a person approved that it may add to a day's spend.
    pub approved: Money,
}

/// Everything that is judged together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proposals {
    /// On ads.
    pub ads: Vec<AdProposal>,
    /// On budgets.
    pub budgets: Vec<BudgetProposal>,
}

/// Why a proposal was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The limit, a word.
    pub by: String,
    /// For a person.
    pub reason: String,
}

/// What becomes of a proposal on an ad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdVerdict {
    /// What will be done.
    pub verb: Verb,
    /// With which amount.
    pub amount: Money,
    /// Why not what was proposed.
    pub held: Option<Held>,
}

/// What becomes of a proposal on a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetVerdict {
    /// The new daily budget; `None` when it stays.
    pub to: Option<Money>,
    /// Why not what was proposed.
    pub held: Option<Held>,
}

/// Verdicts in the order of the proposals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdicts {
    /// On ads.
    pub ads: Vec<AdVerdict>,
    /// On budgets.
    pub budgets: Vec<BudgetVerdict>,
}

/// The limit that a person lifts with `dean go-live`.
pub const GHOST: &str = "ghost";
/// The limit that a person lifts with `dean approve`.
pub const APPROVAL: &str = "approval";

fn held(by: &str, reason: impl Into<String>) -> Held {
    Held { by: by.into(), reason: reason.into() }
}
