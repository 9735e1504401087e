//! `dean run`: one run on the configured account.

use super::context::{Context, clock};
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::domain::{Currency, Verb};
use crate::pipeline::{self, Options, Recent, RunReport, Runner};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Only this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Read and plan, write nothing to the account
    #[arg(long)]
    dry_run: bool,
    /// Show every decision with its reason; with --json every column and check too
    #[arg(long)]
    explain: bool,
    /// Decide as of this moment instead of the machine's clock
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

pub(super) async fn run(global: &Global, args: RunArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let clock = clock(args.now.as_deref())?;
    if let Some(stage) = &args.stage {
        let stages: Vec<String> = context.effective.config.stages().into_iter().map(|s| s.name).collect();
        if !stages.contains(stage) {
            return Err(Usage(format!("there is no stage {stage}\n  hint: there are {}", stages.join(", "))).into());
        }
    }
    if args.now.is_some() && !args.dry_run && !context.is_simulated() {
        let message = "--now on a real account would write by numbers of another moment\n  hint: add --dry-run";
        return Err(Usage(message.into()).into());
    }
    let client = context.client(&clock)?;
    let registry = context.registry()?;
    let policies = pipeline::prepare(&context.effective, &registry, &context.folder)?;
    let store = context.store()?;
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
        policies: &policies,
        data_dir: &context.data_dir,
        progress: &progress,
        recent: &recent,
    };
    let options = Options { stage: args.stage, dry_run: args.dry_run, explain: args.explain };
    let report = runner.run(&options).await?;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    if global.json {
        output::json(&report);
    } else {
        print(&report, args.explain);
    }
    if let Some(why) = report.unhealthy() {
        eprintln!("error: nothing can be written to {}: {why}", report.account);
        return Ok(Ended::Failed);
    }
    Ok(if report.complete() { Ended::Done } else { Ended::InPart })
}

fn print(report: &RunReport, explain: bool) {
    let currency = Currency::new(&report.currency);
    let mode = if report.dry_run { " (dry run: nothing was written)" } else { "" };
    output::line(&format!("Run {} on {} as of {}{mode}\n", report.run_id, report.account, report.as_of));

    let mut stages = output::table(&["Stage", "Policy", "Ads", "Live", "Changes", "Held back", ""]);
    for stage in &report.stages {
        let of_stage = || report.decisions.iter().filter(|d| d.stage == stage.name);
        let policy = match (&stage.policy, &stage.version) {
            (Some(policy), Some(version)) => format!("{policy}@{version}"),
            _ => "none".into(),
        };
        stages.add_row([
            stage.name.clone(),
            policy,
            stage.ads.to_string(),
            stage.live.to_string(),
            of_stage().filter(|d| d.done.verb != Verb::Hold).count().to_string(),
            of_stage().filter(|d| d.held.is_some() && d.rule.is_some()).count().to_string(),
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
        decisions.add_row([format!("{}\n{}", d.ad_name, d.ad_id), d.stage.clone(), verb, d.why.clone()]);
        rows += 1;
    }
    for b in &report.budgets {
        decisions.add_row([
            format!("{} {}", b.kind.as_str(), b.owner_id),
            b.stage.clone(),
            "budget".into(),
            b.why.clone(),
        ]);
        rows += 1;
    }
    if rows > 0 {
        output::line(&format!("\n{decisions}"));
    }
    for p in &report.promotions {
        output::line(&format!("promotion of {} to {}: {}", p.ad_id, p.to_stage, p.note));
    }
    if explain {
        for s in &report.skipped {
            output::line(&format!("not decided on: {} ({}): {}", s.ad_name, s.ad_id, s.reason));
        }
    }
    for a in report.actions.iter().filter(|a| !matches!(a.state.as_str(), "done" | "planned")) {
        output::line(&format!("{} {} {}: {}", a.kind, a.target, a.state, a.reason.as_deref().unwrap_or_default()));
    }
    for h in report.health.iter().filter(|h| h.level != "ok") {
        output::line(&format!("{}: {}", h.level, h.message));
    }
    let changes = report.changes().count();
    let what = if report.dry_run { "would change" } else { "changed" };
    let total = report.timings_ms.get("total").copied().unwrap_or_default();
    output::line(&format!(
        "\n{} of {} ads decided on, {changes} {what}, {} not decided on; {} reads, {} writes, {total:.0} ms",
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
