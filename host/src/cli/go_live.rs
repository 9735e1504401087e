//! `dean go-live`: how what a stage would have done turned out, and the word that lets it act.

use super::context::{Context, clock};
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::domain::Currency;
use crate::pipeline::{self, Economy, GHOST_DAYS, GhostOutcome, GhostReport, plain_name};
use crate::store::{StageModeRow, Store};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct GoLiveArgs {
    /// The stage that shall act; without it, how each stage is run
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Let it act whatever its report says, or before there is one
    #[arg(long, requires = "stage")]
    yes: bool,
    /// Only show the report
    #[arg(long, requires = "stage", conflicts_with = "yes")]
    report: bool,
    /// The moment that it is, instead of the machine's clock: for a simulated account
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

pub(super) async fn go_live(global: &Global, args: GoLiveArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let (store, account) = (context.store()?, context.stored_account()?);
    let now = clock(args.now.as_deref())?.now();
    let stages: Vec<String> = context.effective.config.stages().into_iter().map(|s| s.name).collect();
    let Some(stage) = args.stage else { return modes(global, &context, &store, &account, &stages).await };
    if !stages.contains(&stage) {
        return Err(Usage(format!("there is no stage {stage}\n  hint: there are {}", stages.join(", "))).into());
    }
    let economy = economy(&context, &store, &account, &stage).await?;
    let attribution = context.effective.config.attribution.to_string();
    let report = pipeline::ghost_report(&store, &account, &attribution, &stage, &economy, now).await?;
    if !args.report && !args.yes && report.live_since.is_none() && report.observed_days < GHOST_DAYS {
        let days = report.observed_days;
        let message = format!(
            "stage {stage} has observed for {days:.1} days; its report says something after {GHOST_DAYS:.0}\n  hint: \
             `dean go-live --stage {stage} --report` shows it as it is, `--yes` lets the stage act now"
        );
        return Err(Usage(message).into());
    }
    let goes_live = !args.report && report.live_since.is_none();
    if goes_live {
        let observed_since = report.observed_since.unwrap_or(now);
        let row = StageModeRow { account_id: account, stage: stage.clone(), observed_since, live_since: Some(now) };
        store.save_stage_mode(&row).await?;
    }
    if global.json {
        let mut document = serde_json::to_value(&report)?;
        document["live_since"] = json!(report.live_since.or(goes_live.then_some(now)));
        output::json(&document);
        return Ok(Ended::Done);
    }
    print(&report, &economy.currency);
    match report.live_since {
        Some(since) => output::line(&format!("\nStage {stage} acts since {since}.")),
        None if goes_live => output::line(&format!("\nStage {stage} acts from its next run on.")),
        None => {}
    }
    Ok(Ended::Done)
}

/// How each stage is run.
async fn modes(
    global: &Global,
    context: &Context,
    store: &dyn Store,
    account: &str,
    stages: &[String],
) -> anyhow::Result<Ended> {
    let observes = context.effective.config.guard.ghost.unwrap_or(!context.is_simulated());
    let known = store.stage_modes(account).await?;
    let mode = |stage: &String| {
        let mode = known.iter().find(|mode| mode.stage == *stage);
        match mode {
            _ if !observes => ("acts", "guard.ghost is off".to_string()),
            Some(StageModeRow { live_since: Some(since), .. }) => ("acts", format!("since {since}")),
            Some(mode) => ("observes", format!("since {}", mode.observed_since)),
            None => ("observes", "from its first run on".to_string()),
        }
    };
    if global.json {
        let line = |stage: &String| json!({"stage": stage, "mode": mode(stage).0, "since": mode(stage).1});
        output::json(&stages.iter().map(line).collect::<Vec<_>>());
        return Ok(Ended::Done);
    }
    let mut table = output::table(&["Stage", "Mode", ""]);
    for stage in stages {
        let (mode, since) = mode(stage);
        table.add_row([stage.as_str(), mode, &since]);
    }
    output::line(&table.to_string());
    Ok(Ended::Done)
}

/// What numbers are meant in, as the last run saw the account, and what a purchase may cost in a stage.
async fn economy(context: &Context, store: &dyn Store, account: &str, stage: &str) -> anyhow::Result<Economy> {
    let registry = context.registry()?;
    let policies = context.policies(&registry, &context.scores().await?).await?;
    let aim = policies.iter().find(|p| p.view.name == stage).and_then(|p| p.ready()?.target_cpa);
    let frame = context.frame(store, account).await?;
    let config = &context.effective.config;
    Ok(Economy {
        currency: frame.currency,
        zone: frame.zone,
        cogs: config.economics.cogs_per_purchase,
        enough: config.economics.breakeven_cpa.or(aim).unwrap_or(0.0),
    })
}

fn print(report: &GhostReport, currency: &Currency) {
    let code = currency.code();
    output::line(&format!("Stage {} observed {:.1} days.", report.stage, report.observed_days));
    if report.intents.is_empty() {
        return output::line("It would have changed nothing.");
    }
    let said = |outcome: &GhostOutcome| match (outcome.right, outcome.since.profit) {
        (Some(true), Some(profit)) => format!("right: {profit:+.2} since"),
        (Some(false), Some(profit)) => format!("wrong: {profit:+.2} since"),
        _ => "too little since to say".to_string(),
    };
    let mut table = output::table(&["Ad", "Would have", "When", &format!("Since then ({code})"), "", "Why"]);
    for o in &report.intents {
        let cpa = o.since.cpa.map(|cpa| format!(", CPA {cpa:.2}")).unwrap_or_default();
        table.add_row([
            format!("{}\n{}", plain_name(&o.ad_name), o.ad_id),
            o.kind.clone(),
            o.at.to_string(),
            format!("spend {:.2}, {:.0} purchases{cpa}", o.since.spend, o.since.purchases),
            said(o),
            o.why.clone(),
        ]);
    }
    output::line(&table.to_string());
    let count = |right: Option<bool>| report.intents.iter().filter(|o| o.right == right).count();
    output::line(&format!(
        "{} right, {} wrong, {} open. What it would have paused lost {:.2} {code} where that was right, and earned {:.2} \
         {code} where it was wrong.",
        count(Some(true)),
        count(Some(false)),
        count(None),
        report.saved,
        report.missed
    ));
}
