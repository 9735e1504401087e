//! Plain types and arithmetic of an ad account, without I/O: this room knows no other.

mod account;
mod ad;
mod attribution;
mod clock;
mod creative;
mod facts;
mod limit;
mod money;
mod vitals;

pub use account::{Account, AccountStatus};
pub use ad::{Ad, AdSet, BudgetOwner, Campaign, Creative, EffectiveStatus, OwnerKind, Status};
pub use attribution::Attribution;
pub use clock::{Clock, hours};
pub use creative::{CALLS_TO_ACTION, CreativeSpec, Media, Sender, words_of};
pub use dean_policy::types::Verb;
pub use facts::{Before, DayFacts, DayLook, Evidence, Facts, Lifetime, Unusable};
pub use limit::{ApiLimit, NEARLY_USED_UP, Tier};
pub use money::{Currency, Money};
pub use vitals::{Payment, Pixel, Token, Vitals};
