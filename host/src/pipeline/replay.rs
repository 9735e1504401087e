//! Recorded decisions made again: byte for byte as a replay, with every check as an explanation.

use super::assemble::rule_check;
use super::report::{Decision, RuleCheck, RunReport, Skip};
use super::why::{OfPolicy, is_of_owner};
use crate::domain::Currency;
use crate::features::Marks;
use crate::guard;
use crate::journal::{self, GuardRecord, Outcome, Record};
use crate::store::{RunRow, Store};
use anyhow::{Context, bail};
use dean_policy::types::{Check, Rule};
use dean_policy::{Artifact, Registry};
use serde::Serialize;
use std::collections::BTreeSet;

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
}

/// One stage made again.
#[derive(Clone, Debug, Serialize)]
pub struct StageReplay {
    /// The stage.
    pub stage: String,
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

/// Finds a run by its id or the beginning of it; `last` is the newest of the account.
async fn find(store: &dyn Store, account: Option<&str>, run: &str) -> anyhow::Result<RunRow> {
    if run == "last" {
        let account = account.context("`last` needs an account: set FB_AD_ACCOUNT_ID or name the run")?;
        let newest = store.runs(account, 1).await?;
        return newest.into_iter().next().with_context(|| format!("account {account} has no run yet"));
    }
    let found = store.run(run).await?;
    found.with_context(|| {
        format!("there is no run {run}, or several begin so\n  hint: `dean replay last` takes the newest")
    })
}

/// Decodes a stage's record with the chain that it is written against, and says how long that is.
pub(super) async fn load(store: &dyn Store, run: &str, stage: &str) -> anyhow::Result<(Record, usize)> {
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
    let mut record: Option<Record> = None;
    for row in chain.into_iter().rev() {
        record = Some(journal::decode(&row.bytes, record.as_ref())?);
    }
    let record = record.context("a chain has at least one record")?;
    Ok((record, length))
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
) -> anyhow::Result<Replay> {
    let run = find(store, account, run).await?;
    let mut stages = Vec::new();
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
        let (record, _) = load(store, &run.run_id, &stage).await?;
        let again = decide_again(store, registry, &record).await?;
        let (was, is) = (record.outcome.bytes(), again.bytes());
        let equal = was == is;
        stages.push(StageReplay {
            stage,
            policy: record.policy_name.clone(),
            sha256: record.policy.clone(),
            ads: record.ads.len(),
            equal,
            difference: (!equal).then(|| difference(&record.outcome, &again)),
        });
    }
    let equal = guard_equal && stages.iter().all(|s| s.equal);
    Ok(Replay { run_id: run.run_id, equal, stages, guard_equal })
}

async fn policy_of(store: &dyn Store, registry: &Registry, record: &Record) -> anyhow::Result<dean_policy::Policy> {
    let artifact = store.artifact(&record.policy).await?;
    let artifact = artifact
        .with_context(|| format!("the policy {} ({}) is not in the store", record.policy_name, record.policy))?;
    Ok(registry.load(&Artifact::new(record.policy_name.clone(), artifact.bytes))?)
}

