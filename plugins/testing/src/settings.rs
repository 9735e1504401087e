//! The testing stage's settings: the product page's numbers as defaults, each with its bounds.

use alloc::{format, string::String, vec::Vec};
use dean_policy_sdk::bindings::types::Problem;

dean_policy_sdk::settings! {
    /// Everything that can be set for the testing stage.
    pub struct Settings {
        /// Allowance of tier 1: several add-to-carts.
        multi_cart: number("tiers.multi_add_to_cart", "currency", 500.0, 1.0, 1e9),
        /// Allowance of tier 2: two add-to-carts.
        two_carts: number("tiers.two_add_to_carts", "currency", 400.0, 1.0, 1e9),
        /// Allowance of tier 3: one add-to-cart.
        one_cart: number("tiers.one_add_to_cart", "currency", 300.0, 1.0, 1e9),
        /// Allowance of tier 4: a high click-through rate.
        high_ctr: number("tiers.high_ctr", "currency", 250.0, 1.0, 1e9),
        /// Allowance of tier 5: a good click-through rate.
        good_ctr: number("tiers.good_ctr", "currency", 200.0, 1.0, 1e9),
        /// Allowance of tier 6: a decent click-through rate.
        decent_ctr: number("tiers.decent_ctr", "currency", 160.0, 1.0, 1e9),
        /// Allowance of tier 7: nothing that speaks for the ad.
        poor: number("tiers.poor", "currency", 90.0, 1.0, 1e9),
        /// Add-to-carts from which tier 1 begins.
        multi_cart_from: number("tiers.multi_add_to_cart_from", "count", 3.0, 3.0, 1000.0),
        /// Click-through rate above which tier 4 begins.
        high_ctr_above: number("tiers.high_ctr_above", "fraction", 0.02, 0.0, 1.0),
        /// Click-through rate above which tier 5 begins.
        good_ctr_above: number("tiers.good_ctr_above", "fraction", 0.015, 0.0, 1.0),
        /// Click-through rate above which tier 6 begins.
        decent_ctr_above: number("tiers.decent_ctr_above", "fraction", 0.01, 0.0, 1.0),
        /// The highest cost per purchase that promotes.
        cpa_max: adaptive("thresholds.cpa.testing_max", "currency", 36.0, 0.01, 1e9),
        /// The lowest return on ad spend that promotes, where revenue is known.
        roas_min: adaptive("thresholds.roas.testing_min", "ratio", 1.5, 0.0, 1000.0),
        /// Add-to-carts that promote before the first purchase.
        promote_add_to_carts: number("promote.add_to_carts", "count", 3.0, 1.0, 1000.0),
        /// Click-through rate that add-to-carts need to promote.
        promote_ctr: number("promote.ctr", "fraction", 0.015, 0.0, 1.0),
        /// The highest cost per add-to-cart that promotes.
        promote_cost_per_add_to_cart: number("promote.cost_per_add_to_cart", "currency", 10.0, 0.01, 1e9),
        /// The daily budget with which a promoted ad starts in validation.
        promote_budget: number("promote.daily_budget", "currency", 50.0, 1.0, 1e9),
        /// Impressions below which no click-through rate is judged.
        min_impressions: number("minimum.impressions", "count", 200.0, 0.0, 1e9),
        /// Spend below which nothing is judged.
        min_spend: number("minimum.spend", "currency", 8.0, 0.0, 1e9),
        /// Spend at which an ad that almost nobody clicks is paused.
        quick_spend: number("quick_kill.spend", "currency", 30.0, 0.0, 1e9),
        /// Click-through rate below which almost nobody clicks.
        quick_ctr: number("quick_kill.ctr", "fraction", 0.001, 0.0, 1.0),
        /// Spend from which the click-through floor holds.
        floor_spend: number("ctr_floor.spend", "currency", 40.0, 0.0, 1e9),
        /// The click-through floor.
        floor_ctr: number("ctr_floor.ctr", "fraction", 0.003, 0.0, 1.0),
        /// Spend at which an ad without an add-to-cart and without an earned tier is paused.
        no_cart_spend: number("no_add_to_cart.spend", "currency", 80.0, 0.0, 1e9),
        /// Spend below which no ad is paused, save one that almost nobody clicks.
        fair_spend: number("fairness.spend", "currency", 75.0, 0.0, 1e9),
        /// Share of its usual click-through rate below which an ad is worn out today.
        worn_share: number("worn_out.share", "fraction", 0.55, 0.0, 1.0),
        /// The daily budget up to which freed budget tops up an ad set whose ads sell.
        reinvest_budget: number("reinvest.daily_budget", "currency", 50.0, 0.0, 1e9),
        /// Hours between two times that freed budget raises one.
        reinvest_cooldown: number("reinvest.cooldown_hours", "hours", 24.0, 0.0, 720.0),
        /// The largest step of an owner that is learning: a larger one would make it learn anew.
        learning_step: number("reinvest.learning_step", "fraction", 0.2, 0.01, 10.0),
        /// How likely the cost per purchase has to be above target before an ad with purchases is paused.
        costly_probability: number("costly.probability", "fraction", 0.9, 0.5, 1.0),
        /// Spend below which no ad with purchases is paused for their cost.
        costly_spend: number("costly.spend", "currency", 75.0, 0.0, 1_000_000_000.0),
        /// How sure a model has to be before what it foretells counts.
        sure: number("ml.confidence_threshold", "fraction", 0.7, 0.0, 1.0),
        /// How far above target the cost has to be foretold before an ad that nothing speaks for is paused.
        unlikely_ratio: number("unlikely.cost_ratio", "ratio", 2.0, 1.0, 1000.0),
        /// How likely its own numbers have to make a cost above target at the same time.
        unlikely_probability: number("unlikely.probability", "fraction", 0.6, 0.0, 1.0),
        /// How much larger than usual a promoted ad may start whose creative is like those that reach the target.
        promote_factor: number("promote.largest_factor", "ratio", 1.5, 1.0, 100.0),
    }
}

