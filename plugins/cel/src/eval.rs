//! Trees at work on whole columns: one number an ad, NaN where it is not known. Of conditions 1 holds, 0 does not, and
//! NaN is not known: "a && b" is not known only where the one that is known holds, "a || b" only where it does not
//! (Kleene's logic, as CEL has it for what is not known).

// Equal is what `==` means, of ranks too; what is computed and meant roughly is written with < and >.
#![allow(clippy::float_cmp)]

use crate::tree::{Bool, Num, Operation, Question, Relation, Subject, Whole};
use alloc::{vec, vec::Vec};
use core::cmp::Ordering;
use dean_policy_sdk::bindings::types::{Check, Cohort, Comparison};

/// A cohort with the active ads in it.
pub(crate) struct Sight<'a> {
    pub cohort: &'a Cohort,
    pub rows: usize,
    /// Ads that count where the whole cohort is asked.
    pub active: Vec<bool>,
    /// Where columns, context and derived facts begin.
    pub columns: usize,
    pub contexts: usize,
}

/// Checks of one rule, by row.
pub(crate) type Checks = Vec<Vec<Check>>;

impl Sight<'_> {
    pub(crate) fn num(&self, num: &Num) -> Vec<f64> {
        match num {
            Num::Const(value) => vec![*value; self.rows],
            Num::Column(column) => self.cohort.values[column * self.rows..(column + 1) * self.rows].to_vec(),
            Num::Context(context) => vec![self.cohort.context[*context]; self.rows],
            Num::Of(operation, a, b) => {
                let (mut a, b) = (self.num(a), self.num(b));
                a.iter_mut().zip(&b).for_each(|(a, b)| *a = of(*operation, *a, *b));
                a
            }
            Num::Cohort(whole, of) => self.whole(*whole, &self.num(of)),
            Num::If(condition, then, other) => {
                let (condition, then, other) = (self.bool(condition, None), self.num(then), self.num(other));
                chosen(&condition, &then, &other)
            }
        }
    }

    fn whole(&self, whole: Whole, values: &[f64]) -> Vec<f64> {
        let mut known: Vec<usize> = (0..self.rows).filter(|&row| self.active[row] && !values[row].is_nan()).collect();
        let count = known.len() as f64;
        match whole {
            Whole::Count => vec![count; self.rows],
            Whole::Sum => vec![known.iter().map(|&row| values[row]).sum(); self.rows],
            Whole::Mean => {
                let sum: f64 = known.iter().map(|&row| values[row]).sum();
                vec![if known.is_empty() { f64::NAN } else { sum / count }; self.rows]
            }
            Whole::Rank | Whole::RankLowest | Whole::Quantile => {
                let falling = whole == Whole::Rank;
                known.sort_by(|&a, &b| {
                    let order = values[a].partial_cmp(&values[b]).unwrap_or(Ordering::Equal);
                    if falling { order.reverse() } else { order }
                });
                let mut ranks = vec![f64::NAN; self.rows];
                let mut before = 0;
                for (place, &row) in known.iter().enumerate() {
                    // Those that are equal share the first place that they reach.
                    if place > 0 && values[row] != values[known[place - 1]] {
                        before = place;
                    }
                    ranks[row] = match whole {
                        Whole::Quantile if known.len() > 1 => before as f64 / (count - 1.0),
                        Whole::Quantile => f64::NAN,
                        _ => before as f64 + 1.0,
                    };
                }
                ranks
            }
        }
    }

    /// Whether a condition holds; what was compared goes into `checks`, if those are wanted.
    pub(crate) fn bool(&self, condition: &Bool, mut checks: Option<(&mut Checks, u32)>) -> Vec<f64> {
        match condition {
            Bool::Const(value) => vec![f64::from(u8::from(*value)); self.rows],
            Bool::Compare { subject, left, relation, right } => {
                let (left, right) = (self.num(left), self.num(right));
                let held: Vec<f64> = left.iter().zip(&right).map(|(a, b)| compare(*relation, *a, *b)).collect();
                if let Some((checks, rule)) = &mut checks {
                    for row in 0..self.rows {
                        let comparison = shown(*relation, left[row], right[row]);
                        self.check(checks, *rule, row, *subject, left[row], comparison, right[row], held[row]);
                    }
                }
                held
            }
            Bool::Known { subject, of, wanted } => {
                let known: Vec<bool> = self.num(of).iter().map(|value| !value.is_nan()).collect();
                self.asked(*subject, &known, *wanted, checks)
            }
            Bool::Asks { subject, column, question, wanted } => {
                let texts = &self.cohort.texts;
                // Each word is asked once, however many ads have it.
                let words: Vec<bool> = texts.words.iter().map(|word| answers(question, word)).collect();
                let codes = &texts.codes[column * self.rows..(column + 1) * self.rows];
                let met: Vec<Option<bool>> = codes.iter().map(|code| words.get(*code as usize).copied()).collect();
                let values: Vec<f64> = met.iter().map(|met| met.map_or(f64::NAN, as_number)).collect();
                self.told(*subject, &values, *wanted, checks)
            }
            Bool::All(parts) => {
                let mut all = vec![1.0; self.rows];
                for part in parts {
                    let held = self.bool(part, checks.as_mut().map(|(checks, rule)| (&mut **checks, *rule)));
                    all.iter_mut().zip(&held).for_each(|(all, held)| *all = and(*all, *held));
                }
                all
            }
            Bool::Any(parts) => {
                let mut any = vec![0.0; self.rows];
                for part in parts {
                    let held = self.bool(part, checks.as_mut().map(|(checks, rule)| (&mut **checks, *rule)));
                    any.iter_mut().zip(&held).for_each(|(any, held)| *any = 1.0 - and(1.0 - *any, 1.0 - *held));
                }
                any
            }
            Bool::If(condition, then, other) => {
                let mut part = |part| self.bool(part, checks.as_mut().map(|(checks, rule)| (&mut **checks, *rule)));
                let (condition, then, other) = (part(condition), part(then), part(other));
                chosen(&condition, &then, &other)
            }
        }
    }

    fn asked(&self, subject: Subject, met: &[bool], wanted: bool, checks: Option<(&mut Checks, u32)>) -> Vec<f64> {
        let values: Vec<f64> = met.iter().map(|met| as_number(*met)).collect();
        self.told(subject, &values, wanted, checks)
    }

    /// A question with yes (1) or no (0) for an answer.
    fn told(&self, subject: Subject, values: &[f64], wanted: bool, checks: Option<(&mut Checks, u32)>) -> Vec<f64> {
        let (comparison, threshold) = if wanted { (Comparison::AtLeast, 1.0) } else { (Comparison::AtMost, 0.0) };
        let held: Vec<f64> = values.iter().map(|value| if wanted { *value } else { 1.0 - *value }).collect();
        if let Some((checks, rule)) = checks {
            for row in 0..self.rows {
                self.check(checks, rule, row, subject, values[row], comparison, threshold, held[row]);
            }
        }
        held
    }

    #[allow(clippy::too_many_arguments)]
    fn check(
        &self,
        checks: &mut Checks,
        rule: u32,
        row: usize,
        subject: Subject,
        value: f64,
        comparison: Comparison,
        threshold: f64,
        held: f64,
    ) {
        // What is compared with something that is not known cannot be told as a comparison.
        if !threshold.is_finite() {
            return;
        }
        let fact = match subject {
            Subject::Column(column) => column,
            Subject::Context(context) => self.columns + context,
            Subject::Derived(derived) => self.columns + self.contexts + derived,
        } as u32;
        checks[row].push(Check { row: row as u32, rule, fact, value, comparison, threshold, met: held == 1.0 });
    }
}

