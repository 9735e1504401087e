//! Priors fitted to the account by empirical Bayes: the distribution from which the true rates of its
//! ads seem to come, at the maximum of the marginal likelihood (Casella 1985, "An Introduction to
//! Empirical Bayes Data Analysis"; the marginals are the negative binomial and the beta-binomial).

use super::posterior::{Beta, DEFAULT_SHAPE, Gamma};
use super::special::ln_gamma;

/// How firmly the shape is held at its default until the account says otherwise: the standard
/// deviation of its logarithm. A dozen ads do not tell a shape.
const SHAPE_SPREAD: f64 = 0.5;
/// Clicks that a fresh creative's prior counts for: creatives of one account differ by about half of
/// their mean in click-through, which is a shape of four.
const DEFAULT_CLICKS: f64 = 4.0;
const CLICKS_SPREAD: f64 = 0.7;
/// More ads than this do not sharpen a prior of two parameters, and cost time on every run.
const MOST_ADS: usize = 2_000;

/// The prior on events per spend, from events and spend of every ad. `None` without an event.
#[must_use]
pub(super) fn gamma(ads: &[(f64, f64)]) -> Option<Gamma> {
    let ads = thinned(ads);
    let (events, spend) = ads.iter().fold((0.0, 0.0), |(e, s), ad| (e + ad.0, s + ad.1));
    if events <= 0.0 || spend <= 0.0 {
        return None;
    }
    // In purchases that the account's mean would expect, so that the currency changes nothing at all.
    let pooled = events / spend;
    let expected: Vec<(f64, f64)> = ads.iter().map(|(events, spend)| (*events, spend * pooled)).collect();
    let log_likelihood = |ln_shape: f64, ln_mean: f64| {
        let shape = ln_shape.exp();
        let rate = shape / ln_mean.exp();
        let base = ln_gamma(shape);
        let of_ad = |(events, expected): &(f64, f64)| {
            let seen = if *events > 0.0 { ln_gamma(shape + events) - base } else { 0.0 };
            // shape x ln(rate / (rate + expected)), exact where little is expected.
            seen - shape * (expected / rate).ln_1p() - events * (rate + expected).ln()
        };
        expected.iter().map(of_ad).sum::<f64>() - off(ln_shape, DEFAULT_SHAPE, SHAPE_SPREAD)
    };
    let (ln_shape, ln_mean) = highest(log_likelihood, (DEFAULT_SHAPE.ln(), 0.0));
    let shape = ln_shape.exp();
    Some(Gamma { shape, rate: shape / ln_mean.exp() / pooled })
}

/// The prior on a share, from successes and trials of every ad. `None` without a success.
#[must_use]
pub(super) fn beta(ads: &[(f64, f64)]) -> Option<Beta> {
    let ads = thinned(ads);
    let (successes, trials) = ads.iter().fold((0.0, 0.0), |(s, t), ad| (s + ad.0, t + ad.1));
    if successes <= 0.0 || trials <= successes {
        return None;
    }
    let log_likelihood = |ln_alpha: f64, ln_mean: f64| {
        let alpha = ln_alpha.exp();
        let beta = alpha / ln_mean.exp() - alpha;
        if beta <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let base = ln_gamma(alpha + beta) - ln_gamma(alpha) - ln_gamma(beta);
        let of_ad = |(successes, trials): &(f64, f64)| {
            base + ln_gamma(alpha + successes) + ln_gamma(beta + (trials - successes).max(0.0))
                - ln_gamma(alpha + beta + trials.max(*successes))
        };
        ads.iter().map(of_ad).sum::<f64>() - off(ln_alpha, DEFAULT_CLICKS, CLICKS_SPREAD)
    };
    let (ln_alpha, ln_mean) = highest(log_likelihood, (DEFAULT_CLICKS.ln(), (successes / trials).ln()));
    let alpha = ln_alpha.exp();
    Some(Beta { alpha, beta: alpha / ln_mean.exp() - alpha })
}

/// What a logarithm loses for being off its usual value.
fn off(ln_value: f64, usual: f64, spread: f64) -> f64 {
    ((ln_value - usual.ln()) / spread).powi(2) / 2.0
}

/// Ads that did something, evenly thinned where there are very many.
fn thinned(ads: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let active: Vec<(f64, f64)> = ads.iter().copied().filter(|ad| ad.1 > 0.0 && ad.0.is_finite()).collect();
    let step = active.len().div_ceil(MOST_ADS).max(1);
    active.into_iter().step_by(step).collect()
}

