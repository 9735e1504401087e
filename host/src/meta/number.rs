//! Numbers as Meta sends them: in strings, or, from other servers and old versions, as numbers.

use serde::de::{Deserialize, Deserializer, Visitor};
use std::fmt;

/// A number, or the text that is none: reading a page never fails because of one wrong value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Value(f64),
    Wrong(String),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a text that is one")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
        Ok(Number::Value(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
        Ok(Number::Value(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
        Ok(Number::Value(value as f64))
    }

    fn visit_str<E>(self, text: &str) -> Result<Number, E> {
        Ok(match text.trim().parse::<f64>() {
            Ok(value) if value.is_finite() => Number::Value(value),
            _ => Number::Wrong(text.chars().take(40).collect()),
        })
    }

    fn visit_bool<E>(self, value: bool) -> Result<Number, E> {
        Ok(Number::Wrong(value.to_string()))
    }
}

/// An id: a text, or from some edges a number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Number(u64),
        }
        Ok(Id(match Either::deserialize(deserializer)? {
            Either::Text(text) => text,
            Either::Number(number) => number.to_string(),
        }))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Value(value) => write!(f, "{value}"),
            Number::Wrong(text) => write!(f, "{text:?}"),
        }
    }
}

impl Number {
    /// The number, if it is one and not negative; else what is wrong with it.
    pub(super) fn count(&self, field: &str) -> Result<f64, String> {
        match self {
            Number::Value(value) if *value >= 0.0 => Ok(*value),
            Number::Value(value) => Err(format!("{field} is {value}")),
            Number::Wrong(text) => Err(format!("{field} is {text:?}, not a number")),
        }
    }

    /// A whole number, such as minor units of a budget or a status.
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Number::Value(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
            _ => None,
        }
    }
}
