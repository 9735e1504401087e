//! `dean run`: one run on the configured account.

use super::context::{Context, clock};
use super::output::{self, Usage};
use super::{Ended, Global, background};
use crate::demo::{Forecast, forecast};
use crate::domain::{Currency, Verb};
use crate::pipeline::{self, Options, Recent, RunReport, Runner, StageReport, plain_name};
use crate::policies::StagePolicy;
use crate::store::{SqliteStore, Store};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Only this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Read and plan, write nothing to the account
    #[arg(long)]
    dry_run: bool,
    /// Plan as --dry-run does, pretend that the plan was done, and show a simulated week with and without it
    #[arg(long)]
    simulate: bool,
    /// Write the plan of a dry run into a file, for `dean apply`
    #[arg(long, value_name = "FILE", requires = "dry_run", conflicts_with = "background")]
    out: Option<PathBuf>,
    /// Show every decision with its reason; with --json every column and check too
    #[arg(long)]
    explain: bool,
    /// Decide as of this moment instead of the machine's clock
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Decide by rules alone, whatever ml.mode says
    #[arg(long)]
    no_ml: bool,
    /// Answer from a recording (`dean record`), as of its moment: nothing is asked of Meta and nothing is kept
    #[arg(long, value_name = "DIR", conflicts_with_all = ["now", "background", "simulate", "out"])]
    recording: Option<PathBuf>,
    /// Run again and again until it is told to stop (Ctrl-C, SIGTERM)
    #[arg(long, conflicts_with = "now")]
    background: bool,
    /// Time between two runs in the background, counted from the full hour: 30m, 1h
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "background")]
    every: jiff::SignedDuration,
}

pub(super) async fn run(global: &Global, args: RunArgs) -> anyhow::Result<Ended> {
    if args.background {
        return background::run(global, &args, args.every).await;
    }
    let context = configured(global, &args)?;
    let (registry, scores) = (context.registry()?, context.scores().await?);
    let policies = context.policies(&registry, &scores).await?;
    once(global, &args, &context, &policies).await
}

/// The configuration as the arguments change it.
pub(super) fn configured(global: &Global, args: &RunArgs) -> anyhow::Result<Context> {
    let mut context = Context::load(global)?;
    context.effective.config.ml.mode &= !args.no_ml;
    Ok(context)
}

/// One run by policies that were prepared.
pub(super) async fn once(
    global: &Global,
    args: &RunArgs,
    context: &Context,
    policies: &[StagePolicy],
) -> anyhow::Result<Ended> {
    let clock = clock(args.now.as_deref())?;
    if let Some(stage) = &args.stage {
        let stages: Vec<String> = context.effective.config.stages().into_iter().map(|s| s.name).collect();
        if !stages.contains(stage) {
            return Err(Usage(format!("there is no stage {stage}\n  hint: there are {}", stages.join(", "))).into());
        }
    }
    if args.now.is_some() && !(args.dry_run || args.simulate) && !context.is_simulated() {
        let message = "--now on a real account would write by numbers of another moment\n  hint: add --dry-run";
        return Err(Usage(message.into()).into());
    }
    let (client, clock, store) = match &args.recording {
        Some(folder) => {
            let (client, clock) = context.playing(folder)?;
            (client, clock, SqliteStore::in_memory()?)
        }
        None => (context.client(&clock)?, clock, context.store()?),
    };
    let models = context.models(&store).await?;
    let bar = output::shows_progress(global).then(indicatif::ProgressBar::new_spinner);
    let progress = |phase: &str| {
        if let Some(bar) = &bar {
            bar.set_message(phase.to_string());
            bar.tick();
        }
    };
    let recent = Recent::default();
    let runner = Runner {
        client: &client,
        store: &store,
        clock: &clock,
        effective: &context.effective,
        policies,
        models: &models,
        data_dir: &context.data_dir,
        progress: &progress,
        recent: &recent,
    };
    // A look ahead needs every column, and writes nothing.
    let dry_run = args.dry_run || args.simulate || args.recording.is_some();
    let explain = args.explain || args.simulate;
    let observes = context.effective.config.guard.ghost.unwrap_or(!context.is_simulated());
    let options = Options { stage: args.stage.clone(), dry_run, explain, observes };
    let report = runner.run(&options).await?;
    let cogs = context.effective.config.economics.cogs_per_purchase;
    let ahead = args.simulate.then(|| forecast(&report, &report.timezone, cogs)).transpose()?;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    if let (Some(file), Some(plan)) = (&args.out, store.plan(&report.run_id).await?) {
        std::fs::write(file, plan.body).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    }
    if global.json {
        let mut document = serde_json::to_value(&report)?;
        if let Some(ahead) = &ahead {
            document["simulation"] = serde_json::to_value(ahead)?;
        }
        output::json(&document);
    } else {
        print(&report, args.explain);
        ahead.iter().for_each(|ahead| print_ahead(ahead, &report.currency));
        if let Some(file) = &args.out {
            output::line(&format!("The plan: {0}; `dean apply {0}` does it within a day.", file.display()));
        }
    }
    if let Some(why) = report.unhealthy() {
        output::tell(&format!("error: nothing can be written to {}: {why}", report.account));
        return Ok(Ended::Failed);
    }
    Ok(if report.complete() { Ended::Done } else { Ended::InPart })
}

