//! A policy asked about a run that is over: the cohort that it would have seen, made of what was journalled.

use super::history::Hour;
use super::side::World;
use crate::features::{self, Frame, Marks};
use crate::pipeline;
use crate::policies::Ready;
use dean_policy::types::{Answer, Cohort};
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// A stage with the policy that is asked for it.
pub(super) struct Asked<'a> {
    pub stage: &'a str,
    pub ready: &'a Ready,
    /// Columns that it wants and that were neither journalled nor can be computed.
    pub missing: BTreeSet<String>,
    /// Calls that failed, and what the first of them said.
    pub failed: usize,
    pub failure: Option<String>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(stage: &'a str, ready: &'a Ready) -> Self {
        Asked { stage, ready, missing: BTreeSet::new(), failed: 0, failure: None }
    }

    /// What it answers; nothing where the stage decided nothing or the policy fails.
    pub(super) fn answer(&mut self, hour: &Hour<'_>, world: &World) -> Option<Answer> {
        let mut cohort = self.cohort(hour)?;
        world.overlay(hour, self.stage, &self.ready.plan.columns, &mut cohort);
        match self.ready.policy.decide(self.stage, &self.ready.settings, &self.ready.plan, &mut cohort) {
            Ok(outcome) => Some(outcome.answer),
            Err(fault) => {
                self.failed += 1;
                self.failure.get_or_insert_with(|| fault.to_string());
                None
            }
        }
    }

    fn cohort(&mut self, hour: &Hour<'_>) -> Option<Cohort> {
        let record = *hour.records.get(self.stage)?;
        let (rows, stage) = hour.rows(self.stage)?;
        let plan = &self.ready.plan;
        let mut context = stage.context.clone();
        let seen = Marks { target_cpa: context.target_cpa, breakeven_cpa: context.breakeven_cpa };
        let marks = Marks { target_cpa: self.ready.target_cpa.unwrap_or(seen.breakeven_cpa), ..seen };
        let same_target = marks.target_cpa.to_bits() == seen.target_cpa.to_bits();
        let basis = &hour.measured.basis;
        if !same_target {
            let prior = basis.purchase_prior(marks.target_cpa);
            context.target_cpa = marks.target_cpa;
            context.purchase_prior_shape = prior.map_or(f64::NAN, |prior| prior.shape);
            context.purchase_prior_rate = prior.map_or(f64::NAN, |prior| prior.rate);
        }
        let measured = OnceCell::new();
        let reads_texts = plan.text_columns != record.plan.text_columns;
        let frame = || -> &Frame { measured.get_or_init(|| hour.frame(rows.clone(), reads_texts)) };
        let count = rows.len();
        let mut values = Vec::with_capacity(count * plan.columns.len());
        for name in &plan.columns {
            let column = features::find(name);
            // What was seen then is what counts, unless it was measured against another target.
            let holds = same_target || column.is_none_or(|column| !column.rests_on_target(basis));
            let kept = record.plan.columns.iter().position(|known| known == name).filter(|_| holds);
            match (kept, column) {
                (Some(at), _) => values.extend_from_slice(&record.cohort.values[at * count..(at + 1) * count]),
                (None, Some(column)) => {
                    let canonical = |value: f64| if value.is_nan() { f64::NAN } else { value };
                    values.extend(column.values(frame(), basis, marks).into_iter().map(canonical));
                }
                (None, None) => {
                    self.missing.insert(name.clone());
                    values.resize(values.len() + count, f64::NAN);
                }
            }
        }
        let (words, codes) = match reads_texts {
            true => pipeline::texts(frame(), &plan.text_columns),
            false => (record.cohort.words.clone(), record.cohort.codes.clone()),
        };
        Some(Cohort {
            now: record.cohort.now,
            seed: record.cohort.seed,
            rows: record.cohort.rows,
            groups: record.cohort.groups,
            // Nobody reads the checks.
            trace: false,
            values,
            words,
            codes,
            context: plan.context.iter().map(|name| context.get(name).unwrap_or(f64::NAN)).collect(),
            group_of: record.cohort.group_of.clone(),
        })
    }
}
