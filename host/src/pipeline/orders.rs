//! The second truth: what the shop itself sold, beside what Meta attributes to its ads. A lasting gap between the two
//! means that cost per purchase and return are not what they seem, and that no budget should grow on them.

use super::observe::Observation;
use crate::health::{GROWTH, Health};
use crate::store::OrderRow;
use jiff::ToSpan;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// Complete days that are compared: the newest and the oldest. Of a day that has just ended too little is reported.
const RECENT: (i32, i32) = (2, 8);
/// Complete days before them, which tell what share of its orders Meta usually attributes.
const BEFORE: (i32, i32) = (9, 36);
/// Days of a gap that lasts, and days that a usual share is known from.
const LASTS_DAYS: usize = 3;
const USUAL_DAYS: usize = 7;
/// Orders below which a gap is chance.
const ENOUGH: f64 = 10.0;
/// Standard errors of a count by which a gap is no chance: one in a thousand.
const SURE: f64 = 3.1;
/// Orders a day from which on a day without one was not exported.
const SELLS_DAILY: f64 = 3.0;
/// The share of what Meta usually attributes that is a loss of measurement.
const LOST: f64 = 0.5;
/// Days after which orders that were imported say nothing of the present.
const STALE_DAYS: i32 = 7;
/// Days of orders that are looked at.
pub(super) const LOOKS_BACK_DAYS: i64 = 40;

/// Purchases by Meta's account, late ones foretold, and orders of the shop.
#[derive(Clone, Copy, Debug, Default)]
struct Both {
    attributed: f64,
    sold: f64,
}

/// Holds Meta's account against the shop's. `settled` is the share of purchases that is reported of a day so many days
/// old.
#[must_use]
pub(super) fn compare(observation: &Observation, orders: &[OrderRow], settled: &[f64], max_gap: f64) -> Option<Health> {
    let zone = &observation.account.zone;
    let date = |order: &OrderRow| order.placed_at.to_zoned(zone.clone()).date();
    let (first, last) = (date(orders.first()?), date(orders.last()?));
    let ago_of = |date: Date| observation.days_ago(date);
    if ago_of(last) > STALE_DAYS {
        let message = format!(
            "the newest order of the shop that is known is of {last}: import newer ones (`dean import orders FILE`), or Meta's \
             numbers stand alone"
        );
        return Some(line("warning", message, None));
    }
    // The first and the last day of an export may be cut.
    let mut days: BTreeMap<i32, Both> = BTreeMap::new();
    for ago in RECENT.0..=BEFORE.1 {
        let day = observation.today.saturating_sub(ago.days());
        if first < day && day < last {
            days.insert(ago, Both::default());
        }
    }
    for order in orders.iter().filter(|order| !order.cancelled) {
        if let Some(day) = days.get_mut(&ago_of(date(order))) {
            day.sold += 1.0;
        }
    }
    // Days without any order of a shop that sells every day lie between two exports: nothing is known of them.
    let sold = days.values().map(|both| both.sold).sum::<f64>() / (days.len() as f64).max(1.0);
    if sold >= SELLS_DAILY {
        days.retain(|_, both| both.sold > 0.0);
    }
    for row in &observation.days {
        let ago = ago_of(row.date);
        if let Some(day) = days.get_mut(&ago) {
            day.attributed += row.facts.purchases / settled.get(ago as usize).copied().unwrap_or(1.0);
        }
    }
    let recent: Vec<Both> = days.range(RECENT.0..=RECENT.1).map(|(_, both)| *both).collect();
    let before: Vec<Both> = days.range(BEFORE.0..=BEFORE.1).map(|(_, both)| *both).collect();
    let sum = |days: &[Both], of: fn(&Both) -> f64| days.iter().map(of).sum::<f64>();
    let (attributed, sold) = (sum(&recent, |b| b.attributed), sum(&recent, |b| b.sold));
    let lasts = |is: &dyn Fn(&Both) -> bool| recent.iter().filter(|both| is(both)).count() >= LASTS_DAYS;

    let most = sold * (1.0 + max_gap);
    if attributed >= ENOUGH
        && attributed - most > SURE * attributed.sqrt()
        && lasts(&|both| both.attributed > both.sold * (1.0 + max_gap))
    {
        let message = format!(
            "Meta attributes {attributed:.0} purchases of {} days to its ads, and the shop sold {sold:.0} in all: what ads \
             seem to earn is too much, and no budget rises until the two agree within {:.0} %; look for events that are \
             sent twice in the Events Manager",
            recent.len(),
            100.0 * max_gap
        );
        return Some(line("warning", message, Some(GROWTH)));
    }
    let (usual_attributed, usual_sold) = (sum(&before, |b| b.attributed), sum(&before, |b| b.sold));
    if before.len() < USUAL_DAYS || usual_sold <= 0.0 {
        return None;
    }
    let share = usual_attributed / usual_sold;
    let expected = sold * share;
    if expected >= ENOUGH
        && attributed < LOST * expected
        && expected - attributed > SURE * expected.sqrt()
        && lasts(&|both| both.attributed < LOST * share * both.sold)
    {
        let message = format!(
            "Meta attributes {attributed:.0} of the shop's {sold:.0} orders of {} days, {:.0} % where it was {:.0} % before: \
             part of what ads sell is no longer reported, and no budget rises until it is; look at the pixel in the Events \
             Manager",
            recent.len(),
            100.0 * attributed / sold,
            100.0 * share
        );
        return Some(line("warning", message, Some(GROWTH)));
    }
    None
}

fn line(level: &str, message: String, stops: Option<&str>) -> Health {
    Health { source: "orders".into(), level: level.into(), message, stops: stops.map(String::from) }
}
