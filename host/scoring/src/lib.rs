//! Scores: ONNX models through tract, with a tree kernel of our own.
//!
//! A file goes through the linter, which knows what runs here and what to export instead, before tract
//! sees it; tree ensembles are evaluated by our kernel.

#![deny(missing_docs)]

mod error;
mod graph;
mod lint;
pub mod tree;

pub use error::GraphError;
pub use graph::{Graph, Scores};
