//! Rows about policies: which are installed, which decide for whom, which did last, which are on trial, and what they cost.

use jiff::Timestamp;
use jiff::civil::Date;

/// A policy that was installed. Its bytes are an [`ArtifactRow`](super::ArtifactRow) by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SHA-256.
    pub digest: String,
    /// Where it was installed from.
    pub origin: String,
    /// The serial that a signature states which was verified when it was installed.
    pub serial: Option<i64>,
    /// When.
    pub installed_at: Timestamp,
}

/// A choice of a policy for a stage that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySwitchRow {
    /// For whom; empty for all.
    pub client: String,
    /// The stage.
    pub stage: String,
    /// The policy's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SHA-256.
    pub digest: String,
    /// Since when.
    pub switched_at: Timestamp,
}

/// The policy that decided last for a client's stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyUseRow {
    /// The client.
    pub client: String,
    /// The stage.
    pub stage: String,
    /// The policy's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SHA-256.
    pub digest: String,
    /// When.
    pub used_at: Timestamp,
}

/// A policy on trial for a client's stage.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyTrialRow {
    /// The client.
    pub client: String,
    /// The stage.
    pub stage: String,
    /// Since when.
    pub began_at: Timestamp,
    /// The policy's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SHA-256.
    pub digest: String,
    /// The part of the ads that it decides about; 0: none, it is a shadow.
    pub share: f64,
    /// Since when the share is what it is.
    pub stepped_at: Timestamp,
    /// Calls in a row that failed.
    pub failures: i64,
    /// Since when it is over, if it is.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// The account day on which a canary was looked at last.
    pub steered_on: Option<Date>,
    /// What was said of the present share, so that it is said once.
    pub told: Option<String>,
    /// What its ads had earned then, as JSON.
    pub evidence: Option<String>,
}

/// What calls of a policy cost and how they ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyCallsRow {
    /// The account.
    pub account_id: String,
    /// The account day.
    pub date: Date,
    /// The stage.
    pub stage: String,
    /// The policy's SHA-256.
    pub digest: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it was on trial.
    pub trial: bool,
    /// Calls.
    pub calls: i64,
    /// Ads that it was asked about, once for each call.
    pub ads: i64,
    /// Calls that gave no answer.
    pub failures: i64,
    /// Ads that were held for that.
    pub held: i64,
    /// Wall time, microseconds.
    pub micros: i64,
    /// WebAssembly instructions.
    pub instructions: i64,
    /// The largest memory that a call had.
    pub memory_bytes: i64,
}
