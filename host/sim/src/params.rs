//! What the simulated market assumes, with the reason for each number. Written down and committed
//! before any policy was tuned on it. Money is in major units of a currency at the euro's level;
//! `price_level` scales it for others.

/// The parameters of a world.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// Ads at the start, over all stages.
    pub ads: usize,
    /// Days that the account ran before anybody looks: an account is never empty on the first day.
    pub history_days: u32,
    /// The account's currency.
    pub currency: String,
    /// The account's time zone.
    pub timezone: String,
    /// The first hour that is simulated, seconds since 1970-01-01 UTC.
    pub start: i64,
    /// Units of the currency that a euro buys.
    pub price_level: f64,
    /// What the account's first budgets are multiplied by.
    pub budget_level: f64,

    /// Median cost of a thousand impressions. Europe's feeds cost 6 to 14 in most seasons.
    pub cpm: f64,
    /// Spread (sigma of the logarithm) of an hour's auction around it: two hours of one ad set
    /// differ by some 15 %.
    pub cpm_hour_sigma: f64,
    /// Spread of a whole day: competitors' budgets move together.
    pub cpm_day_sigma: f64,
    /// How fast a larger audience share costs more: spending enough in a day to reach the whole
    /// audience once doubles the price.
    pub cpm_pressure: f64,

    /// Median click-through rate (link clicks). Around 1 % is common for cold audiences.
    pub ctr: f64,
    /// Spread of creatives in click-through.
    pub ctr_sigma: f64,
    /// Clicks on anything but the link, for each click on the link: reactions, "see more", profiles.
    pub other_clicks_share: f64,
    /// Median of purchases per link click. With the click-through and CPM above, the median cost per
    /// purchase is 44, near the median order's margin: half of all ads lose money.
    pub cvr: f64,
    /// Spread of creatives in conversion. Together with `ctr_sigma` it gives purchases per spend a
    /// coefficient of variation of .87; a recorded account of 1,143 ads fits a Gamma of shape 1.4,
    /// which has .85.
    pub cvr_sigma: f64,
    /// Median add-to-carts per purchase: four of five carts are left.
    pub carts_per_purchase: f64,
    /// Spread of the above: what makes add-to-carts a hint and no proof.
    pub carts_sigma: f64,
    /// Share of carts that begin the checkout.
    pub checkout_share: f64,

    /// Median order value.
    pub order_value: f64,
    /// Spread of the ads' mean order value: different creatives sell different things.
    pub order_value_ad_sigma: f64,
    /// Spread of orders within one ad.
    pub order_value_sigma: f64,
    /// Cost of goods of a purchase: the product page's example.
    pub cogs: f64,

    /// Median size of the audience that an ad set reaches.
    pub audience: f64,
    /// Spread of audiences.
    pub audience_sigma: f64,
    /// Frequency at which a creative has lost half of what it can lose in click-through.
    pub fatigue_frequency: f64,
    /// What is left of the click-through rate of a creative that everybody has seen.
    pub fatigue_floor: f64,
    /// Median days in which a creative's click-through halves even without repetition.
    pub wear_days: f64,
    /// Spread of the above.
    pub wear_sigma: f64,

    /// Share of purchases that follow within the hour.
    pub immediate_share: f64,
    /// Mean hours until the others, cut off at seven days: what a 7-day click window can see.
    pub lag_hours: f64,
    /// Share of purchases that come after a view without a click (within a day).
    pub view_share: f64,
    /// Share of reported purchases that are withdrawn later (duplicates, refunds).
    pub withdrawn_share: f64,

    /// How strongly delivery prefers ads that seem better: spend within an ad set goes with the
    /// click-through rate to this power.
    pub delivery_power: f64,
    /// Spread of a day's spend around the budget. Meta may overspend a day by 75 %; most days stay
    /// within 25 %.
    pub overspend_sigma: f64,
    /// Conversions that end the learning phase.
    pub learning_conversions: u32,
    /// Conversion rate while learning, relative to afterwards.
    pub learning_efficiency: f64,
    /// Shortest and longest review of a new ad, in hours.
    pub review_hours: (f64, f64),
    /// Share of new ads that are rejected.
    pub rejected_share: f64,
    /// How much a copy of an ad differs from its source in the same market.
    pub copy_sigma: f64,

    /// Share of the day's delivery by hour of the day: people sleep, and buy in the evening.
    pub hours: [f64; 24],
    /// Conversion rate by hour of the day, relative to the mean.
    pub hour_conversion: [f64; 24],
    /// Conversion rate by weekday, Monday first, relative to the mean.
    pub weekday_conversion: [f64; 7],
}

impl Default for Params {
    fn default() -> Self {
        Params {
            ads: 40,
            history_days: 7,
            currency: "EUR".into(),
            timezone: "Europe/Berlin".into(),
            // 2026-06-01 00:00 in Berlin, a Monday: no clock change within the demo's weeks.
            start: 1_780_264_800,
            price_level: 1.0,
            budget_level: 1.0,
            cpm: 9.0,
            cpm_hour_sigma: 0.15,
            cpm_day_sigma: 0.08,
            cpm_pressure: 1.0,
            ctr: 0.012,
            ctr_sigma: 0.45,
            other_clicks_share: 0.15,
            cvr: 0.017,
            cvr_sigma: 0.6,
            carts_per_purchase: 5.0,
            carts_sigma: 0.35,
            checkout_share: 0.45,
            order_value: 60.0,
            order_value_ad_sigma: 0.15,
            order_value_sigma: 0.35,
            cogs: 15.0,
            audience: 150_000.0,
            audience_sigma: 0.5,
            fatigue_frequency: 2.5,
            fatigue_floor: 0.25,
            wear_days: 45.0,
            wear_sigma: 0.5,
            immediate_share: 0.55,
            lag_hours: 30.0,
            view_share: 0.1,
            withdrawn_share: 0.03,
            delivery_power: 1.5,
            overspend_sigma: 0.08,
            learning_conversions: 50,
            learning_efficiency: 0.93,
            review_hours: (2.0, 8.0),
            rejected_share: 0.03,
            copy_sigma: 0.1,
            hours: [
                1.4, 0.9, 0.6, 0.5, 0.6, 1.1, 2.2, 3.4, 4.2, 4.6, 4.8, 5.0, //
                5.4, 5.3, 5.0, 4.9, 5.0, 5.3, 5.8, 6.6, 7.6, 8.2, 7.0, 4.6,
            ],
            hour_conversion: [
                0.85, 0.75, 0.70, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 1.00, 1.02, 1.03, //
                1.04, 1.02, 1.00, 1.00, 1.00, 1.02, 1.05, 1.10, 1.15, 1.12, 1.05, 0.95,
            ],
            weekday_conversion: [1.02, 1.00, 1.00, 1.00, 0.95, 0.94, 1.09],
        }
    }
}

impl Params {
    /// Minor units in a major one. This list is the simulator's own.
    #[must_use]
    pub fn minor_units(&self) -> i64 {
        const NONE: [&str; 11] = ["CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"];
        if NONE.contains(&self.currency.as_str()) { 1 } else { 100 }
    }
}
