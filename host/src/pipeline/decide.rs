//! Decide: each stage's policy is asked, and the one that is on trial beside it.

use super::account::AccountNumbers;
use super::canary::Share;
use super::measure::{StageCohort, cohort};
use super::observe::Observation;
use crate::features::{ContextValues, Fields, Frame, Moment};
use crate::journal::{self, Measured, MeasuredStage, Outcome, Record};
use crate::policies::{Ready, StagePolicy, Trial};
use dean_policy::Cost;
use dean_policy::types::{Answer, Cohort, Plan};
use std::collections::HashMap;

/// A stage with what its policy answered.
#[derive(Debug)]
pub(super) struct Decided {
    /// Its ads, measured.
    pub stage: StageCohort,
    /// What its policy saw and answered; `None` when it was not asked.
    pub asked: Option<Asked>,
    /// What the policy on trial saw and answered; `None` when there is none or it was not asked.
    pub tried: Option<Tried>,
    /// What counts: what its policy answered, and about a canary's share what that did. Empty when nobody answered.
    pub answer: Answer,
    /// What the answer's rules and facts are positions in.
    pub plan: Plan,
    /// Why its policy did not answer.
    pub fault: Option<StageFault>,
}

/// What a policy saw, and what came back.
#[derive(Debug)]
pub(super) struct Asked {
    pub cohort: Cohort,
    pub outcome: Outcome,
    pub cost: Cost,
}

/// What a policy on trial was asked.
#[derive(Debug)]
pub(super) struct Tried {
    pub asked: Asked,
    /// The rows that it decided about; none for a shadow, and where it or the stage's own policy did not answer.
    pub rows: Vec<u32>,
    /// The groups whose budgets it decided about.
    pub groups: Vec<u32>,
}

impl Tried {
    /// How it failed, if it did.
    pub(super) fn fault(&self) -> Option<&str> {
        match &self.asked.outcome {
            Outcome::Failed(fault) => Some(fault),
            Outcome::Answered { .. } => None,
        }
    }
}

impl Decided {
    /// Whether a canary decided about an ad.
    pub(super) fn is_tried_on(&self, row: usize) -> bool {
        self.tried.as_ref().is_some_and(|tried| tried.rows.contains(&(row as u32)))
    }

    /// Whether a canary decided about a budget.
    pub(super) fn is_budget_tried_on(&self, group: u32) -> bool {
        self.tried.as_ref().is_some_and(|tried| tried.groups.contains(&group))
    }
}

/// Why a stage's policy did not answer: its ads are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StageFault {
    /// It was asked and failed.
    Failed(String),
    /// It cannot be asked at all.
    Broken(String),
    /// It failed too often, and is not asked for a while.
    Suspended(String),
}

impl std::fmt::Display for StageFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StageFault::Failed(reason) => write!(f, "the policy failed: {reason}"),
            StageFault::Broken(reason) => write!(f, "the policy cannot be used: {reason}"),
            StageFault::Suspended(reason) => write!(f, "the policy is suspended: {reason}"),
        }
    }
}

/// What a stage's policies are asked with.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub observation: &'a Observation,
    pub numbers: &'a AccountNumbers,
    /// The ad that each copy goes back to: a copy is tried on as its source is.
    pub sources: &'a HashMap<&'a str, &'a str>,
    pub seed: u32,
}

/// Asks the policy of one stage, and the one that is tried beside it.
#[must_use]
pub(super) fn ask(asking: Asking<'_>, policy: &StagePolicy, stage: StageCohort, suspended: Option<String>) -> Decided {
    let fault = policy.broken().map(|reason| StageFault::Broken(reason.into()));
    let mut fault = fault.or(suspended.map(StageFault::Suspended));
    let (mut asked, mut answer, mut plan) = (None, Answer::default(), Plan::default());
    if let Some(ready) = policy.ready() {
        plan = ready.plan.clone();
        if fault.is_none() {
            let (own, said) = asking.of_policy(&policy.view.name, ready, &stage, &stage.context);
            match said {
                Ok(said) => answer = said,
                Err(reason) => {
                    tracing::warn!(stage = %policy.view.name, %reason, "the policy failed; its ads are held");
                    fault = Some(StageFault::Failed(reason));
                }
            }
            asked = Some(own);
        }
    }
    let mut tried = None;
    // About no ads there is nothing to try: a run of another stage only asks about none.
    let trial = policy.trial.as_ref().filter(|trial| !stage.ads.is_empty() && !decides_itself(policy, trial));
    if let Some((trial, ready)) = trial.zip(policy.tried()) {
        let aim = ready.target_cpa.unwrap_or(stage.context.breakeven_cpa);
        let context = stage.context.aimed_at(aim, &asking.numbers.basis);
        let (own, said) = asking.of_policy(&policy.view.name, ready, &stage, &context);
        let mut of_trial = Tried { asked: own, rows: Vec::new(), groups: Vec::new() };
        match said {
            // Beside nobody it is a shadow: a stage without a policy only observes, and one that failed holds its ads.
            Ok(said) if trial.row.share > 0.0 && asked.is_some() && fault.is_none() => {
                of_trial.rows = asking.rows(trial, &stage);
                of_trial.groups = groups(&of_trial.rows, &stage);
                let share = Share { rows: &of_trial.rows, groups: &of_trial.groups, group_of: &stage.group_of };
                (plan, answer) = share.merged((&plan, answer), (&ready.plan, said));
            }
            Ok(_) => {}
            Err(reason) => tracing::warn!(stage = %policy.view.name, %reason, "the policy on trial failed"),
        }
        tried = Some(of_trial);
    }
    Decided { stage, asked, tried, answer, plan, fault }
}

