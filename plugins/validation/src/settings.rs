//! The validation stage's settings: the product page's numbers as defaults, each with its bounds.

use alloc::{format, string::String, vec::Vec};
use dean_policy_sdk::bindings::types::Problem;

dean_policy_sdk::settings! {
    /// Everything that can be set for the validation stage.
    pub struct Settings {
        /// Allowance of an ad with several add-to-carts in this stage.
        multi_cart: number("tiers.multi_add_to_cart", "currency", 500.0, 1.0, 1e9),
        /// Allowance of an ad with two add-to-carts.
        two_carts: number("tiers.two_add_to_carts", "currency", 400.0, 1.0, 1e9),
        /// Allowance of an ad with one add-to-cart.
        one_cart: number("tiers.one_add_to_cart", "currency", 300.0, 1.0, 1e9),
        /// Allowance of an ad without an add-to-cart.
        usual: number("tiers.usual", "currency", 200.0, 1.0, 1e9),
        /// Allowance of an ad that almost nobody clicks and nobody added to the cart.
        poor: number("tiers.poor", "currency", 50.0, 1.0, 1e9),
        /// Add-to-carts from which the first tier begins.
        multi_cart_from: number("tiers.multi_add_to_cart_from", "count", 3.0, 3.0, 1000.0),
        /// Click-through rate below which an ad is in the last tier.
        poor_ctr: number("tiers.poor_ctr_below", "fraction", 0.003, 0.0, 1.0),
        /// Impressions below which nothing is judged.
        min_impressions: number("minimum.impressions", "count", 400.0, 0.0, 1e9),
        /// Clicks below which no cost or return is judged; an allowance does not ask for clicks.
        min_clicks: number("minimum.clicks", "count", 20.0, 0.0, 1e9),
        /// Spend below which nothing is judged.
        min_spend: number("minimum.spend", "currency", 30.0, 0.0, 1e9),
        /// Purchases that promote.
        promote_purchases: number("promote.purchases", "count", 2.0, 1.0, 1000.0),
        /// Account days on which they have to fall.
        promote_days: number("promote.purchase_days", "days", 2.0, 1.0, 30.0),
        /// Cost per purchase below which it promotes.
        promote_cpa: number("promote.cpa_below", "currency", 60.0, 0.01, 1e9),
        /// Return on ad spend above which it promotes, where revenue is known.
        promote_roas: number("promote.roas_above", "ratio", 1.2, 0.0, 1000.0),
        /// The daily budget with which a promoted ad starts in scaling.
        promote_budget: number("promote.daily_budget", "currency", 100.0, 1.0, 1e9),
        /// By how much an ad that hardly makes it starts smaller.
        promote_least_factor: number("promote.smallest_factor", "ratio", 0.5, 0.01, 1.0),
        /// By how much an ad far better than target may start larger.
        promote_factor: number("promote.largest_factor", "ratio", 3.0, 1.0, 100.0),
        /// The cost per purchase aimed at: it sizes promotions and never loosens what promotes.
        cpa_target: adaptive("thresholds.cpa.validation_max", "currency", 28.0, 0.01, 1e9),
        /// The return aimed at: it sizes promotions and never loosens what promotes.
        roas_target: adaptive("thresholds.roas.validation_min", "ratio", 1.8, 0.0, 1000.0),
        /// How likely the ad has to lose money before one with purchases is paused.
        costly_probability: number("costly.probability", "fraction", 0.9, 0.5, 1.0),
        /// Spend below which no ad with purchases is paused for their cost.
        costly_spend: number("costly.spend", "currency", 75.0, 0.0, 1_000_000_000.0),
        /// How sure a model has to be before what it foretells counts.
        sure: number("ml.confidence_threshold", "fraction", 0.7, 0.0, 1.0),
        /// How far above target the cost has to be foretold before an ad that nothing speaks for is paused.
        unlikely_ratio: number("unlikely.cost_ratio", "ratio", 2.5, 1.0, 1000.0),
        /// How likely its own numbers have to make a loss at the same time.
        unlikely_probability: number("unlikely.probability", "fraction", 0.6, 0.0, 1.0),
        /// The largest share by which freed budget raises an owner's budget in one run.
        reinvest_step: number("reinvest.largest_step", "fraction", 0.5, 0.0, 10.0),
        /// Hours between two times that freed budget raises one.
        reinvest_cooldown: number("reinvest.cooldown_hours", "hours", 24.0, 0.0, 720.0),
        /// The largest step of an owner that is learning: a larger one would make it learn anew.
        learning_step: number("reinvest.learning_step", "fraction", 0.2, 0.01, 10.0),
        /// Shares of a budget below this are not worth a change.
        reinvest_least: number("reinvest.least_step", "fraction", 0.1, 0.0, 10.0),
    }
}

impl Settings {
    /// Spend in the stage at which an ad without a purchase is paused; a rate that is not known is
    /// not poor.
    #[must_use]
    pub fn allowance(&self, add_to_carts: f64, ctr: f64, impressions: f64) -> f64 {
        if add_to_carts >= self.multi_cart_from {
            self.multi_cart
        } else if add_to_carts >= 2.0 {
            self.two_carts
        } else if add_to_carts >= 1.0 {
            self.one_cart
        } else if ctr < self.poor_ctr && impressions >= self.min_impressions {
            self.poor
        } else {
            self.usual
        }
    }

    /// What bounds of single settings cannot say: a better tier never gets less than a worse one, and
    /// the targets lie within what promotes.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let falling = [
            ("tiers.multi_add_to_cart", self.multi_cart, "tiers.two_add_to_carts", self.two_carts),
            ("tiers.two_add_to_carts", self.two_carts, "tiers.one_add_to_cart", self.one_cart),
            ("tiers.one_add_to_cart", self.one_cart, "tiers.usual", self.usual),
            ("tiers.usual", self.usual, "tiers.poor", self.poor),
            ("promote.cpa_below", self.promote_cpa, "thresholds.cpa.validation_max", self.cpa_target),
            ("thresholds.roas.validation_min", self.roas_target, "promote.roas_above", self.promote_roas),
            ("reinvest.largest_step", self.reinvest_step, "reinvest.least_step", self.reinvest_least),
        ];
        let wrong = falling.iter().filter(|(_, more, _, less)| more < less);
        let problem = |&(path, more, other, less): &(&str, f64, &str, f64)| Problem {
            path: String::from(path),
            message: format!("{more} is less than {other}, which is {less}"),
            hint: format!("raise {path} or lower {other}"),
        };
        wrong.map(problem).collect()
    }
}
