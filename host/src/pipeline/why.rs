//! Why: one sentence for every ad, made from its checks, the same on every surface: what was done,
//! the number that decided, how sure, and what would change it.

use super::words::{self, number, words};
use crate::domain::{Currency, Money, Verb};
use crate::features::Marks;
use crate::guard::Held;
use dean_policy::types::{AdDecision, BudgetDecision, Check, Comparison, Plan};

/// Facts of a fired rule that a sentence holds.
const MOST_FACTS: usize = 4;
/// Comparisons that a rule may still need to be called the next one.
const MOST_NEEDS: usize = 2;

/// Whether a fact is about the owner of a budget: rules on it say nothing of the ad that leads the owner.
pub(super) fn is_of_owner(name: &str) -> bool {
    ["owner_", "joined_", "freed_", "paused_share"].iter().any(|start| name.starts_with(start))
}

/// Whether a fact says how much there is to judge by, rather than how good it is.
fn is_of_amount(name: &str) -> bool {
    let name = name.strip_prefix("owner_").unwrap_or(name);
    ["impressions", "clicks", "spend", "pace", "hours_since", "budget"].iter().any(|start| name.starts_with(start))
}

/// How far a comparison is from holding, as a share of its numbers.
fn gap(check: &Check) -> f64 {
    let scale = check.threshold.abs().max(check.value.abs()).max(f64::MIN_POSITIVE);
    (check.threshold - check.value).abs() / scale
}

/// A policy's plan with the checks that a sentence is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfPolicy<'a> {
    /// The plan of the policy.
    pub plan: &'a Plan,
    /// The account's currency.
    pub currency: &'a Currency,
    /// All checks of the ad, or those of the owner's rule.
    pub checks: &'a [Check],
    /// What costs are measured against.
    pub marks: Marks,
    /// Whether purchases of the ad's source speak for it too.
    pub inherits: bool,
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
    /// Whether it is only planned: a dry run.
    pub planned: bool,
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
    /// Whether it is only planned: a dry run.
    pub planned: bool,
    /// The largest step while it is learning, if it is.
    pub learning_step: Option<f64>,
}

impl BudgetStory<'_> {
    /// The sentence.
    #[must_use]
    pub(super) fn sentence(&self) -> String {
        let currency = self.of_policy.currency;
        let because = self.of_policy.because(self.decision.rule, self.decision.confidence);
        let change = self.of_policy.what_would_change(self.decision.rule).map(|c| format!("; {c}"));
        let because = format!("{because}{}", change.unwrap_or_default());
        let wanted = currency.from_major(self.decision.amount).unwrap_or(Money::ZERO);
        match (self.to, self.held) {
            (Some(to), held) => {
                let falls = self.from.is_some_and(|from| to < from);
                let way = match (falls, self.planned) {
                    (true, false) => "Lowered",
                    (false, false) => "Raised",
                    (true, true) => "Would be lowered",
                    (false, true) => "Would be raised",
                };
                let from = self.from.map(|m| format!(" from {}", currency.format(m))).unwrap_or_default();
                let limit = held.map(|h| format!(", {} (it wanted {})", h.reason, currency.format(wanted)));
                let limit = limit.or_else(|| self.small_step(to)).unwrap_or_default();
                format!("{way}{from} to {}{limit}: {because}.", currency.format(to))
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

    /// That a step is as small as it is because the owner learns.
    fn small_step(&self, to: Money) -> Option<String> {
        let (step, from) = (self.learning_step?, self.from?);
        let taken = (to.0 - from.0).abs() as f64 / from.0.max(1) as f64;
        // Minor units round.
        let is_largest = (taken - step).abs() * (from.0 as f64) < 1.5;
        is_largest.then(|| format!(", a step of {:.0} % at most while it is in its learning phase", step * 100.0))
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
                // Days and chances decide in scaling: the cost itself belongs to the sentence all the same.
                let stands = (decision.verb == Verb::Pause && !self.of_policy.names_cost(decision.rule))
                    .then(|| self.of_policy.state())
                    .flatten()
                    .map(|state| format!(": {state}"));
                let change = format!("{}{}", stands.unwrap_or_default(), change.unwrap_or_default());
                format!("{}: {}{}.", told(self.done, self.planned), because(decision), change)
            }
            (None, _) => {
                let told = [self.of_policy.state(), self.of_policy.nearest().map(|near| format!("next is {near}"))];
                let told: Vec<String> = told.into_iter().flatten().collect();
                if told.is_empty() { "Held: no rule fired.".into() } else { format!("Held: {}.", told.join("; ")) }
            }
        }
    }
}