/// What an ad has earned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tier {
    /// Spend in the stage at which it is paused without a purchase, in major units.
    pub allowance: f64,
    /// Whether it is above the last tier.
    pub earned: bool,
}

impl Settings {
    /// The tier of an ad by add-to-carts and click-through rate; a rate that is not known earns nothing.
    #[must_use]
    pub fn tier(&self, add_to_carts: f64, ctr: f64) -> Tier {
        let allowance = if add_to_carts >= self.multi_cart_from {
            self.multi_cart
        } else if add_to_carts >= 2.0 {
            self.two_carts
        } else if add_to_carts >= 1.0 {
            self.one_cart
        } else if ctr > self.high_ctr_above {
            self.high_ctr
        } else if ctr > self.good_ctr_above {
            self.good_ctr
        } else if ctr > self.decent_ctr_above {
            self.decent_ctr
        } else {
            return Tier { allowance: self.poor, earned: false };
        };
        Tier { allowance, earned: true }
    }

    /// How much larger than usual an ad starts in validation, by the chance of the creatives that are most like it
    /// to reach the target: at a half as usual, at certainty twice as large.
    #[must_use]
    pub fn factor(&self, similar: f64) -> f64 {
        if similar.is_nan() { 1.0 } else { (2.0 * similar).clamp(1.0, self.promote_factor) }
    }

    /// A better tier never gets less than a worse one.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let falling = [
            ("tiers.multi_add_to_cart", self.multi_cart, "tiers.two_add_to_carts", self.two_carts),
            ("tiers.two_add_to_carts", self.two_carts, "tiers.one_add_to_cart", self.one_cart),
            ("tiers.one_add_to_cart", self.one_cart, "tiers.high_ctr", self.high_ctr),
            ("tiers.high_ctr", self.high_ctr, "tiers.good_ctr", self.good_ctr),
            ("tiers.good_ctr", self.good_ctr, "tiers.decent_ctr", self.decent_ctr),
            ("tiers.decent_ctr", self.decent_ctr, "tiers.poor", self.poor),
            ("tiers.high_ctr_above", self.high_ctr_above, "tiers.good_ctr_above", self.good_ctr_above),
            ("tiers.good_ctr_above", self.good_ctr_above, "tiers.decent_ctr_above", self.decent_ctr_above),
            ("ctr_floor.ctr", self.floor_ctr, "quick_kill.ctr", self.quick_ctr),
        ];
        let wrong = falling.iter().filter(|(_, better, _, worse)| better < worse);
        let problem = |&(path, better, other, worse): &(&str, f64, &str, f64)| Problem {
            path: String::from(path),
            message: format!("{better} is less than {other}, which is {worse}"),
            hint: format!("raise {path} or lower {other}"),
        };
        wrong.map(problem).collect()
    }
}
