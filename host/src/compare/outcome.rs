//! What ads went on to do after a side would have let them go: the account kept them, so it is known.

use crate::domain::{Currency, DayFacts, Facts};
use crate::store::LifecycleRow;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Complete account days after which hardly a conversion is still to come.
const SETTLED_DAYS: i32 = 7;

/// What an ad did on some account days, in major units.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The first day: the one after the decision.
    pub from: String,
    /// The last day: the one before the account did the same, or the last on which anything was delivered.
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
    /// Copies that were made of it afterwards and delivered, whose days count too: without it there would be none.
    pub copies: usize,
}

/// Days as they are known now, by ad.
pub(super) struct Days<'a> {
    by_ad: HashMap<&'a str, Vec<(Date, &'a Facts)>>,
    /// By source, its copies and when each was made.
    copies: HashMap<&'a str, Vec<(&'a str, Timestamp)>>,
    last: Option<Date>,
    currency: &'a Currency,
    cogs_per_purchase: f64,
}

/// Days of ads that a side lets go, each once however many of its decisions it follows.
pub(super) type Counted<'a> = BTreeMap<(&'a str, Date), &'a Facts>;

impl<'a> Days<'a> {
    pub(super) fn new(
        days: &'a [DayFacts],
        lives: &'a [LifecycleRow],
        currency: &'a Currency,
        cogs_per_purchase: f64,
    ) -> Self {
        let mut by_ad: HashMap<&str, Vec<(Date, &Facts)>> = HashMap::new();
        days.iter().for_each(|day| by_ad.entry(day.ad_id.as_str()).or_default().push((day.date, &day.facts)));
        let mut copies: HashMap<&str, Vec<(&str, Timestamp)>> = HashMap::new();
        for life in lives {
            if let Some(source) = &life.source_ad_id {
                copies.entry(source).or_default().push((&life.ad_id, life.entered_at));
            }
        }
        Days { by_ad, copies, last: days.iter().map(|day| day.date).max(), currency, cogs_per_purchase }
    }

    /// Whether any day is known.
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// An ad with the copies that were made of it since a moment, and theirs.
    fn family(&self, ad: &'a str, since: Timestamp) -> Vec<&'a str> {
        let mut family = vec![ad];
        let mut next = 0;
        while let Some(source) = family.get(next) {
            let made = self.copies.get(source).into_iter().flatten().filter(|(_, made)| *made >= since);
            let new: Vec<&str> = made.map(|(copy, _)| *copy).filter(|copy| !family.contains(copy)).collect();
            family.extend(new);
            next += 1;
        }
        family
    }

    /// What an ad did from the day after a moment on, to the day on which the account did the same, else as long as it is
    /// known, and then the copies too that were made of it since; nothing where there is no day between them, or nothing
    /// was delivered on any. Its days are counted.
    pub(super) fn after(
        &self,
        ad: &str,
        (at, day): (Timestamp, Date),
        until: Option<Date>,
        counted: &mut Counted<'a>,
    ) -> Option<Outcome> {
        let last = self.last?;
        let (from, to) = (day.saturating_add(1.day()), until.unwrap_or(last).min(last));
        let (ad, _) = self.by_ad.get_key_value(ad)?;
        let family = if until.is_none() { self.family(ad, at) } else { vec![*ad] };
        let delivered = |(_, facts): &&(Date, &Facts)| facts.impressions > 0.0 || facts.purchases > 0.0;
        let mut of_family: Counted<'a> = BTreeMap::new();
        for one in family {
            let days = self.by_ad.get(one).into_iter().flatten().filter(|(date, _)| (from..=to).contains(date));
            of_family.extend(days.filter(delivered).map(|(date, facts)| ((one, *date), *facts)));
        }
        let end = of_family.keys().map(|(_, date)| *date).max()?;
        let sum = self.sum(&of_family);
        let copies: HashSet<&str> = of_family.keys().map(|(one, _)| *one).filter(|one| one != ad).collect();
        counted.extend(of_family);
        let to = if until.is_some() { to } else { end };
        Some(Outcome {
            from: from.to_string(),
            to: to.to_string(),
            settled: (last - end).get_days() >= SETTLED_DAYS,
            spend: sum.spend,
            purchases: sum.purchases,
            revenue: sum.revenue,
            profit: sum.profit,
            sold: sum.purchases > 0.0,
            copies: copies.len(),
        })
    }

    /// What days come to together.
    pub(super) fn sum(&self, days: &Counted<'_>) -> Sum {
        let mut sum = Facts::default();
        days.values().for_each(|facts| sum += *facts);
        let spend = self.currency.to_major(sum.spend);
        let revenue = sum.revenue.map(|revenue| self.currency.to_major(revenue));
        let profit = revenue.map(|revenue| revenue - sum.purchases * self.cogs_per_purchase - spend);
        Sum { spend, purchases: sum.purchases, revenue, profit }
    }
}

/// What days come to together, in major units; revenue is unknown as soon as purchases came without a value.
pub(super) struct Sum {
    pub spend: f64,
    pub purchases: f64,
    pub revenue: Option<f64>,
    pub profit: Option<f64>,
}
