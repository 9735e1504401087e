//! What a few days of one number say: trend, volatility, acceleration, momentum, decay. Days stand
//! oldest first; a day that is not known is NaN and left out, its place in time kept.

use super::special::student_t;

/// A straight line through days by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Change a day.
    pub(super) slope: f64,
    /// Mean of the known days.
    pub(super) mean: f64,
    /// Standard error of the slope.
    error: f64,
    /// Days less the two that a line takes.
    freedom: f64,
}

/// Known days below which a line says nothing.
const FEWEST_DAYS: usize = 3;

fn known(days: &[f64]) -> impl Iterator<Item = (f64, f64)> + Clone + '_ {
    days.iter().enumerate().filter(|(_, value)| value.is_finite()).map(|(day, value)| (day as f64, *value))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { f64::NAN }
}

impl Line {
    /// The line through days; `None` with fewer than three known.
    #[must_use]
    pub(super) fn through(days: &[f64]) -> Option<Self> {
        let n = known(days).count();
        if n < FEWEST_DAYS {
            return None;
        }
        let (mx, my) = (mean(known(days).map(|p| p.0)), mean(known(days).map(|p| p.1)));
        let (xx, xy) = known(days).fold((0.0, 0.0), |(xx, xy), (x, y)| {
            (xx + (x - mx).powi(2), xy + (x - mx) * (y - my)) //
        });
        let slope = xy / xx;
        let residual = known(days).map(|(x, y)| (y - my - slope * (x - mx)).powi(2)).sum::<f64>();
        let freedom = n as f64 - 2.0;
        Some(Line { slope, mean: my, error: (residual / freedom / xx).sqrt(), freedom })
    }

    /// The slope as a share of the mean; NaN when the mean is not above 0.
    #[must_use]
    pub(super) fn relative(&self) -> f64 {
        if self.mean > 0.0 { self.slope / self.mean } else { f64::NAN }
    }

    /// How likely a slope so far below 0 is by chance alone (Student's t, one-sided).
    #[must_use]
    pub(super) fn p_falling(&self) -> f64 {
        if self.error > 0.0 {
            student_t(self.slope / self.error, self.freedom)
        } else if self.slope < 0.0 {
            // A line without any scatter is no accident.
            0.0
        } else {
            1.0
        }
    }
}

/// Standard deviation by mean (coefficient of variation) of three or more known days.
#[must_use]
pub(super) fn volatility(days: &[f64]) -> f64 {
    let n = known(days).count();
    let m = mean(known(days).map(|p| p.1));
    if n < FEWEST_DAYS || m <= 0.0 {
        return f64::NAN;
    }
    let variance = known(days).map(|(_, y)| (y - m).powi(2)).sum::<f64>() / (n as f64 - 1.0);
    variance.sqrt() / m
}

/// The second derivative of the parabola through four or more known days (least squares), as a share
/// of their mean: a change of the daily change.
#[must_use]
pub(super) fn acceleration(days: &[f64]) -> f64 {
    let n = known(days).count();
    let m = mean(known(days).map(|p| p.1));
    if n <= FEWEST_DAYS || m <= 0.0 {
        return f64::NAN;
    }
    // The parabola's own part: what a line explains is taken out of both x^2 and y.
    let mx = mean(known(days).map(|p| p.0));
    let xx = known(days).map(|(x, _)| (x - mx).powi(2)).sum::<f64>();
    let square = |x: f64| (x - mx).powi(2);
    let m2 = xx / n as f64;
    let skew = known(days).map(|(x, _)| (x - mx) * square(x)).sum::<f64>() / xx;
    let bend = |x: f64| square(x) - m2 - skew * (x - mx);
    let (above, below) = known(days).fold((0.0, 0.0), |(a, b), (x, y)| (a + bend(x) * y, b + bend(x).powi(2)));
    if below > 0.0 { 2.0 * above / below / m } else { f64::NAN }
}

/// Days at each end that momentum compares.
const ENDS: usize = 3;

