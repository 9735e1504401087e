//! Why an ad was treated as it was: the recorded decision made again with every check.

use super::assemble::rule_check;
use super::replay::{find, load, load_trial, policy_of};
use super::report::{Decision, RuleCheck, RunReport, Skip};
use super::why::{OfPolicy, is_of_owner};
use super::words::plain_name;
use crate::domain::Currency;
use crate::features::Marks;
use crate::journal::{self, Record};
use crate::store::Store;
use anyhow::{Context, bail};
use dean_policy::Registry;
use dean_policy::types::{Check, Rule};
use serde::Serialize;
use std::collections::BTreeSet;

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
        let exact = |id: &str, name: &str| id == ad || name == ad;
        let decided = report.decisions.iter().map(|d| (&d.ad_id, &d.ad_name));
        let mut all = decided.chain(report.skipped.iter().map(|s| (&s.ad_id, &s.ad_name)));
        // A name as it is shown, without the marker of what was made here, where no ad has it as it is.
        let shown = !all.any(|(id, name)| exact(id, name));
        let is_it = |id: &str, name: &str| exact(id, name) || (shown && plain_name(name) == ad);
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
    let of_stage = decision.canary.as_ref().map(|_| format!("{}{}", journal::TRIAL, decision.stage));
    if !stages.contains(of_stage.as_ref().unwrap_or(&decision.stage)) {
        return Ok((Vec::new(), Vec::new()));
    }
    // A budget that a canary's ads share with others stays with the stage's own policy.
    let mut of_budgets = None;
    let record = match &decision.canary {
        Some(_) => {
            let trial =
                load_trial(store, run, &decision.stage).await?.context("the journal does not know the trial")?;
            of_budgets = Some(trial.groups);
            trial.record
        }
        None => load::<Record>(store, run, &decision.stage).await?.0,
    };
    let row = record.ads.iter().position(|id| *id == decision.ad_id).context("the journal does not know the ad")?;
    let policy = policy_of(store, registry, &record).await?;
    let mut cohort = record.cohort.clone();
    cohort.trace = true;
    let called = policy.decide(&record.stage, &record.settings, &record.plan, &mut cohort);
    let checks = called.answer.map(|answer| answer.checks).unwrap_or_default();
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
    let heard = of_budgets.is_none_or(|groups| group.is_some_and(|group| groups.contains(group)));
    let is_about_owner =
        |rule: u32| checks.iter().any(|c| c.rule == rule && record.plan.fact(c.fact).is_some_and(is_of_owner));
    let is_shown = |c: &Check| match heard {
        true => of_ad(c) || (of_owner(c) && about_owner.contains(&c.rule)),
        false => of_ad(c) && !is_about_owner(c.rule),
    };
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
