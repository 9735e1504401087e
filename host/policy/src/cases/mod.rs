//! Cases: what a policy promises, as data that its author writes, that travels inside its package, and that a swap
//! runs before the policy decides on money.
//!
//! A case is a TOML file: a base ad, and what changes of it.
//!
//! ```toml
//! doc = "Without a purchase an ad ends at its allowance, and not before."
//! stage = "testing"            # where the policy decides for several
//! [settings]                   # what differs from the defaults
//! "tiers.poor" = 90.0
//! [context]                    # numbers of the account and stage
//! [ad]                         # the ad that is asked about: columns by name; what is left out is not known
//! status = "ACTIVE"
//! spend_in_stage = 89.99
//! [[others]]                   # more ads of the cohort; `group` is the position of an ad's budget owner
//! [[when]]                     # a change, and what the policy then says
//! spend_in_stage = 90.0
//! then = "pause by no-purchase-in-allowance"
//! ```
//!
//! Of a `when`, `then` is `hold` or `VERB by RULE`, `amount` the money that goes with it, `budget` what is said of
//! the owner's daily budget (`120 by scale-up`; left out: it stays), and `refused` the setting that the policy
//! refuses. `"settings.NAME"` and `"context.NAME"` change those; every other key is a column of the ad.

mod read;
mod run;
mod update;

pub use read::{Case, CaseError, of_folder, parse};
pub use run::{Difference, Report, RuleCoverage, run};
pub use update::update;
