//! From bytes to a policy: every reason why a file is none has its own message.

use super::cache::Cache;
use super::contract::{Contract, IMPORTS, PACKAGE, Version};
use super::policy::Policy;
use super::{Limits, LoadError};
use crate::artifact::{Artifact, Format, Inspection};
use wasmtime::Engine;
use wasmtime::component::Component;

pub(super) fn load(
    engine: &Engine,
    limits: Limits,
    cache: Option<&Cache>,
    artifact: &Artifact,
) -> Result<Policy, LoadError> {
    check_format(artifact)?;
    let component = compile(engine, cache, artifact)?;
    let inspection = inspect(engine, &component);
    let version = check_interface(artifact, &inspection)?;
    let contract = Contract::link(engine, &component, version)
        .map_err(|error| LoadError::Link { origin: artifact.origin().into(), reason: format!("{error:#}") })?;
    Policy::describe(engine, limits, artifact, inspection, contract)
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

fn compile(engine: &Engine, cache: Option<&Cache>, artifact: &Artifact) -> Result<Component, LoadError> {
    let broken = |error: wasmtime::Error| LoadError::NotAComponent {
        origin: artifact.origin().into(),
        found: format!("it cannot be compiled: {error:#}"),
        hint: "the file may be cut or damaged; build or copy it again".into(),
    };
    if let Some(component) = cache.and_then(|cache| cache.component(engine, artifact.digest())) {
        return Ok(component);
    }
    let component = Component::new(engine, artifact.bytes()).map_err(broken)?;
    if let Some(cache) = cache {
        cache.keep(artifact.digest(), &component);
    }
    Ok(component)
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

/// Which version of the contract a component was built for, read from its names before anything of it runs.
fn check_interface(artifact: &Artifact, inspection: &Inspection) -> Result<Version, LoadError> {
    let origin = || artifact.origin().to_string();
    let exports = |version: &&Version| inspection.exports.iter().any(|name| name.starts_with(version.interface()));
    let Some(version) = Version::ALL.iter().find(exports) else {
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
        return Err(LoadError::Export {
            origin: origin(),
            wanted: format!("{}x", Version::V0_1.interface()),
            found,
            hint,
        });
    };
    let forbidden = |name: &&String| !IMPORTS.iter().any(|allowed| name.starts_with(allowed));
    if let Some(import) = inspection.imports.iter().find(forbidden) {
        let hint = if import.starts_with("wasi:") {
            "a policy has no clock, files or network: build it for wasm32-unknown-unknown, not for WASI"
        } else {
            "only dean:policy/log may be imported"
        };
        return Err(LoadError::Import { origin: origin(), import: import.clone(), hint: hint.into() });
    }
    Ok(*version)
}
