//! `dean policy`: policies written, built, tested and looked at.

mod build;
mod install;
mod list;
mod new;
mod show;
mod sign;
mod stats;
mod test;
mod trial;

use super::context::{Context, data_dir_only};
use super::output::Usage;
use super::{Ended, Global};
use crate::policies;
use crate::store::Store as _;
use clap::Subcommand;
use dean_policy::{Artifact, Policy, Reference, Registry, Runtime, shipped};
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Write a policy that builds and passes its cases at once
    New(new::NewArgs),
    /// Build a policy's folder to a component, with its cases inside
    Build(build::BuildArgs),
    /// Put cases into a component that another tool built
    Pack(build::PackArgs),
    /// Ask a policy its cases, and say which rules no case makes fire
    Test(test::TestArgs),
    /// Check that a file is a policy that this program can run
    Check(show::CheckArgs),
    /// Take a policy into the store: from then on its name and version mean these bytes
    Install(install::InstallArgs),
    /// Push a policy to a registry of containers
    Push(install::PushArgs),
    /// Let an installed policy decide from the next run on, for --client or for all
    Activate(install::ActivateArgs),
    /// Take the newest activation back, for --client or for all
    Rollback(install::RollbackArgs),
    /// Ask an installed policy beside the one that decides, and do nothing by it; or tell where it differs
    Shadow(trial::ShadowArgs),
    /// Let an installed policy decide about a share of the ads, widened or withdrawn by what they earn
    Canary(trial::CanaryArgs),
    /// Make a key to sign policies with
    Keygen(sign::KeygenArgs),
    /// Sign a policy
    Sign(sign::SignArgs),
    /// Verify a policy's signature
    Verify(sign::VerifyArgs),
    /// The policies of the stages, those that are installed, and those that the program brings along
    List,
    /// What policies cost: calls, time, instructions, memory, failures, ads that were held for them
    Stats(stats::StatsArgs),
    /// What a policy is, its settings and its rules
    Show(show::ShowArgs),
}

pub(super) async fn policy(global: &Global, command: PolicyCommand) -> anyhow::Result<Ended> {
    match command {
        PolicyCommand::New(args) => new::new(global, &args),
        PolicyCommand::Build(args) => build::build(global, &args),
        PolicyCommand::Pack(args) => build::pack(global, &args),
        PolicyCommand::Test(args) => test::test(global, &args),
        PolicyCommand::Check(args) => show::check(global, &args),
        PolicyCommand::Install(args) => install::install(global, &args).await,
        PolicyCommand::Push(args) => install::push(global, &args).await,
        PolicyCommand::Activate(args) => install::activate(global, &args).await,
        PolicyCommand::Rollback(args) => install::rollback(global, &args).await,
        PolicyCommand::Shadow(args) => trial::shadow(global, &args).await,
        PolicyCommand::Canary(args) => trial::canary(global, &args).await,
        PolicyCommand::Keygen(args) => sign::keygen(global, &args),
        PolicyCommand::Sign(args) => sign::sign(global, &args),
        PolicyCommand::Verify(args) => sign::verify(global, &args),
        PolicyCommand::List => list::list(global).await,
        PolicyCommand::Stats(args) => stats::stats(global, &args).await,
        PolicyCommand::Show(args) => show::show(global, &args).await,
    }
}

/// A registry that no configuration is needed for.
fn registry(global: &Global) -> anyhow::Result<Registry> {
    let cache = data_dir_only(global)?.join("cache");
    Ok(Registry::new(Runtime::new(dean_policy::Limits::default(), Some(&cache))?))
}

/// The policy of a file that was named on the command line.
fn load(global: &Global, file: &Path) -> anyhow::Result<Policy> {
    let artifact = Artifact::read(file).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
    Ok(registry(global)?.load(&artifact)?)
}

/// A policy as it was named on the command line, a folder built first: what lies here is meant, also where its name is
/// only a word.
pub(super) fn built(data_dir: &Path, name: &str) -> anyhow::Result<String> {
    let path = Path::new(name);
    if path.is_dir() {
        let component = dean_policy::build::build(path, &build::target_dir(None))?.component;
        let artifact = Artifact::new(name, component);
        return keep_built(data_dir, &artifact);
    }
    // A path is meant from where the command is given, and not from a folder of configuration.
    Ok(if path.is_file() { std::path::absolute(path)?.display().to_string() } else { name.to_string() })
}

/// Writes a policy to where it can be named as a file. Not into the cache: that folder has to be this user's alone, or what
/// is compiled is not kept in it.
fn keep_built(data_dir: &Path, artifact: &Artifact) -> anyhow::Result<String> {
    let folder = data_dir.join("built");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}.wasm", artifact.digest()));
    std::fs::write(&file, artifact.bytes())?;
    Ok(std::path::absolute(file)?.display().to_string())
}

/// A policy that plays in simulated worlds, with the registry that has it and a name that leads to it: a file where it lies
/// in the store.
pub(super) async fn for_gym(global: &Global, name: &str) -> anyhow::Result<(Registry, Policy, String)> {
    let data_dir = data_dir_only(global)?;
    let name = built(&data_dir, name)?;
    let registry = registry(global)?;
    if let Some((of, version)) = name.split_once('@').filter(|_| !name.contains('/')) {
        let context = Context::load(global)?;
        let artifact = policies::find(&context.store()?, of, version).await?;
        let file = keep_built(&data_dir, &artifact)?;
        let policy = registry.load(&artifact)?;
        return Ok((registry, policy, file));
    }
    let reference: Reference = name.parse().unwrap_or_else(|never| match never {});
    let policy = registry.resolve(&reference)?;
    Ok((registry, policy, name))
}

/// The policy of a name, NAME@VERSION or a path.
pub(super) async fn named(global: &Global, name: &str) -> anyhow::Result<Policy> {
    if let Some((name, version)) = name.split_once('@').filter(|_| !name.contains('/')) {
        let context = Context::load(global)?;
        let artifact = policies::find(&context.store()?, name, version).await?;
        return Ok(registry(global)?.load(&artifact)?);
    }
    let reference: Reference = name.parse().unwrap_or_else(|never| match never {});
    if matches!(reference, Reference::Shipped(_))
        && shipped::find(name).is_none()
        && data_dir_only(global)?.join("dean.sqlite").exists()
    {
        let installed = Context::load(global)?.store()?.policies().await?;
        let versions: Vec<String> =
            installed.iter().filter(|row| row.name == name).map(|row| format!("{name}@{}", row.version)).collect();
        if !versions.is_empty() {
            let message = format!("{name} names no version\n  hint: {} is installed", versions.join(", "));
            return Err(Usage(message).into());
        }
    }
    Ok(registry(global)?.resolve(&reference)?)
}
