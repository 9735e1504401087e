//! What a policy on trial saw and answered, written against the record of the policy that it was tried beside: of the same
//! run, and of the same ads.

use super::codec::damaged;
use super::{Entry, JournalError, Record};
use serde::{Deserialize, Serialize};

/// A policy on trial in one stage of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The part of the ads that it was to decide about.
    pub share: f64,
    /// The rows that it decided about.
    pub rows: Vec<u32>,
    /// The groups whose budgets it decided about.
    pub groups: Vec<u32>,
    /// What it saw and answered, about all of them.
    pub record: Record,
}

#[derive(Serialize, Deserialize)]
struct Head {
    share: f64,
    rows: Vec<u32>,
    groups: Vec<u32>,
}

impl Trial {
    /// As bytes, against what its stage's policy saw in the same run.
    #[must_use]
    pub fn encode(&self, base: Option<&Record>) -> Vec<u8> {
        let head = Head { share: self.share, rows: self.rows.clone(), groups: self.groups.clone() };
        // Encoding plain data into memory cannot fail.
        let mut bytes = postcard::to_stdvec(&head).unwrap_or_default();
        bytes.extend(self.record.encode(base));
        bytes
    }

    /// Of bytes, with the record that they were written against.
    ///
    /// # Errors
    /// When the bytes are damaged or newer, or the base is not the one they were written against.
    pub fn decode(bytes: &[u8], base: Option<Record>) -> Result<Self, JournalError> {
        let (head, rest) = postcard::take_from_bytes::<Head>(bytes).map_err(|error| damaged(&error.to_string()))?;
        let record = Record::decode(rest, base)?;
        Ok(Trial { share: head.share, rows: head.rows, groups: head.groups, record })
    }
}