fn as_number(flag: bool) -> f64 {
    f64::from(u8::from(flag))
}

/// What is not finite, because it was divided by nothing, is not known.
fn of(operation: Operation, a: f64, b: f64) -> f64 {
    let value = match operation {
        Operation::Add => a + b,
        Operation::Subtract => a - b,
        Operation::Multiply => a * b,
        Operation::Divide => a / b,
        Operation::Remainder => a % b,
        Operation::Least if a.is_nan() || b.is_nan() => f64::NAN,
        Operation::Greatest if a.is_nan() || b.is_nan() => f64::NAN,
        Operation::Least => a.min(b),
        Operation::Greatest => a.max(b),
    };
    if value.is_finite() { value } else { f64::NAN }
}

fn compare(relation: Relation, a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    as_number(match relation {
        Relation::Below => a < b,
        Relation::AtMost => a <= b,
        Relation::AtLeast => a >= b,
        Relation::Above => a > b,
        Relation::Equal => a == b,
        Relation::Unequal => a != b,
    })
}

/// The comparison that is shown: of "equal" and "unequal" the side on which it holds or fails.
fn shown(relation: Relation, a: f64, b: f64) -> Comparison {
    match relation {
        Relation::Below => Comparison::Below,
        Relation::AtMost => Comparison::AtMost,
        Relation::AtLeast => Comparison::AtLeast,
        Relation::Above => Comparison::Above,
        Relation::Equal if a < b => Comparison::AtLeast,
        Relation::Equal => Comparison::AtMost,
        Relation::Unequal if a < b => Comparison::Below,
        Relation::Unequal => Comparison::Above,
    }
}

fn and(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        0.0
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        1.0
    }
}

fn chosen(condition: &[f64], then: &[f64], other: &[f64]) -> Vec<f64> {
    let pick = |((condition, then), other): ((&f64, &f64), &f64)| match condition {
        c if c.is_nan() => f64::NAN,
        c if *c == 1.0 => *then,
        _ => *other,
    };
    condition.iter().zip(then).zip(other).map(pick).collect()
}

fn answers(question: &Question, word: &str) -> bool {
    match question {
        Question::IsOneOf(words) => words.iter().any(|known| known == word),
        Question::Contains(part) => word.contains(part.as_str()),
        Question::StartsWith(part) => word.starts_with(part.as_str()),
        Question::EndsWith(part) => word.ends_with(part.as_str()),
    }
}
