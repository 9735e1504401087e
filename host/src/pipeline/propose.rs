//! From what policies answered to what the guard judges: decisions on rows and groups become proposals on ads and
//! budgets that stand somehow.

use super::approve;
use super::decide::Decided;
use super::situation::Case;
use crate::domain::{Ad, BudgetOwner, Currency, Money, Status, Verb, hours};
use crate::features::Metric;
use crate::guard::{AdStanding, OwnerStanding, Proposals, StageStanding};
use crate::policies::StagePolicy;
use crate::store::{CopyKind, PromotionRow, PromotionState};
use dean_policy::types::Answer;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An ad whose promotion failed is not promoted again for so long: a copy that Meta rejects is
/// rejected again, and rejected ads count against the account.
const FAILED_PROMOTION_DAYS: f64 = 14.0;

/// The ads and budgets of one stage by name, with how they stand.
#[derive(Clone, Copy)]
pub(crate) struct Subjects<'a> {
    /// By row.
    pub ads: &'a [String],
    /// By group.
    pub owners: &'a [String],
    /// The group of each row.
    pub group_of: &'a [u32],
    /// How they stand.
    pub standing: &'a StageStanding,
}

/// What an answer proposes.
pub(crate) fn of_answer(subjects: Subjects<'_>, answer: &Answer, currency: &Currency, out: &mut Proposals) {
    let Subjects { ads, owners, group_of, standing } = subjects;
    for decision in &answer.ads {
        let row = decision.row as usize;
        let amount = amount(currency, decision.verb, decision.amount).unwrap_or(Money::ZERO);
        let ad = &standing.ads[row];
        out.ads.push(ad.propose(&ads[row], &standing.stage, decision.verb, amount, decision.confidence));
    }
    for decision in &answer.budgets {
        let group = decision.group as usize;
        let to = currency.from_major(decision.amount).unwrap_or(Money::ZERO);
        let paused = |row: u32| group_of[row as usize] == decision.group;
        let kill = answer.ads.iter().any(|ad| ad.verb == Verb::Pause && paused(ad.row));
        out.budgets.push(standing.owners[group].propose(&owners[group], &standing.stage, to, kill));
    }
}

/// What all policies proposed, in the order of stages and answers, and how everything stands that they might have
/// proposed something about.
#[must_use]
pub(super) fn of_run(case: Case<'_>, decided: &[Decided]) -> (Vec<StageStanding>, Proposals) {
    let currency = &case.observation.account.currency;
    let standings = standings(case, decided);
    let mut out = Proposals::default();
    for (standing, d) in standings.iter().zip(decided) {
        let ads: Vec<String> = d.stage.ads.iter().map(|&i| case.observation.ads[i].id.clone()).collect();
        let owners: Vec<String> = d.stage.owners.iter().map(|owner| owner.id.clone()).collect();
        let subjects = Subjects { ads: &ads, owners: &owners, group_of: &d.stage.group_of, standing };
        of_answer(subjects, &d.answer, currency, &mut out);
    }
    let approved = |target: &str, kind: &str| {
        let of_it = case.approvals.iter().find(|a| a.target_id == target && a.kind == kind);
        of_it.and_then(|a| a.approved(case.observation.at)).unwrap_or(Money::ZERO)
    };
    for proposal in &mut out.ads {
        proposal.approved = approved(&proposal.ad_id, proposal.verb.as_str());
        proposal.intended = case.ghosts.intended(&proposal.ad_id, proposal.verb.as_str());
    }
    for proposal in &mut out.budgets {
        proposal.approved = approved(&proposal.owner_id, approve::BUDGET);
    }
    (standings, out)
}

fn standings(case: Case<'_>, decided: &[Decided]) -> Vec<StageStanding> {
    let Case { observation, policies, history, promotions, joined, .. } = case;
    let mut copies: HashMap<&str, Vec<&PromotionRow>> = HashMap::new();
    promotions.iter().for_each(|p| copies.entry(p.source_ad_id.as_str()).or_default().push(p));
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
    let mut owner_stages: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (i, d) in decided.iter().enumerate() {
        for owner in &d.stage.owners {
            owner_stages.entry(owner.id.as_str()).or_default().insert(i);
        }
    }
    let of_stage = |d: &Decided| {
        let spend_7d = d.stage.frame.sum(Metric::Spend, 1, 7);
        let spend_today = d.stage.frame.sum(Metric::Spend, 0, 0);
        let of_ad = |(row, &i): (usize, &usize)| {
            let ad = &observation.ads[i];
            let copies = copies.get(ad.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            let open = |kind: CopyKind| copies.iter().any(|p| p.state.is_open() && p.kind == kind);
            let recent = |p: &&&PromotionRow| hours(p.step_at, observation.at) < FAILED_PROMOTION_DAYS * 24.0;
            let failed = copies.iter().filter(recent).find(|p| p.state == PromotionState::Failed);
            let changes = history.of(&ad.id);
            AdStanding {
                live: ad.effective_status.is_active(),
                paused_by_dean: changes.is_some_and(|c| c.paused_at.is_some()) && ad.status == Some(Status::Paused),
                copyable: ad.creative.is_some(),
                in_shared_campaign: ad.in_shared_campaign(),
                lifetime_budget: ad.has_lifetime_adset(),
                resumed: changes.is_some_and(|c| c.resumes > 0),
                promoting: open(CopyKind::Promote),
                duplicating: open(CopyKind::Duplicate),
                promoted: copies.iter().any(|p| p.state == PromotionState::Done && p.kind == CopyKind::Promote),
                failed: failed.map(|p| p.reason.clone().unwrap_or_default()),
                idle_budget: idle_budget(ad),
                daily_spend: (spend_7d[row] / 7.0).max(spend_today[row]),
                hours_since_change: history.hours_since_change(&ad.id, observation.at),
                hours_since_refresh: history.last_refresh(&ad.id).map_or(f64::NAN, |at| hours(at, observation.at)),
            }
        };
        let learns = |i: &usize| observation.ads[*i].adset.as_ref().and_then(|a| a.learning) == Some(true);
        let rows = d.stage.ads.iter().zip(&d.stage.group_of);
        let learning: BTreeSet<u32> = rows.filter(|(i, _)| learns(i)).map(|(_, group)| *group).collect();
        let of_owner = |(group, owner): (usize, &BudgetOwner)| OwnerStanding {
            daily: owner.daily,
            day_start: observation.morning_budgets.get(&owner.id).copied(),
            hours_since_change: history.hours_since_change(&owner.id, observation.at),
            changes_1h: history.changes_within(&owner.id, 1.0, observation.at) as u32,
            learning: learning.contains(&(group as u32)),
            joined: joined.get(&owner.id).copied().unwrap_or(Money::ZERO),
            shared: owner_stages.get(owner.id.as_str()).is_some_and(|stages| stages.len() > 1),
        };
        (d.stage.ads.iter().enumerate().map(of_ad).collect(), d.stage.owners.iter().enumerate().map(of_owner).collect())
    };
    let named = |(policy, d): (&StagePolicy, &Decided)| {
        let (ads, owners) = of_stage(d);
        StageStanding { stage: policy.view.name.clone(), ads, owners }
    };
    policies.iter().zip(decided).map(named).collect()
}

/// The amount of a verb that has one.
#[must_use]
pub(super) fn amount(currency: &Currency, verb: Verb, major: f64) -> Option<Money> {
    matches!(verb, Verb::Promote | Verb::Duplicate).then(|| currency.from_major(major)).flatten()
}
