//! What is known of the account as a whole: what it spends and earns, and the basis against which
//! each of its ads is measured.

use super::observe::Observation;
use crate::config::Config;
use crate::domain::{Currency, DayLook, Facts, Money};
use crate::features::{Basis, DayAtAge, LagCurve, Totals};
use crate::policies::StagePolicy;
use std::collections::BTreeMap;

/// Complete days over which the account is measured.
const MONTH: i32 = 30;
const WEEK: i32 = 7;
/// Complete days over which the account's safety is judged.
const RECENT: i32 = 3;

/// What is known of the account as a whole, money in major units.
#[derive(Clone, Debug)]
pub struct AccountNumbers {
    /// Spend of a day: the mean of the last seven complete days with any.
    pub daily_spend: f64,
    /// Spend of today.
    pub spend_today: f64,
    /// The cost per purchase at which nothing is earned; NaN when not known.
    pub breakeven_cpa: f64,
    /// Cost per purchase over the last three complete days, late conversions accounted for; NaN
    /// without spend.
    pub recent_cpa: f64,
    /// The mean order value of the last thirty complete days; NaN when not known.
    pub order_value: f64,
    /// The share of purchases that is reported of a complete day so many days old.
    pub settled: Vec<f64>,
    /// Why nothing may be made to spend more, if so.
    pub growth_stopped: Option<String>,
    /// Priors, lag curve and means.
    pub basis: Basis,
}

/// Measures the account.
#[must_use]
pub(super) fn measure(observation: &Observation, config: &Config, stages: &[StagePolicy]) -> AccountNumbers {
    let (economics, guard) = (&config.economics, &config.guard);
    let dry_days = guard.stop_days_without_purchase as i32;
    let currency = &observation.account.currency;
    let lag = LagCurve::fit(&looks(observation));
    let elapsed = observation.elapsed();
    let settled = lag.settled(MONTH as usize + 1, elapsed);

    let mut today = Money::ZERO;
    let mut week = [Money::ZERO; WEEK as usize + 1];
    let (mut recent_spend, mut recent_purchases) = (0.0, 0.0);
    let (mut dry_spend, mut dry_purchases) = (Money::ZERO, 0.0);
    let mut ads: BTreeMap<&str, Totals> = BTreeMap::new();
    for day in &observation.days {
        let ago = observation.days_ago(day.date);
        let facts = &day.facts;
        if (0..=dry_days).contains(&ago) {
            dry_spend += facts.spend;
            dry_purchases += facts.purchases;
        }
        if ago == 0 {
            today += facts.spend;
        } else if (1..=MONTH).contains(&ago) {
            let settled = settled[ago as usize];
            add(ads.entry(&day.ad_id).or_default(), facts, settled, currency);
            if ago <= WEEK {
                week[ago as usize] += facts.spend;
            }
            if ago <= RECENT {
                recent_spend += currency.to_major(facts.spend);
                recent_purchases += facts.purchases / settled;
            }
        }
    }
    let totals: Vec<Totals> = ads.into_values().collect();
    let spent: Vec<f64> = week.iter().filter(|d| **d > Money::ZERO).map(|d| currency.to_major(*d)).collect();
    let order_value = order_value(&totals);
    let margin = order_value - economics.cogs_per_purchase;
    let breakeven = economics.breakeven_cpa.unwrap_or(if margin > 0.0 { margin } else { f64::NAN });
    // Spend without a purchase costs at least as much as one purchase would.
    let recent_cpa = if recent_spend > 0.0 { recent_spend / recent_purchases.max(1.0) } else { f64::NAN };
    let dry_spend = currency.to_major(dry_spend);
    let shown = |major: f64| currency.from_major(major).map_or_else(|| major.to_string(), |m| currency.format(m));
    // An account that never sold has no break-even of its own: then what the stages aim to pay stands for
    // it, the most lenient of them.
    let aims = stages.iter().filter_map(|stage| stage.ready()?.target_cpa);
    let bearable = if breakeven.is_nan() { aims.fold(f64::NAN, f64::max) } else { breakeven };
    let enough = guard.stop_min_purchases * bearable;
    let growth_stopped = if dry_purchases <= 0.0 && dry_spend > enough {
        Some(format!(
            "the account spent {} today and on the {dry_days} days before without a purchase; nothing is made to spend more until one comes",
            shown(dry_spend)
        ))
    } else if recent_cpa > guard.stop_cpa_ratio * breakeven && recent_spend > enough {
        Some(format!(
            "the account paid {} a purchase over the last {RECENT} days, more than {} times its break-even of {}; nothing is made to spend more until that falls",
            shown(recent_cpa),
            guard.stop_cpa_ratio,
            shown(breakeven)
        ))
    } else {
        None
    };
    AccountNumbers {
        daily_spend: if spent.is_empty() {
            currency.to_major(today)
        } else {
            spent.iter().sum::<f64>() / spent.len() as f64
        },
        spend_today: currency.to_major(today),
        breakeven_cpa: breakeven,
        recent_cpa,
        order_value,
        settled,
        growth_stopped,
        basis: Basis::fit(&totals, &lag, elapsed),
    }
}

/// An order that is worth so many times what a stage aims to pay for it was measured in another unit
/// than the rules: no shop leaves that much on the table.
const IMPLAUSIBLE: f64 = 20.0;

/// Why the amounts of the rules cannot be meant for this account, if so: in another currency, or for a
/// shop of another kind, they would pause everything.
#[must_use]
pub(super) fn implausible(numbers: &AccountNumbers, stages: &[StagePolicy], currency: &Currency) -> Option<String> {
    let target = |p: &StagePolicy| Some((p.view.name.clone(), p.ready()?.target_cpa?));
    let (stage, target) = stages.iter().filter_map(target).find(|(_, t)| numbers.order_value > t * IMPLAUSIBLE)?;
    let shown = |major: f64| currency.from_major(major).map_or_else(|| major.to_string(), |m| currency.format(m));
    Some(format!(
        "an order of this account is worth {}, and stage {stage} aims to pay {} for one: the amounts in the rules are not in this account's currency, or not for this shop; set thresholds.cpa and the others in rules.toml",
        shown(numbers.order_value),
        shown(target)
    ))
}

fn add(totals: &mut Totals, facts: &Facts, settled: f64, currency: &Currency) {
    let spend = currency.to_major(facts.spend);
    totals.spend += spend;
    totals.settled_spend += spend * settled;
    totals.impressions += facts.impressions;
    totals.clicks += facts.clicks;
    totals.add_to_cart += facts.add_to_cart;
    totals.purchases += facts.purchases;
    totals.revenue += facts.revenue.map_or(f64::NAN, |revenue| currency.to_major(revenue));
}

/// The mean order value, of ads whose revenue is known; NaN without a purchase.
fn order_value(ads: &[Totals]) -> f64 {
    let valued = ads.iter().filter(|ad| ad.revenue.is_finite());
    let (revenue, purchases) = valued.fold((0.0, 0.0), |(r, p), ad| (r + ad.revenue, p + ad.purchases));
    if purchases > 0.0 { revenue / purchases } else { f64::NAN }
}

/// How the account's days looked at each age, numbered from today back.
fn looks(observation: &Observation) -> Vec<DayAtAge> {
    let currency = &observation.account.currency;
    let look = |look: &DayLook| DayAtAge {
        day: -i64::from(observation.days_ago(look.date)),
        age: look.age_days as usize,
        spend: currency.to_major(look.spend),
        purchases: look.purchases,
    };
    observation.looks.iter().map(look).collect()
}
