//! `dean explain AD`: why an ad was treated as it was.

use super::context::Context;
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::domain::Currency;
use crate::pipeline::{self, Explanation, beside, number, plain_name};
use clap::Args;
use dean_policy::types::Comparison;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The ad: its id or its name
    ad: String,
    /// The run; without it the newest that knew the ad
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only this rule, by its id or title: why it fired or did not
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
}

pub(super) async fn explain(global: &Global, args: ExplainArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let store = context.store()?;
    let account = context.account_with_runs(&store).await?;
    let registry = context.registry()?;
    let mut explanation = pipeline::explain(&store, &registry, &account, &args.ad, args.run.as_deref()).await?;
    if let Some(rule) = &args.rule {
        only(&mut explanation, rule)?;
    }
    if global.json {
        output::json(&explanation);
    } else {
        print(&explanation);
    }
    Ok(Ended::Done)
}

/// Leaves of an explanation what is about one rule.
fn only(e: &mut Explanation, rule: &str) -> Result<(), Usage> {
    let Some(id) = e.rules.iter().find(|r| r.id == rule || r.title == rule).map(|r| r.id.clone()) else {
        if e.decision.is_none() {
            return Ok(());
        }
        let known: Vec<&str> = e.rules.iter().map(|r| r.id.as_str()).collect();
        return Err(Usage(format!("the stage has no rule {rule}\n  hint: it has {}", known.join(", "))));
    };
    e.rules.retain(|r| r.id == id);
    e.checks.retain(|c| c.rule == id);
    Ok(())
}

fn print(e: &Explanation) {
    let currency = Currency::new(&e.currency);
    if let Some(skip) = &e.skipped {
        let name = plain_name(&skip.ad_name);
        output::line(&format!("{name} ({}), run {} as of {}", skip.ad_id, e.run_id, e.as_of));
        output::line(&format!("\nNot decided on: {}.", skip.reason));
        return;
    }
    let Some(d) = &e.decision else { return };
    let name = plain_name(&d.ad_name);
    output::line(&format!("{name} ({}), stage {}, run {} as of {}", d.ad_id, d.stage, e.run_id, e.as_of));
    let dry = if e.dry_run { "In a dry run, so nothing was written: " } else { "" };
    output::line(&format!("\n{dry}{}\n", d.why));
    let mut table = output::table(&["Rule", "Looked at", "Found", "Needs", "Met"]);
    let mut last = "";
    for check in &e.checks {
        let title = e.rules.iter().find(|r| r.id == check.rule).map_or("", |r| r.title.as_str());
        let fired = d.rule.as_deref() == Some(&check.rule);
        let name = match (check.rule == last, fired) {
            (true, _) => String::new(),
            (false, true) => format!("{title} (decided)"),
            (false, false) => title.to_string(),
        };
        last = &check.rule;
        let column = &check.evidence.column;
        let sign = match check.evidence.comparison {
            Comparison::Below => "below",
            Comparison::AtMost => "at most",
            Comparison::AtLeast => "at least",
            Comparison::Above => "above",
        };
        table.add_row([
            name,
            column.clone(),
            beside(column, check.evidence.value.unwrap_or(f64::NAN), check.evidence.threshold, &currency),
            format!("{sign} {}", number(column, check.evidence.threshold, &currency)),
            if check.met { "yes".into() } else { "no".to_string() },
        ]);
    }
    if !e.checks.is_empty() {
        output::line(&format!("{table}\n"));
    }
    e.rules.iter().for_each(|rule| output::line(&rule.why));
}
