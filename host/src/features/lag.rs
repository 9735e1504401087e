//! How late conversions arrive: the share of a day's purchases that is reported by a later moment,
//! learned from how the account's own days grew.
//!
//! The method is the chain ladder of insurance reserving (Mack 1993): from one age to the next the
//! days of the account grew by a factor; what is reported at an age is one by all factors still to
//! come. Factors of few purchases lean on a default curve.

use std::collections::BTreeMap;

/// Ages in days that are followed: with a click window of seven days and Meta's restatements nothing
/// that matters comes later.
pub const AGES: usize = 28;

/// The default curve: the share of a day's purchases still missing at its end, halved on each day
/// after, nothing missing from the eighth day on. An assumption, which the account's own days replace.
const MISSING_AT_DAYS_END: f64 = 0.2;
const DEFAULT_AGES: usize = 8;

/// Purchases that the default counts for in each factor.
const DEFAULT_WEIGHT: f64 = 20.0;

/// An account day as it looked when it was so many days old.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayAtAge {
    /// The day, counted from any beginning.
    pub day: i64,
    /// Account days between it and the look; 0 on the day itself.
    pub age: usize,
    /// Spend as reported then, major units.
    pub spend: f64,
    /// Purchases as reported then.
    pub purchases: f64,
}

/// The share of a day's purchases that is reported at the end of the day on which it is so old.
#[derive(Clone, Debug, PartialEq)]
pub struct LagCurve([f64; AGES + 1]);

impl Default for LagCurve {
    fn default() -> Self {
        let at = |age| if age < DEFAULT_AGES { 1.0 - MISSING_AT_DAYS_END * 0.5f64.powi(age as i32) } else { 1.0 };
        LagCurve(std::array::from_fn(at))
    }
}

impl LagCurve {
    /// The curve of an account, from how its days looked at each age.
    #[must_use]
    pub fn fit(looks: &[DayAtAge]) -> Self {
        let usual = LagCurve::default();
        let mut curve = [1.0; AGES + 1];
        // Ordered, so that sums come out the same on every run.
        let mut at: BTreeMap<(usize, i64), (f64, f64)> = BTreeMap::new();
        for look in looks.iter().filter(|look| look.age <= AGES) {
            at.insert((look.age, look.day), (look.purchases, look.spend));
        }
        for age in (0..AGES).rev() {
            let (mut earlier, mut later) = ((0.0, 0.0), (0.0, 0.0));
            for (&(_, day), young) in at.range((age, i64::MIN)..(age + 1, i64::MIN)) {
                if let Some(old) = at.get(&(age + 1, day)) {
                    earlier = (earlier.0 + young.0, earlier.1 + young.1);
                    later = (later.0 + old.0, later.1 + old.1);
                }
            }
            let expected = usual.0[age + 1] / usual.0[age];
            // Purchases for the same spend: a look at a day that is not over sees less of both.
            let of_same_spend = if later.1 > 0.0 && earlier.1 > 0.0 { later.0 * earlier.1 / later.1 } else { later.0 };
            let factor = (of_same_spend + DEFAULT_WEIGHT * expected) / (earlier.0 + DEFAULT_WEIGHT);
            // Withdrawn purchases may take more away than arrives: then nothing is missing.
            curve[age] = (curve[age + 1] / factor).clamp(f64::MIN_POSITIVE, 1.0);
        }
        LagCurve(curve)
    }

    /// The share that is reported now of each day from today back, `elapsed` being the share of the
    /// account day that is over. Between two days' ends it is drawn straight.
    #[must_use]
    pub fn settled(&self, days: usize, elapsed: f64) -> Vec<f64> {
        let at = |age: usize| self.0.get(age).copied().unwrap_or(1.0);
        let now = |age: usize| match age {
            0 => at(0),
            age => at(age - 1) + elapsed.clamp(0.0, 1.0) * (at(age) - at(age - 1)),
        };
        (0..days).map(now).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of 100 purchases, of which `missing` are not there at the day's end; half of the rest
    /// arrives on each day after.
    fn looks(days: i64, missing: f64) -> Vec<DayAtAge> {
        let look = |day, age: usize| DayAtAge {
            day,
            age,
            spend: 1_000.0,
            purchases: 100.0 * (1.0 - missing * 0.5f64.powi(age as i32)),
        };
        (0..days).flat_map(|day| (0..=AGES).map(move |age| look(day, age))).collect()
    }

    #[test]
    fn the_curve_is_that_of_the_accounts_own_days() {
        let curve = LagCurve::fit(&looks(60, 0.5));
        for (age, expected) in [(0, 0.5), (1, 0.75), (2, 0.875), (5, 0.984)] {
            assert!((curve.0[age] - expected).abs() < 0.01, "{age}: {}", curve.0[age]);
        }
    }

    #[test]
    fn an_account_without_history_has_the_default() {
        let (fitted, usual) = (LagCurve::fit(&[]), LagCurve::default());
        assert!(fitted.0.iter().zip(&usual.0).all(|(a, b)| (a - b).abs() < 1e-12), "{fitted:?}");
        let settled = LagCurve::default().settled(10, 0.5);
        assert!(settled.iter().zip([0.8, 0.85, 0.925]).all(|(a, b)| (a - b).abs() < 1e-12), "{settled:?}");
        assert_eq!(settled[9..], [1.0]);
    }

    #[test]
    fn a_look_at_half_a_day_is_no_sign_of_late_purchases() {
        let half = |day| DayAtAge { day, age: 0, spend: 500.0, purchases: 40.0 };
        let whole = |day| DayAtAge { day, age: 1, spend: 1_000.0, purchases: 80.0 };
        let curve = LagCurve::fit(&(0..60).flat_map(|day| [half(day), whole(day)]).collect::<Vec<_>>());
        assert!((curve.0[0] / curve.0[1] - 1.0).abs() < 0.01, "{curve:?}");
    }

    #[test]
    fn withdrawn_purchases_never_settle_more_than_all() {
        let young = |day| DayAtAge { day, age: 0, spend: 1_000.0, purchases: 100.0 };
        let old = |day| DayAtAge { day, age: 1, spend: 1_000.0, purchases: 60.0 };
        let curve = LagCurve::fit(&(0..60).flat_map(|day| [young(day), old(day)]).collect::<Vec<_>>());
        assert!(curve.0.iter().all(|share| (0.0..=1.0).contains(share)), "{curve:?}");
    }
}
