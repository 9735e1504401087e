//! The versions of the contract that are understood, behind one enum: whatever a policy was built against, the host asks it
//! the same three questions. `0.1.x` is one version; the next one stands beside it, and nothing outside knows which it is.

use super::bindings::{StagePolicy, StagePolicyPre, dean};
use super::call::{Call, State};
use super::{Fault, PrepareError, convert};
use crate::types::{Answer, Cohort, Manifest, Plan, Setting};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

pub(super) use dean::policy::log;

/// The package that policies are written against.
pub(super) const PACKAGE: &str = "dean:policy";
/// What policies may import: the log, and the types that come with it.
pub(super) const IMPORTS: [&str; 2] = ["dean:policy/log@0.1.", "dean:policy/types@0.1."];

/// A linked policy, by the version that it was built for.
pub(super) enum Contract {
    /// `dean:policy@0.1.x`.
    V0_1(StagePolicyPre<State>),
    /// A `dean:policy@0.2.x` that proves that there can be one.
    #[cfg(feature = "next")]
    V0_2(super::bindings::next::StagePolicyPre<State>),
}

/// A version of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V0_1,
    #[cfg(feature = "next")]
    V0_2,
}

impl Version {
    /// The versions that are understood.
    pub(super) const ALL: &[Version] = &[
        Version::V0_1,
        #[cfg(feature = "next")]
        Version::V0_2,
    ];

    /// How the name of the exported interface begins.
    pub(super) fn interface(self) -> &'static str {
        match self {
            Version::V0_1 => "dean:policy/policy@0.1.",
            #[cfg(feature = "next")]
            Version::V0_2 => "dean:policy/policy@0.2.",
        }
    }
}

/// Asks an instance of whatever version: what it exports is called the same, and typed for each.
macro_rules! ask {
    ($contract:expr, $call:expr, $policy:ident, $store:ident => $ask:expr) => {
        match $contract {
            Contract::V0_1(pre) => $call.run(
                |store| pre.instantiate(store),
                |guest: &StagePolicy, $store| {
                    let $policy = guest.dean_policy_policy();
                    $ask
                },
            ),
            #[cfg(feature = "next")]
            Contract::V0_2(pre) => $call.run(
                |store| pre.instantiate(store),
                |guest: &super::bindings::next::StagePolicy, $store| {
                    let $policy = guest.dean_policy0_2_0_policy();
                    $ask
                },
            ),
        }
    };
}

impl Contract {
    /// Links a component of a version.
    pub(super) fn link(engine: &Engine, component: &Component, version: Version) -> wasmtime::Result<Self> {
        let mut linker = Linker::<State>::new(engine);
        log::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        let pre = linker.instantiate_pre(component)?;
        Ok(match version {
            Version::V0_1 => Contract::V0_1(StagePolicyPre::new(pre)?),
            #[cfg(feature = "next")]
            Version::V0_2 => Contract::V0_2(super::bindings::next::StagePolicyPre::new(pre)?),
        })
    }

    pub(super) fn describe(&self, call: &mut Call) -> Result<Manifest, Fault> {
        ask!(self, call, policy, store => policy.call_describe(store)).map(convert::manifest)
    }

    pub(super) fn prepare(&self, call: &mut Call, stage: &str, settings: &[Setting]) -> Result<Plan, PrepareError> {
        let settings = convert::settings(settings);
        let plan = ask!(self, call, policy, store => policy.call_prepare(store, stage, &settings))?;
        plan.map(convert::plan).map_err(|problems| PrepareError::Settings(convert::problems(problems)))
    }

    /// The cohort is lent: its columns are moved into the call and back, not copied.
    pub(super) fn decide(
        &self,
        call: &mut Call,
        stage: &str,
        settings: &[Setting],
        cohort: &mut Cohort,
    ) -> Result<Answer, Fault> {
        let settings = convert::settings(settings);
        let lent = convert::cohort(std::mem::take(cohort));
        let answer = ask!(self, call, policy, store => {
            Ok(policy.call_decide(store, stage, &settings, &lent)?.map_err(Reason::reason))
        });
        *cohort = convert::cohort_back(lent);
        answer?.map(convert::answer).map_err(|reason| Fault::Refused(convert::text(reason)))
    }
}

/// Why a policy does not decide, in words.
trait Reason {
    fn reason(self) -> String;
}

impl Reason for String {
    fn reason(self) -> String {
        self
    }
}

#[cfg(feature = "next")]
impl Reason for dean::policy::types::Problem {
    fn reason(self) -> String {
        format!("{}: {}; {}", self.path, self.message, self.hint)
    }
}