/// (mean of the last three days - mean of the first three) / mean of the first three; at least two
/// days of either have to be known.
#[must_use]
pub(super) fn momentum(days: &[f64]) -> f64 {
    let end = |part: &[f64]| {
        let enough = known(part).count() + 1 >= ENDS;
        if enough { mean(known(part).map(|p| p.1)) } else { f64::NAN }
    };
    if days.len() < 2 * ENDS {
        return f64::NAN;
    }
    let (first, last) = (end(&days[..ENDS]), end(&days[days.len() - ENDS..]));
    if first > 0.0 { (last - first) / first } else { f64::NAN }
}

/// The exponentially weighted mean: each known day moves it by `weight` of the difference.
#[must_use]
pub(super) fn ewma(days: &[f64], weight: f64) -> f64 {
    let step = |so_far: f64, value: f64| if so_far.is_nan() { value } else { so_far + weight * (value - so_far) };
    known(days).fold(f64::NAN, |so_far, (_, value)| step(so_far, value))
}

/// How fast a rate dies: minus the slope of the logarithm of `events / trials`, each day weighted by
/// its events (the logarithm of a rate of k events has a variance of about 1 / k). NaN with fewer
/// than four days that have events.
#[must_use]
pub(super) fn decay(events: &[f64], trials: &[f64]) -> f64 {
    let points: Vec<(f64, f64, f64)> = (0..events.len())
        .filter(|&day| events[day] > 0.0 && trials[day] > 0.0)
        .map(|day| (day as f64, (events[day] / trials[day]).ln(), events[day]))
        .collect();
    if points.len() <= FEWEST_DAYS {
        return f64::NAN;
    }
    let weight = points.iter().map(|p| p.2).sum::<f64>();
    let mx = points.iter().map(|p| p.0 * p.2).sum::<f64>() / weight;
    let my = points.iter().map(|p| p.1 * p.2).sum::<f64>() / weight;
    let (xx, xy) = points.iter().fold((0.0, 0.0), |(xx, xy), (x, y, w)| {
        (xx + w * (x - mx).powi(2), xy + w * (x - mx) * (y - my)) //
    });
    -xy / xx
}

/// The highest `events / trials` over `span` days in a row that have at least `fewest` trials
/// together; days that are not known count as empty. NaN where none has.
#[must_use]
pub(super) fn peak(events: &[f64], trials: &[f64], span: usize, fewest: f64) -> f64 {
    let sum = |part: &[f64]| part.iter().filter(|v| v.is_finite()).sum::<f64>();
    let spans = events.windows(span).zip(trials.windows(span)).map(|(e, t)| (sum(e), sum(t)));
    spans.filter(|(_, t)| *t >= fewest).map(|(e, t)| e / t).fold(f64::NAN, f64::max)
}

/// Weights of the six signs of fatigue; what an account does not report is left out of the mean.
const CTR_WEIGHT: f64 = 0.3;
const CPA_WEIGHT: f64 = 0.2;
const ROAS_WEIGHT: f64 = 0.2;
const ENGAGEMENT_WEIGHT: f64 = 0.1;
const MOMENTUM_WEIGHT: f64 = 0.1;
const VOLATILITY_WEIGHT: f64 = 0.1;
/// A slope counts when it is this unlikely to be chance.
const SIGNIFICANT: f64 = 0.1;
/// The rise of volatility that counts.
const VOLATILITY_RISE: f64 = 1.5;

/// Days of one ad that show whether it wears out, oldest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wear<'a> {
    /// Click-through rate.
    pub(super) ctr: &'a [f64],
    /// Cost per purchase.
    pub(super) cpa: &'a [f64],
    /// Return on ad spend.
    pub(super) roas: &'a [f64],
    /// Views of three seconds per impression.
    pub(super) engagement: &'a [f64],
}

