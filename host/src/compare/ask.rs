//! A policy asked about a run that is over: the cohort that it would have seen, made of what was journalled.

use super::history::Hour;
use super::side::World;
use crate::features::{self, Frame};
use crate::pipeline;
use crate::policies::{Ready, StagePolicy};
use crate::store::PolicyTrialRow;
use dean_policy::types::{Answer, Cohort, Plan};
use jiff::Timestamp;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// A stage with the policy that is asked for it.
pub(super) struct Asked<'a> {
    pub stage: &'a str,
    source: Source<'a>,
    /// Columns that it wants and that were neither journalled nor can be computed.
    pub missing: BTreeSet<String>,
    /// Runs in which its stage decided nothing, so that there is nothing to ask it about.
    pub absent: usize,
    /// Calls that failed, and what the first of them said.
    pub failed: usize,
    pub failure: Option<String>,
}

/// Where the answers come from.
enum Source<'a> {
    /// It is asked again.
    Policy(&'a Ready),
    /// It was on trial then, and asked.
    Trial(&'a PolicyTrialRow),
}

impl<'a> Asked<'a> {
    pub(super) fn of_policies(stages: &'a [StagePolicy]) -> Vec<Self> {
        let asked = |stage: &'a StagePolicy| Some(Asked::new(&stage.view.name, Source::Policy(stage.ready()?)));
        stages.iter().filter_map(asked).collect()
    }

    pub(super) fn of_trials(trials: &'a [PolicyTrialRow]) -> Vec<Self> {
        trials.iter().map(|row| Asked::new(&row.stage, Source::Trial(row))).collect()
    }

    fn new(stage: &'a str, source: Source<'a>) -> Self {
        Asked { stage, source, missing: BTreeSet::new(), absent: 0, failed: 0, failure: None }
    }

    /// The policy, `name@version`, and its digest.
    pub(super) fn policy(&self) -> (String, String) {
        match &self.source {
            Source::Policy(ready) => {
                let manifest = ready.policy.manifest();
                (manifest.named(), ready.policy.digest().to_string())
            }
            Source::Trial(row) => (format!("{}@{}", row.name, row.version), row.digest.clone()),
        }
    }

    /// Whether it can be asked about a run, or was.
    pub(super) fn is_about(&self, hour: &Hour<'_>) -> bool {
        match &self.source {
            Source::Policy(_) => true,
            Source::Trial(row) => hour.trials.get(self.stage).is_some_and(|trial| trial.record.policy == row.digest),
        }
    }

    /// What it answers, told what its side did after a moment, and the plan that this is in terms of; nothing where the
    /// stage decided nothing or the policy fails.
    pub(super) fn answer<'h>(
        &mut self,
        hour: &'h Hour<'_>,
        world: &World,
        unseen: Option<Timestamp>,
    ) -> Option<(Cow<'h, Plan>, Answer)>
    where
        'a: 'h,
    {
        let said = match self.source {
            Source::Policy(ready) => {
                let mut cohort = self.cohort(ready, hour)?;
                world.overlay(hour, self.stage, unseen, &ready.plan.columns, &mut cohort);
                let said = ready.policy.decide(self.stage, &ready.settings, &ready.plan, &mut cohort);
                said.answer.map(|answer| (Cow::Borrowed(&ready.plan), answer)).map_err(|fault| fault.to_string())
            }
            Source::Trial(_) if !self.is_about(hour) => return None,
            Source::Trial(_) => {
                let record = &hour.trials.get(self.stage)?.record;
                let said = record.outcome.answer().map_err(String::from);
                said.map(|answer| (Cow::Borrowed(&record.plan), answer))
            }
        };
        match said {
            Ok(said) => Some(said),
            Err(fault) => {
                self.failed += 1;
                self.failure.get_or_insert(fault);
                None
            }
        }
    }

    fn cohort(&mut self, ready: &Ready, hour: &Hour<'_>) -> Option<Cohort> {
        let record = *hour.records.get(self.stage)?;
        let (rows, stage) = hour.rows(self.stage)?;
        let plan = &ready.plan;
        let basis = &hour.measured.basis;
        let seen = &stage.context;
        let context = seen.aimed_at(ready.target_cpa.unwrap_or(seen.breakeven_cpa), basis);
        let (marks, same_target) = (context.marks(), context.target_cpa.to_bits() == seen.target_cpa.to_bits());
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
