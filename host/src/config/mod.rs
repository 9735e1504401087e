//! Configuration: TOML layers, a client's overlay, the environment and flags, merged into one
//! effective view in which every value knows where it came from.
//!
//! Later layers win: built-in defaults, `dean.toml` and `rules.toml`, `profiles/NAME.toml`,
//! `clients/NAME.toml`, environment, flags. Secrets come from the environment only and are wrapped.

mod check;
mod env;
mod error;
mod layers;
mod schema;
mod secrets;
mod tree;

pub use env::{Environment, VARIABLES, Variable};
pub use error::ConfigError;
pub use layers::{Effective, Entry, Level, Sources, clients, load, profiles};
pub use schema::{Api, Canary, Config, Economics, Guard, Ids, Limits, Ml, Policies, Stage, StageView};
pub use secrets::Secrets;
pub use tree::{Node, Origin};
