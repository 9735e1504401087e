//! `dean policy check` and `show`: what a policy is.

use super::super::output;
use super::super::{Ended, Global};
use crate::policies;
use clap::Args;
use dean_policy::types::{Kind, Param, stage_to_ask};
use dean_policy::{Policy, PrepareError};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// The component
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// A name, NAME@VERSION or a path
    policy: String,
}

pub(super) fn check(global: &Global, args: &CheckArgs) -> anyhow::Result<Ended> {
    print_check(global, &super::load(global, &args.file)?)
}

/// Columns and rules of a policy under its own settings, by stage. Of one that decides nothing without a client's rules
/// it is told what it wants.
fn stages(policy: &Policy) -> anyhow::Result<Map<String, Value>> {
    let mut stages = Map::new();
    for stage in &policy.manifest().stages {
        let plan = match policy.prepare(stage_to_ask(stage), &policy.settings(&[])) {
            Ok(plan) => plan,
            Err(PrepareError::Settings(problems)) => {
                stages.insert(stage.clone(), json!({"columns": [], "rules": [], "wants": problems}));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        policies::check_plan(&policy.manifest().name, &plan, crate::scoring::shipped_columns())?;
        stages.insert(
            stage.clone(),
            json!({
                "columns": plan.columns,
                "text_columns": plan.text_columns,
                "context": plan.context,
                "derived": plan.derived,
                "rules": plan.rules,
            }),
        );
    }
    Ok(stages)
}

fn print_check(global: &Global, policy: &Policy) -> anyhow::Result<Ended> {
    let stages = stages(policy)?;
    let manifest = policy.manifest();
    let inspection = policy.inspection();
    if global.json {
        output::json(&json!({
            "name": manifest.name,
            "version": manifest.version,
            "sha256": policy.digest(),
            "wit": inspection.wit,
            "imports": inspection.imports,
            "exports": inspection.exports,
            "stages": stages,
            "params": manifest.params,
        }));
    } else {
        output::line(&format!("{}@{} is a policy", manifest.name, manifest.version));
        output::line(&format!("  sha256   {}", policy.digest()));
        output::line(&format!("  contract {}", inspection.wit.as_deref().unwrap_or("unknown")));
        output::line(&format!("  imports  {}", inspection.imports.join(", ")));
        for (stage, plan) in &stages {
            let count = |key: &str| plan[key].as_array().map_or(0, Vec::len);
            output::line(&format!("  stage {stage}: {} columns, {} rules", count("columns"), count("rules")));
        }
        output::line(&format!("  {} settings", manifest.params.len()));
    }
    Ok(Ended::Done)
}

pub(super) async fn show(global: &Global, args: &ShowArgs) -> anyhow::Result<Ended> {
    let policy = &super::named(global, &args.policy).await?;
    let manifest = policy.manifest();
    let stages = stages(policy)?;
    if global.json {
        return print_check(global, policy);
    }
    output::line(&format!("{}@{}  {}\n\n{}\n", manifest.name, manifest.version, policy.digest(), manifest.doc));
    for (stage, plan) in &stages {
        let mut rules = output::table(&[&format!("Rules of {stage}"), "What it does"]);
        for rule in plan["rules"].as_array().into_iter().flatten() {
            let text = |key: &str| rule[key].as_str().unwrap_or_default().to_string();
            rules.add_row([format!("{}\n{}", text("title"), text("id")), text("doc")]);
        }
        output::line(&format!("{rules}\n"));
    }
    let mut params = output::table(&["Setting", "Default", "Bounds", "What it is"]);
    for param in &manifest.params {
        let (default, bounds) = kind(param);
        params.add_row([param.path.clone(), default, bounds, param.doc.clone()]);
    }
    output::line(&params.to_string());
    Ok(Ended::Done)
}

fn kind(param: &Param) -> (String, String) {
    match &param.kind {
        Kind::Number(n) => {
            let adaptive = if n.adaptive { ", adaptive" } else { "" };
            (n.default.to_string(), format!("{} to {} ({}{adaptive})", n.min, n.max, n.unit))
        }
        Kind::Flag(default) => (default.to_string(), "true or false".into()),
        Kind::Text(default) => (default.clone(), "text".into()),
        Kind::Open => (String::new(), "checked by the policy".into()),
    }
}
