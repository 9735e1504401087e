//! From bytes to a policy: every reason why a file is none has its own message.

use super::bindings::StagePolicyPre;
use super::policy::{Policy, State};
use super::{Limits, LoadError};
use crate::artifact::{Artifact, Format, Inspection};
use std::path::Path;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

const PACKAGE: &str = "dean:policy";
const CONTRACT: &str = "dean:policy/policy@0.1.";
const ALLOWED: [&str; 2] = ["dean:policy/log@0.1.", "dean:policy/types@0.1."];

pub(super) fn load(
    engine: &Engine,
    limits: Limits,
    cache: Option<&Path>,
    artifact: &Artifact,
) -> Result<Policy, LoadError> {
    check_format(artifact)?;
    let component = compile(engine, cache, artifact)?;
    let inspection = inspect(engine, &component);
    check_interface(artifact, &inspection)?;

    let link =
        |error: wasmtime::Error| LoadError::Link { origin: artifact.origin().into(), reason: format!("{error:#}") };
    let mut linker = Linker::<State>::new(engine);
    super::bindings::StagePolicy::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(link)?;
    let pre = linker.instantiate_pre(&component).map_err(link)?;
    let pre = StagePolicyPre::new(pre).map_err(link)?;
    Policy::describe(engine, limits, artifact, inspection, pre)
}

fn check_format(artifact: &Artifact) -> Result<(), LoadError> {
    let (found, hint) = match artifact.format() {
        Format::Component => return Ok(()),
        Format::CoreModule => (
            "it is a core WebAssembly module, not a component",
            "`dean policy build DIR` makes components; a module can be wrapped with `wasm-tools component new`",
        ),
        Format::OtherWasm => (
            "it is WebAssembly of a version that this program does not know",
            "build it again with the tools that plugins/README.md names",
        ),
        Format::Empty => ("the file is empty", "build or copy it again"),
        Format::NotWasm => (
            "it is not WebAssembly at all",
            "name a .wasm component; `dean policy build DIR` makes one from Rust source",
        ),
    };
    Err(LoadError::NotAComponent { origin: artifact.origin().into(), found: found.into(), hint: hint.into() })
}

fn compile(engine: &Engine, cache: Option<&Path>, artifact: &Artifact) -> Result<Component, LoadError> {
    use std::hash::{Hash, Hasher};
    let broken = |error: wasmtime::Error| LoadError::NotAComponent {
        origin: artifact.origin().into(),
        found: format!("it cannot be compiled: {error:#}"),
        hint: "the file may be cut or damaged; build or copy it again".into(),
    };
    let Some(cache) = cache else {
        return Component::new(engine, artifact.bytes()).map_err(broken);
    };
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let file = cache.join(format!("{}-{:016x}.cwasm", artifact.digest(), hasher.finish()));
    if let Some(component) = cached(engine, &file) {
        return Ok(component);
    }
    let component = Component::new(engine, artifact.bytes()).map_err(broken)?;
    if let Err(error) = keep(cache, &file, &component) {
        tracing::debug!(file = %file.display(), %error, "the compiled policy was not cached");
    }
    Ok(component)
}

/// A compiled form that this program wrote earlier, if the folder is ours alone.
#[allow(unsafe_code)]
fn cached(engine: &Engine, file: &Path) -> Option<Component> {
    if !file.exists() || !is_private(file.parent()?) {
        return None;
    }
    // SAFETY: deserialising trusts the bytes. The folder is readable and writable by this user
    // alone (checked above) and only `keep` writes there; the name carries the digest of the source
    // and of the engine's configuration, and wasmtime refuses other versions of itself.
    match unsafe { Component::deserialize_file(engine, file) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::debug!(file = %file.display(), %error, "the cached policy is compiled anew");
            None
        }
    }
}

fn keep(cache: &Path, file: &Path, component: &Component) -> std::io::Result<()> {
    make_private(cache)?;
    let bytes = component.serialize().map_err(std::io::Error::other)?;
    // Written aside and renamed, so that another process never reads half of it.
    let aside = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&aside, bytes)?;
    std::fs::rename(&aside, file)
}

#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(unix)]
fn is_private(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).is_ok_and(|m| m.is_dir() && m.mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Elsewhere there is no mode to check, so nothing is trusted and everything compiled anew.
#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    false
}

fn inspect(engine: &Engine, component: &Component) -> Inspection {
    let ty = component.component_type();
    let imports: Vec<String> = ty.imports(engine).map(|(name, _)| name.to_string()).collect();
    let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_string()).collect();
    // `dean:policy/policy@0.1.0` -> `dean:policy@0.1.0`
    let contract = exports.iter().find_map(|name| {
        let (interface, version) = name.split_once('@')?;
        (interface == "dean:policy/policy").then(|| format!("{PACKAGE}@{version}"))
    });
    Inspection { wit: contract, imports, exports }
}

fn check_interface(artifact: &Artifact, inspection: &Inspection) -> Result<(), LoadError> {
    let origin = || artifact.origin().to_string();
    if !inspection.exports.iter().any(|name| name.starts_with(CONTRACT)) {
        let found = match inspection.exports.as_slice() {
            [] => "nothing".to_string(),
            names => names.join(", "),
        };
        let hint = match &inspection.wit {
            Some(other) => format!(
                "it was built for {other}; this program speaks dean:policy@0.1: build it again against wit/policy.wit"
            ),
            None => "a policy exports the interface `policy` of wit/policy.wit".to_string(),
        };
        return Err(LoadError::Export { origin: origin(), wanted: format!("{CONTRACT}x"), found, hint });
    }
    let forbidden = |name: &&String| !ALLOWED.iter().any(|allowed| name.starts_with(allowed));
    if let Some(import) = inspection.imports.iter().find(forbidden) {
        let hint = if import.starts_with("wasi:") {
            "a policy has no clock, files or network: build it for wasm32-unknown-unknown, not for WASI"
        } else {
            "only dean:policy/log may be imported"
        };
        return Err(LoadError::Import { origin: origin(), import: import.clone(), hint: hint.into() });
    }
    Ok(())
}
