//! Decide: each stage's policy is asked.

use super::account::AccountNumbers;
use super::measure::{StageCohort, cohort};
use super::observe::Observation;
use crate::features::{Fields, Frame, Moment};
use crate::journal::{Measured, MeasuredStage, Outcome, Record};
use crate::policies::StagePolicy;
use dean_policy::types::{Answer, Cohort};

/// A stage with what its policy answered.
#[derive(Debug)]
pub(super) struct Decided {
    /// Its ads, measured.
    pub stage: StageCohort,
    /// What its policy saw; `None` when it has no policy.
    pub cohort: Option<Cohort>,
    /// What its policy answered; empty when it has none or failed.
    pub answer: Answer,
    /// Why its policy did not answer.
    pub fault: Option<StageFault>,
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

/// Asks the policy of one stage.
#[must_use]
pub(super) fn ask(
    observation: &Observation,
    policy: &StagePolicy,
    stage: StageCohort,
    numbers: &AccountNumbers,
    suspended: Option<String>,
    seed: u32,
) -> Decided {
    let fault = policy.broken().map(|reason| StageFault::Broken(reason.into()));
    let fault = fault.or(suspended.map(StageFault::Suspended));
    let Some(ready) = policy.ready().filter(|_| fault.is_none()) else {
        return Decided { stage, cohort: None, answer: Answer::default(), fault };
    };
    let mut cohort = cohort(observation, ready, &stage, numbers, seed);
    let decided = ready.policy.decide(&policy.view.name, &ready.settings, &ready.plan, &mut cohort);
    match decided {
        Ok(outcome) => Decided { stage, cohort: Some(cohort), answer: outcome.answer, fault: None },
        Err(fault) => {
            tracing::warn!(stage = %policy.view.name, %fault, "the policy failed; its ads are held");
            let fault = Some(StageFault::Failed(fault.to_string()));
            Decided { stage, cohort: Some(cohort), answer: Answer::default(), fault }
        }
    }
}

/// What the journal keeps of a stage; `None` when it has no policy.
#[must_use]
pub(super) fn record(observation: &Observation, policy: &StagePolicy, decided: &Decided) -> Option<Record> {
    let (ready, cohort) = (policy.ready()?, decided.cohort.as_ref()?);
    let manifest = ready.policy.manifest();
    Some(Record {
        policy: ready.policy.digest().to_string(),
        policy_name: format!("{}@{}", manifest.name, manifest.version),
        stage: policy.view.name.clone(),
        settings: ready.settings.clone(),
        plan: ready.plan.clone(),
        ads: decided.stage.ads.iter().map(|&i| observation.ads[i].id.clone()).collect(),
        owners: decided.stage.owners.iter().map(|o| o.id.clone()).collect(),
        cohort: cohort.clone(),
        outcome: match &decided.fault {
            Some(StageFault::Failed(fault)) => Outcome::Failed(fault.clone()),
            _ => Outcome::of(&decided.answer),
        },
    })
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
