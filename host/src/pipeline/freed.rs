//! Freed budget: daily budgets that nobody spends any more because Dean paused the last live ad
//! under them, or lowered them. Stages are offered it one after the other, the end of the line first, so that no unit
//! of it is spent twice.

use super::decide::Decided;
use super::observe::Observation;
use crate::domain::{Currency, Money, Status, hours};
use crate::ledger::History;
use crate::policies::StagePolicy;
use crate::store::{PromotionRow, PromotionState};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Hours for which budget counts as freed.
const FRESH_HOURS: f64 = 24.0;

/// Budget freed in the last 24 hours and not given to anybody since, major units.
///
/// An ad set or campaign whose other ads go on spends all of its budget through them: pausing one of
/// its ads frees nothing.
#[must_use]
pub(super) fn freed(observation: &Observation, history: &History, promotions: &[PromotionRow]) -> f64 {
    let mut owners: BTreeMap<String, (Money, bool, bool)> = BTreeMap::new();
    for ad in &observation.ads {
        let Some(owner) = ad.budget_owner() else { continue };
        let stands = |status: Option<Status>| status.is_none_or(|s| s == Status::Active);
        let on = ad.campaign.as_ref().is_none_or(|c| stands(c.status));
        let entry = owners.entry(owner.id).or_insert((owner.daily.unwrap_or(Money::ZERO), false, false));
        let paused = history.of(&ad.id).and_then(|c| c.paused_at);
        entry.1 |= ad.effective_status.may_spend();
        entry.2 |= on && paused.is_some_and(|at| hours(at, observation.at) < FRESH_HOURS);
    }
    let idle = owners.values().filter(|(_, spends, fresh)| *fresh && !spends);
    let freed = idle.fold(Money::ZERO, |sum, (daily, ..)| sum + *daily);
    let begun = |p: &&PromotionRow| hours(p.started_at, observation.at) < FRESH_HOURS && !p.state.has_failed();
    let copies = promotions.iter().filter(begun).fold(Money::ZERO, |sum, p| sum + Money(p.daily_budget));
    let left = freed - history.raised_24h(observation.at) - copies;
    observation.account.currency.to_major(left.max(Money::ZERO))
}

/// Hours for which a copy's budget waits to become part of its campaign's: what a limit cut off one day
/// follows on the next ones.
const JOINING_HOURS: f64 = 168.0;

/// Daily budgets with which copies joined campaigns that hold the budget for all, by campaign, as far as
/// the campaign's budget has not risen by them yet.
#[must_use]
pub(super) fn joined(
    observation: &Observation,
    history: &History,
    promotions: &[PromotionRow],
) -> BTreeMap<String, Money> {
    let mut arrivals: BTreeMap<&str, Vec<(Timestamp, Money)>> = BTreeMap::new();
    for p in promotions.iter().filter(|p| p.state == PromotionState::Done) {
        if hours(p.step_at, observation.at) < JOINING_HOURS {
            arrivals.entry(&p.campaign_id).or_default().push((p.step_at, Money(p.daily_budget)));
        }
    }
    let mut joined = BTreeMap::new();
    for (campaign, mut arrivals) in arrivals {
        arrivals.sort();
        let mut waiting = Money::ZERO;
        let mut arrivals = arrivals.into_iter().peekable();
        for (at, rise) in history.rises_of(campaign) {
            // A run sets budgets before it finds that a copy delivers.
            while let Some((_, budget)) = arrivals.next_if(|(arrived, _)| *arrived < at) {
                waiting += budget;
            }
            waiting = (waiting - rise).max(Money::ZERO);
        }
        waiting += arrivals.fold(Money::ZERO, |sum, (_, budget)| sum + budget);
        joined.insert(campaign.to_string(), waiting);
    }
    joined
}

/// The positions of stages in the order in which they are offered freed budget: by how many stages
/// still lie before an ad of theirs, none first.
#[must_use]
pub(super) fn order(stages: &[StagePolicy]) -> Vec<usize> {
    let next = |i: usize| {
        let name = stages[i].view.next.as_ref()?;
        stages.iter().position(|s| &s.view.name == name)
    };
    let ahead = |start: usize| {
        let mut at = start;
        // A client's stages may lead in a circle; no line is longer than there are stages.
        (0..stages.len()).take_while(|_| next(at).inspect(|n| at = *n).is_some()).count()
    };
    let mut order: Vec<usize> = (0..stages.len()).collect();
    order.sort_by_key(|&i| (ahead(i), i));
    order
}

/// What a stage's policy wants to raise budgets by, all together, major units.
#[must_use]
pub(super) fn wanted(decided: &Decided, currency: &Currency) -> f64 {
    let raise = |d: &dean_policy::types::BudgetDecision| {
        let owner = &decided.stage.owners[d.group as usize];
        owner.daily.map_or(0.0, |daily| (d.amount - currency.to_major(daily)).max(0.0))
    };
    decided.answer.budgets.iter().map(raise).sum()
}
