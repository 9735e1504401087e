//! Special functions that the posteriors need: gamma, incomplete gamma, incomplete beta and
//! Student's t, in double precision and checked against scipy.

/// Where series and fractions stop: next to what a double can tell apart.
const PRECISION: f64 = 1e-15;
const MOST_TERMS: usize = 10_000;
/// In place of a zero that a continued fraction would divide by.
const TINY: f64 = f64::MIN_POSITIVE / PRECISION;

/// The natural logarithm of the gamma function for x > 0, by Stirling's series (Abramowitz and Stegun,
/// 6.1.41) from ten on, where its next term is below 1e-15, and by the recurrence below. NaN for
/// anything else.
#[must_use]
pub(super) fn ln_gamma(x: f64) -> f64 {
    const FROM: f64 = 10.0;
    const TERMS: [f64; 6] = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    let (mut x, mut product) = (x, 1.0);
    while x < FROM {
        product *= x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = TERMS.iter().rev().fold(0.0, |sum, term| sum * square + term) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - product.ln()
}

/// The regularised lower incomplete gamma function P(a, x), by its series for x < a + 1 and by
/// Lentz' continued fraction beyond (Numerical Recipes, 6.2). NaN outside of a > 0, x >= 0.
#[must_use]
pub(super) fn incomplete_gamma(a: f64, x: f64) -> f64 {
    if a.is_nan() || x.is_nan() || a <= 0.0 || x < 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    if x.is_infinite() {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..MOST_TERMS {
            term *= x / (a + n as f64);
            sum += term;
            if term < sum * PRECISION {
                break;
            }
        }
        (sum * front).clamp(0.0, 1.0)
    } else {
        let mut b = x + 1.0 - a;
        let mut c = 1.0 / TINY;
        let mut d = 1.0 / b;
        let mut h = d;
        for n in 1..MOST_TERMS {
            let n = n as f64;
            let an = -n * (n - a);
            b += 2.0;
            d = an * d + b;
            if d.abs() < TINY {
                d = TINY;
            }
            c = b + an / c;
            if c.abs() < TINY {
                c = TINY;
            }
            d = 1.0 / d;
            let step = d * c;
            h *= step;
            if (step - 1.0).abs() < PRECISION {
                break;
            }
        }
        (1.0 - front * h).clamp(0.0, 1.0)
    }
}

/// The regularised incomplete beta function I_x(a, b) by Lentz' continued fraction (Numerical
/// Recipes, 6.4). NaN outside of a, b > 0 and 0 <= x <= 1.
#[must_use]
pub(super) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 || !(0.0..=1.0).contains(&x) {
        return f64::NAN;
    }
    if x <= 0.0 || x >= 1.0 {
        return x;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    // The fraction converges fast on the side of the mean where it is used.
    if x < (a + 1.0) / (a + b + 2.0) {
        (front * beta_fraction(a, b, x) / a).clamp(0.0, 1.0)
    } else {
        (1.0 - front * beta_fraction(b, a, 1.0 - x) / b).clamp(0.0, 1.0)
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let lifted = |v: f64| if v.abs() < TINY { TINY } else { v };
    let (sum, above, below) = (a + b, a + 1.0, a - 1.0);
    let mut c = 1.0;
    let mut d = 1.0 / lifted(1.0 - sum * x / above);
    let mut h = d;
    for m in 1..MOST_TERMS {
        let m = m as f64;
        let m2 = 2.0 * m;
        let even = m * (b - m) * x / ((below + m2) * (a + m2));
        d = 1.0 / lifted(1.0 + even * d);
        c = lifted(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (sum + m) * x / ((a + m2) * (above + m2));
        d = 1.0 / lifted(1.0 + odd * d);
        c = lifted(1.0 + odd / c);
        let step = d * c;
        h *= step;
        if (step - 1.0).abs() < PRECISION {
            break;
        }
    }
    h
}

/// P(T <= t) for Student's t with `freedom` degrees of freedom.
#[must_use]
pub(crate) fn student_t(t: f64, freedom: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t));
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// P(Z <= z) for the standard normal.
#[must_use]
pub(crate) fn normal(z: f64) -> f64 {
    let half = 0.5 * incomplete_gamma(0.5, 0.5 * z * z);
    if z > 0.0 { 0.5 + half } else { 0.5 - half }
}

/// The z of a probability of the standard normal, within 8 standard deviations.
#[must_use]
pub(crate) fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    // Each halves the interval: 60 leave nothing of it that a double could tell.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if normal(middle) < probability { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy.stats.norm.
    #[test]
    fn the_normal_distribution_agrees_with_scipy() {
        for (z, expected) in [(0.0, 0.5), (1.0, 0.841_344_746_068_542_9), (-2.5, 0.006_209_665_325_776_132)] {
            assert!((normal(z) - expected).abs() < 1e-12, "{z}: {}", normal(z));
            assert!((normal_quantile(expected) - z).abs() < 1e-9, "{z}: {}", normal_quantile(expected));
        }
        assert!(normal_quantile(1.0) <= 8.0 && normal_quantile(0.0) >= -8.0);
    }

    /// Values of scipy.special.gammainc, scipy 1.17.1.
    #[test]
    fn the_incomplete_gamma_function_agrees_with_scipy() {
        for (a, x, expected) in [
            (0.5, 0.1, 0.345_279_153_981_423_17),
            (1.0, 1.0, 0.632_120_558_828_557_7),
            (1.4, 2.5, 0.848_545_528_326_018_3),
            (2.4, 0.7, 0.087_992_582_183_377_3),
            (10.0, 12.0, 0.757_607_838_329_487_5),
            (50.0, 40.0, 0.070_335_066_659_394_95),
            (200.0, 220.0, 0.918_194_311_611_061_7),
        ] {
            let found = incomplete_gamma(a, x);
            assert!((found - expected).abs() < 1e-12, "P({a}, {x}) = {found}, not {expected}");
        }
        assert!(incomplete_gamma(-1.0, 1.0).is_nan());
        assert!(incomplete_gamma(1.0, f64::NAN).is_nan());
    }

    /// Values of scipy.special.betainc and scipy.stats.t.cdf, scipy 1.17.1.
    #[test]
    fn the_incomplete_beta_function_and_students_t_agree_with_scipy() {
        for (a, b, x, expected) in BETA {
            let found = incomplete_beta(a, b, x);
            assert!((found - expected).abs() < 1e-10, "I_{x}({a}, {b}) = {found}, not {expected}");
        }
        for (t, freedom, expected) in STUDENT {
            let found = student_t(t, freedom);
            assert!((found - expected).abs() < 1e-12, "P(T <= {t}) with {freedom} = {found}, not {expected}");
        }
        assert!(incomplete_beta(1.0, 1.0, 1.5).is_nan());
        assert!(student_t(f64::NAN, 5.0).is_nan());
    }

    const BETA: [(f64, f64, f64, f64); 7] = [
        (0.5, 0.5, 0.3, 0.369_010_119_565_545_36),
        (2.4, 130.0, 0.02, 0.642_640_784_734_817_8),
        (12.0, 900.0, 0.01, 0.206_846_273_073_000_38),
        (1.0, 1.0, 0.25, 0.25),
        (300.0, 20_000.0, 0.0155, 0.804_439_490_109_741),
        (5.0, 2.0, 0.9, 0.885_735),
        (4.0, 396.0, 0.001, 0.000_759_908_945_936_503),
    ];

    const STUDENT: [(f64, f64, f64); 5] = [
        (0.0, 5.0, 0.5),
        (1.5, 5.0, 0.903_048_159_878_763_4),
        (-2.2, 5.0, 0.039_546_948_951_591_186),
        (-1.1, 2.0, 0.193_019_935_297_728_82),
        (3.3, 12.0, 0.996_829_624_946_856_5),
    ];
}
