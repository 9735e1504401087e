//! The metric catalogue: ads in, columns out. A column is a name with a unit, a formula and a rule
//! for what is missing; every number that a policy uses is one, and `dean metrics` lists them all.
//!
//! Numbers are laid out by metric and day over all ads ([`Frame`]), so that a window is a sum of
//! vectors and a policy's plan is answered by copying columns.

mod basis;
mod catalogue;
mod column;
mod context;
mod fields;
mod frame;
mod input;
mod lag;
pub mod posterior;
mod prior;
mod series;
mod special;
mod window;

pub use basis::{Basis, Totals};
pub use catalogue::{Entry, catalogue, find, nearest, unit};
pub use column::{Column, Marks};
pub use context::{ContextEntry, ContextValues, STAGE_CONTEXT, nearest_context};
pub use fields::{Fields, Moment, Places};
pub use frame::{DAYS, Frame, Metric, Row};
pub use input::{INPUTS, Input, UnknownInput, input_unit};
pub use lag::{AGES, DayAtAge, LagCurve};
pub use posterior::Gamma;
pub(crate) use special::{normal, normal_quantile, student_t};
