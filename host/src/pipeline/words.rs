//! Columns and their values in words: the same on every surface.

use crate::domain::Currency;
use crate::features;
use dean_policy::types::{Check, Comparison};

/// A number in its column's unit, for a person.
#[must_use]
pub fn number(name: &str, value: f64, currency: &Currency) -> String {
    if value.is_nan() {
        return "not known".into();
    }
    match features::unit(name) {
        Some("currency") => match currency.from_major(value) {
            Some(money) => currency.format(money),
            None => format!("{value}"),
        },
        Some("fraction") => format!("{} %", trimmed(value * 100.0, 2)),
        Some("hours") => format!("{} h", trimmed(value, 1)),
        _ => trimmed(value, 2),
    }
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// A column's name as words.
pub(super) fn words(name: &str) -> String {
    let upper = ["ctr", "cpa", "roas", "cpc", "cpm", "aov"];
    let word = |w: &str| if upper.contains(&w) { w.to_uppercase() } else { w.to_string() };
    // Chances are named p_...
    let (chance, name) = name.strip_prefix("p_").map_or(("", name), |rest| ("chance of ", rest));
    format!("{chance}{}", name.split('_').map(word).collect::<Vec<_>>().join(" "))
}

/// A column's name as words, behind a number: one purchase is no purchases.
fn counted(name: &str, value: f64) -> String {
    let many = words(name);
    if (value - 1.0).abs() > f64::EPSILON {
        return many;
    }
    let one = |word: &str| match word {
        "purchases" | "impressions" | "clicks" | "days" | "copies" => {
            word.strip_suffix("ies").map_or_else(|| word[..word.len() - 1].into(), |stem| format!("{stem}y"))
        }
        _ => word.to_string(),
    };
    many.split(' ').map(one).collect::<Vec<_>>().join(" ")
}

/// Whether a fact only grows while an ad runs.
#[must_use]
pub(super) fn grows(name: &str) -> bool {
    const GROW: [&str; 10] =
        ["spend", "impressions", "clicks", "purchases", "add", "hours", "late", "bad", "good", "purchase"];
    name.split('_').next().is_some_and(|first| GROW.contains(&first))
}

/// What a comparison that does not hold still needs.
#[must_use]
pub(super) fn needs(name: &str, check: &Check, currency: &Currency) -> String {
    let shown = |value: f64| number(name, value, currency);
    if check.value.is_nan() {
        return format!("{} to be known", words(name));
    }
    // What only grows is told by how much is missing.
    let grows = grows(name);
    let since = name.strip_prefix("hours_since_");
    match check.comparison {
        Comparison::AtLeast if since.is_some() => {
            format!("{} more since {}", shown(check.threshold - check.value), words(since.unwrap_or_default()))
        }
        Comparison::AtLeast if grows => {
            let missing = check.threshold - check.value;
            format!("{} more {}", shown(missing), counted(name, missing))
        }
        Comparison::AtLeast => {
            format!("{} of at least {} (now {})", words(name), shown(check.threshold), shown(check.value))
        }
        Comparison::Above => format!("{} above {} (now {})", words(name), shown(check.threshold), shown(check.value)),
        Comparison::Below => format!("{} below {} (now {})", words(name), shown(check.threshold), shown(check.value)),
        Comparison::AtMost => {
            format!("{} of at most {} (now {})", words(name), shown(check.threshold), shown(check.value))
        }
    }
}
