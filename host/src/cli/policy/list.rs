//! `dean policy list`: which policies there are, and for whom each decides.

use super::super::context::Context;
use super::super::output;
use super::super::{Ended, Global};
use crate::policies::StagePolicy;
use crate::store::{PolicyRow, PolicySwitchRow, Store};
use dean_policy::{Artifact, Policy, shipped};
use serde_json::{Value, json};

/// A policy in the list.
struct Row {
    name: String,
    version: String,
    sha256: String,
    /// `shipped`, `installed` or `file`.
    from: &'static str,
    origin: String,
    stages: Vec<String>,
    serial: Option<i64>,
    used_by: Vec<String>,
    activated: Vec<Value>,
}

pub(super) async fn list(global: &Global) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let registry = context.registry()?;
    let prepared = context.policies(&registry, &context.scores().await?).await?;
    let (mut installed, mut switches) = (Vec::new(), Vec::new());
    if context.data_dir.join("dean.sqlite").exists() {
        let store = context.store()?;
        for known in store.policies().await? {
            installed.push((store.artifact(&known.digest).await?, known));
        }
        switches = store.policy_switches().await?;
    }
    let mut rows = Vec::new();
    for shipped in shipped::SHIPPED {
        let policy = registry.load(&shipped.artifact())?;
        rows.push(row(&policy, "shipped", &prepared, &switches));
    }
    for (artifact, known) in installed {
        let artifact = artifact.map(|row| Artifact::new(known.origin.clone(), row.bytes));
        // A list is no place to fail in: what cannot be loaded says so where it is used.
        let policy = artifact.and_then(|artifact| registry.load(&artifact).ok());
        rows.push(of_store(known, policy.as_ref(), &prepared, &switches));
    }
    for ready in prepared.iter().filter_map(StagePolicy::ready) {
        if !rows.iter().any(|row| row.sha256 == ready.policy.digest().to_string()) {
            rows.push(row(&ready.policy, "file", &prepared, &switches));
        }
    }
    if global.json {
        let document = |row: &Row| {
            json!({"name": row.name, "version": row.version, "sha256": row.sha256, "from": row.from, "origin": row.origin,
                "stages": row.stages, "serial": row.serial, "used_by": row.used_by, "activated": row.activated})
        };
        output::json(&rows.iter().map(document).collect::<Vec<_>>());
        return Ok(Ended::Done);
    }
    let mut table = output::table(&["Policy", "From", "Decides for", "Used by", "SHA-256"]);
    for row in &rows {
        table.add_row([
            format!("{}@{}", row.name, row.version),
            row.from.to_string(),
            row.stages.join(", "),
            if row.used_by.is_empty() { "nobody".into() } else { row.used_by.join(", ") },
            row.sha256[..12].to_string(),
        ]);
    }
    output::line(&table.to_string());
    for stage in &prepared {
        let who = match (stage.ready(), stage.broken()) {
            (Some(ready), _) => {
                let manifest = ready.policy.manifest();
                format!("{}@{} ({})", manifest.name, manifest.version, ready.chosen)
            }
            (None, Some(reason)) => format!("nobody can: {reason}"),
            (None, None) => "nobody: its ads are only observed".into(),
        };
        output::line(&format!("{}/{}: {who}", context.effective.client, stage.view.name));
        if let Some(reason) = stage.ready().and_then(|ready| ready.instead.as_ref()) {
            output::line(&format!("  the last that decided; the chosen one cannot: {reason}"));
        }
        if let Some(trial) = &stage.trial {
            let problem = trial.ready.as_ref().err().map(|reason| format!(", but it cannot be asked: {reason}"));
            output::line(&format!("  beside it {}{}", super::trial::how(&trial.row), problem.unwrap_or_default()));
        }
    }
    Ok(Ended::Done)
}

fn row(policy: &Policy, from: &'static str, prepared: &[StagePolicy], switches: &[PolicySwitchRow]) -> Row {
    let (manifest, sha256) = (policy.manifest(), policy.digest().to_string());
    Row {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        from,
        origin: policy.artifact().origin().into(),
        stages: manifest.stages.clone(),
        serial: None,
        used_by: used_by(&sha256, prepared),
        activated: activated(&sha256, switches),
        sha256,
    }
}

/// The stages of this client that a policy decides for.
fn used_by(sha256: &str, prepared: &[StagePolicy]) -> Vec<String> {
    let uses = |p: &&StagePolicy| p.ready().is_some_and(|ready| ready.policy.digest().to_string() == sha256);
    prepared.iter().filter(uses).map(|p| p.view.name.clone()).collect()
}

/// For whom a policy is activated, as far as nothing newer is.
fn activated(sha256: &str, switches: &[PolicySwitchRow]) -> Vec<Value> {
    let newest = |s: &PolicySwitchRow| switches.iter().rfind(|o| o.client == s.client && o.stage == s.stage) == Some(s);
    let of_it = switches.iter().filter(|switch| switch.digest == sha256 && newest(switch));
    let client = |switch: &PolicySwitchRow| (!switch.client.is_empty()).then(|| switch.client.clone());
    of_it.map(|s| json!({"client": client(s), "stage": s.stage, "since": s.switched_at})).collect()
}

fn of_store(known: PolicyRow, policy: Option<&Policy>, prepared: &[StagePolicy], switches: &[PolicySwitchRow]) -> Row {
    Row {
        stages: policy.map(|policy| policy.manifest().stages.clone()).unwrap_or_default(),
        used_by: used_by(&known.digest, prepared),
        activated: activated(&known.digest, switches),
        name: known.name,
        version: known.version,
        sha256: known.digest,
        from: "installed",
        origin: known.origin,
        serial: known.serial,
    }
}
