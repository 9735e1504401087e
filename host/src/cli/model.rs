//! `dean model`: list, show, check, import, activate, roll back.

use super::context::{Context, data_dir_only};
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::scoring::{self, Active, Origin, Version};
use crate::store::SqliteStore;
use clap::{Args, Subcommand};
use dean_scoring::{Accuracy, Manifest};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum ModelCommand {
    /// Every version of every model, which of them score, and how accurate they were
    List,
    /// What a model reads and tells, where it comes from and how good it was
    Show(NamedArgs),
    /// Check that a file with its manifest is a model that this program can run
    Check(FileArgs),
    /// Check a model and keep it; `activate` makes it score
    Import(FileArgs),
    /// Let a version score from the next run on, for --client or for all
    Activate(NamedArgs),
    /// Take the last activation back, of --client or of all
    Rollback(NameArgs),
}

#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// The ONNX file; its manifest lies beside it, ending in .json
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct NamedArgs {
    /// NAME or NAME@VERSION
    model: String,
}

#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// The model's name
    model: String,
}

pub(super) async fn model(global: &Global, command: ModelCommand) -> anyhow::Result<Ended> {
    let store = || SqliteStore::open(&data_dir_only(global)?).map_err(anyhow::Error::from);
    // A client has to be one that the configuration knows.
    if global.client.is_some() {
        Context::load(global)?;
    }
    let client = global.client.clone().unwrap_or_default();
    let now = Timestamp::now();
    match command {
        ModelCommand::List => list(global, &scoring::versions(&store()?).await?),
        ModelCommand::Show(args) => show(global, &find(&scoring::versions(&store()?).await?, &args.model)?),
        ModelCommand::Check(args) => {
            let (file, manifest) = read(&args.file)?;
            let active =
                Active::load(&file, &manifest, Origin::Imported).map_err(|error| refused(&args.file, &error))?;
            told(
                global,
                "checked",
                active.model.manifest(),
                "it fits, and its golden rows get the sums of its training",
            )
        }
        ModelCommand::Import(args) => {
            let (file, manifest) = read(&args.file)?;
            let kept = scoring::import(&store()?, &file, &manifest, now).await;
            let kept = kept.map_err(|error| refused(&args.file, &error))?;
            let next = format!("`dean model activate {}@{}` lets it score", kept.model, kept.version);
            told(global, "imported", &kept, &next)
        }
        ModelCommand::Activate(args) => {
            let Some((name, version)) = args.model.split_once('@') else {
                let message = format!("{} names no version\n  hint: write it like {}@1", args.model, args.model);
                return Err(Usage(message).into());
            };
            scoring::activate(&store()?, &client, name, version, now).await?;
            switched(global, name, Some(version), &client)
        }
        ModelCommand::Rollback(args) => {
            let version = scoring::rollback(&store()?, &client, &args.model, now).await?;
            switched(global, &args.model, version.as_deref(), &client)
        }
    }
}

/// A model's two files.
fn read(file: &Path) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let beside = file.with_extension("json");
    let bytes = |path: &Path, what: &str| {
        let hint = format!("{what}: models/train writes both");
        std::fs::read(path)
            .map_err(|error| anyhow::Error::from(Usage(format!("{}: {error}\n  hint: {hint}", path.display()))))
    };
    Ok((bytes(file, "the ONNX file")?, bytes(&beside, "the manifest lies beside the ONNX file")?))
}

fn refused(file: &Path, error: &dyn std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{}: {error}", file.display())
}

/// The version that a name means: of a name alone the one that scores for all.
fn find(versions: &[Version], named: &str) -> anyhow::Result<Version> {
    let (name, version) = named.split_once('@').map_or((named, None), |(name, version)| (name, Some(version)));
    let fits = |v: &&Version| v.model == name && version.map_or(v.for_all, |version| v.version == version);
    versions.iter().find(fits).cloned().ok_or_else(|| {
        let there: Vec<String> = versions.iter().map(|v| format!("{}@{}", v.model, v.version)).collect();
        Usage(format!("there is no model {named}\n  hint: there are {}", there.join(", "))).into()
    })
}

fn told(global: &Global, what: &str, manifest: &Manifest, next: &str) -> anyhow::Result<Ended> {
    if global.json {
        let scores: Vec<&str> = manifest.outputs.iter().map(|output| output.score.as_str()).collect();
        output::json(&json!({
            what: true, "model": manifest.model, "version": manifest.version, "sha256": manifest.sha256,
            "features": manifest.features.len(), "scores": scores, "simulated": manifest.training.simulated,
        }));
    } else {
        let simulated = if manifest.training.simulated { ", trained on simulated accounts" } else { "" };
        let (name, version, features) = (&manifest.model, &manifest.version, manifest.features.len());
        output::line(&format!("{what}: {name}@{version}, {features} features{simulated}; {next}."));
    }
    Ok(Ended::Done)
}

fn switched(global: &Global, model: &str, version: Option<&str>, client: &str) -> anyhow::Result<Ended> {
    if global.json {
        let client = (!client.is_empty()).then_some(client);
        output::json(&json!({"model": model, "active": version, "client": client}));
    } else {
        let whom = if client.is_empty() { "all clients".into() } else { format!("client {client}") };
        output::line(&match version {
            Some(version) => format!("From the next run on {model}@{version} scores for {whom}."),
            None => format!("From the next run on no {model} scores for {whom}."),
        });
    }
    Ok(Ended::Done)
}

