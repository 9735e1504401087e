//! What becomes of the leaves of all trees: how they are put together, and into which numbers the sum is
//! turned in the end. As ONNX defines it, and onnxruntime does it.

use super::scalar::Scalar;

/// How the leaves of all trees are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Their sum, the base first and then tree by tree: the order in which XGBoost adds.
    Sum,
    /// Their sum over the number of trees.
    Average,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// What is made of the raw scores of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// Nothing.
    None,
    /// 1 / (1 + e^-x), each.
    Logistic,
    /// e^x over the sum of them.
    Softmax,
    /// Softmax, where scores of exactly zero stay zero.
    SoftmaxZero,
    /// The quantile of the standard normal distribution, each.
    Probit,
}

impl Aggregate {
    /// What a target begins with. NaN stands for "nothing yet" in the smallest and the largest.
    pub(super) fn first<T: Scalar>(self, base: T) -> T {
        match self {
            Aggregate::Sum => base,
            Aggregate::Average => T::default(),
            Aggregate::Min | Aggregate::Max => T::NAN,
        }
    }

    /// With one more leaf.
    #[inline(always)]
    pub(super) fn with<T: Scalar>(self, so_far: T, leaf: T) -> T {
        match self {
            Aggregate::Sum | Aggregate::Average => so_far + leaf,
            Aggregate::Min if so_far <= leaf => so_far,
            Aggregate::Max if so_far >= leaf => so_far,
            Aggregate::Min | Aggregate::Max => leaf,
        }
    }

    /// After the last leaf.
    pub(super) fn last<T: Scalar>(self, so_far: T, base: T, trees: usize) -> T {
        match self {
            Aggregate::Sum => so_far,
            Aggregate::Average => T::of(so_far.wide() / trees.max(1) as f64) + base,
            Aggregate::Min | Aggregate::Max if so_far.is_missing() => base,
            Aggregate::Min | Aggregate::Max => so_far + base,
        }
    }
}

impl Transform {
    /// Turns the scores of one row, in place.
    pub(super) fn apply(self, scores: &mut [f32]) {
        match self {
            Transform::None => {}
            Transform::Logistic => scores.iter_mut().for_each(|s| *s = logistic(*s)),
            Transform::Probit => scores.iter_mut().for_each(|s| *s = probit(*s)),
            Transform::Softmax => softmax(scores, |_| true),
            Transform::SoftmaxZero => softmax(scores, |s| s.abs() > 1e-7),
        }
    }
}

/// Computed on the side where e^x cannot overflow.
pub(super) fn logistic(x: f32) -> f32 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}

fn softmax(scores: &mut [f32], counts: impl Fn(f32) -> bool) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = if counts(*score) { (*score - largest).exp() } else { 0.0 };
        sum += *score;
    }
    if sum > 0.0 {
        scores.iter_mut().for_each(|score| *score /= sum);
    }
}

/// The standard normal quantile of a probability, by the approximation of the inverse error function that
/// onnxruntime uses (Winitzki 2008, "A handy approximation for the error function and its inverse").
fn probit(p: f32) -> f32 {
    let x = 2.0 * p - 1.0;
    let sign = if x < 0.0 { -1.0 } else { 1.0 };
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f32::consts::PI * 0.147) + 0.5 * log;
    let inverse = sign * (-v + (v * v - log / 0.147).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * inverse
}
