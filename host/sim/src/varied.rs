//! Worlds unlike each other: what a model is to know of markets, it has to have seen in more than one.

use crate::params::Params;
use crate::random::Random;

impl Params {
    /// The parameters of a market drawn at random: cheap and dear, quick and slow to wear out, small and large
    /// accounts, shops of other margins. Everything that differs between real accounts by more than a little
    /// differs here, within what is plausible for each.
    #[must_use]
    pub fn varied(seed: u64) -> Self {
        let mut r = Random::at(seed, "market parameters", &[]);
        // Between two values, evenly in the logarithm.
        let mut between = |low: f64, high: f64| low * (high / low).powf(r.uniform());
        let shipped = Params::default();
        let ctr = between(0.006, 0.022);
        let cpm = between(4.0, 20.0);
        // What an order leaves stays near the shipped rules' targets, which are amounts of money.
        let (margin, goods) = (between(34.0, 60.0), between(0.1, 0.5));
        let order_value = margin / (1.0 - goods);
        // What the median ad pays for a purchase: from an account in which most ads earn to one in which few do.
        let cost = margin * between(0.6, 1.8);
        let cvr = (cpm / 1_000.0 / ctr / cost).clamp(0.002, 0.08);
        Params {
            ads: between(16.0, 90.0) as usize,
            history_days: between(3.0, 25.0) as u32,
            cpm,
            cpm_hour_sigma: between(0.08, 0.25),
            cpm_day_sigma: between(0.04, 0.2),
            cpm_pressure: between(0.4, 2.5),
            ctr,
            ctr_sigma: between(0.25, 0.65),
            other_clicks_share: between(0.05, 0.6),
            cvr,
            cvr_sigma: between(0.35, 0.9),
            carts_per_purchase: between(2.5, 9.0),
            carts_sigma: between(0.15, 0.6),
            checkout_share: between(0.3, 0.65),
            order_value,
            order_value_ad_sigma: between(0.05, 0.3),
            order_value_sigma: between(0.2, 0.6),
            cogs: order_value * goods,
            audience: between(40_000.0, 600_000.0),
            audience_sigma: between(0.2, 0.9),
            fatigue_frequency: between(1.0, 6.0),
            fatigue_floor: between(0.1, 0.5),
            wear_days: between(8.0, 90.0),
            wear_sigma: between(0.3, 0.8),
            immediate_share: between(0.3, 0.75),
            lag_hours: between(8.0, 60.0),
            view_share: between(0.03, 0.3),
            withdrawn_share: between(0.01, 0.08),
            delivery_power: between(0.7, 3.0),
            overspend_sigma: between(0.04, 0.15),
            learning_efficiency: between(0.75, 1.0),
            copy_sigma: between(0.05, 0.25),
            budget_level: between(0.5, 4.0),
            ..shipped
        }
    }
}
