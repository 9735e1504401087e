//! `dean apply PLAN` and `dean undo RUN`: what a dry run planned is done, what a run did is put back.

use super::context::{Context, clock};
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::pipeline::{Applied, Plan, Recent, Runner};
use crate::scoring::Models;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The plan, as `dean run --dry-run --out FILE` wrote it
    plan: PathBuf,
    /// The moment that it is, instead of the machine's clock: for a simulated account
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// The run: its id or the beginning of it
    run: String,
    /// The moment that it is, instead of the machine's clock: for a simulated account
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

pub(super) async fn apply(global: &Global, args: ApplyArgs) -> anyhow::Result<Ended> {
    let text = std::fs::read_to_string(&args.plan);
    let text = text.map_err(|error| anyhow::anyhow!("{}: {error}", args.plan.display()))?;
    let plan = Plan::parse(&text)?;
    write(global, args.now.as_deref(), What::Plan(plan)).await
}

pub(super) async fn undo(global: &Global, args: UndoArgs) -> anyhow::Result<Ended> {
    write(global, args.now.as_deref(), What::Run(args.run)).await
}

enum What {
    Plan(Plan),
    Run(String),
}

async fn write(global: &Global, now: Option<&str>, what: What) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    if now.is_some() && !context.is_simulated() {
        return Err(Usage("--now is for simulated accounts: what is written is written now".into()).into());
    }
    let clock = clock(now)?;
    let (client, store) = (context.client(&clock)?, context.store()?);
    let (models, recent) = (Models::none(), Recent::default());
    let runner = Runner {
        client: &client,
        store: &store,
        clock: &clock,
        effective: &context.effective,
        policies: &[],
        models: &models,
        data_dir: &context.data_dir,
        progress: &|_| {},
        recent: &recent,
    };
    let (applied, verb) = match &what {
        What::Plan(plan) => (runner.apply(plan).await?, "does the plan of"),
        What::Run(run) => (runner.undo(run).await?, "puts back what was changed by"),
    };
    if global.json {
        output::json(&applied);
    } else {
        print(&applied, verb);
    }
    Ok(if applied.complete() { Ended::Done } else { Ended::InPart })
}

fn print(applied: &Applied, verb: &str) {
    output::line(&format!("Run {} on {} {verb} run {}\n", applied.run_id, applied.account, applied.of));
    let mut table = output::table(&["What", "Target", "From", "To", "", ""]);
    for action in &applied.actions {
        table.add_row([
            action.kind.clone(),
            action.target.clone(),
            action.from.clone().unwrap_or_default(),
            action.to.clone(),
            action.state.clone(),
            action.reason.clone().unwrap_or_default(),
        ]);
    }
    output::line(&table.to_string());
    for promotion in &applied.promotions {
        output::line(&format!("copy of {} into {}: {}", promotion.ad_id, promotion.to_stage, promotion.note));
    }
    applied.left.iter().for_each(|left| output::line(&format!("left as it is: {left}")));
    let done = applied.actions.iter().filter(|action| action.state == "done").count();
    output::line(&format!(
        "\n{done} of {} done; budgets are in minor units of {}.",
        applied.actions.len(),
        applied.currency
    ));
}
