//! Whether what ads do is still reported: where a pixel breaks, every ad looks as if it sold nothing, and rules that are
//! right about ads would pause them all.
//!
//! Each ad is held against its own past, so that a mix of ads that changes is no anomaly.

use super::observe::Observation;
use crate::health::{Health, PAUSES, WRITES};
use std::collections::{BTreeMap, HashMap};

/// Complete days whose numbers tell what an ad reports as a rule: the oldest and the newest of them. The newest days
/// are what is doubted.
const PAST: (i32, i32) = (4, 30);
/// Complete days that are held against them, beside today.
const DOUBTED: i32 = 3;
/// Events that have to be expected of a day, and of how many ads at least, before their absence says anything.
const EXPECTED: f64 = 20.0;
const ADS: usize = 2;
/// The share of what was expected that no ordinary day falls to: of twenty expected, two or fewer come once in two
/// million days (Poisson), and wear takes weeks.
const FALLEN_TO: f64 = 0.1;

/// What was expected and what was reported of a day.
#[derive(Clone, Copy, Debug, Default)]
struct Day {
    expected: f64,
    reported: f64,
    ads: usize,
}

/// Says where events stopped being reported: today, which stops every change; or on one of the last days, which stops
/// pauses, since rules still look at that day.
#[must_use]
pub(super) fn tracking(observation: &Observation) -> Vec<Health> {
    let carts = observation.days.iter().any(|day| day.facts.add_to_cart > 0.0);
    let what = if carts { "add-to-carts" } else { "purchases" };
    let events = |facts: &crate::domain::Facts| if carts { facts.add_to_cart } else { facts.purchases };
    let mut past: HashMap<&str, (f64, f64)> = HashMap::new();
    for day in &observation.days {
        if (PAST.0..=PAST.1).contains(&observation.days_ago(day.date)) {
            let (events_of, spend) = past.entry(&day.ad_id).or_default();
            *events_of += events(&day.facts);
            *spend += day.facts.spend.0 as f64;
        }
    }
    let mut days: BTreeMap<i32, Day> = BTreeMap::new();
    for day in &observation.days {
        let ago = observation.days_ago(day.date);
        let Some((events_of, spend)) = past.get(day.ad_id.as_str()).filter(|(n, spend)| *n > 0.0 && *spend > 0.0)
        else {
            continue;
        };
        if (0..=DOUBTED).contains(&ago) {
            let expected = day.facts.spend.0 as f64 * events_of / spend;
            let of_day = days.entry(ago).or_default();
            of_day.expected += expected;
            of_day.reported += events(&day.facts);
            of_day.ads += usize::from(expected >= 1.0);
        }
    }
    let silent = |day: &Day| day.expected >= EXPECTED && day.ads >= ADS && day.reported <= FALLEN_TO * day.expected;
    let mut found = Vec::new();
    for (ago, day) in days.into_iter().filter(|(_, day)| silent(day)) {
        let date = observation.today.saturating_sub(jiff::Span::new().days(ago));
        let of = format!(
            "{:.0} {what} were reported where {:.0} were to be expected of the same ads",
            day.reported, day.expected
        );
        let (message, stops) = if ago == 0 {
            (
                format!(
                    "today {of}: what they sell is not measured, so nothing is changed; look at the pixel in the Events \
                     Manager"
                ),
                WRITES,
            )
        } else {
            (format!("on {date} {of}: while rules look at that day no ad is paused on its numbers"), PAUSES)
        };
        found.push(Health { source: "anomaly".into(), level: "critical".into(), message, stops: Some(stops.into()) });
    }
    found
}
