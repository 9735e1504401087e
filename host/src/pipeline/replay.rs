//! Recorded decisions made again, byte for byte; with the scores that they rest on, within a tolerance.

use super::score;
use crate::guard;
use crate::journal::{self, Entry, GuardRecord, Outcome, Record, Scores, Trial};
use crate::store::{RunRow, Store, StoreError};
use anyhow::{Context, bail};
use dean_policy::{Artifact, Registry};
use serde::Serialize;
use std::collections::HashMap;

/// What a replay found.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// The run.
    pub run_id: String,
    /// Whether everything came out as it was, byte for byte.
    pub equal: bool,
    /// The stages.
    pub stages: Vec<StageReplay>,
    /// Whether the guard came to the same verdicts.
    pub guard_equal: bool,
    /// The scores made again, where that was asked for.
    pub scores: Option<ScoresReplay>,
}

/// What models say again of what they read.
#[derive(Clone, Debug, Serialize)]
pub struct ScoresReplay {
    /// Whether every score that was decided on came out as it was, within the tolerance.
    pub equal: bool,
    /// The largest difference that is none, relative beyond 1: another processor may round otherwise.
    pub tolerance: f64,
    /// Why there is nothing to compare, if so.
    pub problem: Option<String>,
    /// The columns that policies were given.
    pub columns: Vec<ScoreReplay>,
}

/// One column of scores made again.
#[derive(Clone, Debug, Serialize)]
pub struct ScoreReplay {
    /// The stage.
    pub stage: String,
    /// The column.
    pub column: String,
    /// Ads of which it was known.
    pub known: usize,
    /// Ads of which it comes out otherwise.
    pub differing: usize,
    /// The largest difference where it was and is known, as it is measured against the tolerance.
    pub largest: f64,
}

/// What one score may differ by when it is made again.
const TOLERANCE: f64 = 1e-5;

/// One stage made again.
#[derive(Clone, Debug, Serialize)]
pub struct StageReplay {
    /// The stage.
    pub stage: String,
    /// Whether the policy was on trial beside the stage's own.
    pub trial: bool,
    /// The policy, `name@version`.
    pub policy: String,
    /// Its digest.
    pub sha256: String,
    /// Its ads.
    pub ads: usize,
    /// Whether the answer is the same, byte for byte.
    pub equal: bool,
    /// What differs, for a person.
    pub difference: Option<String>,
}

/// Runs that are looked through for one that decided something.
const RUNS_SEARCHED: u32 = 50;

/// The newest run of an account that decided something: plans that were done and runs that were undone did not.
///
/// # Errors
/// When the store fails.
pub async fn last_decided(store: &dyn Store, account: &str) -> Result<Option<RunRow>, StoreError> {
    Ok(store.runs(account, RUNS_SEARCHED).await?.into_iter().find(|run| run.report.is_some()))
}

/// Finds a run by its id or the beginning of it; `last` is the newest of the account.
pub(super) async fn find(store: &dyn Store, account: Option<&str>, run: &str) -> anyhow::Result<RunRow> {
    if run == "last" {
        let account = account.context("`last` needs an account: set FB_AD_ACCOUNT_ID or name the run")?;
        return last_decided(store, account).await?.with_context(|| format!("account {account} has no run yet"));
    }
    let found = store.run(run).await?;
    found.with_context(|| {
        format!("there is no run {run}, or several begin so\n  hint: `dean replay last` takes the newest")
    })
}

/// Decodes an entry with the chain that it is written against, and says how long that is.
pub(crate) async fn load<E: Entry>(store: &dyn Store, run: &str, stage: &str) -> anyhow::Result<(E, usize)> {
    let mut chain = Vec::new();
    let mut at = Some(run.to_string());
    while let Some(run) = at {
        let row = store.journal(&run, stage).await?;
        let row = row.ok_or_else(|| journal::JournalError::Base(run.clone()))?;
        at = row.base_run_id.clone();
        chain.push(row);
        if chain.len() > journal::LONGEST_CHAIN + 1 {
            bail!("the journal of {stage} refers to itself");
        }
    }
    let length = chain.len();
    let mut entry: Option<E> = None;
    for row in chain.into_iter().rev() {
        entry = Some(E::decode(&row.bytes, entry)?);
    }
    let entry = entry.context("a chain has at least one entry")?;
    Ok((entry, length))
}

/// What a policy on trial saw and answered in a stage of a run; nothing where none was.
pub(super) async fn load_trial(store: &dyn Store, run: &str, stage: &str) -> anyhow::Result<Option<Trial>> {
    let Some(row) = store.journal(run, &format!("{}{stage}", journal::TRIAL)).await? else { return Ok(None) };
    let base = match row.base_run_id {
        Some(_) => Some(load::<Record>(store, run, stage).await?.0),
        None => None,
    };
    Ok(Some(Trial::decode(&row.bytes, base)?))
}

