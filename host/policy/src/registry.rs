//! Which policy decides for a stage: names and paths resolved to loaded policies, each loaded once.

use crate::artifact::{Artifact, Digest};
use crate::runtime::{LoadError, Policy, Runtime};
use crate::shipped;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
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
    /// The bytes are not the pinned ones.
    #[error(
        "the policy {origin} has sha256 {found}, but {pinned} is pinned\n  hint: if the change is wanted, write the new digest into the configuration"
    )]
    Pin {
        /// Where the bytes came from.
        origin: String,
        /// The digest found.
        found: Digest,
        /// The digest wanted.
        pinned: Digest,
    },
    /// The file is no policy.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Loads policies and keeps them, so that none is compiled twice.
#[derive(Debug)]
pub struct Registry {
    runtime: Runtime,
    loaded: Mutex<BTreeMap<Digest, Policy>>,
}

impl Registry {
    /// An empty registry on a runtime.
    #[must_use]
    pub fn new(runtime: Runtime) -> Self {
        Registry { runtime, loaded: Mutex::default() }
    }

    /// The policy of a reference, if its bytes have the pinned digest where one is pinned.
    ///
    /// # Errors
    /// When there is none, it differs from its pin, or it does not load.
    pub fn resolve(&self, reference: &Reference, pin: Option<Digest>) -> Result<Policy, ResolveError> {
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
        if let Some(pinned) = pin
            && pinned != artifact.digest()
        {
            let (origin, found) = (artifact.origin().to_string(), artifact.digest());
            return Err(ResolveError::Pin { origin, found, pinned });
        }
        Ok(self.load(&artifact)?)
    }

    /// Loads an artifact, or gives what was loaded from the same bytes before.
    ///
    /// # Errors
    /// When it does not load.
    pub fn load(&self, artifact: &Artifact) -> Result<Policy, LoadError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = loaded.get(&artifact.digest()) {
            return Ok(policy.clone());
        }
        let policy = self.runtime.load(artifact)?;
        loaded.insert(artifact.digest(), policy.clone());
        Ok(policy)
    }
}
