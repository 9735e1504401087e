//! Policies as WebAssembly components: what they are, how they are built, loaded and asked.
//!
//! This crate knows columns and decisions, not ads or accounts; wasmtime stays inside it. A policy
//! is a pure function, so the same [`Policy::decide`] serves a run, a replay and an explanation.

#![deny(missing_docs)]

/// The contract that policies are written against.
pub const WIT: &str = include_str!("../../../wit/policy.wit");

pub mod artifact;
pub mod build;
pub mod cases;
mod check;
pub mod conform;
mod flat;
pub mod package;
mod registry;
mod runtime;
pub mod shipped;
pub mod sign;
pub mod text;
pub mod types;

pub use artifact::{Artifact, Digest, Inspection};
pub use package::{Identity, Package};
pub use registry::{ExamineError, Reference, Registry, ResolveError};
pub use runtime::{Called, Cost, Fault, Limits, LoadError, Policy, PrepareError, Runtime};
pub use sign::{SignatureError, SigningKey, Statement, TrustedKey};
