//! Everything measured of the ads of one stage, by metric and day.

use crate::domain::{Before, Currency, Facts, Lifetime};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Complete account days that are kept, and today at position 0: thirty for the longest window, and
/// a week more that late conversions may still change.
pub const DAYS: usize = 38;

/// A number that adds up over days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Metric {
    /// Spend, major units.
    Spend,
    /// Impressions.
    Impressions,
    /// Clicks, all.
    Clicks,
    /// Clicks on the link.
    LinkClicks,
    /// Purchases.
    Purchases,
    /// Revenue, major units.
    Revenue,
    /// Add-to-carts.
    AddToCart,
    /// Checkouts begun.
    InitiateCheckout,
    /// Views of three seconds.
    Video3s,
    /// ThruPlays.
    Thruplay,
    /// Seconds watched.
    WatchTime,
}

pub(super) const METRICS: usize = 11;

/// What is known of one ad beside its days.
#[derive(Clone, Debug)]
pub struct Row {
    /// Hours since it was created; NaN when not known.
    pub age_hours: f64,
    /// Hours since it entered its stage.
    pub hours_in_stage: f64,
    /// Account days between that day and today; 0 when it entered today.
    pub stage_days: usize,
    /// Meta's effective status.
    pub status: String,
    /// Its name.
    pub ad_name: String,
    /// The name of its ad set.
    pub adset_name: String,
    /// The name of its campaign.
    pub campaign_name: String,
    /// The daily budget of its owner, major units; NaN without one.
    pub budget: f64,
    /// Whether its ad set is learning: 1, 0 or NaN.
    pub in_learning: f64,
    /// Hours since Dean last changed it; NaN when it never did.
    pub hours_since_change: f64,
    /// Changes of the last 24 hours.
    pub changes_24h: f64,
    /// Hours since Dean last changed the owner's budget; NaN when it never did.
    pub hours_since_budget_change: f64,
    /// Hours since Dean last lowered the owner's budget; NaN when it never did.
    pub hours_since_budget_fall: f64,
    /// The owner's daily budget when the account day began, major units; NaN when not known.
    pub budget_day_start: f64,
    /// Daily budgets that copies brought along into its owner and that the owner's budget has not risen by
    /// yet, in major units.
    pub joined_budget: f64,
    /// Whether Dean paused it: 1 or 0.
    pub paused_by_dean: f64,
    /// Hours since Dean paused it; NaN when it did not.
    pub hours_since_pause: f64,
    /// Its cost per purchase when Dean paused it; NaN when not known.
    pub cpa_at_pause: f64,
    /// Its purchases in the stage when Dean paused it; NaN when not known.
    pub purchases_at_pause: f64,
    /// Copies that Dean made of it today.
    pub copies_today: f64,
    /// Whether a copy can be made beside it: 1 or 0.
    pub copyable: f64,
    /// Hours since Dean last made a copy of it; NaN when it never did.
    pub hours_since_copy: f64,
    /// Hours since Dean last asked for a new creative in its place; NaN when it never did.
    pub hours_since_refresh: f64,
    /// People reached in the last seven complete days; NaN when not read.
    pub reach_7d: f64,
    /// Purchases that speak for a copy because its source brought them: see [`Row::inherit`].
    pub inherited_purchases: f64,
    /// The spend that they took, major units.
    pub inherited_spend: f64,
}

/// What is equal but for the rounding of a sum over some weeks of days.
const ROUNDING: f64 = 1e-12;

/// How much a copy's source says about the copy: half of what it says about itself, since another ad
/// set delivers to others, and ten purchases at most, so that what the copy does soon outweighs it. This
/// is a power prior (Ibrahim and Chen 2000).
const SOURCE_WEIGHT: f64 = 0.5;
const SOURCE_PURCHASES: f64 = 10.0;

