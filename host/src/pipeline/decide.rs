//! Decide: each stage's policy is asked; what it proposes goes before the guard.

use super::account::AccountNumbers;
use super::approve;
use super::measure::{StageCohort, cohort};
use super::observe::Observation;
use super::situation::Case;
use crate::domain::{Ad, Currency, Money, Verb, hours};
use crate::guard::{AdProposal, BudgetProposal, Promotion, Proposals};
use crate::journal::{Outcome, Record};
use crate::policies::StagePolicy;
use crate::store::{CopyKind, PromotionRow, PromotionState};
use dean_policy::types::{Answer, Cohort};
use std::collections::{BTreeMap, BTreeSet};

/// An ad whose promotion failed is not promoted again for so long: a copy that Meta rejects is
/// rejected again, and rejected ads count against the account.
const FAILED_PROMOTION_DAYS: f64 = 14.0;

/// A stage with what its policy answered.
#[derive(Debug)]
pub(super) struct Decided {
    /// Its ads, measured.
    pub stage: StageCohort,
    /// What its policy saw; `None` when it has no policy.
    pub cohort: Option<Cohort>,
    /// What its policy answered; empty when it has none or failed.
    pub answer: Answer,
    /// Why its policy did not answer.
    pub fault: Option<StageFault>,
}

/// Why a stage's policy did not answer: its ads are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StageFault {
    /// It was asked and failed.
    Failed(String),
    /// It cannot be asked at all.
    Broken(String),
    /// It failed too often, and is not asked for a while.
    Suspended(String),
}

impl std::fmt::Display for StageFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StageFault::Failed(reason) => write!(f, "the policy failed: {reason}"),
            StageFault::Broken(reason) => write!(f, "the policy cannot be used: {reason}"),
            StageFault::Suspended(reason) => write!(f, "the policy is suspended: {reason}"),
        }
    }
}

/// Asks the policy of one stage.
#[must_use]
pub(super) fn ask(
    observation: &Observation,
    policy: &StagePolicy,
    stage: StageCohort,
    numbers: &AccountNumbers,
    suspended: Option<String>,
    seed: u32,
) -> Decided {
    let fault = policy.broken().map(|reason| StageFault::Broken(reason.into()));
    let fault = fault.or(suspended.map(StageFault::Suspended));
    let Some(ready) = policy.ready().filter(|_| fault.is_none()) else {
        return Decided { stage, cohort: None, answer: Answer::default(), fault };
    };
    let mut cohort = cohort(observation, ready, &stage, numbers, seed);
    let decided = ready.policy.decide(&policy.view.name, &ready.settings, &ready.plan, &mut cohort);
    match decided {
        Ok(outcome) => Decided { stage, cohort: Some(cohort), answer: outcome.answer, fault: None },
        Err(fault) => {
            tracing::warn!(stage = %policy.view.name, %fault, "the policy failed; its ads are held");
            let fault = Some(StageFault::Failed(fault.to_string()));
            Decided { stage, cohort: Some(cohort), answer: Answer::default(), fault }
        }
    }
}

/// What the journal keeps of a stage; `None` when it has no policy.
#[must_use]
pub(super) fn record(observation: &Observation, policy: &StagePolicy, decided: &Decided) -> Option<Record> {
    let (ready, cohort) = (policy.ready()?, decided.cohort.as_ref()?);
    let manifest = ready.policy.manifest();
    Some(Record {
        policy: ready.policy.digest().to_string(),
        policy_name: format!("{}@{}", manifest.name, manifest.version),
        stage: policy.view.name.clone(),
        settings: ready.settings.clone(),
        plan: ready.plan.clone(),
        ads: decided.stage.ads.iter().map(|&i| observation.ads[i].id.clone()).collect(),
        owners: decided.stage.owners.iter().map(|o| o.id.clone()).collect(),
        cohort: cohort.clone(),
        outcome: match &decided.fault {
            Some(StageFault::Failed(fault)) => Outcome::Failed(fault.clone()),
            _ => Outcome::of(&decided.answer),
        },
    })
}

