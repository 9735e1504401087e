//! What can go wrong with a policy, by kind, so that nobody decides by an error's text.

use crate::types::Problem;
use std::time::Duration;
use thiserror::Error;

/// A file that cannot become a policy.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is not a component.
    #[error("{origin} is no policy: {found}\n  hint: {hint}")]
    NotAComponent {
        /// The file.
        origin: String,
        /// What it is instead.
        found: String,
        /// How to mend it.
        hint: String,
    },
    /// The component wants something that no policy gets.
    #[error("{origin} imports {import}, which no policy gets\n  hint: {hint}")]
    Import {
        /// The file.
        origin: String,
        /// What it imports.
        import: String,
        /// How to mend it.
        hint: String,
    },
    /// The component does not export the contract.
    #[error("{origin} does not export {wanted}; it exports {found}\n  hint: {hint}")]
    Export {
        /// The file.
        origin: String,
        /// The contract.
        wanted: String,
        /// What it exports.
        found: String,
        /// How to mend it.
        hint: String,
    },
    /// The types of the contract differ.
    #[error(
        "{origin} does not fit dean:policy@0.1.0: {reason}\n  hint: build it again against this program's wit/policy.wit"
    )]
    Link {
        /// The file.
        origin: String,
        /// What the linker found.
        reason: String,
    },
    /// The policy did not say who it is.
    #[error("{origin} failed when asked to describe itself: {fault}")]
    Describe {
        /// The file.
        origin: String,
        /// What happened.
        #[source]
        fault: Fault,
    },
    /// What travels with the component cannot be read.
    #[error("{origin}: {reason}\n  hint: build it again, or pack it again with `dean policy pack`")]
    Package {
        /// The file.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The manifest is not usable.
    #[error("{origin} describes itself wrongly: {reason}")]
    Manifest {
        /// The file.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The engine itself did not start.
    #[error("the policy engine did not start: {reason}\n  hint: it reserves address space; check `ulimit -v`")]
    Engine {
        /// What the engine or the system said.
        reason: String,
    },
}

impl LoadError {
    pub(super) fn engine(error: wasmtime::Error) -> Self {
        LoadError::Engine { reason: format!("{error:#}") }
    }

    pub(super) fn ticker(error: std::io::Error) -> Self {
        LoadError::Engine { reason: format!("no thread for its deadlines: {error}") }
    }
}

/// A policy that failed during a call: its ads are held and the run goes on.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Fault {
    /// The call took longer than it may.
    #[error("it did not answer within {0:?}")]
    Deadline(Duration),
    /// The call took more instructions than it may.
    #[error("it did not answer within {0} instructions")]
    Instructions(u64),
    /// The instance wanted more memory than it may have.
    #[error("it wanted more than {} MiB of memory", .0 >> 20)]
    Memory(usize),
    /// Runaway recursion.
    #[error("it ran out of stack")]
    Stack,
    /// The guest panicked or executed `unreachable`.
    #[error("it panicked{}", said(.0))]
    Panic(Option<String>),
    /// Any other trap.
    #[error("it trapped: {0}")]
    Trap(String),
    /// The answer could not be read out of the instance: larger than it may be, or malformed.
    #[error("its answer cannot be taken: {0}")]
    Unreadable(String),
    /// The policy answered with an error of its own.
    #[error("it refused: {0}")]
    Refused(String),
    /// The answer contradicts the plan or the cohort.
    #[error("its answer makes no sense: {0}")]
    Nonsense(String),
}

fn said(message: &Option<String>) -> String {
    message.as_deref().map(|m| format!(": {m}")).unwrap_or_default()
}

impl Fault {
    /// A word for tables and counters.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Deadline(_) => "deadline",
            Fault::Instructions(_) => "instructions",
            Fault::Memory(_) => "memory",
            Fault::Stack => "stack",
            Fault::Panic(_) => "panic",
            Fault::Trap(_) => "trap",
            Fault::Unreadable(_) => "unreadable",
            Fault::Refused(_) => "refused",
            Fault::Nonsense(_) => "nonsense",
        }
    }
}

/// Settings that a policy does not accept, or a policy that failed when asked.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum PrepareError {
    /// The settings are wrong.
    #[error("{} wrong setting(s): {}", .0.len(), list(.0))]
    Settings(Vec<Problem>),
    /// The policy failed.
    #[error("the policy failed when it read its settings: {0}")]
    Fault(#[from] Fault),
}

fn list(problems: &[Problem]) -> String {
    let one = |p: &Problem| format!("{} {}", p.path, p.message);
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}
