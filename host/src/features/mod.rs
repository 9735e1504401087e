//! The metric catalogue: ads in, columns out. A column is a name with a unit, a formula and a rule
//! for what is missing; every number that a policy uses is one, and `dean metrics` lists them all.
//!
//! Numbers are laid out by metric and day over all ads ([`Frame`]), so that a window is a sum of
//! vectors and a policy's plan is answered by copying columns.

mod catalogue;
mod context;
mod frame;
pub mod posterior;

pub use catalogue::{Column, Entry, Window, catalogue, find, nearest, unit};
pub use context::{ContextEntry, ContextValues, STAGE_CONTEXT, nearest_context};
pub use frame::{DAYS, Frame, Metric, Row};
