//! What was measured of an ad: numbers of a day, and of everything before the days that are kept.

use super::money::Money;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Numbers of one ad over one span of time. Counts of actions are `f64` because Meta may report
/// fractions of modelled conversions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Spend.
    pub spend: Money,
    /// Impressions.
    pub impressions: f64,
    /// Clicks, all of them, as Meta's `clicks`.
    pub clicks: f64,
    /// Clicks on the link.
    pub link_clicks: f64,
    /// Purchases.
    pub purchases: f64,
    /// Attributed revenue; `None` when there were purchases without a value.
    pub revenue: Option<Money>,
    /// Add-to-carts.
    pub add_to_cart: f64,
    /// Checkouts begun.
    pub initiate_checkout: f64,
    /// Views of three seconds.
    pub video_3s: f64,
    /// ThruPlays.
    pub thruplay: f64,
    /// Seconds watched.
    pub watch_time: f64,
    /// People reached; it does not add up over days.
    pub reach: f64,
}

impl Default for Facts {
    /// Nothing happened: no revenue, which is not the same as revenue that is not known.
    fn default() -> Self {
        Facts {
            spend: Money::ZERO,
            impressions: 0.0,
            clicks: 0.0,
            link_clicks: 0.0,
            purchases: 0.0,
            revenue: Some(Money::ZERO),
            add_to_cart: 0.0,
            initiate_checkout: 0.0,
            video_3s: 0.0,
            thruplay: 0.0,
            watch_time: 0.0,
            reach: 0.0,
        }
    }
}

impl AddAssign<&Facts> for Facts {
    /// Adds everything that adds up; reach does not, and stays.
    fn add_assign(&mut self, other: &Facts) {
        self.spend += other.spend;
        self.impressions += other.impressions;
        self.clicks += other.clicks;
        self.link_clicks += other.link_clicks;
        self.purchases += other.purchases;
        self.revenue = self.revenue.zip(other.revenue).map(|(a, b)| a + b);
        self.add_to_cart += other.add_to_cart;
        self.initiate_checkout += other.initiate_checkout;
        self.video_3s += other.video_3s;
        self.thruplay += other.thruplay;
        self.watch_time += other.watch_time;
    }
}

/// What an ad had done when it entered a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Over its whole life.
    pub life: Facts,
    /// On the account day on which it entered.
    pub day: Facts,
}

/// One account day of one ad.
#[derive(Clone, Debug, PartialEq)]
pub struct DayFacts {
    /// The ad.
    pub ad_id: String,
    /// The day in the account's zone.
    pub date: Date,
    /// Its numbers.
    pub facts: Facts,
}

/// A row of an ad's numbers that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The ad.
    pub ad_id: String,
    /// The day in the account's zone; `None` for everything before the days that are kept.
    pub date: Option<Date>,
    /// What is wrong with it.
    pub reason: String,
}

/// An account day as it looked when it was so many days old.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayLook {
    /// The day in the account's zone.
    pub date: Date,
    /// Account days between it and the look; 0 on the day itself.
    pub age_days: u32,
    /// Spend of all ads as reported then.
    pub spend: Money,
    /// Purchases as reported then.
    pub purchases: f64,
    /// Revenue as reported then; `None` when purchases came without a value.
    pub revenue: Option<Money>,
}

/// What an ad had done in its stage when an action on it was planned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Spend.
    pub spend: Money,
    /// Purchases.
    pub purchases: f64,
}

/// Everything that an ad did before the days that are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifetime {
    /// The ad.
    pub ad_id: String,
    /// The first day that is not part of it.
    pub before: Date,
    /// Its numbers; `reach` is that of the whole life.
    pub facts: Facts,
}
