//! Rules written as text: conditions in CEL (the Common Expression Language) over columns, in a client's TOML. Nothing
//! has to be compiled.
//!
//! The first rule whose condition holds of an ad decides on it. A condition that reads something which is not known is
//! not known itself, and its rule does not fire; `known(x)` asks. Rules act on active ads, `resume` on ads that Dean
//! paused. plugins/README.md is the author's guide.
//!
//! The crate `cel` was tried as a guest: it reads an expression in 0.14 ms and needs 8 us an ad (native), where a whole
//! cohort of 1,000 ads is decided in that time here, and it knows no "not known".

#![cfg_attr(target_arch = "wasm32", no_std)]
#![deny(missing_docs)]

extern crate alloc;

mod eval;
mod names;
mod parse;
mod rules;
mod token;
mod tree;

pub use names::CONTEXT;

use alloc::{format, string::String, string::ToString, vec, vec::Vec};
use dean_policy_sdk::bindings::types::{
    AdDecision, Answer, BudgetDecision, Check, Cohort, Comparison, Kind, Manifest, Param, Plan, Problem, Setting, Verb,
};
use dean_policy_sdk::table::UNKNOWN;
use eval::Sight;
use rules::{AMOUNT_KNOWN, Action, LEFT, MAY_ACT, PAUSED_BY_DEAN, Rule, Rules, STATUS};
use tree::Subject;

/// Who the policy is.
#[must_use]
pub fn describe() -> Manifest {
    let open = |path: &str, doc: &str| Param { path: path.into(), doc: doc.into(), kind: Kind::Open };
    Manifest {
        name: "cel".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        doc: "Rules written as text in a client's TOML. The first rule whose condition holds of an ad decides on it."
            .into(),
        // Whichever stage its rules are written for.
        stages: vec!["*".into()],
        params: vec![
            open("rules", "The rules in their order: tables of id, when, then and what goes with them."),
            open("params", "Numbers that rules use as params.NAME, so that one place sets them."),
        ],
    }
}

/// What the rules of a client need, or what is wrong with them.
///
/// # Errors
/// Every mistake with its setting, and of an expression with the character.
pub fn prepare(settings: &[Setting]) -> Result<Plan, Vec<Problem>> {
    let Rules { names, rules } = rules::read(settings)?;
    let rule = |rule: Rule| dean_policy_sdk::bindings::types::Rule { id: rule.id, title: rule.title, doc: rule.doc };
    Ok(Plan {
        columns: names.columns,
        text_columns: names.texts,
        context: names.context,
        derived: names.derived,
        rules: rules.into_iter().map(rule).collect(),
    })
}

/// Decides on every ad.
///
/// # Errors
/// When the settings are not those that were prepared, or the cohort has another shape.
pub fn decide(settings: &[Setting], cohort: &Cohort) -> Result<Answer, String> {
    let Rules { names, rules } =
        rules::read(settings).map_err(|problems| format!("{} {}", problems[0].path, problems[0].message))?;
    let rows = cohort.rows as usize;
    let shape = cohort.values.len() == rows * names.columns.len()
        && cohort.texts.codes.len() == rows * names.texts.len()
        && cohort.context.len() == names.context.len()
        && cohort.group_of.len() == rows;
    if !shape {
        return Err("the cohort does not have the shape of the plan".to_string());
    }
    let active = cohort.texts.words.iter().position(|word| word == "ACTIVE").map_or(UNKNOWN, |at| at as u32);
    let codes = &cohort.texts.codes[STATUS * rows..(STATUS + 1) * rows];
    let sight = Sight {
        cohort,
        rows,
        active: codes.iter().map(|code| *code == active && active != UNKNOWN).collect(),
        columns: names.columns.len(),
        contexts: names.context.len(),
    };
    Ok(Deciding { sight, decided: vec![false; rows], budgets: vec![false; cohort.groups as usize] }.all(&rules))
}

/// A cohort being decided on.
struct Deciding<'a> {
    sight: Sight<'a>,
    /// Ads on which a rule decided.
    decided: Vec<bool>,
    /// Owners whose budget a rule decided on.
    budgets: Vec<bool>,
}

