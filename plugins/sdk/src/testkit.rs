//! A harness for a policy's unit tests: rows by column name in, decisions by rule id out. It runs
//! the policy natively, through the same three functions that the component exports.

use crate::bindings::types::{Answer, BudgetDecision, Cohort, Setting, Texts, Value, Verb};
use crate::export::{self, StagePolicy};
use crate::table::UNKNOWN;
use std::collections::BTreeMap;

/// A case: settings, context and rows.
#[derive(Clone, Debug, Default)]
pub struct Case {
    settings: Vec<Setting>,
    context: BTreeMap<String, f64>,
    rows: Vec<Row>,
    trace: bool,
}

/// One ad of a case; columns that are not set are not known.
#[derive(Clone, Debug, Default)]
pub struct Row {
    numbers: BTreeMap<String, f64>,
    texts: BTreeMap<String, String>,
    group: u32,
}

impl Row {
    /// Sets a numeric column.
    #[must_use]
    pub fn set(mut self, column: &str, value: f64) -> Self {
        self.numbers.insert(column.into(), value);
        self
    }

    /// Sets a text column.
    #[must_use]
    pub fn word(mut self, column: &str, value: &str) -> Self {
        self.texts.insert(column.into(), value.into());
        self
    }

    /// Puts the ad under a budget owner.
    #[must_use]
    pub fn group(mut self, group: u32) -> Self {
        self.group = group;
        self
    }
}

/// A decision on a budget by names.
#[derive(Clone, Debug, PartialEq)]
pub struct DecidedBudget {
    /// The owner's group.
    pub group: u32,
    /// The daily budget, major units.
    pub amount: f64,
    /// The id of the rule.
    pub rule: String,
    /// From 0 to 1.
    pub confidence: f64,
}

/// A decision by names.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The ad's row.
    pub row: u32,
    /// What to do.
    pub verb: Verb,
    /// In major units.
    pub amount: f64,
    /// The id of the rule.
    pub rule: String,
    /// From 0 to 1.
    pub confidence: f64,
}

impl Case {
    /// An empty case.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a numeric setting.
    #[must_use]
    pub fn setting(mut self, path: &str, value: f64) -> Self {
        self.settings.push(Setting { path: path.into(), value: Value::Number(value) });
        self
    }

    /// Sets a number of the account or stage.
    #[must_use]
    pub fn context(mut self, name: &str, value: f64) -> Self {
        self.context.insert(name.into(), value);
        self
    }

    /// Adds an ad.
    #[must_use]
    pub fn row(mut self, row: Row) -> Self {
        self.rows.push(row);
        self
    }

    /// Asks for every check.
    #[must_use]
    pub fn trace(mut self) -> Self {
        self.trace = true;
        self
    }

    /// Runs the policy and returns its raw answer.
    ///
    /// # Panics
    /// When the settings are refused, a row or context uses a name outside the plan, or the policy
    /// answers with an error: each is a mistake of the test.
    #[must_use]
    pub fn answer<P: StagePolicy>(&self) -> Answer {
        let plan = match export::prepare::<P>(P::STAGES[0], &self.settings) {
            Ok(plan) => plan,
            Err(problems) => panic!("settings refused: {problems:?}"),
        };
        for row in &self.rows {
            for name in row.numbers.keys() {
                assert!(plan.columns.contains(name), "{name} is no column of the plan");
            }
            for name in row.texts.keys() {
                assert!(plan.text_columns.contains(name), "{name} is no text column of the plan");
            }
        }
        for name in self.context.keys() {
            assert!(plan.context.contains(name), "{name} is no context of the plan");
        }
        let number = |name: &String, row: &Row| row.numbers.get(name).copied().unwrap_or(f64::NAN);
        let mut words: Vec<String> = Vec::new();
        let mut codes = Vec::new();
        for name in &plan.text_columns {
            for row in &self.rows {
                codes.push(match row.texts.get(name) {
                    None => UNKNOWN,
                    Some(word) => words.iter().position(|w| w == word).unwrap_or_else(|| {
                        words.push(word.clone());
                        words.len() - 1
                    }) as u32,
                });
            }
        }
        let cohort = Cohort {
            now: 0.0,
            seed: 0,
            rows: self.rows.len() as u32,
            groups: self.rows.iter().map(|r| r.group + 1).max().unwrap_or(0),
            trace: self.trace,
            values: plan.columns.iter().flat_map(|name| self.rows.iter().map(move |row| number(name, row))).collect(),
            texts: Texts { words, codes },
            context: plan.context.iter().map(|name| self.context.get(name).copied().unwrap_or(f64::NAN)).collect(),
            group_of: self.rows.iter().map(|r| r.group).collect(),
        };
        match export::decide::<P>(&self.settings, &cohort) {
            Ok(answer) => answer,
            Err(error) => panic!("the policy answered with an error: {error}"),
        }
    }

    /// Runs the policy and returns its decisions on budgets with the rules' ids.
    #[must_use]
    pub fn budgets<P: StagePolicy>(&self) -> Vec<DecidedBudget> {
        let decided = |d: &BudgetDecision| DecidedBudget {
            group: d.group,
            amount: d.amount,
            rule: P::VOCABULARY.rules[d.rule as usize].id.to_string(),
            confidence: d.confidence,
        };
        self.answer::<P>().budgets.iter().map(decided).collect()
    }

    /// Runs the policy and returns its decisions with the rules' ids.
    #[must_use]
    pub fn decide<P: StagePolicy>(&self) -> Vec<Decided> {
        let name = |rule: u32| P::VOCABULARY.rules[rule as usize].id.to_string();
        let answer = self.answer::<P>();
        let decided = answer.ads.iter().map(|d| Decided {
            row: d.row,
            verb: d.verb,
            amount: d.amount,
            rule: name(d.rule),
            confidence: d.confidence,
        });
        decided.collect()
    }
}