async fn decide_again(store: &dyn Store, registry: &Registry, record: &Record) -> anyhow::Result<Outcome> {
    let policy = policy_of(store, registry, record).await?;
    let mut cohort = record.cohort.clone();
    Ok(match policy.decide(&record.stage, &record.settings, &record.plan, &mut cohort) {
        Ok(outcome) => Outcome::of(&outcome.answer),
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

/// Why an ad was treated as it was.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The run that is explained.
    pub run_id: String,
    /// The moment that it decided for.
    pub as_of: String,
    /// Whether that run wrote nothing: then what is told would have been done.
    pub dry_run: bool,
    /// The account's currency.
    pub currency: String,
    /// The decision, if the ad was decided on.
    pub decision: Option<Decision>,
    /// Why it was not, otherwise.
    pub skipped: Option<Skip>,
    /// Every comparison of every rule, made again.
    pub checks: Vec<RuleCheck>,
    /// Every rule of the stage, with why it fired or did not.
    pub rules: Vec<RuleWhy>,
}

/// Why a rule fired or did not.
#[derive(Clone, Debug, Serialize)]
pub struct RuleWhy {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// One sentence.
    pub why: String,
}

/// Runs that are looked through for an ad.
const RUNS_SEARCHED: u32 = 50;

/// Explains an ad (by id, or by name) in a run, or in the newest that knew it.
///
/// # Errors
/// When no run knew it, or what the decision needs is not there any more.
pub async fn explain(
    store: &dyn Store,
    registry: &Registry,
    account: &str,
    ad: &str,
    run: Option<&str>,
) -> anyhow::Result<Explanation> {
    let runs = match run {
        Some(run) => vec![find(store, Some(account), run).await?],
        // What was done comes before what would have been.
        None => {
            let mut runs = store.runs(account, RUNS_SEARCHED).await?;
            runs.sort_by_key(|run| run.dry_run);
            runs
        }
    };
    for run in runs {
        let Some(report) = &run.report else { continue };
        let report = RunReport::unpack(report).context("the report of the run is damaged")?;
        let is_it = |id: &str, name: &str| id == ad || name == ad;
        if let Some(decision) = report.decisions.iter().find(|d| is_it(&d.ad_id, &d.ad_name)) {
            let (checks, rules) = checks_again(store, registry, &run.run_id, decision, &report.currency).await?;
            return Ok(Explanation {
                run_id: run.run_id.clone(),
                as_of: report.as_of.clone(),
                dry_run: report.dry_run,
                currency: report.currency.clone(),
                decision: Some(decision.clone()),
                skipped: None,
                checks,
                rules,
            });
        }
        if let Some(skip) = report.skipped.iter().find(|s| is_it(&s.ad_id, &s.ad_name)) {
            return Ok(Explanation {
                run_id: run.run_id.clone(),
                as_of: report.as_of.clone(),
                dry_run: report.dry_run,
                currency: report.currency.clone(),
                decision: None,
                skipped: Some(skip.clone()),
                checks: Vec::new(),
                rules: Vec::new(),
            });
        }
    }
    bail!(
        "no run of account {account} knows an ad {ad}\n  hint: `dean run --dry-run` looks at the account and writes nothing to it"
    )
}

async fn checks_again(
    store: &dyn Store,
    registry: &Registry,
    run: &str,
    decision: &Decision,
    currency: &str,
) -> anyhow::Result<(Vec<RuleCheck>, Vec<RuleWhy>)> {
    let stages = store.journal_stages(run).await?;
    if !stages.contains(&decision.stage) {
        return Ok((Vec::new(), Vec::new()));
    }
    let (record, _) = load(store, run, &decision.stage).await?;
    let row = record.ads.iter().position(|id| *id == decision.ad_id).context("the journal does not know the ad")?;
    let policy = policy_of(store, registry, &record).await?;
    let mut cohort = record.cohort.clone();
    cohort.trace = true;
    let outcome = policy.decide(&record.stage, &record.settings, &record.plan, &mut cohort);
    let checks = outcome.map(|o| o.answer.checks).unwrap_or_default();
    // A budget's rules are checked on the owner's leading ad: they are about every ad under it.
    let group = record.cohort.group_of.get(row);
    let of_ad = |c: &Check| c.row as usize == row;
    let looked_at: BTreeSet<u32> = checks.iter().filter(|c| of_ad(c)).map(|c| c.rule).collect();
    let of_owner = |c: &Check| !looked_at.contains(&c.rule) && record.cohort.group_of.get(c.row as usize) == group;
    let about_owner: BTreeSet<u32> = checks
        .iter()
        .filter(|c| of_owner(c) && record.plan.fact(c.fact).is_some_and(is_of_owner))
        .map(|c| c.rule)
        .collect();
    let is_shown = |c: &Check| of_ad(c) || (of_owner(c) && about_owner.contains(&c.rule));
    let of_row: Vec<Check> = checks.iter().filter(|c| is_shown(c)).copied().collect();
    // A sentence on a rule names the thresholds of its checks, and no others.
    let marks = Marks { target_cpa: f64::NAN, breakeven_cpa: f64::NAN };
    let currency = Currency::new(currency);
    let of_policy = OfPolicy { plan: &record.plan, currency: &currency, checks: &of_row, marks, inherits: false };
    let rule = |(position, rule): (usize, &Rule)| RuleWhy {
        id: rule.id.clone(),
        title: rule.title.clone(),
        why: of_policy.of_one_rule(position as u32),
    };
    let rules = record.plan.rules.iter().enumerate().map(rule).collect();
    Ok((of_row.iter().map(|c| rule_check(&record.plan, c)).collect(), rules))
}
