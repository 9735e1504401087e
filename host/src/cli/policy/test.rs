//! `dean policy test`: a policy asked its cases.

use super::super::output::{self, Usage};
use super::super::{Ended, Global};
use crate::policies;
use clap::Args;
use dean_policy::cases::{self, Case, Report};
use dean_policy::{Artifact, Policy, build};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArgs {
    /// A policy's folder, which is built first and whose cases/ are asked; or a component, with the cases inside it
    policy: PathBuf,
    /// Other cases than those of the folder or the component
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Write what the policy says now into the cases, in place of what they expected
    #[arg(long)]
    update: bool,
    /// Cargo's output folder; no other cargo may use it
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
}

pub(super) fn test(global: &Global, args: &TestArgs) -> anyhow::Result<Ended> {
    let is_folder = args.policy.is_dir();
    let policy = match is_folder {
        true => {
            let built = build::build(&args.policy, &super::build::target_dir(args.target_dir.as_deref()))?;
            let artifact = Artifact::new(args.policy.display().to_string(), built.component);
            let policy = super::registry(global)?.load(&artifact)?;
            policies::check_text(&args.policy, &policy)?;
            policy
        }
        false => super::load(global, &args.policy)?,
    };
    let folder = args.cases.clone().or_else(|| is_folder.then(|| args.policy.join("cases")));
    if let Some(named) = args.cases.as_ref().filter(|named| !named.is_dir()) {
        return Err(Usage(format!("--cases {}: there is no such folder", named.display())).into());
    }
    let mut texts = match &folder {
        Some(folder) => cases::of_folder(folder)?,
        None => policy.package().cases.clone().into_iter().collect(),
    };
    let mut updated = Vec::new();
    if args.update {
        let Some(folder) = &folder else {
            let message =
                "cases inside a component cannot be updated\n  hint: name the policy's folder, or --cases DIR";
            return Err(Usage(message.into()).into());
        };
        for (file, text) in &mut texts {
            let new = cases::update(&policy, file, text)?;
            if new != *text {
                let path = folder.join(&*file);
                std::fs::write(&path, &new).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
                updated.push(file.clone());
                *text = new;
            }
        }
    }
    let shown = |file: &str| folder.as_ref().map_or(file.into(), |folder| folder.join(file).display().to_string());
    let parse = |(file, text): &(String, String)| cases::parse(&shown(file), text);
    let parsed: Vec<Case> = texts.iter().map(parse).collect::<Result<_, _>>()?;
    let report = cases::run(&policy, &parsed);
    if global.json {
        let manifest = policy.manifest();
        let untested: Vec<&str> = report.untested().iter().map(|rule| rule.rule.as_str()).collect();
        output::json(&json!({
            "name": manifest.name, "version": manifest.version, "sha256": policy.digest(), "passed": report.passed(),
            "cases": report.cases, "questions": report.questions, "differences": report.differences,
            "rules": report.rules, "untested": untested, "updated": updated,
        }));
    } else {
        print(&policy, &report, &updated);
    }
    Ok(if report.passed() { Ended::Done } else { Ended::Failed })
}

fn print(policy: &Policy, report: &Report, updated: &[String]) {
    for file in updated {
        output::line(&format!("updated {file}"));
    }
    for difference in &report.differences {
        output::line(&difference.to_string());
    }
    let manifest = policy.manifest();
    let who = manifest.named();
    if report.cases == 0 {
        output::line(&format!("{who}: no cases"));
    } else {
        let verdict = match report.differences.len() {
            0 => "all as expected".to_string(),
            n => format!("{n} DIFFER"),
        };
        output::line(&format!(
            "{who}: {}, {}, {verdict}",
            output::counted(report.cases, "case"),
            output::counted(report.questions, "question")
        ));
    }
    let untested = report.untested();
    output::line(&format!("{} of {} rules fire in some case", report.rules.len() - untested.len(), report.rules.len()));
    for rule in untested {
        output::line(&format!("  no case makes {} ({}) fire", rule.rule, rule.stage));
    }
}
