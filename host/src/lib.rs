//! Dean runs Meta ad accounts by policy: every hour it observes an account, measures every ad, asks
//! the policy of each stage what to do, checks that against the safety limits, and does it.

#![deny(missing_docs)]

pub mod cli;
pub mod compare;
pub mod config;
pub mod demo;
pub mod domain;
pub mod features;
pub mod guard;
pub mod gym;
pub mod health;
pub mod import;
pub mod journal;
pub mod learn;
pub mod ledger;
pub mod meta;
pub mod mirror;
pub mod pipeline;
pub mod policies;
pub mod scoring;
pub mod store;
