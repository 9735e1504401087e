//! Guests made of WebAssembly text: the part that all share describes itself and prepares; each file
//! of `guests/` adds the `decide` that misbehaves.

use dean_policy::Artifact;
use std::path::{Path, PathBuf};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The component of a file in `guests/`.
///
/// # Errors
/// When the text is not WebAssembly or does not fit the contract.
pub fn guest(name: &str) -> anyhow::Result<Artifact> {
    let common = std::fs::read_to_string(root().join("guests/common.wat"))?;
    let own = std::fs::read_to_string(root().join(format!("guests/{name}.wat")))?;
    Ok(Artifact::new(name, component(&core(&common, &own)?)?))
}

/// The honest guest with another body of one of the functions that all share: `describe` or `prepare`.
///
/// # Errors
/// When the text is not WebAssembly or does not fit the contract.
pub fn honest_but(function: &str, body: &str) -> anyhow::Result<Artifact> {
    let common = std::fs::read_to_string(root().join("guests/common.wat"))?;
    let own = std::fs::read_to_string(root().join("guests/honest.wat"))?;
    let start = format!("(func (export \"dean:policy/policy@0.1.0#{function}\")");
    let line = common.lines().find(|line| line.starts_with(&start));
    let line = line.ok_or_else(|| anyhow::anyhow!("the shared part has no {function}"))?;
    let signature = line.split_once("(i32.const").map_or(line, |(signature, _)| signature);
    let hostile = common.replace(line, &format!("{signature} {body})"));
    Ok(Artifact::new(function, component(&core(&hostile, &own)?)?))
}

/// The core module of the shared part and a file's own.
///
/// # Errors
/// When the text is not WebAssembly.
pub fn core(common: &str, own: &str) -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(format!("(module {common}\n{own})"))?)
}

/// A component of a core module under the contract of `wit/`.
///
/// # Errors
/// When the module does not fit the contract.
pub fn component(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root().join("../wit"))?;
    let world = resolve.select_world(&[package], Some("stage-policy"))?;
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}