impl Wear<'_> {
    /// From 0, fresh, to 1, worn out: the weighted mean of six signs. NaN while the click-through rate
    /// has no trend yet.
    #[must_use]
    pub(super) fn index(&self) -> f64 {
        // What a significant fall takes off over the days, as a share.
        let fall = |days: &[f64]| {
            let line = Line::through(days)?;
            let lost = (-line.relative() * (days.len() as f64 - 1.0)).clamp(0.0, 1.0);
            Some(if line.p_falling() < SIGNIFICANT { lost } else { 0.0 })
        };
        let Some(ctr) = fall(self.ctr) else { return f64::NAN };
        let rising: Vec<f64> = self.cpa.iter().map(|v| -v).collect();
        let cpa = Line::through(&rising).map(|line| {
            let gained = (line.slope / line.mean * (rising.len() as f64 - 1.0)).clamp(0.0, 1.0);
            if line.p_falling() < SIGNIFICANT { gained } else { 0.0 }
        });
        let momentum = momentum(self.ctr);
        let half = self.ctr.len().div_ceil(2);
        let (before, after) = (volatility(&self.ctr[..half]), volatility(&self.ctr[self.ctr.len() - half..]));
        let signs = [
            (CTR_WEIGHT, Some(ctr)),
            (CPA_WEIGHT, cpa),
            (ROAS_WEIGHT, fall(self.roas)),
            (ENGAGEMENT_WEIGHT, fall(self.engagement)),
            (MOMENTUM_WEIGHT, momentum.is_finite().then(|| (-momentum).clamp(0.0, 1.0))),
            (VOLATILITY_WEIGHT, (before > 0.0 && after >= 0.0).then(|| f64::from(after >= VOLATILITY_RISE * before))),
        ];
        let known = || signs.iter().filter_map(|(weight, sign)| sign.map(|sign| (weight, sign)));
        known().map(|(w, s)| w * s).sum::<f64>() / known().map(|(w, _)| w).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const U: f64 = f64::NAN;

    #[test]
    fn too_few_days_say_nothing() {
        assert!(Line::through(&[1.0, 2.0, U]).is_none());
        assert!(volatility(&[1.0, U, 2.0]).is_nan());
        assert!(acceleration(&[1.0, 2.0, 4.0]).is_nan());
        assert!(momentum(&[1.0, 2.0, 3.0]).is_nan());
        assert!(decay(&[1.0, 1.0, 1.0], &[9.0, 9.0, 9.0]).is_nan());
        assert!(peak(&[1.0, 1.0, 1.0], &[9.0, 9.0, 9.0], 3, 1_000.0).is_nan());
        assert!(Wear { ctr: &[U; 7], cpa: &[U; 7], roas: &[U; 7], engagement: &[U; 7] }.index().is_nan());
    }

    #[test]
    fn an_ad_that_halves_in_a_week_is_worn_and_a_steady_one_is_not() {
        let falling: Vec<f64> = (0..7).map(|day| 0.02 - 0.0017 * f64::from(day)).collect();
        let dearer: Vec<f64> = (0..7).map(|day| 20.0 + 4.0 * f64::from(day)).collect();
        let worse: Vec<f64> = dearer.iter().map(|cpa| 60.0 / cpa).collect();
        let worn = Wear { ctr: &falling, cpa: &dearer, roas: &worse, engagement: &[U; 7] }.index();
        let steady = Wear { ctr: &[0.02; 7], cpa: &[30.0; 7], roas: &[2.0; 7], engagement: &[0.3; 7] }.index();
        assert!(worn > 0.5, "{worn}");
        assert!(steady < 1e-12, "{steady}");
    }

    proptest! {
        #[test]
        fn units_and_order_of_magnitude_do_not_matter(
            days in prop::collection::vec(prop_oneof![3 => 0.1f64..10.0, 1 => Just(U)], 7), scale in 0.01f64..1000.0,
        ) {
            let scaled: Vec<f64> = days.iter().map(|v| v * scale).collect();
            let same = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9 * (1.0 + a.abs());
            prop_assert!(same(volatility(&days), volatility(&scaled)));
            prop_assert!(same(acceleration(&days), acceleration(&scaled)));
            prop_assert!(same(momentum(&days), momentum(&scaled)));
            let relative = |days: &[f64]| Line::through(days).map_or(U, |line| line.relative());
            prop_assert!(same(relative(&days), relative(&scaled)));
            let index = |d: &[f64]| Wear { ctr: d, cpa: d, roas: d, engagement: d }.index();
            let worn = index(&days);
            prop_assert!(worn.is_nan() || (0.0..=1.0).contains(&worn));
            prop_assert!(same(worn, index(&scaled)));
        }
    }
}
