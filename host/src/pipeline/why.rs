//! Why: one sentence for every ad, made from its checks, the same on every surface: what was done,
//! the number that decided, how sure, and what would change it.

use crate::domain::{Currency, Money, Verb};
use crate::features;
use crate::guard::Held;
use dean_policy::types::{AdDecision, BudgetDecision, Check, Comparison, Plan};

/// A policy's plan with the checks that a sentence is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfPolicy<'a> {
    /// The plan of the policy.
    pub plan: &'a Plan,
    /// The account's currency.
    pub currency: &'a Currency,
    /// All checks of the ad, or those of the owner's rule.
    pub checks: &'a [Check],
}

/// What a sentence on an ad is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story<'a> {
    /// What the policy looked at.
    pub of_policy: OfPolicy<'a>,
    /// The decision; `None` when no rule fired.
    pub decision: Option<&'a AdDecision>,
    /// What will be done.
    pub done: Verb,
    /// Why not what was proposed.
    pub held: Option<&'a Held>,
}

/// What a sentence on a budget is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct BudgetStory<'a> {
    /// What the policy looked at.
    pub of_policy: OfPolicy<'a>,
    /// The decision.
    pub decision: &'a BudgetDecision,
    /// The daily budget before.
    pub from: Option<Money>,
    /// What it becomes; `None` when it stays.
    pub to: Option<Money>,
    /// Why not what was wanted.
    pub held: Option<&'a Held>,
}

impl BudgetStory<'_> {
    /// The sentence.
    #[must_use]
    pub(super) fn sentence(&self) -> String {
        let currency = self.of_policy.currency;
        let because = self.of_policy.because(self.decision.rule, self.decision.confidence);
        let wanted = currency.from_major(self.decision.amount).unwrap_or(Money::ZERO);
        match (self.to, self.held) {
            (Some(to), held) => {
                let way = if self.from.is_some_and(|from| to < from) { "Lowered" } else { "Raised" };
                let from = self.from.map(|m| format!(" from {}", currency.format(m))).unwrap_or_default();
                let limit = held.map(|h| format!(", {} (it wanted {})", h.reason, currency.format(wanted)));
                format!("{way}{from} to {}{}: {because}.", currency.format(to), limit.unwrap_or_default())
            }
            (None, Some(held)) => format!(
                "Held by {}: {}. The policy wanted {}: {because}.",
                held.by,
                held.reason,
                currency.format(wanted)
            ),
            (None, None) => format!("Held: {because}."),
        }
    }
}

impl Story<'_> {
    /// The sentence.
    #[must_use]
    pub(super) fn sentence(&self) -> String {
        let because = |d: &AdDecision| self.of_policy.because(d.rule, d.confidence);
        match (self.decision, self.held) {
            (Some(decision), Some(held)) => format!(
                "Held by {}: {}. The policy wanted to {}: {}.",
                held.by,
                held.reason,
                decision.verb,
                because(decision)
            ),
            (Some(decision), None) => {
                let change = self.of_policy.what_would_change(decision.rule).map(|c| format!("; {c}"));
                format!("{}: {}{}.", past(self.done), because(decision), change.unwrap_or_default())
            }
            (None, _) => match self.of_policy.nearest() {
                Some(near) => format!("Held: no rule fired; nearest is {near}."),
                None => "Held: no rule fired.".into(),
            },
        }
    }
}

impl OfPolicy<'_> {
    /// The rule, its numbers, and how sure it is.
    fn because(&self, rule: u32, confidence: f64) -> String {
        let facts: Vec<String> = self.of_rule(rule).filter(|c| c.met).map(|c| self.fact(c)).collect();
        let title = self.title(rule);
        let sure = format!("{:.0} % sure", confidence * 100.0);
        if facts.is_empty() { format!("{title}, {sure}") } else { format!("{title} ({}), {sure}", facts.join(", ")) }
    }

    /// What would have kept the rule from firing: the check that time alone does not undo.
    fn what_would_change(&self, rule: u32) -> Option<String> {
        let undone = |c: &&Check| c.met && matches!(c.comparison, Comparison::Below | Comparison::AtMost);
        let check = self.of_rule(rule).filter(undone).last()?;
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
