//! How policies on trial fare: one that keeps failing is withdrawn, and a canary is widened or withdrawn by what its ads
//! earned beside the others.
//!
//! Which ads a canary decides about is drawn by a hash, so that this is an experiment: the means of both groups differ by
//! what it does and by chance. What each ad earned before the share began explains a part of the chance and is taken off
//! (CUPED: Deng, Xu, Kohavi, Walker, WSDM 2013); the rest is Welch's test.

use super::decide::Decided;
use super::observe::Observation;
use super::{Runner, measure};
use crate::config::Canary;
use crate::domain::{Currency, DayFacts};
use crate::features::student_t;
use crate::health::Health;
use crate::policies::{self, StagePolicy, takes};
use crate::store::{LifecycleRow, PolicyTrialRow, Store, StoreError};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// Failures in a row after which a policy is no longer tried.
const PATIENCE: i64 = 3;
/// Days before a share began that say what an ad earned without it.
const BEFORE_DAYS: i64 = 7;
/// A canary whose ads spend less than this part of what the others do is not widened by rule: whoever stops ads that are
/// still being tested saves at once, and pays for it with the winners that nobody found.
const LEAST_SPEND: f64 = 0.5;
/// Ads on either side below which a mean says nothing.
const FEWEST: usize = 5;

/// What one side's ads earned, copies counted with the ad that they were made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Arm {
    /// Ads.
    pub ads: usize,
    /// Revenue less cost of goods and spend, for each ad and day, major units; less what they had earned before by chance.
    pub profit: f64,
    /// What they spent, for each ad and day, major units.
    pub spend: f64,
    variance: f64,
}

/// What a canary's ads earned beside the others of the stage since its share is what it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// The first complete day.
    pub from: String,
    /// Complete days.
    pub days: u32,
    /// The canary's ads.
    pub canary: Arm,
    /// The others.
    pub others: Arm,
    /// How probable it is that its ads earn less than they would without it; not known with too few ads.
    pub worse: Option<f64>,
}

/// Notes how the policy on trial did: a failure counts, an answer clears the count.
///
/// # Errors
/// When the store fails.
pub(super) async fn note(
    store: &dyn Store,
    policy: &StagePolicy,
    decided: &Decided,
    now: Timestamp,
) -> Result<Vec<Health>, StoreError> {
    let Some(trial) = &policy.trial else { return Ok(Vec::new()) };
    let what = format!("{} on trial for stage {}", trial.name(), policy.view.name);
    let fault = match (&trial.ready, &decided.tried) {
        (Err(reason), _) => return Ok(vec![health("warning", format!("{what} cannot be asked: {reason}"))]),
        (_, Some(tried)) => tried.fault(),
        _ => None,
    };
    let failures = fault.map_or(0, |_| trial.row.failures + 1);
    let mut row = PolicyTrialRow { failures, ..trial.row.clone() };
    let mut found = Vec::new();
    if let Some(fault) = fault {
        let mut message = format!("{what} failed, and the stage's own policy decided about all ads: {fault}");
        if failures >= PATIENCE {
            row = policies::ended(&row, &format!("it failed {failures} times in a row: {fault}"), now);
            message = format!("{what} is withdrawn, because it failed {failures} times in a row: {fault}");
        }
        found.push(health("warning", message));
    }
    if row != trial.row {
        store.save_policy_trials(&[row]).await?;
    }
    Ok(found)
}

fn health(level: &str, message: String) -> Health {
    Health { source: "policy".into(), level: level.into(), message, stops: None }
}

impl Runner<'_> {
    /// Widens or withdraws canaries, once a day.
    pub(super) async fn steer_canaries(
        &self,
        observation: &Observation,
        lifecycle: &[LifecycleRow],
    ) -> anyhow::Result<Vec<Health>> {
        let mut found = Vec::new();
        for policy in self.policies {
            let Some(trial) = policy.trial.as_ref().filter(|trial| trial.row.share > 0.0) else { continue };
            // What failed in this very run is withdrawn already.
            let now = self.store.policy_trials().await?;
            let is_it = |row: &&PolicyTrialRow| {
                row.client == trial.row.client && row.stage == trial.row.stage && row.ended_at.is_none()
            };
            let Some(row) = now.iter().find(is_it) else { continue };
            let config = &self.effective.config;
            let (account, zone) = (&observation.account, &observation.account.zone);
            let from = first_day(row, zone).saturating_sub(BEFORE_DAYS.days());
            let days = self.store.days_since(&account.id, &config.attribution.to_string(), from).await?;
            let cogs = config.economics.cogs_per_purchase;
            let evidence = evidence(row, lifecycle, &days, (zone, observation.today), &account.currency, cogs);
            let Some(step) = Step::of(row, &evidence, &config.policies.canary) else { continue };
            let (row, health) = step.taken(row, &evidence, &account.currency, observation.at);
            self.store.save_policy_trials(&[row]).await?;
            found.push(health);
        }
        Ok(found)
    }
}

