//! Which policy decides for each stage of each client: what is installed, who chose it, and whether it accepts the
//! client's settings. What is prepared here is a snapshot: a run pins the one that it began with.

mod activate;
mod choose;
mod fetch;
mod install;
mod live;
mod oci;
mod prepare;
mod schema;
mod settings;
mod shelf;
mod text;
mod trial;

pub use activate::{Activation, Kept, Refusal, Returned, activate, rollback};
pub use choose::Chosen;
pub use fetch::{FetchError, Fetched, fetch};
pub use install::{InstallError, Installed, install, keep, verified};
pub use live::{Live, Snapshot, Swapped};
pub use oci::{Login, push};
pub use prepare::{Decider, Ready, StagePolicy, prepare};
pub use schema::{rules_schema, settings_schema};
pub use settings::{UnknownName, check_plan};
pub use shelf::{Shelf, find, trusted_keys};
pub use text::check_text;
pub(crate) use trial::ended;
pub use trial::{Begun, Trial, Trying, end_trials, put_on_trial, takes};
