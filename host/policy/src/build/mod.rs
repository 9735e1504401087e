//! From a policy's folder to a component that carries its cases: rules as text, a crate, or a script.

mod cargo;
mod javascript;

use crate::cases::{self, CaseError};
use crate::package::Package;
use crate::shipped;
use crate::text::{self, TextError};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// Why a policy was not built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The folder holds no policy.
    #[error(
        "{0} is no policy's folder: it has no policy.toml, Cargo.toml or policy.js\n  hint: `dean policy new NAME` makes one"
    )]
    NoPolicy(PathBuf),
    /// The tool for scripts is not there.
    #[error("componentize-qjs, which makes components of JavaScript, was not found\n  hint: `npm install` in {0}")]
    NoTool(PathBuf),
    /// No way to a compiler.
    #[error(
        "no Rust compiler for {target} was found\n{0}\n  hint: `rustup target add {target}`, or on Debian 12: `apt-get install rustc-web rust-web-src`",
        target = cargo::TARGET
    )]
    NoCompiler(String),
    /// A program could not be run.
    #[error("{program} could not be run: {source}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// cargo failed; its own messages are in the output.
    #[error("the policy did not compile (by {way}):\n{output}")]
    Compile {
        /// Which of the three ways.
        way: &'static str,
        /// What cargo printed.
        output: String,
    },
    /// cargo answered something else than a built crate.
    #[error(
        "cargo's metadata of {0} name no library of type cdylib\n  hint: add `crate-type = [\"cdylib\", \"rlib\"]` under [lib]"
    )]
    NoLibrary(PathBuf),
    /// The module could not be made a component.
    #[error("{file} cannot be made a component: {reason}")]
    Component {
        /// The module.
        file: PathBuf,
        /// What the encoder said.
        reason: String,
    },
    /// Rules as text that are wrong.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A case that nobody could ask.
    #[error("case {0}")]
    Case(#[from] CaseError),
    /// A file could not be read or written.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A built policy.
#[derive(Clone, Debug)]
pub struct Built {
    /// The component, with its cases inside.
    pub component: Vec<u8>,
    /// How it was built.
    pub way: &'static str,
}

/// Builds the policy in a folder to a component that carries the folder's cases. `target` is a folder for cargo's
/// output that no other cargo uses.
///
/// # Errors
/// A [`BuildError`] that says what is missing or wrong.
pub fn build(folder: &Path, target: &Path) -> Result<Built, BuildError> {
    if folder.join(text::FILE).is_file() {
        return of_text(folder);
    }
    if folder.join("Cargo.toml").is_file() {
        return cargo::build(folder, target);
    }
    if folder.join(javascript::FILE).is_file() {
        return javascript::build(folder, target);
    }
    Err(BuildError::NoPolicy(folder.to_path_buf()))
}

/// Rules as text need no compiler: they are a package of the shipped policy that reads them.
fn of_text(folder: &Path) -> Result<Built, BuildError> {
    let rules = text::read(folder)?;
    let package =
        Package { identity: Some(rules.identity), settings: rules.settings, cases: cases(&folder.join("cases"))? };
    // Inside this program there is always one.
    let component = shipped::find(shipped::RULES_AS_TEXT).map(|reader| package.put_into(reader.bytes));
    let component = component.unwrap_or_else(|| Err("this program brings no policy that reads rules".into()));
    let component = component.map_err(|reason| BuildError::Component { file: folder.join(text::FILE), reason })?;
    Ok(Built { component, way: "the shipped policy for rules as text" })
}

/// The cases of a folder, each read once so that none travels that nobody can ask.
///
/// # Errors
/// A case that cannot be read.
pub fn cases(folder: &Path) -> Result<BTreeMap<String, String>, CaseError> {
    let texts = cases::of_folder(folder)?;
    texts.iter().try_for_each(|(file, text)| cases::parse(file, text).map(drop))?;
    Ok(texts.into_iter().collect())
}

fn run(command: &mut Command) -> Result<std::process::Output, BuildError> {
    command
        .output()
        .map_err(|source| BuildError::Run { program: command.get_program().to_string_lossy().into_owned(), source })
}

/// The hash of everything a shipped policy is built from: its own sources and cases, the SDK's and the WIT.
/// Bytes of components differ between compilers, so what is compared is this.
///
/// # Errors
/// When a source cannot be read.
pub fn source_hash(folder: &Path) -> Result<String, BuildError> {
    // One spelling of every path, wherever the program is started: the names are part of the hash.
    let folder = &folder.canonicalize().map_err(|source| BuildError::File { file: folder.to_path_buf(), source })?;
    let root = folder.ancestors().nth(2).unwrap_or(folder);
    let sdk = root.join("plugins/sdk");
    let mut files = vec![root.join("wit/policy.wit"), folder.join("Cargo.toml"), sdk.join("Cargo.toml")];
    gather(&folder.join("src"), "rs", &mut files)?;
    gather(&folder.join("cases"), "toml", &mut files)?;
    gather(&sdk.join("src"), "rs", &mut files)?;
    files.sort();
    let mut hasher = Sha256::new();
    for file in &files {
        let bytes = std::fs::read(file).map_err(|source| BuildError::File { file: file.clone(), source })?;
        let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        hasher.update(name.as_bytes());
        hasher.update([0]);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn gather(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) -> Result<(), BuildError> {
    let failed = |source| BuildError::File { file: folder.to_path_buf(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            gather(&path, extension, files)?;
        } else if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
    Ok(())
}