impl Asking<'_> {
    fn of_policy(
        &self,
        name: &str,
        ready: &Ready,
        stage: &StageCohort,
        context: &ContextValues,
    ) -> (Asked, Result<Answer, String>) {
        let mut cohort = cohort(self.observation, ready, stage, context, self.numbers, self.seed);
        let called = ready.policy.decide(name, &ready.settings, &ready.plan, &mut cohort);
        let answer = called.answer.map_err(|fault| fault.to_string());
        let outcome = match &answer {
            Ok(answer) => Outcome::of(answer),
            Err(fault) => Outcome::Failed(fault.clone()),
        };
        let cost = called.cost;
        tracing::debug!(
            target: "policy",
            stage = name,
            policy = %ready.policy.manifest().named(),
            ads = cohort.rows,
            time_us = cost.time.as_micros() as u64,
            instructions = cost.instructions,
            memory_bytes = cost.memory_bytes,
            fault = answer.as_ref().err(),
            "asked"
        );
        (Asked { cohort, outcome, cost }, answer)
    }

    fn rows(&self, trial: &Trial, stage: &StageCohort) -> Vec<u32> {
        let takes = |ad: &usize| {
            let id = self.observation.ads[*ad].id.as_str();
            trial.takes(self.sources.get(id).copied().unwrap_or(id))
        };
        (0..).zip(&stage.ads).filter(|(_, ad)| takes(ad)).map(|(row, _)| row).collect()
    }
}

/// The groups that are a canary's: those of which it has every ad, so that what it does with a budget is done to its own
/// ads. A budget that it shares with others stays with the stage's own policy.
fn groups(rows: &[u32], stage: &StageCohort) -> Vec<u32> {
    let mut whole = vec![true; stage.owners.len()];
    for (row, group) in (0..).zip(&stage.group_of) {
        if rows.binary_search(&row).is_err() {
            whole[*group as usize] = false;
        }
    }
    (0..).zip(whole).filter(|(_, whole)| *whole).map(|(group, _)| group).collect()
}

/// Whether the policy on trial has become the stage's own.
pub(super) fn decides_itself(policy: &StagePolicy, trial: &Trial) -> bool {
    policy.ready().is_some_and(|ready| ready.policy.digest().to_string() == trial.row.digest)
}

/// What the journal keeps of a stage; `None` when nobody was asked.
#[must_use]
pub(super) fn record(observation: &Observation, policy: &StagePolicy, decided: &Decided) -> Option<Record> {
    Some(record_of(observation, &policy.view.name, policy.ready()?, decided, decided.asked.as_ref()?))
}

/// What it keeps of the policy on trial.
#[must_use]
pub(super) fn trial_record(
    observation: &Observation,
    policy: &StagePolicy,
    decided: &Decided,
) -> Option<journal::Trial> {
    let (trial, tried) = (policy.trial.as_ref()?, decided.tried.as_ref()?);
    Some(journal::Trial {
        share: trial.row.share,
        rows: tried.rows.clone(),
        groups: tried.groups.clone(),
        record: record_of(observation, &policy.view.name, policy.tried()?, decided, &tried.asked),
    })
}

fn record_of(observation: &Observation, stage: &str, ready: &Ready, decided: &Decided, asked: &Asked) -> Record {
    Record {
        policy: ready.policy.digest().to_string(),
        policy_name: ready.policy.manifest().named(),
        stage: stage.into(),
        settings: ready.settings.clone(),
        plan: ready.plan.clone(),
        ads: decided.stage.ads.iter().map(|&i| observation.ads[i].id.clone()).collect(),
        owners: decided.stage.owners.iter().map(|o| o.id.clone()).collect(),
        cohort: asked.cohort.clone(),
        outcome: asked.outcome.clone(),
    }
}

/// What was measured of everything that was decided on.
#[must_use]
pub(super) fn measured(
    observation: &Observation,
    policies: &[StagePolicy],
    decided: &[Decided],
    numbers: &AccountNumbers,
) -> Measured {
    let frames: Vec<&Frame> = decided.iter().map(|d| &d.stage.frame).collect();
    let stage = |(policy, d): (&StagePolicy, &Decided)| MeasuredStage {
        name: policy.view.name.clone(),
        ads: d.stage.ads.len() as u32,
        context: d.stage.context.clone(),
    };
    let ads = decided.iter().flat_map(|d| &d.stage.ads).map(|&i| observation.ads[i].id.clone());
    Measured {
        today: observation.today.to_string(),
        basis: numbers.basis.clone(),
        stages: policies.iter().zip(decided).map(stage).collect(),
        ads: ads.collect(),
        fields: Fields::of(&frames, Moment { at: observation.at, today: observation.today }),
    }
}