fn print_ahead(ahead: &Forecast, code: &str) {
    let headers = ["Day", "Spend", "with plan", "Purchases", "with plan", "Profit", "with plan"];
    let mut table = output::table(&headers);
    let mut sums = [0.0; 6];
    let row = |name: String, v: [f64; 6]| {
        let mut cells = vec![name];
        cells.extend(v.iter().map(|v| format!("{v:.0}")));
        cells
    };
    for day in &ahead.days {
        let (a, b) = (day.as_it_is, day.with_plan);
        let values = [a.spend, b.spend, a.purchases, b.purchases, a.profit, b.profit];
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        table.add_row(row(day.date.clone(), values));
    }
    table.add_row(row("together".into(), sums));
    output::line(&format!(
        "\nSIMULATED: the next days as they are and with the plan done, in {code}, means over {} simulated weeks. \
         Nothing was written.\n{table}",
        ahead.worlds
    ));
}

/// What a policy wanted for a stage and did not get, and the ads of one that did not answer.
fn held_back(report: &RunReport, stage: &StageReport) -> usize {
    let wanted = |d: &&pipeline::Decision| d.rule.is_some() || stage.fault.is_some();
    let ads = report.decisions.iter().filter(|d| d.stage == stage.name && d.held.is_some()).filter(wanted).count();
    ads + report.budgets.iter().filter(|b| b.stage == stage.name && b.done.is_none()).count()
}

/// The stage, with the canary that decided in it.
fn place(stage: &str, canary: &Option<String>) -> String {
    canary.as_ref().map_or_else(|| stage.into(), |canary| format!("{stage}\n{canary}"))
}

fn print(report: &RunReport, explain: bool) {
    let currency = Currency::new(&report.currency);
    let mode = if report.dry_run { " (dry run: nothing was written)" } else { "" };
    output::line(&format!("Run {} on {} as of {}{mode}\n", report.run_id, report.account, report.as_of));

    let mut stages = output::table(&["Stage", "Policy", "Ads", "Live", "Changes", "Held back", ""]);
    for stage in &report.stages {
        let of_stage = || report.decisions.iter().filter(|d| d.stage == stage.name);
        let budgets = report.budget_changes().filter(|b| b.stage == stage.name).count();
        let changes = of_stage().filter(|d| d.done.verb != Verb::Hold).count() + budgets;
        let policy = match (&stage.policy, &stage.version) {
            (Some(policy), Some(version)) => format!("{policy}@{version}"),
            _ => "none".into(),
        };
        stages.add_row([
            stage.name.clone(),
            policy,
            stage.ads.to_string(),
            stage.live.to_string(),
            changes.to_string(),
            held_back(report, stage).to_string(),
            stage.fault.as_ref().map(|f| format!("policy failed: {f}")).unwrap_or_default(),
        ]);
    }
    output::line(&stages.to_string());

    let shown = |d: &&pipeline::Decision| explain || d.rule.is_some();
    let mut decisions = output::table(&["Ad", "Stage", "Decision", "Why"]);
    let mut rows = 0;
    for d in report.decisions.iter().filter(shown) {
        let amount = d.done.amount.and_then(|a| currency.from_major(a)).map(|m| format!(" {}", currency.format(m)));
        let verb = format!("{}{}", d.done.verb, amount.unwrap_or_default());
        let name = plain_name(&d.ad_name);
        decisions.add_row([format!("{name}\n{}", d.ad_id), place(&d.stage, &d.canary), verb, d.why.clone()]);
        rows += 1;
    }
    for b in &report.budgets {
        decisions.add_row([
            format!("{} {}", b.kind.as_str(), b.owner_id),
            place(&b.stage, &b.canary),
            "budget".into(),
            b.why.clone(),
        ]);
        rows += 1;
    }
    if rows > 0 {
        output::line(&format!("\n{decisions}"));
    }
    let name_of = |id: &String| {
        let decided = report.decisions.iter().map(|d| (&d.ad_id, &d.ad_name));
        let mut all = decided.chain(report.skipped.iter().map(|s| (&s.ad_id, &s.ad_name)));
        let name = all.find(|(ad, _)| *ad == id).map(|(_, name)| format!("{} ({id})", plain_name(name)));
        name.unwrap_or_else(|| id.clone())
    };
    for action in report.actions.iter().filter(|a| a.kind == "create-ad" && a.state == "done") {
        let made: serde_json::Value = serde_json::from_str(&action.to).unwrap_or_default();
        let (name, ad) = (made["name"].as_str().unwrap_or_default(), action.created.as_deref().unwrap_or_default());
        output::line(&format!("launched {name} ({ad}): Meta reviews it first"));
    }
    for p in &report.promotions {
        output::line(&format!("promotion of {} to {}: {}", name_of(&p.ad_id), p.to_stage, p.note));
    }
    if explain {
        for s in &report.skipped {
            output::line(&format!("not decided on: {} ({}): {}", plain_name(&s.ad_name), s.ad_id, s.reason));
        }
    }
    for a in report.actions.iter().filter(|a| !matches!(a.state.as_str(), "done" | "planned")) {
        output::line(&format!("{} {} {}: {}", a.kind, a.target, a.state, a.reason.as_deref().unwrap_or_default()));
    }
    for h in report.health.iter().filter(|h| h.level != "ok") {
        output::line(&format!("{}: {}", h.level, h.message));
    }
    let changes = report.changes().count() + report.budget_changes().count();
    let what = if report.dry_run { "would change" } else { "changed" };
    let total = report.timings_ms.get("total").copied().unwrap_or_default();
    output::line(&format!(
        "\n{} of {} ads decided on, {changes} ads and budgets {what}, {} not decided on; {} reads, {} writes, {total:.0} ms",
        report.decisions.len(),
        report.ads,
        report.skipped.len(),
        report.api.reads,
        report.api.writes,
    ));
    if changes > 0 || rows > 0 {
        output::line("`dean explain AD` shows every rule and number behind a decision.");
    }
}
