//! `dean approve`: what waits for a person, and a person's yes.

use super::context::{Context, clock};
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::domain::hours;
use crate::store::{ApprovalRow, Store};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The ads or owners of budgets that may go on; without any, what waits is listed
    targets: Vec<String>,
    /// The moment that it is, instead of the machine's clock: for a simulated account
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

pub(super) async fn approve(global: &Global, args: ApproveArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let (store, account) = (context.store()?, context.stored_account()?);
    let now = clock(args.now.as_deref())?.now();
    let asked = store.approvals(&account).await?;
    // What was not asked again for a day is no longer wanted.
    let waiting =
        |row: &&ApprovalRow| hours(row.asked_at, now) < ApprovalRow::HOLDS_HOURS && row.approved(now).is_none();
    let waiting: Vec<&ApprovalRow> = asked.iter().filter(waiting).collect();
    for target in &args.targets {
        if !waiting.iter().any(|row| row.target_id == *target) {
            return Err(Usage(format!(
                "nothing of {target} waits for approval\n  hint: `dean approve` lists what waits"
            ))
            .into());
        }
    }
    for row in waiting.iter().filter(|row| args.targets.contains(&row.target_id)) {
        if !store.approve(row, now).await? {
            let message = format!("{} was asked for anew meanwhile: look again with `dean approve`", row.target_id);
            return Err(Usage(message).into());
        }
    }
    let approved = |row: &&&ApprovalRow| args.targets.contains(&row.target_id);
    let (done, left): (Vec<&ApprovalRow>, Vec<&ApprovalRow>) = waiting.iter().copied().partition(|row| approved(&row));
    if global.json {
        output::json(&json!({"account": account, "approved": done, "waiting": left}));
        return Ok(Ended::Done);
    }
    let currency = context.frame(&store, &account).await?.currency;
    for row in &done {
        let amount = currency.format(crate::domain::Money(row.amount));
        output::line(&format!(
            "{} of {} may add {amount} a day; the next run does it if it still wants it.",
            row.kind, row.target_id
        ));
    }
    if !left.is_empty() {
        let mut table = output::table(&["Target", "What", "Stage", "Adds a day", "Why"]);
        for row in &left {
            let amount = currency.format(crate::domain::Money(row.amount));
            table.add_row([&row.target_id, &row.kind, &row.stage, &amount, &row.why]);
        }
        output::line(&format!("{table}\n`dean approve TARGET` lets the next run do it."));
    } else if done.is_empty() {
        output::line("Nothing waits for approval.");
    }
    Ok(Ended::Done)
}