/// The maximum of a smooth function of two variables by Newton's method with numerical derivatives,
/// each step halved until it climbs. Where the function is not concave it goes up the gradient.
fn highest(f: impl Fn(f64, f64) -> f64, start: (f64, f64)) -> (f64, f64) {
    const MOST_STEPS: usize = 60;
    const NEAR: f64 = 1e-7;
    // The best compromise for second differences in doubles: the fourth root of their precision.
    const H: f64 = 1e-4;
    const ROUNDING: f64 = 1e-13;
    // In logarithms: no step changes a parameter by more than a factor of e.
    const LONGEST: f64 = 1.0;
    let (mut x, mut y) = start;
    let mut here = f(x, y);
    for _ in 0..MOST_STEPS {
        let (right, left, up, down) = (f(x + H, y), f(x - H, y), f(x, y + H), f(x, y - H));
        let (gx, gy) = ((right - left) / (2.0 * H), (up - down) / (2.0 * H));
        let xx = (right - 2.0 * here + left) / (H * H);
        let yy = (up - 2.0 * here + down) / (H * H);
        // The mixed derivative from two corners and the cross, which is there already.
        let corners = f(x + H, y + H) + f(x - H, y - H);
        let xy = (corners - right - left - up - down + 2.0 * here) / (2.0 * H * H);
        let determinant = xx * yy - xy * xy;
        let concave = xx < 0.0 && determinant > 0.0;
        let (mut dx, mut dy) =
            if concave { ((xy * gy - yy * gx) / determinant, (xy * gx - xx * gy) / determinant) } else { (gx, gy) };
        let length = dx.hypot(dy);
        if !length.is_finite() {
            break;
        }
        let scale = if length > LONGEST { LONGEST / length } else { 1.0 };
        (dx, dy) = (dx * scale, dy * scale);
        let mut climbed = false;
        while dx.hypot(dy) > NEAR {
            let there = f(x + dx, y + dy);
            if there > here {
                // A step that gains less than rounding takes is the last.
                climbed = there - here > ROUNDING * (1.0 + here.abs());
                (x, y, here) = (x + dx, y + dy, there);
                break;
            }
            (dx, dy) = (dx / 2.0, dy / 2.0);
        }
        if !climbed {
            break;
        }
    }
    (x, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_account_that_says_little_keeps_the_default_shape() {
        let prior = gamma(&[(1.0, 50.0), (0.0, 30.0)]).unwrap();
        assert!((prior.shape / DEFAULT_SHAPE - 1.0).abs() < 0.1, "{prior:?}");
        assert!(gamma(&[(0.0, 50.0)]).is_none(), "no purchase tells no mean");
        assert!(gamma(&[]).is_none());
        assert!(beta(&[(0.0, 1_000.0)]).is_none());
    }

    #[test]
    fn ads_that_differ_little_have_a_firm_prior_and_ads_that_differ_much_a_loose_one() {
        let alike: Vec<_> = (0..200).map(|i| (19.0 + f64::from(i % 3), 1_000.0)).collect();
        let different: Vec<_> = (0..200).map(|i| (if i % 2 == 0 { 2.0 } else { 38.0 }, 1_000.0)).collect();
        let (alike, different) = (gamma(&alike).unwrap(), gamma(&different).unwrap());
        assert!(alike.shape > 10.0 * different.shape, "{alike:?} {different:?}");
        assert!((alike.mean() / 0.02 - 1.0).abs() < 0.01 && (different.mean() / 0.02 - 1.0).abs() < 0.1);
    }

    proptest! {
        #[test]
        fn another_currency_fits_the_same_prior(
            ads in prop::collection::vec((0u32..20, 1.0f64..500.0), 5..60), scale in 0.01f64..200.0,
        ) {
            let fit = |scale: f64| {
                gamma(&ads.iter().map(|(k, s)| (f64::from(*k), s * scale)).collect::<Vec<_>>())
            };
            if let (Some(one), Some(other)) = (fit(1.0), fit(scale)) {
                prop_assert!((one.shape / other.shape - 1.0).abs() < 1e-6, "{one:?} {other:?}");
                prop_assert!((one.rate * scale / other.rate - 1.0).abs() < 1e-6, "{one:?} {other:?}");
            }
        }
    }
}
