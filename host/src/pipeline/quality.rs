//! Data quality: what Meta's answers lacked, repeated, or changed of days that were over.

use crate::domain::{Currency, DayFacts};
use crate::health::Health;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// What was found of the days that a run read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataQuality {
    /// The first day that was read anew; on the first run of an account day as far back as Meta may restate.
    pub from: String,
    /// Rows of ads by day.
    pub rows: usize,
    /// Rows that came more than once and were counted once.
    pub duplicates: usize,
    /// Rows of complete days whose spend, purchases or revenue are others than at the last look.
    pub restated: usize,
    /// What that added to purchases: mostly late conversions, each on the day that it belongs to.
    pub restated_purchases: f64,
    /// What it added to spend, major units.
    pub restated_spend: f64,
    /// Rows of complete days that were known and were not sent this time: they are kept.
    pub vanished: usize,
    /// Days without a row of any ad between days with some.
    pub gaps: Vec<String>,
}

/// Holds what was read of a range of days against what was known of them.
#[must_use]
pub(super) fn examine(
    from: Date,
    today: Date,
    read: &[DayFacts],
    duplicates: usize,
    known: &[DayFacts],
    currency: &Currency,
) -> DataQuality {
    let mut quality = DataQuality { from: from.to_string(), rows: read.len(), duplicates, ..DataQuality::default() };
    let complete = |day: &&DayFacts| day.date >= from && day.date < today;
    let mut open: HashMap<(&str, Date), &DayFacts> =
        known.iter().filter(complete).map(|day| ((day.ad_id.as_str(), day.date), day)).collect();
    for day in read.iter().filter(complete) {
        let Some(before) = open.remove(&(day.ad_id.as_str(), day.date)) else { continue };
        let (now, then) = (&day.facts, &before.facts);
        let same = now.spend == then.spend
            && now.purchases.to_bits() == then.purchases.to_bits()
            && now.revenue == then.revenue;
        if !same {
            quality.restated += 1;
            quality.restated_purchases += now.purchases - then.purchases;
            quality.restated_spend += currency.to_major(now.spend - then.spend);
        }
    }
    quality.vanished = open.values().filter(|day| day.facts.impressions > 0.0).count();
    let days: BTreeSet<Date> = read.iter().map(|day| day.date).collect();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        let mut day = *first;
        while day < *last {
            if !days.contains(&day) {
                quality.gaps.push(day.to_string());
            }
            day = day.saturating_add(1.days());
        }
    }
    quality
}

impl DataQuality {
    /// What a person should know of it.
    pub(super) fn health(&self) -> Vec<Health> {
        let line = |message| Health { source: "data".into(), level: "warning".into(), message, stops: None };
        let mut found = Vec::new();
        if !self.gaps.is_empty() {
            found.push(line(format!(
                "no ad has numbers of {}, though days before and after have: either nothing was delivered, or Meta's answer \
                 lacks them",
                self.gaps.join(", ")
            )));
        }
        if self.vanished > 0 {
            found.push(line(format!(
                "{} rows of complete days were known and did not come this time: what was known of them is kept",
                self.vanished
            )));
        }
        found
    }
}
