//! `dean replay RUN`: the decisions of a run made again.

use super::context::Context;
use super::output;
use super::{Ended, Global};
use crate::pipeline::{self, ScoresReplay};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The run: its id, the beginning of it, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Let the models of the run score the same ads again, and compare
    #[arg(long)]
    scores: bool,
}

pub(super) async fn replay(global: &Global, args: ReplayArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let store = context.store()?;
    let registry = context.registry()?;
    let account = context.stored_account().ok();
    let replay = pipeline::replay(&store, &registry, account.as_deref(), &args.run, args.scores).await?;
    if global.json {
        output::json(&replay);
    } else {
        let mut table = output::table(&["Stage", "Policy", "Ads", "Answer"]);
        for stage in &replay.stages {
            let answer = match &stage.difference {
                None => "byte-equal".to_string(),
                Some(difference) => format!("differs: {difference}"),
            };
            table.add_row([stage.stage.clone(), stage.policy.clone(), stage.ads.to_string(), answer]);
        }
        let guard = if replay.guard_equal { "byte-equal" } else { "differs" };
        table.add_row(["guard", "", "", guard]);
        output::line(&format!("Run {}\n{table}", replay.run_id));
        replay.scores.as_ref().into_iter().for_each(print);
    }
    Ok(if replay.equal { Ended::Done } else { Ended::Failed })
}

fn print(scores: &ScoresReplay) {
    if let Some(problem) = &scores.problem {
        return output::line(&format!("Scores: {problem}."));
    }
    let mut table = output::table(&["Stage", "Score", "Ads", "Differing", "Largest difference"]);
    for column in &scores.columns {
        table.add_row([
            column.stage.clone(),
            column.column.clone(),
            column.known.to_string(),
            column.differing.to_string(),
            format!("{:.0e}", column.largest),
        ]);
    }
    let said = if scores.equal { "come out as they were" } else { "DIFFER" };
    output::line(&format!("Scores {said}, within {:.0e} (relative beyond 1)\n{table}", scores.tolerance));
}
