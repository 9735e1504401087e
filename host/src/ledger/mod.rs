//! The ledger: every write to an account is a row here before it is sent, and has a known end.
//!
//! planned -> sent -> done | failed | unknown; planned -> dropped. What is not known to have happened
//! is read back from the account before anything is sent again ([`reconcile`]); creating something is
//! never repeated blindly.

mod apply;
mod batches;
mod history;
mod precondition;
mod reconcile;

pub use apply::{Applied, Planned, apply};
pub use batches::{OneBatch, Place};
pub use history::{Changes, History};
pub use reconcile::reconcile;

use crate::domain::{Money, Status};
use crate::meta::Write;
use crate::store::{ActionRow, ActionState};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Kinds of actions, as they are stored and shown.
pub mod kind {
    /// Pauses an ad.
    pub const PAUSE: &str = "pause";
    /// Brings an ad back.
    pub const RESUME: &str = "resume";
    /// Sets the daily budget of an owner.
    pub const SET_BUDGET: &str = "set-budget";
    /// Copies an ad set without its ads.
    pub const COPY_ADSET: &str = "copy-adset";
    /// Copies an ad into an ad set.
    pub const COPY_AD: &str = "copy-ad";
    /// Switches on a copied ad or ad set.
    pub const ACTIVATE: &str = "activate";
    /// Asks a person for a new creative: nothing is written to the account.
    pub const REFRESH: &str = "refresh";
    /// Puts away a copy that came to nothing.
    pub const ARCHIVE: &str = "archive";
    /// Uploads media into the account's library.
    pub const UPLOAD: &str = "upload";
    /// Makes a creative.
    pub const CREATE_CREATIVE: &str = "create-creative";
    /// Makes an ad of a creative.
    pub const CREATE_AD: &str = "create-ad";
}

/// Where and why an action is planned.
#[derive(Clone, Debug)]
pub struct Intent<'a> {
    /// The run.
    pub run_id: &'a str,
    /// The account.
    pub account_id: &'a str,
    /// The moment.
    pub at: Timestamp,
    /// The stage.
    pub stage: &'a str,
    /// The rule that led to it.
    pub rule: &'a str,
    /// The ad that it is about.
    pub ad_id: Option<&'a str>,
}

impl Intent<'_> {
    /// A planned action. Its id is made of the run's and its place in it, unless one is given.
    #[must_use]
    pub fn action(&self, seq: usize, kind: &str, target: &str, from: Option<String>, to: String) -> ActionRow {
        ActionRow {
            action_id: format!("{}.{seq}", self.run_id),
            run_id: self.run_id.into(),
            account_id: self.account_id.into(),
            seq: seq as i64,
            kind: kind.into(),
            target_id: target.into(),
            ad_id: self.ad_id.map(String::from),
            stage: self.stage.into(),
            rule: self.rule.into(),
            from_value: from,
            to_value: to,
            state: ActionState::Planned,
            planned_at: self.at,
            sent_at: None,
            finished_at: None,
            answer: None,
            reason: None,
            lookups: 0,
            looked_at: None,
            evidence: None,
        }
    }
}

/// The marker in the name of what an action creates.
#[must_use]
pub fn marker(action: &ActionRow) -> String {
    format!("[dean:{}]", action.action_id)
}

/// The write of an action; `None` when its row makes no sense.
#[must_use]
pub fn write_of(action: &ActionRow) -> Option<Write> {
    let id = action.target_id.clone();
    let to = &action.to_value;
    Some(match action.kind.as_str() {
        kind::PAUSE | kind::RESUME | kind::ACTIVATE | kind::ARCHIVE => {
            Write::SetStatus { id, status: Status::parse(to)? }
        }
        kind::SET_BUDGET => Write::SetBudget { id, daily: Money(to.parse().ok()?) },
        kind::COPY_ADSET => Write::CopyAdSet { id, campaign_id: to.clone(), suffix: format!(" {}", marker(action)) },
        kind::CREATE_CREATIVE => Write::CreateCreative { account: id, params: named(action)? },
        kind::CREATE_AD => Write::CreateAd { account: action.account_id.clone(), params: named(action)? },
        kind::COPY_AD => Write::CopyAd { id, adset_id: to.clone(), suffix: format!(" {}", marker(action)) },
        _ => return None,
    })
}

/// The parameters of what is created, its name with the action's marker.
fn named(action: &ActionRow) -> Option<Vec<(String, String)>> {
    let parameters: BTreeMap<String, String> = serde_json::from_str(&action.to_value).ok()?;
    // A creative's own name nobody sees; Meta takes a hundred characters of it, and the marker has to be whole.
    let most = if action.kind == kind::CREATE_CREATIVE { 60 } else { usize::MAX };
    let mark = |(name, value): (String, String)| {
        let marked = || format!("{} {}", value.chars().take(most).collect::<String>().trim_end(), marker(action));
        let value = if name == "name" { marked() } else { value };
        (name, value)
    };
    Some(parameters.into_iter().map(mark).collect())
}
