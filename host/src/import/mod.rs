//! Reads what people export elsewhere: orders of a shop, and history from Ads Manager. A file is taken whole or not
//! at all, and what is wrong with it is said with its line and column.

mod ads_manager;
mod orders;
mod queue;
mod sheet;

pub use ads_manager::{History, history};
pub use orders::{Orders, orders};
pub use queue::{creatives, creatives_of_rows};

use crate::domain::{Currency, Money};
use jiff::tz::TimeZone;
use std::path::PathBuf;
use thiserror::Error;

/// What numbers and days of a file are meant in.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The account's currency.
    pub currency: Currency,
    /// The account's time zone.
    pub zone: TimeZone,
}

/// Why a file was not taken. Nothing of it was.
#[derive(Debug, Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("{}: {reason}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It lacks a column.
    #[error("{} has no column for {what}: looked for {}; it has {}\n  hint: {hint}", .file.display(), .known.join(", "), .found.join(", "))]
    Column {
        /// The file.
        file: PathBuf,
        /// What the column is for.
        what: &'static str,
        /// Names that it may have.
        known: Vec<&'static str>,
        /// Names that there are.
        found: Vec<String>,
        /// How to mend it.
        hint: &'static str,
    },
    /// Lines of it make no sense.
    #[error("{}: nothing of it was taken, since it has {} mistake(s):\n{}", .file.display(), .count, .first.join("\n"))]
    Lines {
        /// The file.
        file: PathBuf,
        /// How many.
        count: usize,
        /// The first of them, a sentence each.
        first: Vec<String>,
    },
}

/// Wrong lines that are shown.
const SHOWN: usize = 5;

fn wrong_lines(file: &std::path::Path, problems: Vec<String>) -> Option<ImportError> {
    let count = problems.len();
    let mut first: Vec<String> = problems.into_iter().take(SHOWN).map(|problem| format!("  {problem}")).collect();
    if count > SHOWN {
        first.push(format!("  and {} more", count - SHOWN));
    }
    (count > 0).then(|| ImportError::Lines { file: file.into(), count, first })
}

/// A number as people write it: `1,234.50`, `1.234,50`, `1 234,50`. With both marks the last one parts the fraction;
/// with one alone it does so where other than three digits follow it, or where it is a point.
fn number(text: &str) -> Option<f64> {
    let plain: String = text.chars().filter(|c| c.is_ascii_digit() || ",.-".contains(*c)).collect();
    let others = text.chars().any(|c| c.is_alphabetic() || "/:".contains(c));
    if plain.is_empty() || others {
        return None;
    }
    let (comma, point) = (plain.rfind(','), plain.rfind('.'));
    let english = match (comma, point) {
        (Some(comma), Some(point)) if comma > point => plain.replace('.', "").replace(',', "."),
        (Some(_), Some(_)) => plain.replace(',', ""),
        (Some(at), None) if plain.matches(',').count() == 1 && plain.len() - at - 1 != 3 => plain.replace(',', "."),
        (Some(_), None) => plain.replace(',', ""),
        (None, Some(_)) if plain.matches('.').count() > 1 => plain.replace('.', ""),
        (None, _) => plain,
    };
    english.parse().ok().filter(|value: &f64| value.is_finite())
}

/// An amount of money in a file's major units; never below zero.
fn amount(text: &str, currency: &Currency) -> Option<Money> {
    number(text).filter(|major| *major >= 0.0).and_then(|major| currency.from_major(major))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, value) in [
            ("1234", 1234.0),
            ("1,234.50", 1234.5),
            ("1.234,50", 1234.5),
            ("1 234,50 ", 1234.5),
            ("€ 12,5", 12.5),
            ("1,234", 1234.0),
            ("1.234", 1.234),
            ("0.5", 0.5),
            ("-3", -3.0),
            ("1.234.567", 1_234_567.0),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in ["", "-", "n/a", "2026-06-01", "12:30", "NaN"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
