//! Why: one sentence for every ad, made from its checks, the same on every surface: what was done,
//! the number that decided, how sure, and what would change it.

use crate::domain::{Currency, Verb};
use crate::features;
use crate::guard::Held;
use dean_policy::types::{AdDecision, Check, Comparison, Plan};

/// Everything a sentence is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story<'a> {
    /// The plan of the policy.
    pub plan: &'a Plan,
    /// The account's currency.
    pub currency: &'a Currency,
    /// The decision; `None` when no rule fired.
    pub decision: Option<&'a AdDecision>,
    /// All checks of the ad.
    pub checks: &'a [Check],
    /// What will be done.
    pub done: Verb,
    /// Why not what was proposed.
    pub held: Option<&'a Held>,
}

impl Story<'_> {
    /// The sentence.
    #[must_use]
    pub(super) fn sentence(&self) -> String {
        match (self.decision, self.held) {
            (Some(decision), Some(held)) => format!(
                "Held by {}: {}. The policy wanted to {}: {}.",
                held.by,
                held.reason,
                decision.verb,
                self.because(decision)
            ),
            (Some(decision), None) => {
                let change = self.what_would_change(decision).map(|c| format!("; {c}")).unwrap_or_default();
                format!("{}: {}{change}.", past(self.done), self.because(decision))
            }
            (None, _) => match self.nearest() {
                Some(near) => format!("Held: no rule fired; nearest is {near}."),
                None => "Held: no rule fired.".into(),
            },
        }
    }

    /// The rule, its numbers, and how sure it is.
    fn because(&self, decision: &AdDecision) -> String {
        let rule = self.title(decision.rule);
        let facts: Vec<String> = self.of_rule(decision.rule).filter(|c| c.met).map(|c| self.fact(c)).collect();
        let sure = format!("{:.0} % sure", decision.confidence * 100.0);
        if facts.is_empty() { format!("{rule}, {sure}") } else { format!("{rule} ({}), {sure}", facts.join(", ")) }
    }

    /// What would have kept the rule from firing: the check that time alone does not undo.
    fn what_would_change(&self, decision: &AdDecision) -> Option<String> {
        let undone = |c: &&Check| c.met && matches!(c.comparison, Comparison::Below | Comparison::AtMost);
        let check = self.of_rule(decision.rule).filter(undone).last()?;
        let name = self.plan.fact(check.fact)?;
        let threshold = self.number(name, check.threshold);
        let from = match check.comparison {
            Comparison::Below => format!("{threshold} or more"),
            _ => format!("more than {threshold}"),
        };
        Some(format!("with {from} {} it would not have", words(name)))
    }

    /// The rule that comes closest to firing, with what it still needs.
    fn nearest(&self) -> Option<String> {
        let mut best: Option<(f64, String)> = None;
        for (rule, _) in self.plan.rules.iter().enumerate() {
            let unmet: Vec<&Check> = self.of_rule(rule as u32).filter(|c| !c.met).collect();
            // With two or more comparisons unmet nobody could say what would make it fire.
            let [check] = unmet.as_slice() else { continue };
            if check.value.is_nan() {
                continue;
            }
            let scale = check.threshold.abs().max(check.value.abs()).max(f64::MIN_POSITIVE);
            let gap = (check.threshold - check.value).abs() / scale;
            if best.as_ref().is_none_or(|(g, _)| gap < *g) {
                let name = self.plan.fact(check.fact).unwrap_or_default();
                let needs = match check.comparison {
                    Comparison::Below => "below",
                    Comparison::AtMost => "at most",
                    Comparison::AtLeast => "at least",
                    Comparison::Above => "above",
                };
                let text = format!(
                    "“{}”, which needs {} {needs} {} (now {})",
                    self.title(rule as u32),
                    words(name),
                    self.number(name, check.threshold),
                    self.number(name, check.value)
                );
                best = Some((gap, text));
            }
        }
        best.map(|(_, text)| text)
    }

    fn of_rule(&self, rule: u32) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |c| c.rule == rule)
    }

    fn title(&self, rule: u32) -> String {
        self.plan.rules.get(rule as usize).map_or_else(|| format!("rule {rule}"), |r| r.title.clone())
    }

    fn fact(&self, check: &Check) -> String {
        let name = self.plan.fact(check.fact).unwrap_or_default();
        let sign = match check.comparison {
            Comparison::Below => "<",
            Comparison::AtMost => "≤",
            Comparison::AtLeast => "≥",
            Comparison::Above => ">",
        };
        format!("{} {} {sign} {}", words(name), self.number(name, check.value), self.number(name, check.threshold))
    }

    fn number(&self, name: &str, value: f64) -> String {
        number(name, value, self.currency)
    }
}

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
fn words(name: &str) -> String {
    let upper = ["ctr", "cpa", "roas", "cpc", "cpm", "aov"];
    let word = |w: &str| if upper.contains(&w) { w.to_uppercase() } else { w.to_string() };
    name.split('_').map(word).collect::<Vec<_>>().join(" ")
}

fn past(verb: Verb) -> &'static str {
    match verb {
        Verb::Hold => "Held",
        Verb::Pause => "Paused",
        Verb::Resume => "Brought back",
        Verb::Promote => "Promoted",
        Verb::Duplicate => "Duplicated",
        Verb::Refresh => "Asked for a new creative",
    }
}
