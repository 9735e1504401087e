//! `dean metrics`: the catalogue.

use super::output::{self, Usage};
use super::{Ended, Global};
use crate::{features, scoring};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct MetricsArgs {
    /// Only names that contain this
    filter: Option<String>,
}

pub(super) fn metrics(global: &Global, args: &MetricsArgs) -> anyhow::Result<Ended> {
    let wanted = |name: &str| args.filter.as_deref().is_none_or(|part| name.contains(part));
    let columns: Vec<_> = features::catalogue().into_iter().filter(|e| wanted(&e.name)).collect();
    let scores = scoring::shipped_manifests().iter().flat_map(scoring::catalogue);
    let scores: Vec<_> = scores.filter(|e| wanted(&e.name)).collect();
    let context: Vec<_> = features::STAGE_CONTEXT.iter().filter(|e| wanted(e.name)).collect();
    if columns.is_empty() && scores.is_empty() && context.is_empty() {
        let name = args.filter.as_deref().unwrap_or_default();
        let hint = features::nearest(name).map(|n| format!("\n  hint: did you mean {n}?"));
        return Err(Usage(format!("no metric is called like {name}{}", hint.unwrap_or_default())).into());
    }
    if global.json {
        let mut all = Vec::new();
        for entry in &columns {
            all.push(serde_json::to_value(entry)?);
        }
        for entry in &scores {
            all.push(serde_json::to_value(entry)?);
        }
        output::json(&json!({"columns": all, "context": context}));
        return Ok(Ended::Done);
    }
    let mut table = output::table(&["Column", "Unit", "What it is", "Not known"]);
    for entry in &columns {
        table.add_row([entry.name.as_str(), entry.unit, &entry.formula, entry.missing]);
    }
    for entry in &scores {
        table.add_row([&entry.name, &entry.unit, &entry.formula, &entry.missing]);
    }
    output::line(&table.to_string());
    if !context.is_empty() {
        let mut table = output::table(&["Context", "Unit", "What it is", "Not known"]);
        for entry in context {
            table.add_row([entry.name, entry.unit, entry.formula, entry.missing]);
        }
        output::line(&table.to_string());
    }
    Ok(Ended::Done)
}