/// The first day that a share was tried on from its beginning.
fn first_day(row: &PolicyTrialRow, zone: &TimeZone) -> Date {
    row.stepped_at.to_zoned(zone.clone()).date().saturating_add(1.day())
}

/// What becomes of a canary.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Withdraw,
    Widen(f64),
    /// Nothing is wider but to activate it.
    Held,
    /// It earns by spending nothing.
    Starves,
    /// With so few ads nothing will ever be known.
    TooFew,
}

impl Step {
    fn of(row: &PolicyTrialRow, evidence: &Evidence, canary: &Canary) -> Option<Step> {
        let tried = evidence.days >= canary.step_days.max(1);
        // Said once, on the day that it is known.
        let today = evidence.days == canary.step_days.max(1);
        match evidence.worse {
            Some(worse) if worse > canary.withdraw_above => Some(Step::Withdraw),
            Some(worse) if tried && worse <= canary.widen_below && evidence.starves() => today.then_some(Step::Starves),
            Some(worse) if tried && worse <= canary.widen_below => {
                let wider = canary.steps.iter().copied().find(|step| *step > row.share && *step <= 1.0);
                wider.map(Step::Widen).or(today.then_some(Step::Held))
            }
            Some(_) => None,
            None => today.then_some(Step::TooFew),
        }
    }

    fn taken(
        self,
        row: &PolicyTrialRow,
        evidence: &Evidence,
        currency: &Currency,
        now: Timestamp,
    ) -> (PolicyTrialRow, Health) {
        let what = format!("{}@{}, canary of stage {}", row.name, row.version, row.stage);
        let share = |share: f64| format!("{:.0} % of the ads", 100.0 * share);
        let shown = evidence.sentence(currency);
        match self {
            Step::Withdraw => {
                let row = policies::ended(row, &shown, now);
                (row, health("critical", format!("{what}, is withdrawn: {shown}")))
            }
            Step::Widen(to) => {
                let message = format!("{what}, decides about {} from the next run on: {shown}", share(to));
                (PolicyTrialRow { share: to, stepped_at: now, ..row.clone() }, health("ok", message))
            }
            Step::Held => {
                let by = format!("`dean policy activate {}@{} --stage {}`", row.name, row.version, row.stage);
                let message = format!("{what}, held up on {}: {shown}; {by} lets it decide", share(row.share));
                (row.clone(), health("ok", message))
            }
            Step::Starves => {
                let message = format!(
                    "{what}, is not widened: {shown}, but it let its ads spend less than half as much; \
                     `dean policy canary {}@{} --share` widens it all the same",
                    row.name, row.version
                );
                (row.clone(), health("warning", message))
            }
            Step::TooFew => {
                let message = format!(
                    "{what}, decides about too few ads for anything to be known: {shown}; \
                     `dean policy canary {}@{} --share` widens it",
                    row.name, row.version
                );
                (row.clone(), health("warning", message))
            }
        }
    }
}

impl Evidence {
    fn starves(&self) -> bool {
        self.canary.spend < LEAST_SPEND * self.others.spend
    }

    /// For a person.
    #[must_use]
    pub fn sentence(&self, currency: &Currency) -> String {
        let shown = |major: f64| currency.from_major(major).map_or_else(|| "-".into(), |money| currency.format(money));
        let earned = |arm: &Arm| match arm.ads {
            0 => "0 ads".into(),
            ads => format!("{ads} ads earned {} on a spend of {} each a day", shown(arm.profit), shown(arm.spend)),
        };
        let worse = match self.worse {
            Some(worse) => format!("{:.0} % likely to earn less than without it", 100.0 * worse),
            None => "too few to tell".into(),
        };
        let days = self.days;
        format!("over {days} days its {}, the other {}: {worse}", earned(&self.canary), earned(&self.others))
    }
}

