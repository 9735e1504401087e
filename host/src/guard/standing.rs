//! How each ad and each budget stands when a run judges, whatever is proposed about it: what makes a proposal of a
//! policy's decision, of the one that was asked and of any other.

use super::{AdProposal, BudgetProposal, Promotion};
use crate::domain::{Money, Verb};
use serde::{Deserialize, Serialize};

/// How the ads and budgets of one stage stand, in the order of the cohort's rows and groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageStanding {
    /// The stage.
    pub stage: String,
    /// Its ads.
    pub ads: Vec<AdStanding>,
    /// Its budget owners.
    pub owners: Vec<OwnerStanding>,
}

/// How an ad stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdStanding {
    /// Whether it is delivered.
    pub live: bool,
    /// Whether Dean paused it, and nobody switched it on since.
    pub paused_by_dean: bool,
    /// Whether it has a creative that a copy can show.
    pub copyable: bool,
    /// Whether its campaign holds the budget.
    pub in_shared_campaign: bool,
    /// Whether its ad set has a lifetime budget.
    pub lifetime_budget: bool,
    /// Whether Dean brought it back before.
    pub resumed: bool,
    /// Whether a copy that is to take its place is on its way.
    pub promoting: bool,
    /// Whether a copy that is to stand beside it is on its way.
    pub duplicating: bool,
    /// Whether a copy took its place.
    pub promoted: bool,
    /// Why a copy of it failed lately, if one did.
    pub failed: Option<String>,
    /// Daily budget that is spent again when it runs.
    pub idle_budget: Money,
    /// What it spends in a day, major units.
    pub daily_spend: f64,
    /// Hours since Dean last changed it; NaN when it never did.
    pub hours_since_change: f64,
    /// Hours since a new creative was last asked for in its place; NaN when it never was.
    pub hours_since_refresh: f64,
}

/// How a daily budget stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnerStanding {
    /// The daily budget now; `None` for a lifetime budget.
    pub daily: Option<Money>,
    /// The daily budget when the account day began.
    pub day_start: Option<Money>,
    /// Hours since Dean last changed it; NaN when it never did.
    pub hours_since_change: f64,
    /// How often Dean changed it within the last hour.
    pub changes_1h: u32,
    /// Whether it is learning.
    pub learning: bool,
    /// What copies that joined it since its last change begin with.
    pub joined: Money,
    /// Whether it also holds the budget of ads of another stage.
    pub shared: bool,
}

impl AdStanding {
    /// A decision on it as a proposal, which nobody approved and nobody intended before.
    #[must_use]
    pub fn propose(&self, ad_id: &str, stage: &str, verb: Verb, amount: Money, confidence: f64) -> AdProposal {
        AdProposal {
            ad_id: ad_id.into(),
            stage: stage.into(),
            verb,
            amount,
            confidence,
            live: self.live,
            daily_spend: self.daily_spend,
            hours_since_change: self.hours_since_change,
            promotion: self.promotion(verb),
            copyable: self.copyable,
            in_shared_campaign: self.in_shared_campaign,
            lifetime_budget: self.lifetime_budget,
            resumed: self.resumed,
            idle_budget: self.idle_budget,
            hours_since_refresh: self.hours_since_refresh,
            approved: Money::ZERO,
            intended: false,
        }
    }

    fn promotion(&self, verb: Verb) -> Promotion {
        let copies = matches!(verb, Verb::Promote | Verb::Duplicate);
        // A copy that will stand beside its source keeps nobody from pausing the source.
        if self.promoting || (copies && self.duplicating) {
            return Promotion::UnderWay;
        }
        match &self.failed {
            Some(reason) if verb != Verb::Pause => Promotion::Failed(reason.clone()),
            _ if self.promoted => Promotion::Done,
            _ => Promotion::None,
        }
    }
}

impl OwnerStanding {
    /// A decision on it as a proposal, which nobody approved; `kill` says whether one of its ads is paused in the same
    /// answer.
    #[must_use]
    pub fn propose(&self, owner_id: &str, stage: &str, to: Money, kill: bool) -> BudgetProposal {
        BudgetProposal {
            owner_id: owner_id.into(),
            stage: stage.into(),
            from: self.daily,
            to,
            day_start: self.day_start,
            hours_since_change: self.hours_since_change,
            changes_1h: self.changes_1h,
            learning: self.learning,
            joined: self.joined,
            shared: self.shared,
            kill,
            approved: Money::ZERO,
        }
    }
}
