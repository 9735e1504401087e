//! Rules at work: each comparison is written down as a check while it is made, so that the
//! explanation of a decision can never differ from the decision.

use crate::bindings::types::{AdDecision, Answer, BudgetDecision, Check, Comparison, Verb};
use crate::declare::{Fact, Rule};
use crate::groups::{Claim, share_out};
use crate::table::Table;
use alloc::vec::Vec;

/// The answer in the making.
#[derive(Debug)]
pub struct Evaluation<'a> {
    table: Table<'a>,
    answer: Answer,
}

/// What is equal but for the rounding of a few divisions.
const ROUNDING: f64 = 1e-9;

impl<'a> Evaluation<'a> {
    /// An empty answer on a cohort.
    #[must_use]
    pub fn new(table: Table<'a>) -> Self {
        // Most ads are held: room for one fired rule in four ads saves most of the growing.
        let expected = table.rows() as usize / 4 + 4;
        let checks = if table.trace() { table.rows() as usize * 16 } else { expected * 3 };
        let answer =
            Answer { ads: Vec::with_capacity(expected), budgets: Vec::new(), checks: Vec::with_capacity(checks) };
        Evaluation { table, answer }
    }

    /// The cohort.
    #[must_use]
    pub fn table(&self) -> Table<'a> {
        self.table
    }

    /// One ad, to look at and decide on.
    pub fn ad(&mut self, row: u32) -> Ad<'_, 'a> {
        Ad { evaluation: self, row }
    }

    /// Sets the daily budget of an owner, in major units.
    pub fn budget(&mut self, group: u32, amount: f64, rule: Rule, confidence: f64) {
        let confidence = unit(confidence);
        self.answer.budgets.push(BudgetDecision { group, amount, rule: rule.0, confidence });
    }

    /// Raises budgets by their shares of money that is free, in proportion to the claims' weights. A share
    /// below `least` of a budget is not worth a change.
    pub fn share_out(&mut self, total: f64, least: f64, rule: Rule, claims: &[Claim]) {
        for (claim, share) in claims.iter().zip(share_out(total, claims)) {
            // What is just the least shall not hang on how its division was rounded.
            if share > 0.0 && share >= claim.budget * least * (1.0 - ROUNDING) {
                self.budget(claim.group, claim.budget + share, rule, claim.confidence);
            }
        }
    }

    /// The finished answer.
    #[must_use]
    pub fn finish(self) -> Answer {
        self.answer
    }
}

/// One row of the evaluation.
#[derive(Debug)]
pub struct Ad<'e, 'a> {
    evaluation: &'e mut Evaluation<'a>,
    row: u32,
}

impl<'a> Ad<'_, 'a> {
    /// The value of a fact for this ad.
    #[inline]
    pub fn get(&self, fact: impl Fact) -> f64 {
        fact.value(&self.evaluation.table, self.row)
    }

    /// Begins a rule: chain comparisons, then ask whether it [fires](When::fires).
    #[inline]
    pub fn when(&mut self, rule: Rule) -> When<'_, 'a> {
        let start = self.evaluation.answer.checks.len();
        When { evaluation: self.evaluation, row: self.row, rule, start, met: true }
    }

    /// Decides on the ad without an amount.
    pub fn decide(&mut self, verb: Verb, rule: Rule, confidence: f64) {
        self.decide_amount(verb, 0.0, rule, confidence);
    }

    /// Decides on the ad with an amount in major units.
    pub fn decide_amount(&mut self, verb: Verb, amount: f64, rule: Rule, confidence: f64) {
        let decision = AdDecision { row: self.row, verb, amount, rule: rule.0, confidence: unit(confidence) };
        self.evaluation.answer.ads.push(decision);
    }
}

/// A rule being looked at. All its comparisons must hold for it to fire; a comparison with a value
/// that is not known never holds.
#[derive(Debug)]
pub struct When<'e, 'a> {
    evaluation: &'e mut Evaluation<'a>,
    row: u32,
    rule: Rule,
    start: usize,
    met: bool,
}

impl When<'_, '_> {
    /// value < threshold
    #[inline]
    #[must_use]
    pub fn below(self, fact: impl Fact, threshold: f64) -> Self {
        self.compare(fact, Comparison::Below, threshold)
    }

    /// value <= threshold
    #[inline]
    #[must_use]
    pub fn at_most(self, fact: impl Fact, threshold: f64) -> Self {
        self.compare(fact, Comparison::AtMost, threshold)
    }

    /// value >= threshold
    #[inline]
    #[must_use]
    pub fn at_least(self, fact: impl Fact, threshold: f64) -> Self {
        self.compare(fact, Comparison::AtLeast, threshold)
    }

    /// value > threshold
    #[inline]
    #[must_use]
    pub fn above(self, fact: impl Fact, threshold: f64) -> Self {
        self.compare(fact, Comparison::Above, threshold)
    }

    /// A comparison that counts only where the fact is known: "ROAS at least 1.5 where revenue is known".
    #[inline]
    #[must_use]
    pub fn at_least_if_known(self, fact: impl Fact, threshold: f64) -> Self {
        if self.knows(fact) { self.at_least(fact, threshold) } else { self }
    }

    /// value > threshold, where the fact is known.
    #[inline]
    #[must_use]
    pub fn above_if_known(self, fact: impl Fact, threshold: f64) -> Self {
        if self.knows(fact) { self.above(fact, threshold) } else { self }
    }

    /// value <= threshold, where the fact is known.
    #[inline]
    #[must_use]
    pub fn at_most_if_known(self, fact: impl Fact, threshold: f64) -> Self {
        if self.knows(fact) { self.at_most(fact, threshold) } else { self }
    }

    /// value < threshold, where the fact is known.
    #[inline]
    #[must_use]
    pub fn below_if_known(self, fact: impl Fact, threshold: f64) -> Self {
        if self.knows(fact) { self.below(fact, threshold) } else { self }
    }

    #[inline]
    fn knows(&self, fact: impl Fact) -> bool {
        !fact.value(&self.evaluation.table, self.row).is_nan()
    }

    /// Whether all comparisons held. The checks stay if they did, or if the cohort asks for a trace.
    #[inline]
    #[must_use]
    pub fn fires(self) -> bool {
        if !self.met && !self.evaluation.table.trace() {
            self.evaluation.answer.checks.truncate(self.start);
        }
        self.met
    }

    #[inline]
    fn compare(mut self, fact: impl Fact, comparison: Comparison, threshold: f64) -> Self {
        let table = self.evaluation.table;
        if !self.met && !table.trace() {
            return self;
        }
        let value = fact.value(&table, self.row);
        // At a threshold an ad is judged alike in every currency, however its division was rounded there.
        let margin = threshold.abs() * ROUNDING;
        let met = match comparison {
            Comparison::Below => value < threshold - margin,
            Comparison::AtMost => value <= threshold + margin,
            Comparison::AtLeast => value >= threshold - margin,
            Comparison::Above => value > threshold + margin,
        };
        self.met &= met;
        self.evaluation.answer.checks.push(Check {
            row: self.row,
            rule: self.rule.0,
            fact: fact.position(&table),
            value,
            comparison,
            threshold,
            met,
        });
        self
    }
}

/// A confidence is between 0 and 1; what is not known is no confidence.
fn unit(confidence: f64) -> f64 {
    if confidence.is_nan() { 0.0 } else { confidence.clamp(0.0, 1.0) }
}