/// Makes the decisions of a run again and compares them with what was journalled.
///
/// # Errors
/// When the run or what its decisions need is not there any more.
pub async fn replay(
    store: &dyn Store,
    registry: &Registry,
    account: Option<&str>,
    run: &str,
    with_scores: bool,
) -> anyhow::Result<Replay> {
    let run = find(store, account, run).await?;
    let mut stages = Vec::new();
    let mut records = Vec::new();
    let mut guard_equal = true;
    for stage in store.journal_stages(&run.run_id).await? {
        if stage == journal::GUARD {
            let row = store.journal(&run.run_id, &stage).await?.context("the stage was just listed")?;
            let record = GuardRecord::decode(&row.bytes)?;
            let again = guard::judge(&record.situation, &record.proposals);
            // Verdicts and not packed bytes: another version of the packer is no difference.
            guard_equal = postcard::to_stdvec(&again).ok() == postcard::to_stdvec(&record.verdicts).ok();
            continue;
        }
        if stage == journal::SCORES || stage == journal::MEASURED {
            continue;
        }
        let on_trial = stage.strip_prefix(journal::TRIAL).map(String::from);
        let record = match &on_trial {
            Some(stage) => load_trial(store, &run.run_id, stage).await?.context("the trial was just listed")?.record,
            None => load::<Record>(store, &run.run_id, &stage).await?.0,
        };
        let again = decide_again(store, registry, &record).await?;
        let (was, is) = (record.outcome.bytes(), again.bytes());
        let equal = was == is;
        stages.push(StageReplay {
            trial: on_trial.is_some(),
            stage: on_trial.unwrap_or(stage),
            policy: record.policy_name.clone(),
            sha256: record.policy.clone(),
            ads: record.ads.len(),
            equal,
            difference: (!equal).then(|| difference(&record.outcome, &again)),
        });
        records.push(record);
    }
    let scores = match with_scores {
        true => Some(scores_again(store, &run.run_id, &records).await?),
        false => None,
    };
    let scores_equal = scores.as_ref().is_none_or(|scores| scores.equal);
    let equal = guard_equal && scores_equal && stages.iter().all(|s| s.equal);
    Ok(Replay { run_id: run.run_id, equal, stages, guard_equal, scores })
}

/// Lets the models of a run score the same again, and compares that with what policies were given.
async fn scores_again(store: &dyn Store, run: &str, records: &[Record]) -> anyhow::Result<ScoresReplay> {
    let mut replay = ScoresReplay { equal: true, tolerance: TOLERANCE, problem: None, columns: Vec::new() };
    if store.journal(run, journal::SCORES).await?.is_none() {
        replay.problem = Some("no model scored in this run".into());
        return Ok(replay);
    }
    let (kept, _) = load::<Scores>(store, run, journal::SCORES).await?;
    let (reading, scored) = score::again(store, &kept).await?;
    let mut from = 0;
    for ((stage, ads), columns) in reading.stages.iter().zip(&scored.columns) {
        let rows: HashMap<&str, usize> =
            reading.ads[from..from + ads].iter().enumerate().map(|(row, ad)| (ad.as_str(), row)).collect();
        from += ads;
        for record in records.iter().filter(|record| record.stage == *stage) {
            for (place, column) in record.plan.columns.iter().enumerate().filter(|(_, c)| c.starts_with("score.")) {
                let was = &record.cohort.values[place * record.ads.len()..(place + 1) * record.ads.len()];
                let is = |ad: &String| Some(columns.get(column)?[*rows.get(ad.as_str())?]);
                let apart = record.ads.iter().zip(was).map(|(ad, was)| apart(*was, is(ad).unwrap_or(f64::NAN)));
                let apart: Vec<f64> = apart.collect();
                let differing = apart.iter().filter(|apart| apart.is_nan() || **apart > TOLERANCE).count();
                replay.equal &= differing == 0;
                replay.columns.push(ScoreReplay {
                    stage: stage.clone(),
                    column: column.clone(),
                    known: was.iter().filter(|was| !was.is_nan()).count(),
                    differing,
                    largest: apart.into_iter().fold(0.0, f64::max),
                });
            }
        }
    }
    Ok(replay)
}

/// How far two numbers are apart, relative beyond 1; not a number where one of them is not known.
fn apart(was: f64, is: f64) -> f64 {
    if was.is_nan() && is.is_nan() { 0.0 } else { (was - is).abs() / was.abs().max(1.0) }
}

pub(super) async fn policy_of(
    store: &dyn Store,
    registry: &Registry,
    record: &Record,
) -> anyhow::Result<dean_policy::Policy> {
    let artifact = store.artifact(&record.policy).await?;
    let artifact = artifact
        .with_context(|| format!("the policy {} ({}) is not in the store", record.policy_name, record.policy))?;
    Ok(registry.load(&Artifact::new(record.policy_name.clone(), artifact.bytes))?)
}

async fn decide_again(store: &dyn Store, registry: &Registry, record: &Record) -> anyhow::Result<Outcome> {
    let policy = policy_of(store, registry, record).await?;
    let mut cohort = record.cohort.clone();
    Ok(match policy.decide(&record.stage, &record.settings, &record.plan, &mut cohort).answer {
        Ok(answer) => Outcome::of(&answer),
        Err(fault) => Outcome::Failed(fault.to_string()),
    })
}

fn difference(was: &Outcome, is: &Outcome) -> String {
    match (was, is) {
        (Outcome::Answered { ads: a, .. }, Outcome::Answered { ads: b, .. }) if a != b => {
            format!("{} decisions on ads then, {} now", a.len(), b.len())
        }
        (Outcome::Answered { budgets: a, .. }, Outcome::Answered { budgets: b, .. }) if a != b => {
            format!("{} decisions on budgets then, {} now", a.len(), b.len())
        }
        (Outcome::Answered { .. }, Outcome::Answered { .. }) => "the decisions agree, the checks differ".into(),
        (Outcome::Failed(a), Outcome::Failed(b)) => format!("it failed then: {a}; and now: {b}"),
        (Outcome::Failed(a), _) => format!("it failed then: {a}"),
        (_, Outcome::Failed(b)) => format!("it fails now: {b}"),
    }
}
