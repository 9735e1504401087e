//! `dean policy build`: from a policy's folder to a component that carries its cases.

use super::super::output::{self, Usage};
use super::super::{Ended, Global};
use crate::policies;
use clap::Args;
use dean_policy::{Artifact, Package, build};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildArgs {
    /// The policy's folder
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

pub(super) fn build(global: &Global, args: &BuildArgs) -> anyhow::Result<Ended> {
    let built = build::build(&args.folder, &target_dir(args.target_dir.as_deref()))?;
    let artifact = Artifact::new(args.folder.display().to_string(), built.component);
    // A component that does not load is not written: nobody should find out later.
    let policy = super::registry(global)?.load(&artifact)?;
    policies::check_text(&args.folder, &policy)?;
    let name = policy.manifest().name.clone();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.wasm")));
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
    };
    write(&out, artifact.bytes())?;
    if args.sources {
        write(&out.with_extension("sources"), build::source_hash(&args.folder)?.as_bytes())?;
    }
    let cases = policy.package().cases.len();
    if global.json {
        output::json(&json!({
            "name": name, "file": out, "sha256": artifact.digest(), "bytes": artifact.bytes().len(), "way": built.way,
            "cases": cases,
        }));
    } else {
        output::line(&format!(
            "{} ({} bytes, {}, sha256 {}) built by {}",
            out.display(),
            artifact.bytes().len(),
            if cases == 0 { "no cases".into() } else { format!("{} inside", output::counted(cases, "case")) },
            artifact.digest(),
            built.way,
        ));
    }
    Ok(Ended::Done)
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PackArgs {
    /// A component, built by whatever tool
    file: PathBuf,
    /// The folder of its cases, in place of any that it carries
    #[arg(long, value_name = "DIR")]
    cases: PathBuf,
    /// Where the packed component goes; otherwise in place of the file
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Puts cases into a component that another tool built.
pub(super) fn pack(global: &Global, args: &PackArgs) -> anyhow::Result<Ended> {
    let policy = super::load(global, &args.file)?;
    let cases = build::cases(&args.cases)?;
    if cases.is_empty() {
        return Err(
            Usage(format!("{} holds no cases\n  hint: a case is a .toml file in it", args.cases.display())).into()
        );
    }
    let package = Package { cases, ..policy.package().clone() };
    let bytes = package.put_into(policy.artifact().bytes()).map_err(anyhow::Error::msg)?;
    let out = args.out.as_ref().unwrap_or(&args.file);
    let packed = Artifact::new(out.display().to_string(), bytes);
    std::fs::write(out, packed.bytes()).map_err(|error| anyhow::anyhow!("{}: {error}", out.display()))?;
    let cases = package.cases.len();
    if global.json {
        output::json(&json!({"file": out, "sha256": packed.digest(), "cases": cases}));
    } else {
        let cases = output::counted(cases, "case");
        output::line(&format!("{} ({cases} inside, sha256 {})", out.display(), packed.digest()));
    }
    Ok(Ended::Done)
}

/// Cargo's output folder for policies.
pub(super) fn target_dir(named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| Path::new("target").join("policies"), Path::to_path_buf)
}
