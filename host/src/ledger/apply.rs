//! Sends what was planned, writing down each step before it is taken.

use super::batches::{Place, batches};
use super::{kind, precondition, write_of};
use crate::domain::Clock;
use crate::meta::{Class, Client, Error, Write, WriteAnswer};
use crate::store::{ActionRow, ActionState, Store, StoreError};
use std::collections::BTreeSet;

/// What became of a set of actions.
#[derive(Debug, Default)]
pub struct Applied {
    /// The actions in their final state.
    pub actions: Vec<ActionRow>,
    /// Why nothing more could be written, if so: token, permission, policy block, a switch that somebody pulled.
    pub blocked: Option<String>,
    /// Ids of actions that Meta will refuse again: the call was understood, and is wrong for its object.
    pub refused: BTreeSet<String>,
}

/// Writes that were all refused for want of permission, after which the others would be too.
const NOTHING_IS_ALLOWED: usize = 2;

/// A planned action, and where its write lands.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The action.
    pub action: ActionRow,
    /// Where it lands.
    pub place: Place,
}

/// Writes actions down, sends them in batches and writes down how each ended. An action is sent once, also one that
/// creates: where no answer says what became of it, it is left open for [`reconcile`](super::reconcile).
/// `stopped` says before every batch why nothing more may be written.
///
/// # Errors
/// When the store fails: then nothing more is sent.
pub async fn apply(
    client: &Client,
    store: &dyn Store,
    clock: &Clock,
    planned: Vec<Planned>,
    stopped: &(dyn Fn() -> Option<String> + Sync),
) -> Result<Applied, StoreError> {
    let (mut actions, places): (Vec<ActionRow>, Vec<Place>) = planned.into_iter().map(|p| (p.action, p.place)).unzip();
    // What asks a person writes nothing to the account: it is done once it is written down.
    for ask in actions.iter_mut().filter(|a| a.kind == kind::REFRESH) {
        ask.state = ActionState::Done;
        ask.finished_at = Some(clock.now());
    }
    store.save_actions(&actions).await?;
    precondition::drop_changed(client, clock, &mut actions, &places).await;
    store.save_actions(&actions).await?;
    let mut applied = Applied::default();
    let (mut answered, mut forbidden_so_far) = (0, 0);
    let open: Vec<usize> = (0..actions.len()).filter(|&i| actions[i].state == ActionState::Planned).collect();
    let places: Vec<Place> = open.iter().map(|&i| places[i].clone()).collect();
    for batch in batches(&places) {
        let batch: Vec<usize> = batch.into_iter().map(|at| open[at]).collect();
        applied.blocked = applied.blocked.or_else(stopped);
        if let Some(reason) = &applied.blocked {
            tracing::warn!(%reason, "no more writes in this run");
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
                    None => {
                        drop_action(&mut actions[i], "its row in the ledger makes no sense", clock);
                        applied.refused.insert(actions[i].action_id.clone());
                    }
                }
            }
            let rows: Vec<ActionRow> = batch.iter().map(|&i| actions[i].clone()).collect();
            store.save_actions(&rows).await?;
            for (i, answer) in sent.into_iter().zip(client.write_batch(&writes).await) {
                // What a page may not say, or a policy forbids in it, says nothing of other writes.
                let of_itself = matches!(actions[i].kind.as_str(), kind::CREATE_CREATIVE | kind::CREATE_AD);
                let class = answer.as_ref().err().map(Error::class);
                answered += 1;
                forbidden_so_far += usize::from(class == Some(Class::Permission) && !of_itself);
                let refusal = answer.as_ref().err().map(ToString::to_string);
                let forbidden = of_itself && matches!(class, Some(Class::Permission | Class::PolicyBlock));
                if class == Some(Class::Invalid) || forbidden {
                    applied.refused.insert(actions[i].action_id.clone());
                }
                if let Some(reason) = finish(&mut actions[i], answer, clock).filter(|_| !forbidden) {
                    applied.blocked = Some(reason);
                }
                // One object may be somebody else's; when nothing at all is allowed, it is the token.
                if forbidden_so_far == answered && answered >= NOTHING_IS_ALLOWED && applied.blocked.is_none() {
                    applied.blocked = refusal;
                }
            }
        }
        let rows: Vec<ActionRow> = batch.iter().map(|&i| actions[i].clone()).collect();
        store.save_actions(&rows).await?;
    }
    applied.actions = actions;
    Ok(applied)
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