impl Deciding<'_> {
    fn all(mut self, rules: &[Rule]) -> Answer {
        let mut answer = Answer { ads: Vec::new(), budgets: Vec::new(), checks: Vec::new() };
        for (position, rule) in rules.iter().enumerate() {
            self.rule(position as u32, rule, &mut answer);
        }
        answer.checks.sort_by_key(|check| (check.row, check.rule));
        answer
    }

    /// Whether a rule may act on an ad at all.
    fn may(&self, rule: &Rule, row: usize) -> bool {
        let paused = &self.sight.cohort.values[PAUSED_BY_DEAN * self.sight.rows..][..self.sight.rows];
        match rule.action {
            Action::Ad(Verb::Resume) => !self.sight.active[row] && paused[row] > 0.5,
            // It keeps every other rule away, also one that would bring the ad back.
            Action::Ad(Verb::Hold) => self.sight.active[row] || paused[row] > 0.5,
            _ => self.sight.active[row],
        }
    }

    fn rule(&mut self, position: u32, rule: &Rule, answer: &mut Answer) {
        let rows = self.sight.rows;
        let judged = self.sight.judge(&rule.when);
        let (amount, confidence) = (self.sight.num(&rule.amount), self.sight.num(&rule.confidence));
        let taken: Vec<bool> = match rule.action {
            Action::Budget => (0..rows).map(|row| self.budgets[self.group(row)]).collect(),
            Action::Ad(_) => self.decided.clone(),
        };
        // What keeps the rule from an ad of which its condition holds. An amount that is not known is none to act with.
        let obstacle = |row: usize| {
            let obstacles = [(MAY_ACT, !self.may(rule, row)), (LEFT, taken[row]), (AMOUNT_KNOWN, amount[row].is_nan())];
            obstacles.iter().find(|(_, stands)| *stands).map(|(fact, _)| *fact)
        };
        let obstacles: Vec<Option<usize>> = (0..rows).map(obstacle).collect();
        let mut fires: Vec<usize> =
            (0..rows).filter(|&row| judged.held[row] > 0.5 && obstacles[row].is_none()).collect();
        if let Some(first) = &rule.first {
            let order = self.sight.num(first);
            let known = |row: usize| if order[row].is_nan() { f64::NEG_INFINITY } else { order[row] };
            fires.sort_by(|&a, &b| known(b).total_cmp(&known(a)));
        }
        if rule.action == Action::Budget {
            // One decision an owner.
            let mut seen = self.budgets.clone();
            fires.retain(|&row| !core::mem::replace(&mut seen[self.group(row)], true));
        }
        let passed = fires.split_off(rule.most.min(fires.len()));
        for &row in &fires {
            let amount = amount[row].clamp(rule.amount_min, rule.amount_max);
            let confidence = if confidence[row].is_nan() { 0.0 } else { confidence[row].clamp(0.0, 1.0) };
            match rule.action {
                Action::Budget => {
                    let group = self.group(row);
                    self.budgets[group] = true;
                    let (group, rule) = (group as u32, position);
                    answer.budgets.push(BudgetDecision { group, amount, rule, confidence });
                }
                Action::Ad(verb) => {
                    self.decided[row] = true;
                    let amount = if matches!(verb, Verb::Promote | Verb::Duplicate) { amount } else { 0.0 };
                    answer.ads.push(AdDecision { row: row as u32, verb, amount, rule: position, confidence });
                }
            }
        }
        let mut place_of = vec![None; if passed.is_empty() { 0 } else { rows }];
        passed.iter().enumerate().for_each(|(place, &row)| place_of[row] = Some((rule.most + place + 1) as f64));
        let told: Vec<usize> = if self.sight.cohort.trace { (0..rows).collect() } else { fires };
        for row in told {
            answer.checks.extend(self.sight.checks(&judged, row, position));
            let lacks = match (obstacles[row], place_of.get(row).copied().flatten()) {
                (Some(derived), _) => (derived, 0.0, Comparison::AtLeast, 1.0),
                (None, Some(place)) => (rule.place, place, Comparison::AtMost, rule.most as f64),
                (None, None) => continue,
            };
            let (derived, value, comparison, threshold) = lacks;
            let fact = self.sight.fact(Subject::Derived(derived));
            let (row, rule, met) = (row as u32, position, false);
            answer.checks.push(Check { row, rule, fact, value, comparison, threshold, met });
        }
    }

    fn group(&self, row: usize) -> usize {
        self.sight.cohort.group_of[row] as usize
    }
}

#[cfg(target_arch = "wasm32")]
mod component {
    use super::{Answer, Cohort, Manifest, Plan, Problem, Setting, String, Vec};

    struct Component;

    impl dean_policy_sdk::bindings::Guest for Component {
        fn describe() -> Manifest {
            super::describe()
        }
        fn prepare(_: String, settings: Vec<Setting>) -> Result<Plan, Vec<Problem>> {
            super::prepare(&settings)
        }
        fn decide(_: String, settings: Vec<Setting>, cohort: Cohort) -> Result<Answer, String> {
            super::decide(&settings, &cohort)
        }
    }

    dean_policy_sdk::bindings::export!(Component with_types_in dean_policy_sdk::bindings);
}
