//! What became of actions whose outcome is open: read back from the account before anything is sent.

use super::{kind, marker};
use crate::domain::{Ad, Clock, Status};
use crate::meta::{Class, Client, Error};
use crate::store::{ActionRow, ActionState, Store};
use std::collections::HashMap;

/// A created object may appear late in Meta's lists: only two look-ups this far apart, both without
/// it, mean that it was not created.
const LOOKUP_GAP_SECONDS: i64 = 600;
const LOOKUPS: i64 = 2;

/// Settles open actions against the observed account. Returns those that were looked at.
///
/// # Errors
/// When Meta or the store cannot be asked.
pub async fn reconcile(
    client: &Client,
    store: &dyn Store,
    clock: &Clock,
    ads: &[Ad],
) -> anyhow::Result<Vec<ActionRow>> {
    let mut open = store.open_actions(client.account_id()).await?;
    if open.is_empty() {
        return Ok(open);
    }
    let seen = Seen::new(ads);
    for action in &mut open {
        match action.kind.as_str() {
            kind::COPY_AD | kind::COPY_ADSET | kind::CREATE_AD | kind::CREATE_CREATIVE => {
                created(client, clock, action).await?;
            }
            kind::UPLOAD => {
                action.state = ActionState::Dropped;
                action.reason = Some(
                    "whether it arrived is not known; it is uploaded anew, which changes nothing that runs".into(),
                );
                action.finished_at = Some(clock.now());
            }
            _ => settle(&seen, clock, action),
        }
    }
    store.save_actions(&open).await?;
    Ok(open)
}

/// Status and budget of everything that the account's ads show.
struct Seen {
    status: HashMap<String, Status>,
    budget: HashMap<String, i64>,
}

impl Seen {
    fn new(ads: &[Ad]) -> Self {
        let mut seen = Seen { status: HashMap::new(), budget: HashMap::new() };
        for ad in ads {
            seen.status.extend(ad.status.map(|s| (ad.id.clone(), s)));
            if let Some(adset) = &ad.adset {
                seen.status.extend(adset.status.map(|s| (adset.id.clone(), s)));
                seen.budget.extend(adset.daily_budget.map(|b| (adset.id.clone(), b.0)));
            }
            if let Some(campaign) = &ad.campaign {
                seen.status.extend(campaign.status.map(|s| (campaign.id.clone(), s)));
                seen.budget.extend(campaign.daily_budget.map(|b| (campaign.id.clone(), b.0)));
            }
        }
        seen
    }

    /// Whether a target is as an action wanted it; `None` when the account does not show it.
    fn is_as_wanted(&self, action: &ActionRow) -> Option<bool> {
        if action.kind == kind::SET_BUDGET {
            return self.budget.get(&action.target_id).map(|b| b.to_string() == action.to_value);
        }
        self.status.get(&action.target_id).map(|s| s.as_str() == action.to_value)
    }
}

fn settle(seen: &Seen, clock: &Clock, action: &mut ActionRow) {
    action.finished_at = Some(clock.now());
    let (state, reason) = match (action.state, seen.is_as_wanted(action)) {
        (ActionState::Planned, _) => (ActionState::Dropped, "the run ended before it was sent; it is decided anew"),
        (_, Some(true)) => (ActionState::Done, "found done in the account"),
        (_, Some(false)) => (ActionState::Dropped, "found not done in the account; it is decided anew"),
        // What was archived is no longer listed.
        (_, None) if action.kind == kind::ARCHIVE => (ActionState::Done, "it is no longer listed"),
        (_, None) => (ActionState::Dropped, "its target is no longer listed in the account"),
    };
    action.state = state;
    action.reason = Some(reason.into());
}

async fn created(client: &Client, clock: &Clock, action: &mut ActionRow) -> Result<(), Error> {
    let now = clock.now();
    if action.state == ActionState::Planned {
        action.state = ActionState::Dropped;
        action.reason = Some("the run ended before it was sent".into());
        action.finished_at = Some(now);
        return Ok(());
    }
    let too_soon = |at: jiff::Timestamp| now.as_second() - at.as_second() < LOOKUP_GAP_SECONDS;
    if action.looked_at.is_some_and(too_soon) {
        return Ok(());
    }
    let edge = match action.kind.as_str() {
        kind::COPY_ADSET => "adsets",
        kind::CREATE_CREATIVE => "adcreatives",
        _ => "ads",
    };
    let found = match client.find_by_marker(edge, &marker(action)).await {
        // A list that cannot be searched says nothing of this one; the others are not kept waiting.
        Err(error) if error.class() == Class::Invalid => {
            tracing::warn!(%error, "looking for what was made");
            return Ok(());
        }
        found => found?,
    };
    action.looked_at = Some(now);
    if let Some(id) = found.first() {
        action.state = ActionState::Done;
        action.answer = Some(id.clone());
        action.reason = Some("found in the account by its marker".into());
        action.finished_at = Some(now);
        return Ok(());
    }
    action.state = ActionState::Unknown;
    action.lookups += 1;
    if action.lookups >= LOOKUPS {
        action.state = ActionState::Dropped;
        action.reason = Some("two look-ups found nothing with its marker: it was not created".into());
        action.finished_at = Some(now);
    }
    Ok(())
}
