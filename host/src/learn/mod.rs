//! Learn: what models are trained on, from a real account's memory or from simulated worlds. What was known
//! of an ad on a day stands beside what it did on the days after; labels are made of that by whoever trains.

mod account;
mod dataset;
mod worlds;

pub use account::look_back;
pub use dataset::{DAYS_AHEAD, Dataset, FACTS, Sample, TRUTHS, Truths};
pub use worlds::{Worlds, live};
