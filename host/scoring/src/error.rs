//! Why a model's graph is refused, or an answer of it.

use thiserror::Error;

/// Why an ONNX file cannot be used. Every variant says what to do instead.
#[derive(Debug, Error)]
pub enum GraphError {
    /// A file larger than any model of ads needs to be.
    #[error("the file has {found} bytes; at most {most} are read: train fewer or smaller trees")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// No ONNX file, or a piece of one.
    #[error("this is no whole ONNX file ({0}): export it again, and compare its sha256 with the manifest's")]
    Unreadable(String),
    /// An operator that does not run here.
    #[error("node {node:?} is a {operator}, which does not run here: {instead}")]
    Operator {
        /// The node's name, or that of its first output.
        node: String,
        /// With its domain unless that is ONNX's own.
        operator: String,
        /// What to export instead.
        instead: String,
    },
    /// A tensor whose claimed size is not that of its data.
    #[error("tensor {name:?}: {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Inputs, outputs or versions that do not fit.
    #[error("{what}: {instead}")]
    Shape {
        /// What was found.
        what: String,
        /// What to export instead.
        instead: &'static str,
    },
    /// tract, or an operator of ours, refused it.
    #[error("the graph cannot be built: {0}")]
    Build(String),
    /// An answer that nobody can use.
    #[error("the graph gave no usable answer: {0}")]
    Run(String),
}
