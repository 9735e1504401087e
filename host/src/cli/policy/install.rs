//! `dean policy install`, `activate` and `rollback`: which policy decides for whom, changed while runs go on.

use super::super::context::{Context, clock};
use super::super::output::{self, Usage};
use super::super::{Ended, Global};
use crate::policies::{self, Activation};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct InstallArgs {
    /// A component: FILE, https://… or oci://…; beside a file or address its signature is looked for, as FILE.minisig
    from: String,
    /// The moment that it is, instead of the machine's clock
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ActivateArgs {
    /// An installed or shipped policy, NAME@VERSION
    policy: String,
    /// Only for this stage; otherwise for all that it decides for
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// The moment that it is, instead of the machine's clock
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RollbackArgs {
    /// Only for this stage; otherwise for all that were activated together
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// The moment that it is, instead of the machine's clock
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PushArgs {
    /// The component; the signature beside it goes along
    file: PathBuf,
    /// Where it goes: oci://REGISTRY/REPOSITORY:TAG
    to: String,
}

pub(super) async fn push(global: &Global, args: &PushArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let policy = super::load(global, &args.file)?;
    let signature = std::fs::read_to_string(format!("{}.minisig", args.file.display())).ok();
    let pushed = policies::push(&policy, signature.as_deref(), &args.to, &context.login()).await?;
    if global.json {
        let signed = signature.is_some();
        output::json(&json!({"pushed": args.to, "manifest": pushed, "sha256": policy.digest(), "signed": signed}));
    } else {
        let signed = if signature.is_some() { "with its signature" } else { "not signed" };
        output::line(&format!("{} is at {} ({signed}, sha256 {}).", args.file.display(), args.to, policy.digest()));
    }
    Ok(Ended::Done)
}

pub(super) async fn install(global: &Global, args: &InstallArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let now = clock(args.now.as_deref())?.now();
    let fetched = policies::fetch(&args.from, &context.login()).await?;
    let (store, registry) = (context.store()?, context.registry()?);
    let signature = fetched.signature.as_deref();
    let effective = &context.effective;
    let installed = policies::install(&store, &registry, effective, &fetched.artifact, signature, now).await?;
    let (manifest, statement) = (installed.policy.manifest(), &installed.statement);
    let cases = installed.policy.package().cases.len();
    if global.json {
        output::json(&json!({
            "name": manifest.name, "version": manifest.version, "sha256": installed.policy.digest(),
            "stages": manifest.stages, "cases": cases, "was_there": installed.was_there, "signed": signature.is_some(),
            "verified": statement.is_some(), "serial": statement.as_ref().map(|s| s.serial),
        }));
        return Ok(Ended::Done);
    }
    let named = manifest.named();
    let signed = match (statement, signature) {
        (Some(statement), _) => format!("signed, serial {}", statement.serial),
        (None, Some(_)) => "signed, but policies.trusted_keys names no key to verify that".into(),
        (None, None) => "not signed".into(),
    };
    let what = if installed.was_there { "was installed already" } else { "is installed" };
    output::line(&format!("{named} {what} (sha256 {}): {}, {signed}.", installed.policy.digest(), told(cases)));
    output::line(&format!("`dean policy activate {named}` lets it decide for {}.", manifest.stages.join(", ")));
    Ok(Ended::Done)
}

fn told(cases: usize) -> String {
    if cases == 0 { "no cases".into() } else { output::counted(cases, "case") }
}

pub(super) async fn activate(global: &Global, args: &ActivateArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let now = clock(args.now.as_deref())?.now();
    let Some(named) = args.policy.split_once('@') else {
        let message = format!("{0} names no version\n  hint: write it like {0}@1.0.0; `dean policy list`", args.policy);
        return Err(Usage(message).into());
    };
    let (store, registry) = (context.store()?, context.registry()?);
    let (client, stage) = (global.client.as_deref(), args.stage.as_deref());
    let done = policies::activate(&store, &registry, &context.sources, named, client, stage, now).await?;
    if global.json {
        output::json(&done);
    } else {
        print(&done);
    }
    Ok(Ended::Done)
}

fn print(done: &Activation) {
    let named = format!("{}@{}", done.name, done.version);
    output::line(&format!(
        "From the next run on {named} decides for {} ({}).",
        done.decides_for.join(", "),
        if done.cases == 0 {
            "no cases".into()
        } else {
            format!("{} answered as expected", output::counted(done.cases, "case"))
        }
    ));
    for kept in &done.kept {
        output::line(&format!("  {}/{} stays as it is: {}", kept.client, kept.stage, kept.why));
    }
    if !done.unread.is_empty() {
        output::line(&format!(
            "{} settings were written for another policy and are not read by it:",
            done.unread.len()
        ));
        done.unread.iter().for_each(|key| output::line(&format!("  {key}")));
    }
    let client = done.client.as_ref().map(|client| format!(" --client {client}")).unwrap_or_default();
    output::line(&format!("`dean policy rollback{client}` takes it back."));
}

pub(super) async fn rollback(global: &Global, args: &RollbackArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let now = clock(args.now.as_deref())?.now();
    let (store, registry) = (context.store()?, context.registry()?);
    let (client, stage) = (global.client.as_deref(), args.stage.as_deref());
    let returned = policies::rollback(&store, &registry, &context.sources, client, stage, now).await?;
    if global.json {
        output::json(&json!({"returned": returned}));
        return Ok(Ended::Done);
    }
    for r in &returned {
        let to = match (&r.to, &r.kept) {
            (Some(to), _) => format!("from the next run on {to} decides again"),
            (None, Some(why)) => format!("nothing else changes: {why}"),
            (None, None) => "from the next run on nobody decides".into(),
        };
        output::line(&format!("Stage {}: {} is taken back, and {to}.", r.stage, r.from));
    }
    Ok(Ended::Done)
}
