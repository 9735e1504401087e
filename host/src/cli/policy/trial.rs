//! `dean policy shadow` and `dean policy canary`: a policy put on trial beside the one that decides, and how it fares.

use super::super::backtest;
use super::super::context::{Context, clock};
use super::super::output::{self, Usage};
use super::super::{Ended, Global};
use crate::compare::{self, Question, Tried};
use crate::pipeline::CanaryEvidence;
use crate::policies::{self, Trying};
use crate::store::{PolicyTrialRow, Store};
use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShadowArgs {
    /// What is put on trial, NAME@VERSION; without it, how the one that is on trial differs from what was decided
    policy: Option<String>,
    /// Only for this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// End the trial
    #[arg(long, conflicts_with = "policy")]
    end: bool,
    /// Where the report's page goes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "end"])]
    html: Option<PathBuf>,
    /// The moment from which on; now by default
    #[arg(long, value_name = "MOMENT")]
    now: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CanaryArgs {
    /// What is put on trial, NAME@VERSION; without it, what its ads earned beside the others
    policy: Option<String>,
    /// The part of the ads that it decides about; the one that it has, or the first of policies.canary.steps by default
    #[arg(long, value_name = "SHARE", requires = "policy")]
    share: Option<f64>,
    /// Only for this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// End the trial
    #[arg(long, conflicts_with_all = ["policy", "share"])]
    end: bool,
    /// The moment from which on; now by default
    #[arg(long, value_name = "MOMENT")]
    now: Option<String>,
}

pub(super) async fn shadow(global: &Global, args: &ShadowArgs) -> anyhow::Result<Ended> {
    let (stage, now) = (args.stage.as_deref(), clock(args.now.as_deref())?.now());
    match &args.policy {
        Some(policy) => begin(global, policy, Some(0.0), stage, now).await,
        None if args.end => end(global, stage, now).await,
        None => report(global, args).await,
    }
}

pub(super) async fn canary(global: &Global, args: &CanaryArgs) -> anyhow::Result<Ended> {
    let (stage, now) = (args.stage.as_deref(), clock(args.now.as_deref())?.now());
    if let Some(share) = args.share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
        let hint = "0.1 is 10 % of the ads; `dean policy shadow` tries it on none";
        return Err(Usage(format!("--share {share} has to be above 0 and at most 1\n  hint: {hint}")).into());
    }
    match &args.policy {
        Some(policy) => begin(global, policy, args.share, stage, now).await,
        None if args.end => end(global, stage, now).await,
        None => status(global, stage).await,
    }
}

/// Puts a policy on trial; without a share, at the first step of a canary.
async fn begin(
    global: &Global,
    policy: &str,
    share: Option<f64>,
    stage: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let Some(named) = policy.split_once('@') else {
        let message = format!("{policy} names no version\n  hint: write it like {policy}@1.0.0; `dean policy list`");
        return Err(Usage(message).into());
    };
    let first = || context.effective.config.policies.canary.steps.first().copied();
    let keeps_share = share.is_none();
    let share = share.or_else(first).context("policies.canary.steps is empty: say how many with --share")?;
    let (store, registry) = (context.store()?, context.registry()?);
    let trying = Trying { named, share, keeps_share, client: global.client.as_deref(), stage, now };
    let begun = policies::put_on_trial(&store, &registry, &context.sources, trying).await?;
    let share = begun.share;
    if global.json {
        output::json(&begun);
        return Ok(Ended::Done);
    }
    let beside = begun.beside.join(", ");
    if share > 0.0 {
        output::line(&format!("From the next run on {policy} decides about {} of {beside}.", part(share)));
        output::line("`dean policy canary` shows what they earn; `dean policy canary --end` takes it back.");
    } else {
        output::line(&format!("From the next run on {policy} is asked beside {beside}, and nothing is done by it."));
        output::line("`dean policy shadow` shows where it differs; `dean policy shadow --end` ends it.");
    }
    begun.not.iter().for_each(|place| output::line(&format!("  not {place}")));
    Ok(Ended::Done)
}

fn part(share: f64) -> String {
    format!("{} % of the ads", (1000.0 * share).round() / 10.0)
}

async fn end(global: &Global, stage: Option<&str>, now: Timestamp) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let rows = policies::end_trials(&context.store()?, global.client.as_deref(), stage, now).await?;
    if global.json {
        output::json(&json!({"ended": rows.iter().map(row).collect::<Vec<_>>()}));
        return Ok(Ended::Done);
    }
    for of in &rows {
        output::line(&format!("{}@{} is no longer on trial for {}/{}.", of.name, of.version, of.client, of.stage));
    }
    Ok(Ended::Done)
}

