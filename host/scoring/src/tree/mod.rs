//! Tree ensembles: gradient boosting and forests as ONNX writes them, evaluated fast.
//!
//! tract has no regressor, takes quadratic time in the leaves and misreads several exports. Here
//! an ensemble goes through three forms: [`Forest`] is what the file says, node by node; [`Ensemble`]
//! is the checked layout that the kernel walks; [`op`] makes tract operators of both.

mod ensemble;
mod forest;
mod kernel;
mod layout;
pub(crate) mod op;
mod read;
mod scalar;
mod transform;

pub use forest::{Forest, Mode, Node, TreeError};
pub use layout::Ensemble;
pub use scalar::Scalar;
pub use transform::{Aggregate, Transform};
