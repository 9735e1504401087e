//! Which policy decides for a stage: names and paths resolved to loaded policies, each loaded once.

use crate::artifact::{Artifact, Digest};
use crate::cases::{self, CaseError, Report};
use crate::runtime::{LoadError, Policy, Runtime};
use crate::shipped;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// How configuration names a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// One that the binary brings along.
    Shipped(String),
    /// A file.
    File(PathBuf),
}

impl FromStr for Reference {
    type Err = std::convert::Infallible;

    /// A text with a slash or ending in `.wasm` is a path, any other a name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_path = text.contains('/') || text.ends_with(".wasm");
        Ok(if is_path { Reference::File(text.into()) } else { Reference::Shipped(text.into()) })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reference::Shipped(name) => f.write_str(name),
            Reference::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why a reference gave no policy.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// No such name.
    #[error("no policy is called {name}\n  hint: this program brings {known}; a path to a .wasm file names any other")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file cannot be read.
    #[error("the policy {} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no policy.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// A policy that does not do what its own cases say.
#[derive(Debug, Error)]
pub enum ExamineError {
    /// A case cannot be asked.
    #[error("a case inside it cannot be read: {0}")]
    Case(#[from] CaseError),
    /// It answers otherwise.
    #[error("{policy} does not answer its own cases as they expect\n{}", first(.report))]
    Differs {
        /// The policy.
        policy: String,
        /// What its cases found.
        report: Box<Report>,
    },
}

/// The first differences, for a person.
fn first(report: &Report) -> String {
    const SHOWN: usize = 5;
    let lines: Vec<String> = report.differences.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = report.differences.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    format!("{}{more}", lines.join("\n"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads policies and keeps them, so that none is compiled twice.
#[derive(Debug)]
pub struct Registry {
    runtime: Runtime,
    loaded: Mutex<BTreeMap<Digest, Policy>>,
    passed: Mutex<BTreeMap<Digest, usize>>,
}

impl Registry {
    /// An empty registry on a runtime.
    #[must_use]
    pub fn new(runtime: Runtime) -> Self {
        Registry { runtime, loaded: Mutex::default(), passed: Mutex::default() }
    }

    /// The policy of a reference.
    ///
    /// # Errors
    /// When there is none, or it does not load.
    pub fn resolve(&self, reference: &Reference) -> Result<Policy, ResolveError> {
        let artifact = match reference {
            Reference::Shipped(name) => match shipped::find(name) {
                Some(shipped) => shipped.artifact(),
                None => {
                    let known: Vec<&str> = shipped::SHIPPED.iter().map(|s| s.name).collect();
                    return Err(ResolveError::Unknown { name: name.clone(), known: known.join(", ") });
                }
            },
            Reference::File(path) => {
                Artifact::read(path).map_err(|source| ResolveError::Read { path: path.clone(), source })?
            }
        };
        Ok(self.load(&artifact)?)
    }

    /// Asks a policy the cases that it carries, once for the same bytes; how many there are.
    ///
    /// # Errors
    /// What it answers otherwise than its cases expect, or a case that nobody can ask.
    pub fn examine(&self, policy: &Policy) -> Result<usize, ExamineError> {
        let texts = &policy.package().cases;
        if texts.is_empty() {
            return Ok(0);
        }
        let digest = policy.digest();
        let known = locked(&self.passed).get(&digest).copied();
        if let Some(cases) = known.or_else(|| self.runtime.cache()?.passed(digest)) {
            return Ok(cases);
        }
        let cases: Vec<_> = texts.iter().map(|(file, text)| cases::parse(file, text)).collect::<Result<_, _>>()?;
        let report = cases::run(policy, &cases);
        if !report.passed() {
            let manifest = policy.manifest();
            let policy = manifest.named();
            return Err(ExamineError::Differs { policy, report: Box::new(report) });
        }
        locked(&self.passed).insert(digest, cases.len());
        if let Some(cache) = self.runtime.cache() {
            cache.keep_passed(digest, cases.len());
        }
        Ok(cases.len())
    }

    /// Loads an artifact, or gives what was loaded from the same bytes before.
    ///
    /// # Errors
    /// When it does not load.
    pub fn load(&self, artifact: &Artifact) -> Result<Policy, LoadError> {
        let mut loaded = locked(&self.loaded);
        if let Some(policy) = loaded.get(&artifact.digest()) {
            return Ok(policy.clone());
        }
        let policy = self.runtime.load(artifact)?;
        loaded.insert(artifact.digest(), policy.clone());
        Ok(policy)
    }
}
