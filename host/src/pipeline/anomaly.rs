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

/// Purchases from which on their arrival shows that events arrive, and the share of what was expected that does.
const PURCHASES: f64 = 5.0;
const ARRIVE: f64 = 0.3;

/// What was expected and what was reported of a day.
#[derive(Clone, Copy, Debug, Default)]
struct Day {
    carts: Counted,
    purchases: Counted,
}

/// One kind of event of a day.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    expected: f64,
    reported: f64,
    ads: usize,
}

impl Counted {
    fn add(&mut self, expected: f64, reported: f64) {
        self.expected += expected;
        self.reported += reported;
        self.ads += usize::from(expected >= 1.0);
    }

    fn is_silent(&self) -> bool {
        self.expected >= EXPECTED && self.ads >= ADS && self.reported <= FALLEN_TO * self.expected
    }

    /// Whether enough arrived to say that events do.
    fn arrives(&self) -> bool {
        self.expected >= PURCHASES && self.reported >= ARRIVE * self.expected
    }
}

impl Day {
    /// Whether carts stay away though purchases arrive: the shop gave that event up.
    fn gave_up_carts(&self) -> bool {
        self.carts.is_silent() && self.purchases.arrives()
    }

    /// The kind of event that stays away, while the other does not say that events arrive.
    fn silent(&self, carts_say_something: bool) -> Option<(&'static str, Counted)> {
        if carts_say_something && self.carts.is_silent() && !self.purchases.arrives() {
            return Some(("add-to-carts", self.carts));
        }
        (self.purchases.is_silent() && !self.carts.arrives()).then_some(("purchases", self.purchases))
    }
}

/// Says where events stopped being reported: today, which stops every change; or on one of the last days, which stops
/// pauses, since rules still look at that day. `settled` is the share of purchases that is reported of a day so many days
/// old.
#[must_use]
pub(super) fn tracking(observation: &Observation, settled: &[f64]) -> Vec<Health> {
    let mut past: HashMap<&str, (f64, f64, f64)> = HashMap::new();
    for day in &observation.days {
        if (PAST.0..=PAST.1).contains(&observation.days_ago(day.date)) {
            let (carts, purchases, spend) = past.entry(&day.ad_id).or_default();
            *carts += day.facts.add_to_cart;
            *purchases += day.facts.purchases;
            *spend += day.facts.spend.0 as f64;
        }
    }
    let mut days: BTreeMap<i32, Day> = BTreeMap::new();
    for day in &observation.days {
        let ago = observation.days_ago(day.date);
        let known = past.get(day.ad_id.as_str()).filter(|(.., spend)| *spend > 0.0);
        if let (Some((carts, purchases, spend)), true) = (known, (0..=DOUBTED).contains(&ago)) {
            let share = day.facts.spend.0 as f64 / spend;
            let reported = settled.get(ago as usize).copied().unwrap_or(1.0);
            let of_day = days.entry(ago).or_default();
            of_day.carts.add(share * carts, day.facts.add_to_cart);
            // Of today's purchases only some can be there yet.
            of_day.purchases.add(share * purchases * reported, day.facts.purchases);
        }
    }
    let mut found = Vec::new();
    let carts = !days.values().any(Day::gave_up_carts);
    for (ago, (what, day)) in days.into_iter().filter_map(|(ago, day)| Some((ago, day.silent(carts)?))) {
        let date = observation.today.saturating_sub(jiff::Span::new().days(ago));
        let of = format!(
            "{:.0} {what} were reported where {:.0} were to be expected of the same ads",
            day.reported, day.expected
        );
        let (message, stops) = if ago == 0 {
            (
                format!(
                    "today {of}: what they sell is not measured, so nothing is changed; look at the pixel in the Events \
                     Manager (guard.anomaly_hold = false goes on all the same)"
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
