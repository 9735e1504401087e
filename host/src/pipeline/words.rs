//! Columns and their values in words: the same on every surface.

use crate::domain::Currency;
use crate::{features, scoring};
use dean_policy::types::{Check, Comparison};

/// A number in its column's unit, for a person.
#[must_use]
pub fn number(name: &str, value: f64, currency: &Currency) -> String {
    if value.is_nan() {
        return "not known".into();
    }
    match unit(name) {
        Some("currency") => match currency.from_major(value) {
            Some(money) => currency.format(money),
            None => format!("{value}"),
        },
        Some("fraction") => format!("{} %", trimmed(value * 100.0, 2)),
        Some("hours") => format!("{} h", trimmed(value, 1)),
        _ => trimmed(value, 2),
    }
}

/// The unit of a column, context, score or derived fact.
fn unit(name: &str) -> Option<&'static str> {
    scoring::unit(name).or_else(|| features::unit(name))
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// Names whose words would not say what they mean.
const PHRASES: [(&str, &str); 34] = [
    ("p_cpa_above_target", "chance that its CPA is above target"),
    ("p_cpa_above_target_3d", "3-day chance that its CPA is above target"),
    ("p_cpa_above_target_7d", "7-day chance that its CPA is above target"),
    ("p_cpa_above_target_by_carts", "chance that its CPA is above target, by its add-to-carts"),
    ("p_cpa_above_breakeven", "chance that its CPA is above break-even"),
    ("p_cpa_above_breakeven_7d", "7-day chance that its CPA is above break-even"),
    ("p_ctr_below_account", "chance that it clicks worse than the account"),
    ("p_loss", "chance that it loses money"),
    ("bad_cpa_days", "days in a row with a bad CPA"),
    ("bad_roas_days", "days in a row with a bad ROAS"),
    ("good_days", "days in a row with a good CPA"),
    ("settled_roas_3d", "3-day ROAS with late conversions"),
    ("owner_settled_cpa_3d", "3-day CPA of the budget's ads"),
    ("owner_settled_roas_3d", "3-day ROAS of the budget's ads"),
    ("owner_cost_at_least_3d", "3-day cost per purchase of the budget's ads"),
    ("owner_cost_by_breakeven_ratio", "CPA of the budget's ads as a share of break-even"),
    ("volatility_roas_7d", "7-day volatility of ROAS"),
    ("joined_budget", "budgets that copies brought along"),
    ("paused_share_of_3d", "share of its spend that paused ads had"),
    ("freed_budget", "budget that nobody spends any more"),
    ("earned_tier", "allowance earned by add-to-carts"),
    ("today_by_usual_ctr_ratio", "today's CTR by its usual one"),
    ("copyable", "whether it can be copied"),
    ("copies_before_it_today", "copies made today or before it in line"),
    ("cpa_without_breakeven", "CPA where break-even is not known"),
    ("purchase_days_in_stage", "days with a purchase in this stage"),
    ("late_purchases", "purchases reported since it was paused"),
    ("score.purchase", "foretold chance to sell for its target CPA"),
    ("chance_to_sell_within_the_largest_allowance", "foretold chance to sell for its target CPA"),
    ("score.purchase_cpa", "foretold CPA"),
    ("score.fatigue", "foretold chance to be worn out within a week"),
    ("owner_chance_worn_out", "foretold chance that the budget's ads are worn out within a week"),
    ("score.similarity", "chance of its likes to reach the target"),
    ("spoken_for", "carts or a good CPA in its favour"),
];

/// A column's name as words.
pub(super) fn words(name: &str) -> String {
    if let Some((_, phrase)) = PHRASES.iter().find(|(known, _)| *known == name) {
        return (*phrase).to_string();
    }
    let (of_owner, rest) = name.strip_prefix("owner_").map_or((false, name), |rest| (true, rest));
    let upper = ["ctr", "cpa", "roas", "cpc", "cpm", "aov"];
    let word = |w: &str| if upper.contains(&w) { w.to_uppercase() } else { w.to_string() };
    let plain = |name: &str| name.split('_').map(word).collect::<Vec<_>>().join(" ");
    let days = |window: &str| window.strip_suffix('d').is_some_and(|n| n.parse::<u32>().is_ok());
    let said = match rest.rsplit_once('_') {
        Some((what, window)) if days(window) => format!("{}-day {}", window.trim_end_matches('d'), plain(what)),
        _ => match rest.strip_suffix("_in_stage") {
            Some(what) => format!("{} in this stage", plain(what)),
            None => plain(rest),
        },
    };
    let said = said.replace("add to cart", "add-to-carts").replace("cost per add-to-carts", "cost per add-to-cart");
    if of_owner { format!("{said} of the budget's ads") } else { said }
}

/// A number in its column's unit, with as many digits as tell it apart from its threshold.
#[must_use]
pub fn beside(name: &str, value: f64, threshold: f64, currency: &Currency) -> String {
    let (shown, edge) = (number(name, value, currency), number(name, threshold, currency));
    if shown != edge || (value - threshold).abs() <= 0.0 {
        return shown;
    }
    let (factor, unit) = match unit(name) {
        Some("fraction") => (100.0, " %".to_string()),
        Some("currency") => (1.0, format!(" {}", currency.code())),
        Some("hours") => (1.0, " h".to_string()),
        _ => (1.0, String::new()),
    };
    let (value, threshold) = (value * factor, threshold * factor);
    let apart = |decimals: &usize| format!("{value:.decimals$}") != format!("{threshold:.decimals$}");
    let decimals = (2..17).find(apart).unwrap_or(17);
    format!("{value:.decimals$}{unit}")
}

/// A column's name as words, behind a number: one purchase is no purchases.
fn counted(name: &str, value: f64) -> String {
    let many = words(name);
    if (value - 1.0).abs() > f64::EPSILON {
        return many;
    }
    let one = |word: &str| match word {
        "purchases" | "impressions" | "clicks" | "days" | "copies" | "add-to-carts" => {
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
    if check.threshold.is_nan() {
        return format!("what {} is compared with to be known", words(name));
    }
    let now = beside(name, check.value, check.threshold, currency);
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
            format!("{} of at least {} (now {})", words(name), shown(check.threshold), now)
        }
        Comparison::Above => format!("{} above {} (now {})", words(name), shown(check.threshold), now),
        Comparison::Below => format!("{} below {} (now {})", words(name), shown(check.threshold), now),
        Comparison::AtMost => {
            format!("{} of at most {} (now {})", words(name), shown(check.threshold), now)
        }
    }
}

/// An ad's name without the marks by which the ledger finds copies again.
#[must_use]
pub fn plain_name(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, mark)) = rest.split_once(" [dean:") {
        shown.push_str(before);
        rest = mark.split_once(']').map_or("", |(_, after)| after);
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn a_copy_of_a_copy_has_its_first_name() {
        assert_eq!(plain_name("Ad 002 [dean:p0e.ad] [dean:pc4.ad]"), "Ad 002");
        assert_eq!(plain_name("Ad [new] 3"), "Ad [new] 3");
        assert_eq!(plain_name("Ad 7 [dean:p0e.ad] - Copy"), "Ad 7 - Copy");
    }
}
