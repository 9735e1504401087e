//! What was measured of an ad: numbers of a day, and of everything before the days that are kept.

use super::money::Money;
use jiff::civil::Date;

/// Numbers of one ad over one span of time. Counts of actions are `f64` because Meta may report
/// fractions of modelled conversions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
