//! What the author of a Rust stage policy uses.
//!
//! A policy declares its columns, context, derived facts, rules and settings once, each with one
//! macro, implements [`StagePolicy`] and exports it with [`policy!`]. Natively the same code runs
//! under the harness in [`testkit`], so rules are unit-tested without WebAssembly; for
//! `wasm32-unknown-unknown` this crate brings the allocator and a panic handler that writes file
//! and line to the host's log.

#![cfg_attr(target_arch = "wasm32", no_std)]
#![deny(missing_docs)]

extern crate alloc;

pub mod bindings;
mod declare;
mod evaluate;
mod export;
mod groups;
#[cfg(target_arch = "wasm32")]
mod guest;
mod settings;
pub mod table;
#[cfg(not(target_arch = "wasm32"))]
pub mod testkit;

pub use bindings::types::{Comparison, Manifest, Param, Problem, Setting, Verb};
pub use declare::{Column, Computed, Context, Derived, Fact, Rule, RuleInfo, TextColumn};
pub use evaluate::{Ad, Evaluation, When};
pub use export::{StagePolicy, Vocabulary, decide, describe, prepare};
pub use groups::{Claim, Groups};
pub use settings::{Limits, Reader, Settings, flag, number, text};
pub use table::Table;

#[doc(hidden)]
pub use alloc::{string::String as __String, vec::Vec as __Vec};
