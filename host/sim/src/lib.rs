//! A simulated ad market behind a Graph-API-compatible server.
//!
//! It shares no code with the rest of Dean, on purpose: it is what Dean is tried against, so a
//! mistake about currencies, windows or ids must not be made on both sides at once. [`World`] is
//! the market, deterministic by seed and with a clock of its own; [`Graph`] answers requests on it
//! as Meta would, in process or through [`serve`].

#![deny(missing_docs)]

mod change;
mod faults;
mod graph;
mod insights;
mod market;
mod params;
mod populate;
mod random;
mod seeded;
mod server;
mod standing;
mod varied;
mod world;

pub use faults::{Fault, Faults};
pub use graph::{Credentials, Delivery, Graph, Method, Request, Response, Tier, Time};
pub use params::Params;
pub use seeded::{KnownAd, KnownOwner, Outcome};
pub use server::{Server, serve};
pub use standing::Standing;
pub use world::{AdState, Stage, Truth, World};
