//! Scores: ONNX models through tract, with a tree kernel of our own.
//!
//! A file goes through the linter, which knows what runs here and what to export instead, before tract
//! sees it; tree ensembles are evaluated by our kernel. A [`Model`] is a graph with its manifest, which says what
//! it reads and what its sums mean, and shows by golden rows that it says here what it said in training.

#![deny(missing_docs)]

mod error;
mod graph;
mod lint;
mod manifest;
mod model;
pub mod tree;

pub use error::GraphError;
pub use graph::{Graph, Scores};
pub use manifest::{
    Accuracy, Dtype, FORMAT, Feature, Golden, Kind, Manifest, Missing, Output, Training, Transform, schema_of,
    sha256_of,
};
pub use model::{Model, ModelError, Score};