/// What the product promises of each score, as its page has it.
const PROMISED: [(&str, f64); 7] = [
    ("performance_ctr", 0.8),
    ("performance_cpa", 0.8),
    ("performance_roas", 0.8),
    ("fatigue", 0.85),
    ("purchase", 0.75),
    ("similarity", 0.9),
    ("trend", 0.7),
];

fn state(version: &Version) -> String {
    match (version.for_all, version.clients.as_slice()) {
        (true, []) => "scores".into(),
        (false, []) => "-".into(),
        (true, clients) => format!("scores, for {} too", clients.join(", ")),
        (false, clients) => format!("scores for {}", clients.join(", ")),
    }
}

fn list(global: &Global, versions: &[Version]) -> anyhow::Result<Ended> {
    if global.json {
        output::json(&json!({"models": versions.iter().map(described).collect::<Vec<_>>()}));
        return Ok(Ended::Done);
    }
    let mut table =
        output::table(&["Score", "Model", "State", "Trained on", "Promised", "Base", "Reached", "Best possible"]);
    for version in versions {
        let name = format!("{}@{}", version.model, version.version);
        let Some(manifest) = &version.manifest else {
            table.add_row([String::from("-"), name, String::from("cannot be read any more")]);
            continue;
        };
        let trained = if manifest.training.simulated { "simulated" } else { "an account" };
        for output in &manifest.outputs {
            let promised = PROMISED.iter().find(|(score, _)| *score == output.score).map(|(_, share)| *share);
            let accuracy = manifest.accuracy(&output.score);
            let figure = |of: fn(&Accuracy) -> Option<f64>| percent(accuracy.as_ref().and_then(of));
            table.add_row([
                output.score.clone(),
                name.clone(),
                state(version),
                trained.into(),
                percent(promised),
                figure(|a| Some(a.base)),
                figure(|a| Some(a.reached)),
                figure(|a| a.best_possible),
            ]);
        }
    }
    output::line(&table.to_string());
    output::line(
        "Accuracy on accounts that were held out: the share of cases that came as foretold (CTR, CPA, ROAS: within a \
         fifth). Base says the same of every ad; best possible knows what is true of every ad, but not the dice.",
    );
    Ok(Ended::Done)
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.0} %", 100.0 * share))
}

fn described(version: &Version) -> Value {
    let scores = version.manifest.iter().flat_map(|manifest| &manifest.outputs).map(|output| {
        let promised = PROMISED.iter().find(|(score, _)| *score == output.score).map(|(_, share)| *share);
        let accuracy = version.manifest.as_ref().and_then(|manifest| manifest.accuracy(&output.score));
        json!({"score": output.score, "unit": output.unit, "doc": output.doc, "promised": promised, "accuracy": accuracy})
    });
    json!({
        "model": version.model, "version": version.version, "origin": version.origin, "active": version.for_all,
        "clients": version.clients, "sha256": version.manifest.as_ref().map(|m| &m.sha256),
        "simulated": version.manifest.as_ref().map(|m| m.training.simulated), "scores": scores.collect::<Vec<_>>(),
    })
}

fn show(global: &Global, version: &Version) -> anyhow::Result<Ended> {
    let Some(manifest) = &version.manifest else {
        anyhow::bail!("the manifest of {}@{} cannot be read any more", version.model, version.version);
    };
    if global.json {
        let mut document = serde_json::to_value(manifest)?;
        document["origin"] = json!(version.origin);
        document["active"] = json!(version.for_all);
        document["clients"] = json!(version.clients);
        output::json(&document);
        return Ok(Ended::Done);
    }
    let training = &manifest.training;
    output::line(&format!("{}@{} ({}): {}", manifest.model, manifest.version, state(version), manifest.doc));
    output::line(&format!("sha256 {}", manifest.sha256));
    output::line(&format!(
        "Trained on {} {}accounts from {} to {} by {}; {}.",
        training.accounts,
        if training.simulated { "simulated " } else { "" },
        training.from,
        training.to,
        training.producer,
        training.split
    ));
    for entry in scoring::catalogue(manifest) {
        output::line(&format!("  {} ({}): {}", entry.name, entry.unit, entry.formula));
    }
    for (score, figures) in &manifest.figures {
        output::line(&format!("Figures of {score} on accounts that were held out:"));
        for (name, figure) in figures {
            output::line(&format!("  {}: {figure}", name.replace('_', " ")));
        }
    }
    let mut table = output::table(&["Feature", "Known", "Least", "Middle", "Most"]);
    let number = |value: Option<&Option<f64>>| value.copied().flatten().map_or("-".into(), |v| format!("{v:.4}"));
    for feature in &manifest.features {
        let quantiles = &feature.quantiles;
        table.add_row([
            feature.name.clone(),
            format!("{:.0} %", 100.0 * feature.known),
            number(quantiles.first()),
            number(quantiles.get(quantiles.len() / 2)),
            number(quantiles.last()),
        ]);
    }
    output::line(&table.to_string());
    Ok(Ended::Done)
}
