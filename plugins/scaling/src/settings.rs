//! The scaling stage's settings: the product page's numbers as defaults, each with its bounds.

use alloc::{format, string::String, vec::Vec};
use dean_policy_sdk::bindings::types::Problem;

dean_policy_sdk::settings! {
    /// Everything that can be set for the scaling stage.
    pub struct Settings {
        /// Cost per purchase from which a day is bad.
        kill_cpa: adaptive("thresholds.cpa.scaling_kill_max", "currency", 40.0, 0.01, 1e9),
        /// Return on ad spend below which a day is bad.
        kill_roas: adaptive("thresholds.roas.scaling_kill_min", "ratio", 1.2, 0.0, 1000.0),
        /// Complete days in a row that are bad by cost and pause an ad.
        kill_cpa_days: number("kill.cpa_days", "days", 2.0, 1.0, 7.0),
        /// Complete days in a row that are bad by return and pause an ad.
        kill_roas_days: number("kill.roas_days", "days", 3.0, 1.0, 7.0),
        /// How likely the week's cost has to be bad as well: an ad whose week is good gets less money, not none.
        kill_week: number("kill.week_probability", "fraction", 0.25, 0.0, 1.0),
        /// How likely the cost per purchase has to be bad in truth before bad days pause an ad.
        kill_probability: number("kill.probability", "fraction", 0.5, 0.0, 1.0),
        /// How likely the cost per purchase has to be bad over a week before it alone pauses an ad.
        losing_probability: number("losing.probability", "fraction", 0.95, 0.5, 1.0),
        /// Spend of a week, in kill costs, below which a week says nothing.
        losing_spend: number("losing.spend_in_kill_costs", "ratio", 2.0, 0.0, 1000.0),
        /// Impressions in the stage below which nothing is judged.
        min_impressions: number("minimum.impressions", "count", 1000.0, 0.0, 1e9),
        /// Clicks in the stage below which nothing is judged but whether to pause: an ad that nobody
        /// clicks is not saved by it.
        min_clicks: number("minimum.clicks", "count", 50.0, 0.0, 1e9),
        /// Spend in the stage below which nothing is judged.
        min_spend: number("minimum.spend", "currency", 50.0, 0.0, 1e9),
        /// Spend of a day below which the day says nothing.
        min_day_spend: number("minimum.day_spend", "currency", 20.0, 0.0, 1e9),
        /// Cost per purchase up to which a budget rises by the strong step.
        strong_cpa: number("scale_up.strong_cpa", "currency", 22.0, 0.01, 1e9),
        /// Return from which a budget rises by the strong step.
        strong_roas: number("scale_up.strong_roas", "ratio", 3.0, 0.0, 1000.0),
        /// The strong step.
        strong_step: number("scale_up.strong_step", "fraction", 1.0, 0.0, 10.0),
        /// Cost per purchase up to which a budget rises by the good step.
        good_cpa: number("scale_up.good_cpa", "currency", 27.0, 0.01, 1e9),
        /// Return from which a budget rises by the good step.
        good_roas: number("scale_up.good_roas", "ratio", 2.0, 0.0, 1000.0),
        /// The good step.
        good_step: number("scale_up.good_step", "fraction", 0.5, 0.0, 10.0),
        /// The step of a budget that is profitable day after day without being good.
        steady_step: number("scale_up.steady_step", "fraction", 0.2, 0.0, 10.0),
        /// The highest chance of a loss with which a budget still rises by the steady step.
        steady_probability: number("scale_up.largest_probability_of_loss", "fraction", 0.1, 0.0, 1.0),
        /// The step of an owner that is learning: a larger one would make it learn anew.
        learning_step: number("scale_up.learning_step", "fraction", 0.2, 0.01, 10.0),
        /// The highest chance of a bad cost with which a budget still rises.
        up_probability: number("scale_up.largest_probability_of_bad_cost", "fraction", 0.25, 0.0, 1.0),
        /// Volatility of the return above which it is not stable enough for more money.
        up_volatility: number("scale_up.largest_volatility", "ratio", 1.5, 0.0, 100.0),
        /// By how much a step may shrink whose owner is foretold to earn little.
        up_least_size: number("scale_up.smallest_size", "ratio", 0.5, 0.0, 1.0),
        /// By how much it may grow whose owner is foretold to earn a lot.
        up_most_size: number("scale_up.largest_size", "ratio", 2.0, 1.0, 10.0),
        /// How far above the kill cost the cost has to be foretold before an ad is paused for it.
        unlikely_ratio: number("unlikely.cost_ratio", "ratio", 1.5, 1.0, 1000.0),
        /// How likely its own week has to make a cost above the kill cost at the same time.
        unlikely_probability: number("unlikely.probability", "fraction", 0.6, 0.0, 1.0),
        /// How sure a model has to be before what it foretells counts.
        sure: number("ml.confidence_threshold", "fraction", 0.7, 0.0, 1.0),
        /// Hours between two rises of one budget.
        up_cooldown: number("scale_up.cooldown_hours", "hours", 24.0, 0.0, 720.0),
        /// Cost per purchase above which a budget falls.
        down_cpa: number("scale_down.cpa_above", "currency", 33.0, 0.01, 1e9),
        /// Return below which a budget falls.
        down_roas: number("scale_down.roas_below", "ratio", 1.7, 0.0, 1000.0),
        /// The share that is left of a budget that falls.
        down_to: number("scale_down.to", "fraction", 0.5, 0.01, 1.0),
        /// The daily budget below which none falls.
        down_floor: number("scale_down.floor", "currency", 5.0, 0.0, 1e9),
        /// The smallest chance of a bad cost with which a budget falls.
        down_probability: number("scale_down.smallest_probability_of_bad_cost", "fraction", 0.3, 0.0, 1.0),
        /// Hours between two falls of one budget, unless it is learning and falls by small steps: all days
        /// that are judged come after the last.
        down_cooldown: number("scale_down.cooldown_hours", "hours", 72.0, 0.0, 720.0),
        /// Spend of a day by that of the day before from which budgets rest for a day.
        pace: number("pacing.freeze_above", "ratio", 1.5, 1.0, 100.0),
        /// The same, from which they rest for two days.
        pace_long: number("pacing.freeze_long_above", "ratio", 2.5, 1.0, 100.0),
        /// Purchases within seven days from which a winner is copied.
        copy_purchases: number("duplicate.purchases", "count", 5.0, 1.0, 1e6),
        /// The highest cost per purchase with which it is copied.
        copy_cpa: number("duplicate.cpa_max", "currency", 27.0, 0.01, 1e9),
        /// Copies that the stage makes in an account day.
        copies_a_day: number("duplicate.most_a_day", "count", 3.0, 0.0, 100.0),
        /// Days between two copies of one ad.
        copy_days: number("duplicate.days_between", "days", 7.0, 0.0, 365.0),
        /// Fatigue from which an ad is not copied: the copy shows the same creative.
        copy_fatigue: number("duplicate.fatigue_below", "fraction", 0.5, 0.0, 1.0),
        /// The daily budget with which a copy starts.
        copy_budget: number("duplicate.daily_budget", "currency", 100.0, 1.0, 1e9),
        /// Good days in a row after which a new creative is asked for.
        refresh_days: number("refresh.good_days", "days", 7.0, 1.0, 7.0),
        /// The highest cost per purchase of a good day.
        refresh_cpa: number("refresh.cpa_max", "currency", 27.0, 0.01, 1e9),
        /// Days between two times that one ad's is asked for.
        refresh_every: number("refresh.days_between", "days", 7.0, 1.0, 365.0),
        /// The highest chance of a bad cost with which an owner gets freed budget.
        reinvest_probability: number("reinvest.largest_probability_of_bad_cost", "fraction", 0.5, 0.0, 1.0),
        /// The largest share by which freed budget raises an owner's budget in one run.
        reinvest_step: number("reinvest.largest_step", "fraction", 0.5, 0.0, 10.0),
        /// Shares of a budget below this are not worth a change.
        reinvest_least: number("reinvest.least_step", "fraction", 0.1, 0.0, 10.0),
    }
}