fn row(of: &PolicyTrialRow) -> Value {
    json!({
        "client": of.client,
        "stage": of.stage,
        "name": of.name,
        "version": of.version,
        "sha256": of.digest,
        "share": of.share,
        "began_at": of.began_at,
        "stepped_at": of.stepped_at,
        "failures": of.failures,
        "ended_at": of.ended_at,
        "reason": of.reason,
        "steered_on": of.steered_on,
    })
}

/// The newest trial of each stage of the client.
async fn newest(context: &Context, store: &dyn Store, stage: Option<&str>) -> anyhow::Result<Vec<PolicyTrialRow>> {
    let client = &context.effective.client;
    let mut newest: Vec<PolicyTrialRow> = Vec::new();
    for row in store.policy_trials().await? {
        if row.client == *client && stage.is_none_or(|stage| row.stage == stage) {
            newest.retain(|older| older.stage != row.stage);
            newest.push(row);
        }
    }
    if newest.is_empty() {
        let of_stage = stage.map(|stage| format!(", stage {stage}")).unwrap_or_default();
        let hint = "`dean policy shadow NAME@VERSION` tries one beside the one that decides";
        return Err(Usage(format!("no policy was ever on trial for client {client}{of_stage}\n  hint: {hint}")).into());
    }
    Ok(newest)
}

/// Where the policies on trial differ from what was decided.
async fn report(global: &Global, args: &ShadowArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let store = context.store()?;
    let trials = newest(&context, &store, args.stage.as_deref()).await?;
    let account = context.account_with_runs(&store).await?;
    let began = trials.iter().map(|row| row.began_at).min().unwrap_or(Timestamp::MIN);
    let config = &context.effective.config;
    let question = Question {
        account: &account,
        client: &context.effective.client,
        since: began,
        until: Timestamp::MAX,
        tried: Tried::Trials(&trials),
        against: None,
        attribution: &config.attribution.to_string(),
        cogs_per_purchase: config.economics.cogs_per_purchase,
        progress: &|_, _| {},
    };
    let report = compare::compare(&store, question).await?;
    if let Some(file) = &args.html {
        std::fs::write(file, compare::page(&report)).with_context(|| file.display().to_string())?;
    }
    if global.json {
        output::json(&json!({"trials": trials.iter().map(row).collect::<Vec<_>>(), "report": report}));
        return Ok(Ended::Done);
    }
    trials.iter().for_each(|trial| output::line(&told(trial)));
    if report.runs == 0 {
        output::line("It was asked in no run yet.");
        return Ok(Ended::Done);
    }
    backtest::print(&report);
    args.html.iter().for_each(|file| output::line(&format!("\nThe page: {}", file.display())));
    Ok(Ended::Done)
}

fn told(trial: &PolicyTrialRow) -> String {
    let until = trial.ended_at.zip(trial.reason.as_ref());
    let until = until.map(|(at, reason)| format!(", until {at}: {reason}")).unwrap_or_default();
    format!("Stage {}: {}{until}", trial.stage, how(trial))
}

/// A trial in words.
pub(super) fn how(trial: &PolicyTrialRow) -> String {
    let does = if trial.share > 0.0 { format!("decides about {}", part(trial.share)) } else { "is a shadow".into() };
    format!("{}@{} {does}, on trial since {}", trial.name, trial.version, trial.began_at)
}

/// What canaries' ads earned, as the rule saw it last.
async fn status(global: &Global, stage: Option<&str>) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let store = context.store()?;
    let trials = newest(&context, &store, stage).await?;
    let evidence = |trial: &PolicyTrialRow| -> anyhow::Result<Option<CanaryEvidence>> {
        Ok(trial.evidence.as_deref().map(serde_json::from_str).transpose()?)
    };
    let found: Vec<_> = trials.iter().map(|trial| Ok((trial, evidence(trial)?))).collect::<anyhow::Result<_>>()?;
    if global.json {
        let of = |(trial, evidence): &(&PolicyTrialRow, Option<CanaryEvidence>)| {
            let mut of = row(trial);
            of["evidence"] = json!(evidence);
            of
        };
        output::json(&json!({"trials": found.iter().map(of).collect::<Vec<_>>()}));
        return Ok(Ended::Done);
    }
    let account = context.account_with_runs(&store).await?;
    let currency = context.frame(&store, &account).await?.currency;
    for (trial, evidence) in &found {
        output::line(&told(trial));
        match evidence {
            Some(evidence) if evidence.days > 0 => {
                output::line(&format!("  since {}: {}", evidence.from, evidence.sentence(&currency)));
            }
            _ if trial.share > 0.0 => output::line("  no day of it is complete yet"),
            _ => {}
        }
    }
    Ok(Ended::Done)
}