impl OfPolicy<'_> {
    /// The rule, the numbers that decided, and how sure it is. How much there was to judge by comes last, so
    /// a few are enough.
    fn because(&self, rule: u32, confidence: f64) -> String {
        let mut met: Vec<&Check> = self.of_rule(rule).filter(|c| c.met).collect();
        let is_minimum = |c: &&Check| self.plan.fact(c.fact).is_some_and(is_of_amount);
        met.sort_by_key(is_minimum);
        let mut facts: Vec<String> = met.into_iter().map(|c| self.fact(c)).collect();
        let more = facts.len().saturating_sub(MOST_FACTS);
        facts.truncate(MOST_FACTS);
        if more > 0 {
            facts.push(format!("and {more} more"));
        }
        let title = self.title(rule);
        // A rule may fire on little: what it does then goes against the odds, and says so.
        let only = if confidence < 0.5 { "though only " } else { "" };
        let sure = format!("{only}{:.0} % sure", confidence * 100.0);
        if facts.is_empty() { format!("{title}, {sure}") } else { format!("{title} ({}), {sure}", facts.join(", ")) }
    }

    /// Whether a rule compares a cost per purchase, or asks that there is none.
    fn names_cost(&self, rule: u32) -> bool {
        let about_cost = |name: &str| name.starts_with("cpa") || name.starts_with("purchases");
        self.of_rule(rule).any(|c| self.plan.fact(c.fact).is_some_and(about_cost))
    }

    /// How the ad stands, as far as its checks tell: cost and purchases, and how likely the cost is bad.
    fn state(&self) -> Option<String> {
        let value = |names: &[&str]| {
            let of = |name: &&str| self.checks.iter().find(|c| self.plan.fact(c.fact) == Some(*name)).map(|c| c.value);
            names.iter().filter_map(of).find(|value| !value.is_nan())
        };
        let money = |major: f64| number("spend_in_stage", major, self.currency);
        // Numbers of one span stand together: a week's purchases say nothing of what was spent today.
        let sold_in = |window: &str, span: &str| {
            let of = |metric: &str| value(&[&format!("{metric}_{window}")]);
            let plural = |n: f64| if (n - 1.0).abs() < f64::EPSILON { "purchase" } else { "purchases" };
            match (of("cpa"), of("purchases")?, of("spend")) {
                (Some(cpa), n, _) => {
                    let count = number("purchases_7d", n, self.currency);
                    Some(format!("CPA {} on {count} {}{span}", money(cpa), plural(n)))
                }
                (None, n, Some(spend)) if n < 1.0 => Some(format!("no purchase on {}{span}", money(spend))),
                _ => None,
            }
        };
        let sold = sold_in("in_stage", "").or_else(|| sold_in("7d", " in the last 7 days"))?;
        let Marks { target_cpa, breakeven_cpa } = self.marks;
        let target = match target_cpa {
            cpa if cpa.is_nan() => "above target".to_string(),
            cpa => format!("above its target of {}", money(cpa)),
        };
        // Where break-even is not known, a loss is a cost above target.
        let breakeven = match breakeven_cpa {
            cpa if cpa.is_nan() => target.clone(),
            cpa => format!("above break-even at {}", money(cpa)),
        };
        let chance = |names: &[&str], of: &str| value(names).map(|p| format!(", {:.0} % likely {of}", p * 100.0));
        let chance = chance(&["p_loss"], &breakeven)
            .or_else(|| chance(&["p_cpa_above_target", "p_cpa_above_target_7d", "p_cpa_above_target_3d"], &target));
        let source = if self.inherits && chance.is_some() { " (what its source sold counts half)" } else { "" };
        Some(format!("{sold}{}{source}", chance.unwrap_or_default()))
    }

    /// Why a rule fired or did not.
    #[must_use]
    pub(super) fn of_one_rule(&self, rule: u32) -> String {
        let (met, unmet): (Vec<&Check>, Vec<&Check>) = self.of_rule(rule).partition(|c| c.met);
        let facts = |checks: &[&Check]| checks.iter().map(|c| self.fact(c)).collect::<Vec<_>>().join(", ");
        let title = self.title(rule);
        match (met.as_slice(), unmet.as_slice()) {
            ([], []) => format!("“{title}” is not about this ad as it stands."),
            (met, []) => format!("“{title}” fired: {}.", facts(met)),
            (_, unmet) => format!("“{title}” did not fire: it needs {}.", self.all_needs(unmet)),
        }
    }

    fn all_needs(&self, unmet: &[&Check]) -> String {
        let needs = |c: &&Check| words::needs(self.plan.fact(c.fact).unwrap_or_default(), c, self.currency);
        unmet.iter().map(needs).collect::<Vec<_>>().join(", and ")
    }

    /// What would have kept the rule from firing: the check that time alone does not undo, or else the
    /// first that is not about how much there is to judge by.
    fn what_would_change(&self, rule: u32) -> Option<String> {
        let name_of = |c: &Check| self.plan.fact(c.fact).unwrap_or_default();
        let undone = |c: &&Check| c.met && matches!(c.comparison, Comparison::Below | Comparison::AtMost);
        let some = |name: &str| ["purchase", "add_to_cart", "late_"].iter().any(|start| name.starts_with(start));
        let good = |c: &&Check| {
            let name = name_of(c);
            c.met && !is_of_amount(name) && !some(name) && c.threshold.abs() > 0.0
        };
        let check = self.of_rule(rule).find(undone).or_else(|| self.of_rule(rule).find(good))?;
        let name = name_of(check);
        let threshold = self.number(name, check.threshold);
        let edge = match check.comparison {
            Comparison::Below => format!("{threshold} or more"),
            Comparison::AtMost => format!("above {threshold}"),
            Comparison::AtLeast => format!("below {threshold}"),
            Comparison::Above => format!("{threshold} or less"),
        };
        Some(format!("it would not have with {} {edge}", words(name)))
    }

    /// The rule that comes closest to firing, with what it still needs.
    fn nearest(&self) -> Option<String> {
        let mut best: Option<(f64, String)> = None;
        for (rule, _) in self.plan.rules.iter().enumerate() {
            let unmet: Vec<&Check> = self.of_rule(rule as u32).filter(|c| !c.met).collect();
            // What misses more than this, or what is not known, nobody could wait for.
            let about_owner = |c: &Check| self.plan.fact(c.fact).is_some_and(is_of_owner);
            if self.of_rule(rule as u32).any(about_owner) {
                continue;
            }
            // What only grows never falls below again, and a tier that was earned stays earned.
            let is_past = |c: &&Check| {
                let name = self.plan.fact(c.fact).unwrap_or_default();
                let below = matches!(c.comparison, Comparison::Below | Comparison::AtMost);
                below && (words::grows(name) || name.starts_with("earned"))
            };
            if unmet.iter().any(is_past) {
                continue;
            }
            if unmet.is_empty()
                || unmet.len() > MOST_NEEDS
                || unmet.iter().any(|c| c.value.is_nan() || c.threshold.is_nan())
            {
                continue;
            }
            let gap: f64 = unmet.iter().map(|c| gap(c)).sum();
            if best.as_ref().is_none_or(|(g, _)| gap < *g) {
                let text = format!("“{}” with {}", self.title(rule as u32), self.all_needs(&unmet));
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
        let value = words::beside(name, check.value, check.threshold, self.currency);
        let threshold = self.number(name, check.threshold);
        format!("{} {value} {sign} {threshold}", words(name))
    }

    fn number(&self, name: &str, value: f64) -> String {
        number(name, value, self.currency)
    }
}

fn told(verb: Verb, planned: bool) -> &'static str {
    match (verb, planned) {
        (Verb::Hold, _) => "Held",
        (Verb::Pause, false) => "Paused",
        (Verb::Pause, true) => "Would be paused",
        (Verb::Resume, false) => "Brought back",
        (Verb::Resume, true) => "Would be brought back",
        (Verb::Promote, false) => "Promotion begun",
        (Verb::Promote, true) => "Would be promoted",
        (Verb::Duplicate, false) => "Copy begun",
        (Verb::Duplicate, true) => "Would be copied",
        (Verb::Refresh, false) => "Asked for a new creative",
        (Verb::Refresh, true) => "Would ask for a new creative",
    }
}
