//! Rows of the queue: creatives that wait to be launched.

use crate::domain::CreativeSpec;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a creative of the queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueState {
    /// It waits for its turn.
    Waiting,
    /// Its media, creative and ad are being made.
    Launching,
    /// Its ad is there.
    Launched,
    /// It came to nothing.
    Failed,
    /// Somebody took it out.
    Dropped,
}

impl QueueState {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            QueueState::Waiting => "waiting",
            QueueState::Launching => "launching",
            QueueState::Launched => "launched",
            QueueState::Failed => "failed",
            QueueState::Dropped => "dropped",
        }
    }

    /// The state of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        use QueueState::{Dropped, Failed, Launched, Launching, Waiting};
        [Waiting, Launching, Launched, Failed, Dropped].into_iter().find(|s| s.as_str() == word)
    }
}

/// A creative that waits to be launched, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// Its id, also the marker in the names of what is made of it.
    pub queue_id: String,
    /// The account.
    pub account_id: String,
    /// Its name.
    pub name: String,
    /// What is launched: JSON of [`CreativeSpec`].
    pub spec: String,
    /// Where it stands.
    pub state: QueueState,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it came into its state.
    pub step_at: Timestamp,
    /// Meta's hash of its image, once it is uploaded.
    pub image_hash: Option<String>,
    /// Meta's id of its video, once it is uploaded.
    pub video_id: Option<String>,
    /// Its creative.
    pub creative_id: Option<String>,
    /// Its ad.
    pub ad_id: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
    /// Its place among those that were added at once.
    pub seq: i64,
}

impl QueueRow {
    /// A creative that begins to wait.
    #[must_use]
    pub fn waiting(queue_id: String, account_id: &str, spec: &CreativeSpec, at: Timestamp, seq: usize) -> Self {
        QueueRow {
            queue_id,
            account_id: account_id.into(),
            name: spec.name.trim().into(),
            // Plain texts always have a JSON form.
            spec: serde_json::to_string(spec).unwrap_or_default(),
            state: QueueState::Waiting,
            added_at: at,
            step_at: at,
            image_hash: None,
            video_id: None,
            creative_id: None,
            ad_id: None,
            reason: None,
            seq: seq as i64,
        }
    }
}