/// What a canary's ads earned beside the others, on complete days.
#[must_use]
pub fn evidence(
    row: &PolicyTrialRow,
    lifecycle: &[LifecycleRow],
    days: &[DayFacts],
    (zone, today): (&TimeZone, Date),
    currency: &Currency,
    cogs_per_purchase: f64,
) -> Evidence {
    let from = first_day(row, zone);
    let complete = from.until(today).map_or(0, |span| span.get_days().max(0)) as u32;
    let sources = measure::sources(lifecycle);
    let source_of = |ad: &str| sources.get(ad).copied();
    let of_stage: HashSet<&str> = lifecycle
        .iter()
        .filter(|life| life.stage == row.stage)
        .map(|life| source_of(&life.ad_id).unwrap_or(&life.ad_id))
        .collect();
    // What each family of an ad and its copies earned before and since.
    let mut earned: BTreeMap<&str, Earned> = BTreeMap::new();
    let before = from.saturating_sub(BEFORE_DAYS.days());
    for day in days.iter().filter(|day| day.date >= before && day.date < today) {
        let family = source_of(&day.ad_id).unwrap_or(&day.ad_id);
        if !of_stage.contains(family) {
            continue;
        }
        let facts = &day.facts;
        let revenue = facts.revenue.map_or(f64::NAN, |revenue| currency.to_major(revenue));
        let revenue = if facts.purchases > 0.0 { revenue } else { 0.0 };
        let spend = currency.to_major(facts.spend);
        let profit = revenue - facts.purchases * cogs_per_purchase - spend;
        let of_family = earned.entry(family).or_default();
        if day.date < from {
            of_family.before += profit;
        } else {
            of_family.since += profit;
            of_family.spend += spend;
        }
    }
    // An ad whose purchases came without a value says nothing on either side.
    earned.retain(|_, of_family| of_family.before.is_finite() && of_family.since.is_finite());
    let tried: Vec<bool> = earned.keys().map(|family| takes(&row.digest, family, row.share)).collect();
    let daily = |total: f64| total / f64::from(complete.max(1));
    let before: Vec<f64> = earned.values().map(|of_family| of_family.before / BEFORE_DAYS as f64).collect();
    let since = without(&before, earned.values().map(|of_family| daily(of_family.since)).collect());
    let spend: Vec<f64> = earned.values().map(|of_family| daily(of_family.spend)).collect();
    let of_side = |values: &[f64], side: bool| -> Vec<f64> {
        values.iter().zip(&tried).filter(|(_, tried)| **tried == side).map(|(value, _)| *value).collect()
    };
    let arm = |side: bool| Arm::of(&of_side(&since, side), &of_side(&spend, side));
    let (canary, others) = (arm(true), arm(false));
    let enough = complete > 0 && canary.ads >= FEWEST && others.ads >= FEWEST;
    let worse = if enough { canary.below(&others) } else { None };
    Evidence { from: from.to_string(), days: complete, canary, others, worse }
}

/// What an ad and its copies earned, major units.
#[derive(Clone, Copy, Default)]
struct Earned {
    before: f64,
    since: f64,
    spend: f64,
}

/// Values less what another number explains of them, by the slope of the least squares.
fn without(explains: &[f64], mut values: Vec<f64>) -> Vec<f64> {
    let (mean_x, mean_y) = (mean(explains), mean(&values));
    let (mut both, mut own) = (0.0, 0.0);
    for (x, y) in explains.iter().zip(&values) {
        both += (x - mean_x) * (y - mean_y);
        own += (x - mean_x) * (x - mean_x);
    }
    let slope = if own > 0.0 { both / own } else { 0.0 };
    values.iter_mut().zip(explains).for_each(|(y, x)| *y -= slope * (x - mean_x));
    values
}

/// The mean; 0 of nothing.
fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len().max(1) as f64
}

impl Arm {
    fn of(profits: &[f64], spends: &[f64]) -> Self {
        let (ads, profit) = (profits.len(), mean(profits));
        let squares: f64 = profits.iter().map(|value| (value - profit).powi(2)).sum();
        Arm { ads, profit, spend: mean(spends), variance: squares / ads.saturating_sub(1).max(1) as f64 }
    }

    /// How probable it is that the true mean is below another's: Welch's t (Biometrika 34, 1947).
    fn below(&self, other: &Arm) -> Option<f64> {
        let (a, b) = (self.variance / self.ads as f64, other.variance / other.ads as f64);
        let freedom = (a + b).powi(2) / (a.powi(2) / (self.ads as f64 - 1.0) + b.powi(2) / (other.ads as f64 - 1.0));
        let t = (other.profit - self.profit) / (a + b).sqrt();
        // Where nothing varies there is nothing to be sure of.
        (t.is_finite() && freedom.is_finite()).then(|| student_t(t, freedom))
    }
}
