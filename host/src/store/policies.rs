//! Rows about policies: which are installed, which decide for whom, which did last, and which are on trial.

use jiff::Timestamp;

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
    /// Its signature, as minisign writes it.
    pub signature: Option<String>,
    /// The serial that the signature states.
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
    /// Its signature, as minisign writes it.
    pub signature: Option<String>,
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
}
