//! A plan: what a dry run would have done, as a file that a person reads and `dean apply` does.

use crate::store::{ActionRow, CopyKind, PlanRow, PromotionRow, PromotionState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the plan's form.
const VERSION: u32 = 1;

/// Hours after which the numbers of a plan are those of another day.
const FRESH_HOURS: i64 = 24;

/// What a dry run would have done. Money is in minor units, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The form.
    pub version: u32,
    /// The dry run.
    pub run_id: String,
    /// The client.
    pub client: String,
    /// The account.
    pub account: String,
    /// The moment that it was decided for.
    pub as_of: Timestamp,
    /// Changes of status and budget.
    pub actions: Vec<PlannedAction>,
    /// Copies that begin.
    pub promotions: Vec<PlannedCopy>,
}

/// A change of status or budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedAction {
    /// What is done: `pause`, `resume`, `set-budget`, `refresh`.
    pub kind: String,
    /// What it is done to.
    pub target: String,
    /// What that is now: only what still is so is changed.
    pub from: Option<String>,
    /// What it shall be.
    pub to: String,
    /// The ad that it is about.
    pub ad_id: Option<String>,
    /// Its stage.
    pub stage: String,
    /// The rule that led to it.
    pub rule: String,
    /// What the ad had done in its stage.
    pub evidence: Option<String>,
}

/// A copy that begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCopy {
    /// Its id, the marker in the names of what is made.
    pub id: String,
    /// What becomes of its source.
    pub kind: CopyKind,
    /// The ad that is copied.
    pub source: String,
    /// Where it is.
    pub from_stage: String,
    /// Where it goes.
    pub to_stage: String,
    /// The campaign that it goes into.
    pub campaign: String,
    /// The copy's daily budget.
    pub daily_budget: i64,
    /// The rule that led to it.
    pub rule: String,
}

/// Why a plan is not applied.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be read.
    #[error("the plan cannot be read: {0}\n  hint: `dean run --dry-run --out FILE` writes one")]
    Form(String),
    /// It was not made here.
    #[error(
        "no dry run {0} is known here that made this plan\n  hint: apply it with the --data-dir that it was made with"
    )]
    Unknown(String),
    /// It is not what was made.
    #[error(
        "this is not the plan that run {0} made: it was edited\n  hint: plans are done as they were made; `dean run --dry-run --out FILE` makes a new one"
    )]
    Edited(String),
    /// It was done already.
    #[error(
        "the plan of run {plan} was applied already, by run {by}\n  hint: `dean undo {by}` puts back what it changed"
    )]
    Applied {
        /// The dry run.
        plan: String,
        /// The run that did it.
        by: String,
    },
    /// It is for another account.
    #[error("the plan is for {plan}, and this is {account}\n  hint: set FB_AD_ACCOUNT_ID, or --client")]
    OtherAccount {
        /// The plan's.
        plan: String,
        /// The configured one.
        account: String,
    },
    /// It is old.
    #[error(
        "the plan is as of {0}, more than {FRESH_HOURS} h ago: its numbers are those of another day\n  hint: `dean run --dry-run --out FILE` makes a new one"
    )]
    Old(Timestamp),
}

impl Plan {
    /// The plan of a dry run.
    #[must_use]
    pub(super) fn new(
        run_id: &str,
        client: &str,
        account: &str,
        as_of: Timestamp,
        actions: &[ActionRow],
        promotions: &[PromotionRow],
    ) -> Self {
        let action = |row: &ActionRow| PlannedAction {
            kind: row.kind.clone(),
            target: row.target_id.clone(),
            from: row.from_value.clone(),
            to: row.to_value.clone(),
            ad_id: row.ad_id.clone(),
            stage: row.stage.clone(),
            rule: row.rule.clone(),
            evidence: row.evidence.clone(),
        };
        let copy = |row: &PromotionRow| PlannedCopy {
            id: row.promotion_id.clone(),
            kind: row.kind,
            source: row.source_ad_id.clone(),
            from_stage: row.from_stage.clone(),
            to_stage: row.to_stage.clone(),
            campaign: row.campaign_id.clone(),
            daily_budget: row.daily_budget,
            rule: row.rule.clone(),
        };
        Plan {
            version: VERSION,
            run_id: run_id.into(),
            client: client.into(),
            account: account.into(),
            as_of,
            actions: actions.iter().map(action).collect(),
            promotions: promotions.iter().map(copy).collect(),
        }
    }

    /// The plan as it is kept and written.
    #[must_use]
    pub fn text(&self) -> String {
        // Plain data always has a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// When it is no plan of this form.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let plan: Plan = serde_json::from_str(text).map_err(|error| PlanError::Form(error.to_string()))?;
        match plan.version {
            VERSION => Ok(plan),
            other => Err(PlanError::Form(format!("it has version {other}; this program reads {VERSION}"))),
        }
    }

    /// Whether it may be done: as it was made, once, soon, and on its own account.
    ///
    /// # Errors
    /// When it may not.
    pub(super) fn check(&self, kept: Option<&PlanRow>, account: &str, now: Timestamp) -> Result<(), PlanError> {
        let kept = kept.ok_or_else(|| PlanError::Unknown(self.run_id.clone()))?;
        if self.account != account {
            return Err(PlanError::OtherAccount { plan: self.account.clone(), account: account.into() });
        }
        if Plan::parse(&kept.body).ok().as_ref() != Some(self) {
            return Err(PlanError::Edited(self.run_id.clone()));
        }
        if let Some(by) = &kept.applied_by {
            return Err(PlanError::Applied { plan: self.run_id.clone(), by: by.clone() });
        }
        if now.as_second() - self.as_of.as_second() > FRESH_HOURS * 3_600 {
            return Err(PlanError::Old(self.as_of));
        }
        Ok(())
    }
}

impl PlannedCopy {
    /// The promotion that begins now.
    pub(super) fn begin(&self, account: &str, now: Timestamp) -> PromotionRow {
        PromotionRow {
            promotion_id: self.id.clone(),
            kind: self.kind,
            account_id: account.into(),
            source_ad_id: self.source.clone(),
            from_stage: self.from_stage.clone(),
            to_stage: self.to_stage.clone(),
            campaign_id: self.campaign.clone(),
            daily_budget: self.daily_budget,
            rule: self.rule.clone(),
            state: PromotionState::Copying,
            adset_id: None,
            ad_id: None,
            started_at: now,
            step_at: now,
            reason: None,
        }
    }
}
