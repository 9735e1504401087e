//! What a canary's ads earned beside the others of its stage.
//!
//! Which ads it decides about is drawn by a hash, so that this is an experiment: the means of both groups differ by what
//! it does and by chance. What each ad earned before the trial began explains a part of the chance and is taken off (CUPED:
//! Deng, Xu, Kohavi, Walker, WSDM 2013); of the rest Welch's t (Biometrika 34, 1947) says how probable it is that its ads
//! earn less, looked at once. It is looked at every day, and whoever looks long enough sees whatever he waits for: so what
//! withdraws a canary is a bound that holds at all looks together (the mixture sequential probability ratio test: Robbins,
//! Ann. Math. Statist. 41, 1970; Johari, Koomen, Pekelis, Walsh, KDD 2017), one-sided, over losses that are half-normal with
//! the size of what an ad spends.

use super::measure;
use crate::domain::{Currency, DayFacts};
use crate::features::{normal, normal_quantile, student_t};
use crate::policies::takes;
use crate::store::{LifecycleRow, PolicyTrialRow};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// Days before a trial began that say what an ad earned without it.
pub(super) const BEFORE_DAYS: i64 = 7;
/// A canary whose ads spend less than this part of what the others do is not widened by rule: whoever stops ads that are
/// still being tested saves at once, and pays for it with the winners that nobody found.
const LEAST_SPEND: f64 = 0.5;
/// Ads on either side below which a mean says nothing.
const FEWEST: usize = 5;

/// What one side's ads earned, copies counted with the ad that they were made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Ads.
    pub ads: usize,
    /// Revenue less cost of goods and spend, for each ad and day, major units, late conversions accounted for; less what
    /// they had earned before by chance.
    pub profit: f64,
    /// What they spent, for each ad and day, major units.
    pub spend: f64,
    #[serde(skip)]
    variance: f64,
}

/// What a canary's ads earned beside the others of the stage since its share is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The first complete day.
    pub from: String,
    /// Complete days.
    pub days: u32,
    /// The canary's ads.
    pub canary: Arm,
    /// The others.
    pub others: Arm,
    /// How probable it is that its ads earn less than they would without it, looked at once; not known with too few ads.
    pub worse: Option<f64>,
    /// How sure that is however often it is looked at: where it earns no less, this passes 0.95 on any day at all with a
    /// probability of 0.05.
    pub surely_worse: Option<f64>,
}

impl Evidence {
    pub(super) fn starves(&self) -> bool {
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
            Some(worse) => format!(
                "{:.0} % likely to earn less than without it ({:.0} % however often one looks)",
                100.0 * worse,
                100.0 * self.surely_worse.unwrap_or_default()
            ),
            None => "too few to tell".into(),
        };
        let days = if self.days == 1 { "1 day".into() } else { format!("{} days", self.days) };
        format!("over {days} its {}, the other {}: {worse}", earned(&self.canary), earned(&self.others))
    }
}

/// The first day that a share was tried on from its beginning.
pub(super) fn first_day(row: &PolicyTrialRow, zone: &TimeZone) -> Date {
    row.stepped_at.to_zoned(zone.clone()).date().saturating_add(1.day())
}

/// The first day that says what ads earned before a trial began: of a share that was widened, before the first one.
pub(super) fn first_day_before(row: &PolicyTrialRow, zone: &TimeZone) -> Date {
    row.began_at.to_zoned(zone.clone()).date().saturating_sub(BEFORE_DAYS.days())
}

/// What days are counted in.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// The account's zone.
    pub zone: &'a TimeZone,
    /// The account's day.
    pub today: Date,
    /// Its currency.
    pub currency: &'a Currency,
    /// The share of a day's purchases that is reported by now, by its age in days; all of it beyond the last.
    pub settled: &'a [f64],
    /// What is paid for the goods of a purchase, major units.
    pub cogs_per_purchase: f64,
}

/// What a canary's ads earned beside the others, on complete days.
#[must_use]
pub fn evidence(row: &PolicyTrialRow, lifecycle: &[LifecycleRow], days: &[DayFacts], counted: Counted<'_>) -> Evidence {
    let Counted { zone, today, currency, settled, cogs_per_purchase } = counted;
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
    let before = first_day_before(row, zone);
    let began = before.saturating_add(BEFORE_DAYS.days());
    // Days on which it was tried with another share say neither.
    let counts = |day: Date| (before <= day && day < began) || (from <= day && day < today);
    for day in days.iter().filter(|day| counts(day.date)) {
        let family = source_of(&day.ad_id).unwrap_or(&day.ad_id);
        if !of_stage.contains(family) {
            continue;
        }
        let facts = &day.facts;
        let revenue = facts.revenue.map_or(f64::NAN, |revenue| currency.to_major(revenue));
        let revenue = if facts.purchases > 0.0 { revenue } else { 0.0 };
        let spend = currency.to_major(facts.spend);
        let age = day.date.until(today).map_or(0, |span| span.get_days().max(0)) as usize;
        // The newest days lack what is still to be reported, most of it of those that spend most.
        let arrived = settled.get(age).copied().unwrap_or(1.0);
        let profit = (revenue - facts.purchases * cogs_per_purchase) / arrived - spend;
        let of_family = earned.entry(family).or_default();
        if day.date < began {
            of_family.before += profit;
            of_family.spend_before += spend;
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
    // The size of losses is fixed before anything is seen of the trial: what an ad spent a day until it began.
    let spent: Vec<f64> = earned.values().map(|family| family.spend_before / BEFORE_DAYS as f64).collect();
    let size = if mean(&spent) > 0.0 { mean(&spent) } else { others.spend };
    let enough = complete > 0 && canary.ads >= FEWEST && others.ads >= FEWEST;
    let looked = if enough { canary.below(&others, size) } else { None };
    let (worse, surely_worse) = looked.unzip();
    Evidence { from: from.to_string(), days: complete, canary, others, worse, surely_worse }
}

/// What an ad and its copies earned, major units.
#[derive(Clone, Copy, Default)]
struct Earned {
    before: f64,
    spend_before: f64,
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

    /// How probable it is that the true mean is below another's, looked at once (Welch's t), and however often it is looked
    /// at, where losses are of a size.
    fn below(&self, other: &Arm, size: f64) -> Option<(f64, f64)> {
        let (a, b) = (self.variance / self.ads as f64, other.variance / other.ads as f64);
        let freedom = (a + b).powi(2) / (a.powi(2) / (self.ads as f64 - 1.0) + b.powi(2) / (other.ads as f64 - 1.0));
        let t = (other.profit - self.profit) / (a + b).sqrt();
        // Where nothing varies there is nothing to be sure of.
        (t.is_finite() && freedom.is_finite()).then(|| {
            let worse = student_t(t, freedom);
            (worse, always(normal_quantile(worse), a + b, size))
        })
    }
}

/// One less the always-valid p-value of a loss, of a difference in standard errors, its variance, and the size of losses:
/// the likelihood of the data under a half-normal loss of that size, over that of no loss.
fn always(z: f64, variance: f64, size: f64) -> f64 {
    let part = size.powi(2) / (variance + size.powi(2));
    let ratio = 2.0 * (1.0 - part).sqrt() * (0.5 * part * z * z).exp() * normal(part.sqrt() * z);
    if z > 0.0 && ratio.is_finite() { (1.0 - 1.0 / ratio).max(0.0) } else { 0.0 }
}
