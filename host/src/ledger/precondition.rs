//! Just before it is written: whether a target still is what the plan saw. What somebody changed meanwhile is
//! theirs, and the action is dropped.

use super::{Place, kind};
use crate::domain::Clock;
use crate::meta::{Client, Edge, Error, Present};
use crate::store::{ActionRow, ActionState};
use std::collections::{BTreeMap, HashMap};

/// Reads the targets of planned actions again and drops those that are not as they were seen; when they cannot
/// be read, all of them. What is to be put away and is gone is done.
pub(super) async fn drop_changed(client: &Client, clock: &Clock, actions: &mut [ActionRow], places: &[Place]) {
    // In a fixed order, so that a run can be made again call by call.
    let mut of_edge: BTreeMap<Edge, Vec<usize>> = BTreeMap::new();
    for (i, action) in actions.iter().enumerate() {
        let is_checked = action.from_value.is_some() || action.kind == kind::ARCHIVE;
        if action.state == ActionState::Planned && is_checked {
            of_edge.entry(edge(action, &places[i])).or_default().push(i);
        }
    }
    for (edge, of_edge) in of_edge {
        let ids: Vec<&str> = of_edge.iter().map(|&i| actions[i].target_id.as_str()).collect();
        let present = client.present(edge, &ids).await;
        for i in of_edge {
            if let Some(reason) = changed(&actions[i], &present) {
                let is_gone = present.as_ref().is_ok_and(|present| !present.contains_key(&actions[i].target_id));
                let done = is_gone && actions[i].kind == kind::ARCHIVE;
                actions[i].state = if done { ActionState::Done } else { ActionState::Dropped };
                actions[i].reason = Some(reason);
                actions[i].finished_at = Some(clock.now());
            }
        }
    }
}

/// Where a target is listed.
fn edge(action: &ActionRow, place: &Place) -> Edge {
    match action.kind.as_str() {
        kind::SET_BUDGET if place.campaign.as_deref() == Some(&action.target_id) => Edge::Campaigns,
        kind::SET_BUDGET | kind::ARCHIVE => Edge::AdSets,
        kind::ACTIVATE if place.adset.as_deref() == Some(&action.target_id) => Edge::AdSets,
        _ => Edge::Ads,
    }
}

/// Why an action cannot be done any more, if so.
fn changed(action: &ActionRow, present: &Result<HashMap<String, Present>, Error>) -> Option<String> {
    let present = match present {
        Ok(present) => present.get(&action.target_id),
        Err(error) => {
            let error = error.to_string();
            return Some(format!("what it is now could not be read: {}", error.lines().next().unwrap_or_default()));
        }
    };
    let Some(present) = present else {
        return Some("it is not in the account any more".into());
    };
    // Whatever a copy is, it is put away: nothing says what it has to be.
    let was = action.from_value.as_deref()?;
    let is = match action.kind.as_str() {
        kind::SET_BUDGET => present.daily_budget.map(|budget| budget.0.to_string()),
        _ => present.status.map(|status| status.as_str().to_string()),
    };
    let what = if action.kind == kind::SET_BUDGET { "its daily budget" } else { "its status" };
    let is = is.as_deref().unwrap_or("not known");
    if is == was {
        return None;
    }
    Some(match is == action.to_value {
        true => format!("somebody did it meanwhile: {what} is {is} already"),
        false => format!("somebody changed it meanwhile: {what} was {was} when this was planned and is {is}"),
    })
}
