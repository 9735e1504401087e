//! The two kinds of number that features and thresholds come in, and the whole numbers they are compared as.

use std::fmt::Debug;

/// A float that features and thresholds are compared in: `f32` or `f64`.
pub trait Scalar: Copy + PartialOrd + Default + Debug + Send + Sync + 'static + std::ops::Add<Output = Self> {
    /// A whole number of the same width, in the same order.
    type Key: Copy + Ord + Default + Debug + Send + Sync + 'static;
    /// Below every number: what a missing value is where it goes with the small ones.
    const FIRST: Self::Key;
    /// Above every number: what a missing value is where it goes with the large ones.
    const LAST: Self::Key;
    /// Not a number.
    const NAN: Self;
    /// The key of a number: keys are in the order of their numbers, and both zeros have one. Without a meaning
    /// for NaN.
    #[must_use]
    fn key(self) -> Self::Key;
    /// The key before that of this number; above [`Self::FIRST`].
    #[must_use]
    fn key_below(self) -> Self::Key;
    /// Whether it is not a number.
    #[must_use]
    fn is_missing(self) -> bool;
    /// From what a file holds; exact for `f64`, and for `f32` of values that came from `f32`.
    #[must_use]
    fn of(value: f64) -> Self;
    /// As `f64`, exactly.
    #[must_use]
    fn wide(self) -> f64;
}

macro_rules! scalar {
    ($t:ty, $key:ty) => {
        impl Scalar for $t {
            type Key = $key;
            const FIRST: $key = <$key>::MIN;
            const LAST: $key = <$key>::MAX;
            const NAN: Self = <$t>::NAN;
            fn key(self) -> $key {
                // Adding zero makes the negative zero a positive one. A float's bits grow with its size; those of
                // negative ones have to be turned around.
                let bits = (self + 0.0).to_bits() as $key;
                bits ^ (((bits >> (<$key>::BITS - 1)) as $key) & <$key>::MAX)
            }
            fn key_below(self) -> $key {
                // The infinities are not the ends of the keys: NaN has those, and is no number.
                self.key() - 1
            }
            fn is_missing(self) -> bool {
                self.is_nan()
            }
            fn of(value: f64) -> Self {
                value as $t
            }
            fn wide(self) -> f64 {
                self.into()
            }
        }
    };
}

scalar!(f32, i32);
scalar!(f64, i64);
