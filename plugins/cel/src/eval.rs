//! Trees at work on whole columns: one number an ad, NaN where it is not known. Of conditions 1 holds, 0 does not, and
//! NaN is not known: "a && b" is not known only where the one that is known holds, "a || b" only where it does not
//! (Kleene's logic, as CEL has it for what is not known).

// Equal is what `==` means, of ranks too; what is computed and meant roughly is written with < and >.
#![allow(clippy::float_cmp)]

use crate::tree::{Bool, Num, Operation, Question, Relation, Subject, Whole};
use alloc::{boxed::Box, vec, vec::Vec};
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
                let (condition, then, other) = (self.judge(condition).held, self.num(then), self.num(other));
                chosen(&condition, &then, &other)
            }
        }
    }

    fn whole(&self, whole: Whole, values: &[f64]) -> Vec<f64> {
        let mut known: Vec<usize> = (0..self.rows).filter(|&row| self.active[row] && !values[row].is_nan()).collect();
        let count = known.len() as f64;
        match whole {
            Whole::Count => vec![count; self.rows],
            // Of nothing that is known nothing is known, nor of what no number can hold.
            Whole::Sum | Whole::Mean => {
                let sum: f64 = known.iter().map(|&row| values[row]).sum();
                let sum = if known.is_empty() || !sum.is_finite() { f64::NAN } else { sum };
                vec![if whole == Whole::Sum { sum } else { sum / count }; self.rows]
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

    /// Judges a condition for every ad.
    pub(crate) fn judge(&self, condition: &Bool) -> Judged {
        let evidence = match condition {
            Bool::Const { subject, value } => {
                return Judged::answered(*subject, vec![as_number(*value); self.rows], true);
            }
            Bool::Compare { subject, left, relation, right, known } => {
                let (left, right) = (self.num(left), self.num(right));
                let held = left.iter().zip(&right).map(|(a, b)| compare(*relation, *a, *b)).collect();
                let evidence =
                    Evidence::Compared { subject: *subject, left, relation: *relation, right, known: *known };
                return Judged { held, evidence };
            }
            Bool::Known { subject, of, wanted } => {
                let values = self.num(of).iter().map(|value| as_number(!value.is_nan())).collect();
                return Judged::answered(*subject, values, *wanted);
            }
            Bool::Asks { subject, column, question, wanted } => {
                let texts = &self.cohort.texts;
                // Each word is asked once, however many ads have it.
                let words: Vec<f64> = texts.words.iter().map(|word| as_number(answers(question, word))).collect();
                let codes = &texts.codes[column * self.rows..(column + 1) * self.rows];
                let values = codes.iter().map(|code| words.get(*code as usize).copied().unwrap_or(f64::NAN));
                return Judged::answered(*subject, values.collect(), *wanted);
            }
            Bool::All(parts) => Evidence::All(parts.iter().map(|part| self.judge(part)).collect()),
            Bool::Any(parts) => Evidence::Any(parts.iter().map(|part| self.judge(part)).collect()),
            Bool::If(condition, then, other) => {
                Evidence::If(Box::new([self.judge(condition), self.judge(then), self.judge(other)]))
            }
        };
        let held = match &evidence {
            Evidence::All(parts) => (0..self.rows).map(|row| all(parts.iter().map(|part| part.held[row]))).collect(),
            // "a or b" is "not (not a and not b)".
            Evidence::Any(parts) => {
                (0..self.rows).map(|row| 1.0 - all(parts.iter().map(|part| 1.0 - part.held[row]))).collect()
            }
            Evidence::If(parts) => chosen(&parts[0].held, &parts[1].held, &parts[2].held),
            Evidence::Compared { .. } | Evidence::Answered { .. } => Vec::new(),
        };
        Judged { held, evidence }
    }

    /// The position of what a check is about, among all facts.
    pub(crate) fn fact(&self, subject: Subject) -> u32 {
        let position = match subject {
            Subject::Column(column) => column,
            Subject::Context(context) => self.columns + context,
            Subject::Derived(derived) => self.columns + self.contexts + derived,
        };
        position as u32
    }

    /// The checks of one ad that say why a condition holds of it, or what it lacks: where it holds all of them are met,
    /// and where it does not, meeting them would be enough. Of several ways that which holds is told, or else that
    /// which lacks least.
    pub(crate) fn checks(&self, judged: &Judged, row: usize, rule: u32) -> Vec<Check> {
        let mut checks = Vec::new();
        let mut tell = |subject: Subject, value: f64, comparison: Comparison, threshold: f64, held: f64| {
            let (row, fact, met) = (row as u32, self.fact(subject), held > 0.5);
            checks.push(Check { row, rule, fact, value, comparison, threshold, met });
        };
        let held = judged.held[row];
        match &judged.evidence {
            // What is compared with something that is not known lacks that it is.
            Evidence::Compared { right, known: Some(known), .. } if right[row].is_nan() => {
                tell(*known, 0.0, Comparison::AtLeast, 1.0, held);
            }
            Evidence::Compared { subject, left, relation, right, .. } => {
                let comparison = shown(*relation, left[row], right[row]);
                tell(*subject, left[row], comparison, right[row], held);
            }
            Evidence::Answered { subject, values, wanted } => {
                let (comparison, threshold) =
                    if *wanted { (Comparison::AtLeast, 1.0) } else { (Comparison::AtMost, 0.0) };
                tell(*subject, values[row], comparison, threshold, held);
            }
            Evidence::All(parts) => {
                parts.iter().for_each(|part| checks.extend(self.checks(part, row, rule)));
            }
            Evidence::Any(parts) => {
                let lacks = |checks: &Vec<Check>| checks.iter().filter(|check| !check.met).count();
                let ways = parts.iter().map(|part| self.checks(part, row, rule));
                checks.extend(ways.min_by_key(lacks).unwrap_or_default());
            }
            Evidence::If(parts) => match parts[0].held[row] {
                condition if condition.is_nan() => checks.extend(self.checks(&parts[0], row, rule)),
                condition if condition > 0.5 => {
                    checks.extend(self.checks(&parts[0], row, rule));
                    checks.extend(self.checks(&parts[1], row, rule));
                }
                _ => checks.extend(self.checks(&parts[2], row, rule)),
            },
        }
        checks
    }
}

/// A condition judged for every ad, with what it was judged by.
pub(crate) struct Judged {
    pub held: Vec<f64>,
    evidence: Evidence,
}

enum Evidence {
    Compared {
        subject: Subject,
        left: Vec<f64>,
        relation: Relation,
        right: Vec<f64>,
        known: Option<Subject>,
    },
    /// A question with yes (1) or no (0) for an answer.
    Answered {
        subject: Subject,
        values: Vec<f64>,
        wanted: bool,
    },
    All(Vec<Judged>),
    Any(Vec<Judged>),
    If(Box<[Judged; 3]>),
}

impl Judged {
    fn answered(subject: Subject, values: Vec<f64>, wanted: bool) -> Self {
        let held = values.iter().map(|value| if wanted { *value } else { 1.0 - *value }).collect();
        Judged { held, evidence: Evidence::Answered { subject, values, wanted } }
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
        Operation::Distance => (a - b).abs(),
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

/// Whether all hold: one that does not settles it, whatever is not known of the others.
fn all(parts: impl Iterator<Item = f64>) -> f64 {
    parts.fold(1.0, |all, held| match (all, held) {
        (all, held) if all == 0.0 || held == 0.0 => 0.0,
        (all, held) => all * held,
    })
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
