//! A loaded policy: compiled and linked, instantiated anew for every call.

use super::call::{Call, State};
use super::contract::Contract;
use super::convert;
use super::{Fault, Limits, LoadError, PrepareError};
use crate::artifact::{Artifact, Digest, Inspection};
use crate::check;
use crate::package::Package;
use crate::types::{Answer, Cohort, Kind, Manifest, Plan, Setting};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::Engine;

/// A policy that can be asked. Cheap to clone; calls may run on several threads at one time.
#[derive(Clone)]
pub struct Policy {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    limits: Limits,
    artifact: Artifact,
    inspection: Inspection,
    package: Package,
    manifest: Manifest,
    contract: Contract,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Policy({}@{})", self.inner.manifest.name, self.inner.manifest.version)
    }
}

/// What one call gave, and what it cost.
#[derive(Clone, Debug)]
pub struct Called {
    /// The checked answer; or how the policy failed, and the caller then holds the cohort's ads.
    pub answer: Result<Answer, Fault>,
    /// Lines that the policy logged, at most as many as the limits keep.
    pub log: Vec<String>,
    /// What it cost.
    pub cost: Cost,
}

/// What a call cost, whether it gave an answer or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Wall time, instantiation included.
    pub time: Duration,
    /// WebAssembly instructions, the same on every machine (wasmtime's fuel).
    pub instructions: u64,
    /// The linear memory that the instance had at its end, in bytes.
    pub memory_bytes: usize,
}

impl Policy {
    pub(super) fn describe(
        engine: &Engine,
        limits: Limits,
        artifact: &Artifact,
        inspection: Inspection,
        contract: Contract,
    ) -> Result<Self, LoadError> {
        let mut call = Call::new(engine, limits, 0);
        let described = contract.describe(&mut call);
        let origin = || artifact.origin().to_string();
        let mut manifest = match described {
            Ok(manifest) => manifest,
            // A record with other fields is found when the instance is made: that is a link error.
            Err(Fault::Trap(reason)) if call.instantiating => {
                return Err(LoadError::Link { origin: origin(), reason });
            }
            Err(fault) => return Err(LoadError::Describe { origin: origin(), fault }),
        };
        let package =
            Package::of(artifact.bytes()).map_err(|reason| LoadError::Package { origin: origin(), reason })?;
        if let Some(identity) = &package.identity {
            manifest.name.clone_from(&identity.name);
            manifest.version.clone_from(&identity.version);
            manifest.doc = convert::text(identity.doc.clone());
            manifest.stages.clone_from(&identity.stages);
        }
        if let Some(reason) = check::manifest(&manifest) {
            return Err(LoadError::Manifest { origin: origin(), reason });
        }
        let (engine, artifact) = (engine.clone(), artifact.clone());
        Ok(Policy { inner: Arc::new(Inner { engine, limits, artifact, inspection, package, manifest, contract }) })
    }

    /// What the policy says about itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// The bytes it was loaded from.
    #[must_use]
    pub fn artifact(&self) -> &Artifact {
        &self.inner.artifact
    }

    /// The digest of those bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.inner.artifact.digest()
    }

    /// What it imports and exports.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inner.inspection
    }

    /// What travels with it.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.inner.package
    }

    /// A client's settings laid over those of the package: what the policy is asked with. A list, such as one of rules,
    /// is the client's whole as soon as the client sets any of it, as it is where TOML files overlay each other.
    #[must_use]
    pub fn settings(&self, client: &[Setting]) -> Vec<Setting> {
        let list = |path: &str| {
            let open = self.manifest().params.iter().filter(|param| param.kind == Kind::Open).map(|param| &param.path);
            let is_item = |open: &&String| {
                let rest = path.strip_prefix(open.as_str()).and_then(|rest| rest.strip_prefix('.'));
                rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            };
            open.into_iter().find(is_item).cloned()
        };
        let stays = |packed: &&Setting| match list(&packed.path) {
            Some(list) => !client.iter().any(|set| is_below(&set.path, &list)),
            None => !client.iter().any(|set| set.path == packed.path),
        };
        self.inner.package.settings.iter().filter(stays).chain(client).cloned().collect()
    }

    /// Asks which columns and rules exist for a stage under settings.
    ///
    /// # Errors
    /// The settings that are wrong, or how the policy failed.
    pub fn prepare(&self, stage: &str, settings: &[Setting]) -> Result<Plan, PrepareError> {
        let mut call = Call::new(&self.inner.engine, self.inner.limits, 0);
        let plan = self.inner.contract.prepare(&mut call, stage, settings)?;
        if let Some(reason) = check::plan(&plan) {
            return Err(Fault::Nonsense(reason).into());
        }
        // What it lets through has to be what it says that it takes, also where it does not look itself.
        let problems = check::settings(self.manifest(), settings);
        if problems.is_empty() { Ok(plan) } else { Err(PrepareError::Settings(problems)) }
    }

    /// Asks for decisions on a cohort that has the shape of the plan. The cohort is lent: its
    /// columns are moved into the call and back, not copied.
    pub fn decide(&self, stage: &str, settings: &[Setting], plan: &Plan, cohort: &mut Cohort) -> Called {
        let started = Instant::now();
        let rows = cohort.rows as usize;
        let mut call = Call::new(&self.inner.engine, self.inner.limits, rows);
        let answer = self.inner.contract.decide(&mut call, stage, settings, cohort);
        let answer = answer.and_then(|answer| match check::answer(plan, cohort, &answer) {
            Ok(()) => Ok(answer),
            Err(reason) => Err(Fault::Nonsense(reason)),
        });
        let instructions = call.instructions();
        let State { log, memory_bytes, .. } = call.store.into_data();
        Called { answer, log, cost: Cost { time: started.elapsed(), instructions, memory_bytes } }
    }
}

/// Whether a setting lies in a subtree.
fn is_below(path: &str, subtree: &str) -> bool {
    path.strip_prefix(subtree).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
