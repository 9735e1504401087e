//! What ads went on to do after a side would have let them go: the account kept them, so it is known.

use crate::domain::{Currency, DayFacts, Facts};
use crate::store::LifecycleRow;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::HashMap;

/// Complete account days after which hardly a conversion is still to come.
const SETTLED_DAYS: i32 = 7;

/// What an ad did on some account days, in major units.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The first day: the one after the decision.
    pub from: String,
    /// The last day.
    pub to: String,
    /// Whether late conversions of the last day have arrived.
    pub settled: bool,
    /// Spend.
    pub spend: f64,
    /// Purchases.
    pub purchases: f64,
    /// Revenue; unknown when purchases came without a value.
    pub revenue: Option<f64>,
    /// Revenue less cost of goods and spend.
    pub profit: Option<f64>,
    /// Whether it sold at all.
    pub sold: bool,
    /// Copies that were made of it, whose days count too: without it there would be none.
    pub copies: usize,
}

/// Days as they are known now, by ad.
pub(super) struct Days<'a> {
    by_ad: HashMap<&'a str, Vec<(Date, &'a Facts)>>,
    copies: HashMap<&'a str, Vec<&'a str>>,
    last: Option<Date>,
    currency: &'a Currency,
    cogs_per_purchase: f64,
}

impl<'a> Days<'a> {
    pub(super) fn new(
        days: &'a [DayFacts],
        lives: &'a [LifecycleRow],
        currency: &'a Currency,
        cogs_per_purchase: f64,
    ) -> Self {
        let mut by_ad: HashMap<&str, Vec<(Date, &Facts)>> = HashMap::new();
        days.iter().for_each(|day| by_ad.entry(day.ad_id.as_str()).or_default().push((day.date, &day.facts)));
        let mut copies: HashMap<&str, Vec<&str>> = HashMap::new();
        for life in lives {
            if let Some(source) = &life.source_ad_id {
                copies.entry(source).or_default().push(&life.ad_id);
            }
        }
        Days { by_ad, copies, last: days.iter().map(|day| day.date).max(), currency, cogs_per_purchase }
    }

    /// The copies of an ad, and theirs.
    fn copies_of(&self, ad: &'a str) -> Vec<&'a str> {
        let mut family = vec![ad];
        let mut next = 0;
        while let Some(source) = family.get(next) {
            let new: Vec<&str> = self.copies.get(source).into_iter().flatten().copied().collect();
            family.extend(new.into_iter().filter(|copy| *copy != ad));
            next += 1;
        }
        family.sort_unstable();
        family.dedup();
        family
    }

    /// What an ad did from the day after one on, to another or to the last that is known, and then its copies too;
    /// nothing where there is no day between them, or nothing was delivered on any.
    pub(super) fn after(&self, ad: &str, day: Date, until: Option<Date>) -> Option<Outcome> {
        let last = self.last?;
        let (from, to) = (day.saturating_add(1.day()), until.unwrap_or(last).min(last));
        let (ad, _) = self.by_ad.get_key_value(ad)?;
        let family = if until.is_none() { self.copies_of(ad) } else { vec![*ad] };
        let mut sum: Option<Facts> = None;
        for (date, facts) in family.iter().filter_map(|ad| self.by_ad.get(ad)).flatten() {
            if (from..=to).contains(date) {
                *sum.get_or_insert_default() += *facts;
            }
        }
        let sum = sum.filter(|sum| sum.impressions > 0.0 || sum.purchases > 0.0)?;
        let spend = self.currency.to_major(sum.spend);
        let revenue = sum.revenue.map(|revenue| self.currency.to_major(revenue));
        Some(Outcome {
            from: from.to_string(),
            to: to.to_string(),
            settled: (last - to).get_days() >= SETTLED_DAYS,
            spend,
            purchases: sum.purchases,
            revenue,
            profit: revenue.map(|revenue| revenue - sum.purchases * self.cogs_per_purchase - spend),
            sold: sum.purchases > 0.0,
            copies: family.len() - 1,
        })
    }
}
