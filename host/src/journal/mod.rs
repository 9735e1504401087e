//! Everything a decision saw, kept so that it can be made again: byte for byte in a replay, with
//! every check in an explanation, with another policy in a backtest.

mod codec;
mod measured;
mod trial;

pub use measured::{Measured, MeasuredStage};
pub use trial::Trial;

use crate::guard::{Proposals, Situation, StageStanding, Verdicts};
use dean_policy::types::{AdDecision, Answer, BudgetDecision, Cohort, Plan, Setting};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The name under which the guard's part of a run is kept; no stage can be called so.
pub const GUARD: &str = "@guard";

/// The name under which what models read in a run is kept; no stage can be called so.
pub const SCORES: &str = "@scores";

/// The name under which what was measured in a run is kept; no stage can be called so.
pub const MEASURED: &str = "@measured";

/// What the name under which a trial is kept begins with, before that of the stage; no stage can be called so.
pub const TRIAL: &str = "@trial/";

/// A record runs of columns against that many others at most before one stands alone: what an
/// explanation has to decode.
pub const LONGEST_CHAIN: usize = 24;

/// Why a record cannot be read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A newer program wrote it.
    #[error("the journal's record has format {0}, which this program does not know")]
    Version(u8),
    /// Its bytes make no sense.
    #[error("the journal's record is damaged: {0}")]
    Damaged(String),
    /// The record that it is written against is missing.
    #[error("the journal's record needs that of run {0}, which is gone")]
    Base(String),
}

/// Something of a run that is written against the same of an earlier run.
pub trait Entry: Sized {
    /// As bytes, against an earlier one where there is one.
    #[must_use]
    fn encode(&self, base: Option<&Self>) -> Vec<u8>;

    /// Of bytes, with the one that they were written against.
    ///
    /// # Errors
    /// When the bytes are damaged or newer, or the base is not the one they were written against.
    fn decode(bytes: &[u8], base: Option<Self>) -> Result<Self, JournalError>;
}

/// What the models of a run read: enough to score the same ads again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Digests of the models' manifests, in the order in which they scored.
    pub models: Vec<String>,
    /// The stages with their numbers of ads, in the order of the rows.
    pub stages: Vec<(String, u32)>,
    /// The ads, by row.
    pub ads: Vec<String>,
    /// The creative that each shows.
    pub creatives: Vec<String>,
    /// What was read of each ad, by name.
    pub inputs: Vec<String>,
    /// By input, row after row.
    pub values: Vec<f64>,
}

/// One stage of one run: what its policy saw and answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The policy's digest.
    pub policy: String,
    /// The policy's name and version.
    pub policy_name: String,
    /// The stage.
    pub stage: String,
    /// The settings.
    pub settings: Vec<Setting>,
    /// The plan.
    pub plan: Plan,
    /// The ads, by row.
    pub ads: Vec<String>,
    /// The budget owners, by group.
    pub owners: Vec<String>,
    /// The cohort.
    pub cohort: Cohort,
    /// What came back.
    pub outcome: Outcome,
}

/// What came back from a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Decisions, with the digest of all checks: those can be made again and need not be kept.
    Answered {
        /// On ads.
        ads: Vec<AdDecision>,
        /// On budgets.
        budgets: Vec<BudgetDecision>,
        /// SHA-256 over all checks.
        checks: [u8; 32],
    },
    /// The policy failed: its ads were held.
    Failed(String),
}

impl Outcome {
    /// The outcome of an answer.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let mut hasher = Sha256::new();
        for c in &answer.checks {
            hasher.update(c.row.to_le_bytes());
            hasher.update(c.rule.to_le_bytes());
            hasher.update(c.fact.to_le_bytes());
            hasher.update(c.value.to_bits().to_le_bytes());
            hasher.update([c.comparison as u8, u8::from(c.met)]);
            hasher.update(c.threshold.to_bits().to_le_bytes());
        }
        Outcome::Answered { ads: answer.ads.clone(), budgets: answer.budgets.clone(), checks: hasher.finalize().into() }
    }

    /// The answer again, without its checks.
    ///
    /// # Errors
    /// How the policy failed, if it did.
    pub fn answer(&self) -> Result<Answer, &str> {
        match self {
            Outcome::Answered { ads, budgets, .. } => {
                Ok(Answer { ads: ads.clone(), budgets: budgets.clone(), checks: Vec::new() })
            }
            Outcome::Failed(fault) => Err(fault),
        }
    }

    /// The outcome as bytes: what a replay compares.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Encoding plain data into memory cannot fail.
        postcard::to_stdvec(self).unwrap_or_default()
    }
}

/// The guard's part of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardRecord {
    /// How things stood.
    pub situation: Situation,
    /// How every ad and budget stood, by stage.
    pub standings: Vec<StageStanding>,
    /// What was proposed.
    pub proposals: Proposals,
    /// What became of it.
    pub verdicts: Verdicts,
}

impl GuardRecord {
    /// The record as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::pack(&postcard::to_stdvec(self).unwrap_or_default())
    }

    /// The record of bytes.
    ///
    /// # Errors
    /// When they are damaged or newer.
    pub fn decode(bytes: &[u8]) -> Result<Self, JournalError> {
        let plain = codec::unpack(bytes)?;
        postcard::from_bytes(&plain).map_err(|error| JournalError::Damaged(error.to_string()))
    }
}
