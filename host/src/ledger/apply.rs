//! Sends what was planned, writing down each step before it is taken.

use super::batches::{Place, batches};
use super::{kind, precondition, write_of};
use crate::domain::Clock;
use crate::meta::{Class, Client, Error, Write, WriteAnswer};
use crate::store::{ActionRow, ActionState, Store, StoreError};

/// What became of a set of actions.
#[derive(Debug, Default)]
pub struct Applied {
    /// The actions in their final state.
    pub actions: Vec<ActionRow>,
    /// Why nothing more could be written, if so: token, permission, policy block.
    pub blocked: Option<String>,
}

/// What became of one action, beyond its own state.
#[derive(Debug, Default)]
pub struct Sent {
    /// Why no other write would go through, if so.
    pub blocked: Option<String>,
    /// Whether Meta will refuse it again: the call was understood, and is wrong for this object.
    pub refused: bool,
}

/// Writes actions down, sends them in batches and writes down how each ended. Only writes that may be
/// repeated go through here; creates go through [`send_one`].
///
/// # Errors
/// When the store fails: then nothing more is sent.
pub async fn apply(
    client: &Client,
    store: &dyn Store,
    clock: &Clock,
    mut actions: Vec<ActionRow>,
    place: impl Fn(&ActionRow) -> Place,
) -> Result<Applied, StoreError> {
    // What asks a person writes nothing to the account: it is done once it is written down.
    for ask in actions.iter_mut().filter(|a| a.kind == kind::REFRESH) {
        ask.state = ActionState::Done;
        ask.finished_at = Some(clock.now());
    }
    store.save_actions(&actions).await?;
    let places: Vec<Place> = actions.iter().map(place).collect();
    precondition::drop_changed(client, clock, &mut actions, &places).await;
    store.save_actions(&actions).await?;
    let mut blocked: Option<String> = None;
    for batch in batches(&places) {
        let batch: Vec<usize> = batch.into_iter().filter(|&i| actions[i].state == ActionState::Planned).collect();
        if let Some(reason) = &blocked {
            batch.iter().for_each(|&i| drop_action(&mut actions[i], reason, clock));
        } else {
            let mut writes: Vec<Write> = Vec::with_capacity(batch.len());
            let mut sent: Vec<usize> = Vec::with_capacity(batch.len());
            for &i in &batch {
                match write_of(&actions[i]) {
                    Some(write) => {
                        actions[i].state = ActionState::Sent;
                        actions[i].sent_at = Some(clock.now());
                        writes.push(write);
                        sent.push(i);
                    }
                    None => drop_action(&mut actions[i], "its row in the ledger makes no sense", clock),
                }
            }
            let rows: Vec<ActionRow> = batch.iter().map(|&i| actions[i].clone()).collect();
            store.save_actions(&rows).await?;
            for (i, answer) in sent.into_iter().zip(client.write_batch(&writes).await) {
                if let Some(reason) = finish(&mut actions[i], answer, clock) {
                    blocked = Some(reason);
                }
            }
        }
        let rows: Vec<ActionRow> = batch.iter().map(|&i| actions[i].clone()).collect();
        store.save_actions(&rows).await?;
    }
    Ok(Applied { actions, blocked })
}

/// Writes one action down, sends it and writes down how it ended.
///
/// # Errors
/// When the store fails; the action is not sent if it could not be written down.
pub async fn send_one(
    client: &Client,
    store: &dyn Store,
    clock: &Clock,
    action: &mut ActionRow,
) -> Result<Sent, StoreError> {
    let Some(write) = write_of(action) else {
        drop_action(action, "its row in the ledger makes no sense", clock);
        store.save_actions(std::slice::from_ref(action)).await?;
        return Ok(Sent { blocked: None, refused: true });
    };
    action.state = ActionState::Sent;
    action.sent_at = Some(clock.now());
    store.save_actions(std::slice::from_ref(action)).await?;
    let answer = client.write(&write).await;
    let refused = answer.as_ref().is_err_and(|error| error.class() == Class::Invalid);
    let blocked = finish(action, answer, clock);
    store.save_actions(std::slice::from_ref(action)).await?;
    Ok(Sent { blocked, refused })
}

fn drop_action(action: &mut ActionRow, reason: &str, clock: &Clock) {
    action.state = ActionState::Dropped;
    action.reason = Some(reason.to_string());
    action.finished_at = Some(clock.now());
}

/// Notes how an action ended; returns why no other write would go through, if that is so.
fn finish(action: &mut ActionRow, answer: Result<WriteAnswer, Error>, clock: &Clock) -> Option<String> {
    action.finished_at = Some(clock.now());
    match answer {
        Ok(answer) => {
            action.state = ActionState::Done;
            action.answer = answer.created;
            None
        }
        Err(error) => {
            let unknown = error.may_have_happened();
            action.state = if unknown { ActionState::Unknown } else { ActionState::Failed };
            action.reason = Some(error.to_string());
            if unknown {
                action.finished_at = None;
            }
            // A refusal of one object says nothing of the others; code 10 is the app's own permission.
            let of_all = matches!(error, Error::Api { error: ref api } if api.code == 10);
            let stops = of_all
                || matches!(error.class(), Class::Token | Class::PolicyBlock | Class::Throttled | Class::Resting);
            stops.then(|| error.to_string())
        }
    }
}
