//! `dean policy list`: which policy decides for whom.

use super::super::context::Context;
use super::super::output;
use super::super::{Ended, Global};
use crate::pipeline;
use dean_policy::{Policy, shipped};
use serde_json::json;

pub(super) async fn list(global: &Global) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let registry = context.registry()?;
    let policies = pipeline::prepare(&context.effective, &registry, &context.folder, &context.scores().await?)?;
    let used = |policy: &Policy| -> Vec<String> {
        let uses = |p: &&pipeline::StagePolicy| p.ready().is_some_and(|r| r.policy.digest() == policy.digest());
        policies.iter().filter(uses).map(|p| p.view.name.clone()).collect()
    };
    let mut rows: Vec<(Policy, &str)> = Vec::new();
    for shipped in shipped::SHIPPED {
        rows.push((registry.load(&shipped.artifact())?, "shipped"));
    }
    for ready in policies.iter().filter_map(|p| p.ready()) {
        if !rows.iter().any(|(policy, _)| policy.digest() == ready.policy.digest()) {
            rows.push((ready.policy.clone(), "file"));
        }
    }
    if global.json {
        let row = |(policy, from): &(Policy, &str)| {
            json!({"name": policy.manifest().name, "version": policy.manifest().version, "sha256": policy.digest(),
                "from": from, "origin": policy.artifact().origin(), "stages": policy.manifest().stages, "used_by": used(policy)})
        };
        output::json(&rows.iter().map(row).collect::<Vec<_>>());
    } else {
        let mut table = output::table(&["Policy", "From", "Decides for", "Used by", "SHA-256"]);
        for (policy, from) in &rows {
            let manifest = policy.manifest();
            let used = used(policy);
            table.add_row([
                format!("{}@{}", manifest.name, manifest.version),
                (*from).to_string(),
                manifest.stages.join(", "),
                if used.is_empty() { "nobody".into() } else { used.join(", ") },
                policy.digest().short(),
            ]);
        }
        output::line(&table.to_string());
    }
    Ok(Ended::Done)
}
