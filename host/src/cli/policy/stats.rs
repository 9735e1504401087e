//! `dean policy stats`: what the policies of an account cost, and how often they failed.

use super::super::context::Context;
use super::super::{Ended, Global, output};
use crate::store::{PolicyCallsRow, Store};
use clap::Args;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Args)]
pub(in crate::cli) struct StatsArgs {
    /// Days back from the newest run
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

pub(super) async fn stats(global: &Global, args: &StatsArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let store = context.store()?;
    let account = context.account_with_runs(&store).await?;
    let rows = store.policy_calls(&account, Date::MIN).await?;
    let newest = rows.iter().map(|row| row.date).max().unwrap_or(Date::MIN);
    let from = newest.saturating_sub(i64::from(args.days).days());
    let mut sums: BTreeMap<(String, bool, String), PolicyCallsRow> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.date > from) {
        let sum = sums.entry((row.stage.clone(), row.trial, row.digest.clone()));
        sum.and_modify(|sum| add(sum, &row)).or_insert(row);
    }
    if global.json {
        let document = |row: &PolicyCallsRow| {
            json!({
                "stage": row.stage, "name": row.name, "version": row.version, "sha256": row.digest, "trial": row.trial,
                "calls": row.calls, "ads": row.ads, "failures": row.failures, "held": row.held, "ms": row.micros as f64 / 1e3,
                "instructions": row.instructions, "memory_bytes": row.memory_bytes,
            })
        };
        output::json(&sums.values().map(document).collect::<Vec<_>>());
        return Ok(Ended::Done);
    }
    if sums.is_empty() {
        output::line("No policy was asked yet.");
        return Ok(Ended::Done);
    }
    let mut table = output::table(&[
        "Stage",
        "Policy",
        "Calls",
        "Ads a call",
        "ms a call",
        "us an ad",
        "Instructions an ad",
        "Memory (MiB)",
        "Failed",
        "Ads held",
    ]);
    for row in sums.values() {
        let per = |total: i64, of: i64| total as f64 / of.max(1) as f64;
        let trial = if row.trial { " (on trial)" } else { "" };
        table.add_row([
            row.stage.clone(),
            format!("{}@{}{trial}", row.name, row.version),
            row.calls.to_string(),
            format!("{:.0}", per(row.ads, row.calls)),
            format!("{:.2}", per(row.micros, row.calls) / 1e3),
            format!("{:.2}", per(row.micros, row.ads)),
            format!("{:.0}", per(row.instructions, row.ads)),
            format!("{:.1}", row.memory_bytes as f64 / f64::from(1 << 20)),
            row.failures.to_string(),
            row.held.to_string(),
        ]);
    }
    output::line(&table.to_string());
    Ok(Ended::Done)
}

fn add(sum: &mut PolicyCallsRow, row: &PolicyCallsRow) {
    sum.calls += row.calls;
    sum.ads += row.ads;
    sum.failures += row.failures;
    sum.held += row.held;
    sum.micros += row.micros;
    sum.instructions += row.instructions;
    sum.memory_bytes = sum.memory_bytes.max(row.memory_bytes);
}