impl Default for Row {
    /// An ad of which nothing is known, in its stage for as long as days are kept.
    fn default() -> Self {
        Row {
            age_hours: f64::NAN,
            hours_in_stage: f64::NAN,
            stage_days: DAYS,
            status: String::new(),
            ad_name: String::new(),
            adset_name: String::new(),
            campaign_name: String::new(),
            budget: f64::NAN,
            in_learning: f64::NAN,
            hours_since_change: f64::NAN,
            changes_24h: 0.0,
            hours_since_budget_change: f64::NAN,
            hours_since_budget_fall: f64::NAN,
            budget_day_start: f64::NAN,
            joined_budget: 0.0,
            paused_by_dean: 0.0,
            hours_since_pause: f64::NAN,
            cpa_at_pause: f64::NAN,
            purchases_at_pause: f64::NAN,
            copies_today: 0.0,
            copyable: 1.0,
            hours_since_copy: f64::NAN,
            hours_since_refresh: f64::NAN,
            reach_7d: f64::NAN,
            inherited_purchases: 0.0,
            inherited_spend: 0.0,
        }
    }
}

impl Row {
    /// Lets what its source brought, purchases on spend in major units, speak for a copy.
    pub fn inherit(&mut self, purchases: f64, spend: f64) {
        let weight = if purchases > 0.0 { SOURCE_WEIGHT.min(SOURCE_PURCHASES / purchases) } else { SOURCE_WEIGHT };
        self.inherited_purchases = purchases * weight;
        self.inherited_spend = spend * weight;
    }
}

/// The ads of one stage, as matrices of days by ads, one for each metric.
#[derive(Debug)]
pub struct Frame {
    ads: usize,
    units: f64,
    pub(super) days: Vec<f64>,
    pub(super) reach: Vec<f64>,
    /// The oldest day on which each ad existed.
    pub(super) born: Vec<usize>,
    /// What the ads did before the days that are kept.
    pub(super) before: Vec<[f64; METRICS]>,
    pub(super) reach_lifetime: Vec<f64>,
    /// What they had done when they entered their stage, and on that day.
    pub(super) before_stage: Vec<[f64; METRICS]>,
    pub(super) before_stage_day: Vec<[f64; METRICS]>,
    pub(super) rows: Vec<Row>,
    scores: BTreeMap<String, Vec<f64>>,
}

impl Frame {
    /// A frame of ads in an account's currency; days are set afterwards.
    #[must_use]
    pub fn new(rows: Vec<Row>, currency: &Currency) -> Self {
        let ads = rows.len();
        Frame {
            ads,
            units: currency.minor_units() as f64,
            days: vec![0.0; METRICS * DAYS * ads],
            reach: vec![f64::NAN; DAYS * ads],
            born: vec![DAYS - 1; ads],
            before: vec![[0.0; METRICS]; ads],
            reach_lifetime: vec![f64::NAN; ads],
            before_stage: vec![[0.0; METRICS]; ads],
            before_stage_day: vec![[0.0; METRICS]; ads],
            rows,
            scores: BTreeMap::new(),
        }
    }

    /// How many ads there are.
    #[must_use]
    pub fn ads(&self) -> usize {
        self.ads
    }

    /// What models say of the ads: columns whose names begin with `score.`, a number for each ad.
    pub fn set_scores(&mut self, scores: BTreeMap<String, Vec<f64>>) {
        self.scores = scores;
    }

    /// What models say of the ads.
    #[must_use]
    pub fn scores(&self) -> &BTreeMap<String, Vec<f64>> {
        &self.scores
    }

    /// What is known of the ads beside their days.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Sets one day of one ad; `day` 0 is today, 1 the last complete day.
    pub fn set_day(&mut self, ad: usize, day: usize, facts: &Facts) {
        for (metric, value) in self.values(facts).into_iter().enumerate() {
            self.days[(metric * DAYS + day) * self.ads + ad] = value;
        }
        self.reach[day * self.ads + ad] = if facts.reach > 0.0 { facts.reach } else { f64::NAN };
    }

    /// Says that an ad did not exist on the days before one: they are not known rather than empty.
    pub fn born(&mut self, ad: usize, day: usize) {
        self.born[ad] = day;
    }