impl Settings {
    /// By how much a step is larger or smaller than usual, by what a model foretells: as usual where break-even is one
    /// and a half times the foretold cost, half of it where nothing is earned.
    #[must_use]
    pub fn size(&self, breakeven: f64, forecast: f64) -> f64 {
        let size = breakeven / forecast - 0.5;
        if size.is_nan() { 1.0 } else { size.clamp(self.up_least_size, self.up_most_size) }
    }

    /// What bounds of single settings cannot say: what is better is never asked for less, and nothing
    /// rises and falls at once.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let falling = [
            ("thresholds.cpa.scaling_kill_max", self.kill_cpa, "scale_down.cpa_above", self.down_cpa),
            ("scale_down.cpa_above", self.down_cpa, "scale_up.good_cpa", self.good_cpa),
            ("scale_up.good_cpa", self.good_cpa, "scale_up.strong_cpa", self.strong_cpa),
            ("scale_up.strong_roas", self.strong_roas, "scale_up.good_roas", self.good_roas),
            ("scale_up.good_roas", self.good_roas, "scale_down.roas_below", self.down_roas),
            ("scale_down.roas_below", self.down_roas, "thresholds.roas.scaling_kill_min", self.kill_roas),
            ("scale_up.strong_step", self.strong_step, "scale_up.good_step", self.good_step),
            ("pacing.freeze_long_above", self.pace_long, "pacing.freeze_above", self.pace),
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