/// What all policies proposed, in the order of stages and answers.
#[must_use]
pub(super) fn proposals(case: Case<'_>, decided: &[Decided]) -> Proposals {
    let Case { observation, policies, history, promotions, ghosts, approvals, joined, .. } = case;
    let currency = &observation.account.currency;
    let promotion_of = |ad: &str, verb: Verb| {
        let of_ad = || promotions.iter().filter(|p| p.source_ad_id == ad);
        let copies = matches!(verb, Verb::Promote | Verb::Duplicate);
        // A copy that will stand beside its source keeps nobody from pausing the source.
        if of_ad().any(|p| p.state.is_open() && (copies || p.kind == CopyKind::Promote)) {
            return Promotion::UnderWay;
        }
        let recent = |p: &&PromotionRow| hours(p.step_at, observation.at) < FAILED_PROMOTION_DAYS * 24.0;
        match of_ad().filter(recent).find(|p| p.state == PromotionState::Failed) {
            Some(failed) if verb != Verb::Pause => Promotion::Failed(failed.reason.clone().unwrap_or_default()),
            _ if of_ad().any(|p| p.state == PromotionState::Done && p.kind == CopyKind::Promote) => Promotion::Done,
            _ => Promotion::None,
        }
    };
    let approved = |target: &str, kind: &str| {
        let of_it = approvals.iter().find(|a| a.target_id == target && a.kind == kind);
        of_it.and_then(|a| a.approved(observation.at)).unwrap_or(Money::ZERO)
    };
    let spending: BTreeSet<String> = observation
        .ads
        .iter()
        .filter(|ad| ad.effective_status.may_spend())
        .filter_map(|ad| ad.budget_owner().map(|owner| owner.id))
        .collect();
    let idle_budget = |ad: &Ad| {
        let owner = ad.budget_owner().filter(|owner| !spending.contains(&owner.id));
        owner.and_then(|owner| owner.daily).unwrap_or(Money::ZERO)
    };
    let mut out = Proposals::default();
    let mut owner_stages: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (i, d) in decided.iter().enumerate() {
        for owner in &d.stage.owners {
            owner_stages.entry(owner.id.as_str()).or_default().insert(i);
        }
    }
    for (policy, d) in policies.iter().zip(decided) {
        let spend_7d = d.stage.frame.sum(crate::features::Metric::Spend, 1, 7);
        let spend_today = d.stage.frame.sum(crate::features::Metric::Spend, 0, 0);
        for decision in &d.answer.ads {
            let row = decision.row as usize;
            let ad = &observation.ads[d.stage.ads[row]];
            out.ads.push(AdProposal {
                ad_id: ad.id.clone(),
                stage: policy.view.name.clone(),
                verb: decision.verb,
                amount: amount(currency, decision.verb, decision.amount).unwrap_or(Money::ZERO),
                confidence: decision.confidence,
                live: ad.effective_status.is_active(),
                daily_spend: (spend_7d[row] / 7.0).max(spend_today[row]),
                hours_since_change: history.hours_since_change(&ad.id, observation.at),
                promotion: promotion_of(&ad.id, decision.verb),
                copyable: ad.creative.is_some(),
                in_shared_campaign: ad.in_shared_campaign(),
                lifetime_budget: ad.has_lifetime_adset(),
                resumed: history.of(&ad.id).is_some_and(|c| c.resumes > 0),
                idle_budget: idle_budget(ad),
                hours_since_refresh: history.last_refresh(&ad.id).map_or(f64::NAN, |at| hours(at, observation.at)),
                approved: approved(&ad.id, decision.verb.as_str()),
                intended: ghosts.intended(&ad.id, decision.verb.as_str()),
            });
        }
        for decision in &d.answer.budgets {
            let owner = &d.stage.owners[decision.group as usize];
            let learning = d.stage.ads.iter().zip(&d.stage.group_of).any(|(i, group)| {
                *group == decision.group && observation.ads[*i].adset.as_ref().and_then(|a| a.learning) == Some(true)
            });
            out.budgets.push(BudgetProposal {
                owner_id: owner.id.clone(),
                stage: policy.view.name.clone(),
                from: owner.daily,
                to: currency.from_major(decision.amount).unwrap_or(Money::ZERO),
                day_start: observation.morning_budgets.get(&owner.id).copied(),
                hours_since_change: history.hours_since_change(&owner.id, observation.at),
                changes_1h: history.changes_within(&owner.id, 1.0, observation.at) as u32,
                learning,
                joined: joined.get(&owner.id).copied().unwrap_or(Money::ZERO),
                kill: d
                    .answer
                    .ads
                    .iter()
                    .any(|ad| ad.verb == Verb::Pause && d.stage.group_of[ad.row as usize] == decision.group),
                shared: owner_stages.get(owner.id.as_str()).is_some_and(|stages| stages.len() > 1),
                approved: approved(&owner.id, approve::BUDGET),
            });
        }
    }
    out
}

/// The amount of a verb that has one.
#[must_use]
pub(super) fn amount(currency: &Currency, verb: Verb, major: f64) -> Option<Money> {
    matches!(verb, Verb::Promote | Verb::Duplicate).then(|| currency.from_major(major)).flatten()
}
