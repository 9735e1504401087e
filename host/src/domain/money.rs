//! Money as integer minor units with the currency's own offset. A float appears only at the border
//! to a policy, never in between.

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency as Meta counts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Currency {
    code: String,
}

/// Currencies whose minor unit is the unit itself, as Meta's budget fields have it.
const WITHOUT_MINOR_UNITS: [&str; 11] = ["CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"];

impl Currency {
    /// A currency by its three-letter code.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Currency { code: code.to_ascii_uppercase() }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Minor units in one unit: 100, or 1.
    #[must_use]
    pub fn minor_units(&self) -> i64 {
        if WITHOUT_MINOR_UNITS.contains(&self.code.as_str()) { 1 } else { 100 }
    }

    /// Money from major units, rounded to the nearest minor unit. `None` when it is not finite or
    /// too large to count.
    #[must_use]
    pub fn from_major(&self, major: f64) -> Option<Money> {
        let minor = (major * self.minor_units() as f64).round();
        // Beyond 2^53 a float no longer counts single units.
        (minor.abs() < 9_007_199_254_740_992.0).then_some(Money(minor as i64))
    }

    /// Major units of money, for a policy or a person.
    #[must_use]
    pub fn to_major(&self, money: Money) -> f64 {
        money.0 as f64 / self.minor_units() as f64
    }

    /// Money as text with the code: `12.30 EUR`.
    #[must_use]
    pub fn format(&self, money: Money) -> String {
        let units = self.minor_units();
        let sign = if money.0 < 0 { "-" } else { "" };
        let (whole, part) = (money.0.unsigned_abs() / units as u64, money.0.unsigned_abs() % units as u64);
        if units == 1 {
            format!("{sign}{whole} {}", self.code)
        } else {
            format!("{sign}{whole}.{part:02} {}", self.code)
        }
    }
}

/// An amount in minor units of the account's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub i64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
}

impl std::ops::Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, |total, amount| total + amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_currency_has_its_own_offset() {
        let format = |code: &str, minor| Currency::new(code).format(Money(minor));
        assert_eq!(format("EUR", 1230), "12.30 EUR");
        assert_eq!(format("eur", -5), "-0.05 EUR");
        assert_eq!(format("JPY", 1230), "1230 JPY");
        assert_eq!(Currency::new("KRW").from_major(5000.0), Some(Money(5000)));
        assert_eq!(Currency::new("USD").from_major(50.0), Some(Money(5000)));
        assert_eq!(Currency::new("USD").from_major(f64::NAN), None);
        assert_eq!(Currency::new("USD").from_major(1e300), None);
    }

    proptest! {
        #[test]
        fn minor_units_survive_the_way_to_a_policy_and_back(minor in -1_000_000_000_000i64..1_000_000_000_000) {
            for code in ["EUR", "JPY"] {
                let currency = Currency::new(code);
                prop_assert_eq!(currency.from_major(currency.to_major(Money(minor))), Some(Money(minor)));
            }
        }
    }
}