    /// Sets what an ad did before the days that are kept.
    pub fn set_lifetime(&mut self, ad: usize, lifetime: &Lifetime) {
        self.before[ad] = self.values(&lifetime.facts);
        self.reach_lifetime[ad] = if lifetime.facts.reach > 0.0 { lifetime.facts.reach } else { f64::NAN };
    }

    /// Sets what an ad had done in other stages before it entered this one.
    pub fn set_before_stage(&mut self, ad: usize, before: &Before) {
        self.before_stage[ad] = self.values(&before.life);
        self.before_stage_day[ad] = self.values(&before.day);
    }

    fn values(&self, facts: &Facts) -> [f64; METRICS] {
        let major = |minor: i64| minor as f64 / self.units;
        [
            major(facts.spend.0),
            facts.impressions,
            facts.clicks,
            facts.link_clicks,
            facts.purchases,
            facts.revenue.map_or(f64::NAN, |revenue| major(revenue.0)),
            facts.add_to_cart,
            facts.initiate_checkout,
            facts.video_3s,
            facts.thruplay,
            facts.watch_time,
        ]
    }

    /// A metric on one day for every ad; NaN where the ad did not exist yet.
    #[must_use]
    pub fn day(&self, metric: Metric, day: usize) -> Vec<f64> {
        let at = (metric as usize * DAYS + day) * self.ads;
        let values = &self.days[at..at + self.ads];
        values.iter().zip(&self.born).map(|(v, born)| if day <= *born { *v } else { f64::NAN }).collect()
    }

    /// The sum of a metric over days `from..=to` for every ad; days before an ad existed add nothing.
    #[must_use]
    pub fn sum(&self, metric: Metric, from: usize, to: usize) -> Vec<f64> {
        let mut sums = vec![0.0; self.ads];
        for day in from..=to.min(DAYS - 1) {
            let at = (metric as usize * DAYS + day) * self.ads;
            for (sum, value) in sums.iter_mut().zip(&self.days[at..at + self.ads]) {
                *sum += value;
            }
        }
        sums
    }

    /// A metric over an ad's whole life, today included.
    #[must_use]
    pub fn lifetime(&self, metric: Metric) -> Vec<f64> {
        let mut sums = self.sum(metric, 0, DAYS - 1);
        for (ad, sum) in sums.iter_mut().enumerate() {
            *sum += self.before[ad][metric as usize];
        }
        sums
    }

    /// A metric since the ad entered its stage.
    #[must_use]
    pub fn in_stage(&self, metric: Metric) -> Vec<f64> {
        let mut sums = self.lifetime(metric);
        for (sum, before) in sums.iter_mut().zip(&self.before_stage) {
            let rest = *sum - before[metric as usize];
            // What rounding leaves of a sum is nothing. Not `max`, which would make nothing known into zero.
            *sum = if rest < *sum * ROUNDING { 0.0 } else { rest };
        }
        sums
    }

    /// A metric on one day, as far as it lies in the ad's present stage; NaN where the ad did not exist yet.
    #[must_use]
    pub fn day_in_stage(&self, metric: Metric, day: usize) -> Vec<f64> {
        let mut values = self.day(metric, day);
        for (ad, (value, row)) in values.iter_mut().zip(&self.rows).enumerate() {
            match day.cmp(&row.stage_days) {
                Ordering::Less => {}
                Ordering::Equal => *value -= self.before_stage_day[ad][metric as usize],
                Ordering::Greater => *value = 0.0,
            }
        }
        values
    }

    /// People reached on one day.
    #[must_use]
    pub fn reach_on(&self, day: usize) -> Vec<f64> {
        self.reach[day * self.ads..(day + 1) * self.ads].to_vec()
    }

    /// People reached over the whole life.
    #[must_use]
    pub fn reach_lifetime(&self) -> Vec<f64> {
        self.reach_lifetime.clone()
    }
}
