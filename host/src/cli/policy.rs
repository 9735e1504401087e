//! `dean policy`: build, check, list, show.

use super::context::{Context, data_dir_only};
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::pipeline;
use clap::{Args, Subcommand};
use dean_policy::types::{Kind, Param};
use dean_policy::{Artifact, Policy, Reference, Registry, Runtime, build, shipped};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Build a Rust policy to a component
    Build(BuildArgs),
    /// Check that a file is a policy that this program can run
    Check(CheckArgs),
    /// The policies of the stages, and those that the program brings along
    List,
    /// What a policy is, its settings and its rules
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The folder of the policy's crate
    folder: PathBuf,
    /// Where the component goes
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Cargo's output folder; no other cargo may use it
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// Also write the hash of the sources beside it, as the shipped policies have it
    #[arg(long)]
    sources: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The component
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A name or a path
    policy: String,
}

pub(super) async fn policy(global: &Global, command: PolicyCommand) -> anyhow::Result<Ended> {
    match command {
        PolicyCommand::Build(args) => build_policy(global, &args),
        PolicyCommand::Check(args) => {
            let registry = registry(global)?;
            let artifact =
                Artifact::read(&args.file).map_err(|error| Usage(format!("{}: {error}", args.file.display())))?;
            let policy = registry.load(&artifact)?;
            print_check(global, &policy)
        }
        PolicyCommand::List => list(global).await,
        PolicyCommand::Show(args) => {
            let reference: Reference = args.policy.parse().unwrap_or_else(|never| match never {});
            let policy = registry(global)?.resolve(&reference, None)?;
            show(global, &policy)
        }
    }
}

fn registry(global: &Global) -> anyhow::Result<Registry> {
    let cache = data_dir_only(global)?.join("cache");
    Ok(Registry::new(Runtime::new(dean_policy::Limits::default(), Some(&cache))?))
}

fn build_policy(global: &Global, args: &BuildArgs) -> anyhow::Result<Ended> {
    let target = args.target_dir.clone().unwrap_or_else(|| Path::new("target").join("policies"));
    let (bytes, way) = build::build(&args.folder, &target)?;
    let artifact = Artifact::new(args.folder.display().to_string(), bytes);
    // A component that does not load is not written: nobody should find out later.
    let policy = registry(global)?.load(&artifact)?;
    let name = policy.manifest().name.clone();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.wasm")));
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
    };
    write(&out, artifact.bytes())?;
    if args.sources {
        write(&out.with_extension("sources"), build::source_hash(&args.folder)?.as_bytes())?;
    }
    if global.json {
        output::json(
            &json!({"name": name, "file": out, "sha256": artifact.digest(), "bytes": artifact.bytes().len(), "way": way}),
        );
    } else {
        output::line(&format!(
            "{} ({} bytes, sha256 {}) built by {way}",
            out.display(),
            artifact.bytes().len(),
            artifact.digest()
        ));
    }
    Ok(Ended::Done)
}

/// Columns and rules of a policy under its default settings, by stage.
fn stages(policy: &Policy) -> anyhow::Result<Map<String, Value>> {
    let mut stages = Map::new();
    for stage in &policy.manifest().stages {
        let plan = policy.prepare(stage, &[])?;
        pipeline::check_plan(&policy.manifest().name, &plan, crate::scoring::shipped_columns())?;
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

async fn list(global: &Global) -> anyhow::Result<Ended> {
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

fn show(global: &Global, policy: &Policy) -> anyhow::Result<Ended> {
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
