//! A policy on trial: asked in every run beside the one that decides, with its own settings and its own plan. As a shadow it
//! is never heard; as a canary it decides about a share of the ads.

use super::activate::{Refusal, Scope, prepared, scopes, stages, trusted_by_some};
use super::install::keep;
use super::prepare::Ready;
use super::shelf::Shelf;
use crate::config::Sources;
use crate::store::{PolicyTrialRow, Store};
use anyhow::Context as _;
use dean_policy::Registry;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A policy on trial for a stage of a client.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What is known of it.
    pub row: PolicyTrialRow,
    /// The policy with the client's settings; or why it cannot be asked.
    pub ready: Result<Box<Ready>, String>,
}

impl Trial {
    /// The policy, `name@version`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}@{}", self.row.name, self.row.version)
    }

    /// Whether it decides about an ad or a budget: by a hash of its id that is another for every policy, so that it is
    /// not always the same ads that are tried on, and so that a wider share holds all of a narrower one.
    #[must_use]
    pub fn takes(&self, id: &str) -> bool {
        takes(&self.row.digest, id, self.row.share)
    }
}

/// Whether an id lies in a policy's share.
#[must_use]
pub fn takes(digest: &str, id: &str, share: f64) -> bool {
    let hash = Sha256::digest(format!("{digest}/{id}"));
    let (first, _) = hash.split_at(8);
    let place = first.iter().fold(0u64, |place, byte| place << 8 | u64::from(*byte));
    (place as f64 / 2f64.powi(64)) < share
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Trying<'a> {
    /// The policy's name and version.
    pub named: (&'a str, &'a str),
    /// The part of the ads that it decides about; 0: it is a shadow.
    pub share: f64,
    /// Whether one that has a share already keeps it.
    pub keeps_share: bool,
    /// For one client, or all that there are now.
    pub client: Option<&'a str>,
    /// For one stage, or all that it decides for.
    pub stage: Option<&'a str>,
    /// From when on.
    pub now: Timestamp,
}

/// Trials that began.
#[derive(Clone, Debug, Serialize)]
pub struct Begun {
    /// The policy's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub sha256: String,
    /// The part of the ads that it decides about; 0: it is a shadow.
    pub share: f64,
    /// Clients and stages, `client/stage`.
    pub beside: Vec<String>,
    /// Clients and stages where there is nothing to try it beside, and why.
    pub not: Vec<String>,
    /// Cases that it carries and that it was asked; 0: no cases.
    pub cases: usize,
}

/// Puts a policy on trial, in place of another that was; one that is already is given another share.
///
/// # Errors
/// When it could not be activated either, save that a client's configuration names another. Then nothing has changed.
pub async fn put_on_trial(
    store: &dyn Store,
    registry: &Registry,
    sources: &Sources,
    trying: Trying<'_>,
) -> anyhow::Result<Begun> {
    let Trying { named: (name, version), share, keeps_share, client, stage, now } = trying;
    let mut scopes = scopes(sources, client)?;
    // A trial that ends with a run of another profile harms nobody.
    scopes.retain(|scope| scope.is_present);
    let first = &scopes.first().context("there is always the configuration without a client")?.effective;
    let offer = Shelf::load(store, first, &sources.folder).await?.fetch(store, name, version).await?;
    trusted_by_some(&scopes, &offer)?;
    let policy = registry.load(&offer.artifact)?;
    let cases = registry.examine(&policy).map_err(|error| Refusal(format!("{error}\nnothing was changed")))?;
    let stages = stages(first, policy.manifest(), stage)?;
    let digest = policy.digest().to_string();
    let known = store.policy_trials().await?;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    let (mut beside, mut not) = (Vec::new(), Vec::new());
    for Scope { effective, .. } in &scopes {
        let client = &effective.client;
        let of_client = |stage: &String| {
            let (client, stage) = (client.clone(), stage.clone());
            let open = |row: &&PolicyTrialRow| row.client == client && row.stage == stage && row.ended_at.is_none();
            let open = known.iter().find(open);
            match open {
                Some(row) if row.digest == digest => {
                    // With the share that it has nothing begins anew.
                    let is_same = (keeps_share && row.share > 0.0) || (row.share - share).abs() < f64::EPSILON;
                    let known = PolicyTrialRow { failures: 0, ..row.clone() };
                    let stepped =
                        PolicyTrialRow { share, stepped_at: now, told: None, evidence: None, ..known.clone() };
                    vec![if is_same { known } else { stepped }]
                }
                _ => {
                    let reason = format!("{name}@{version} is tried in its place");
                    let ended = open.map(|row| ended(row, &reason, now));
                    let new = PolicyTrialRow {
                        client,
                        stage,
                        began_at: now,
                        name: name.into(),
                        version: version.into(),
                        digest: digest.clone(),
                        share,
                        stepped_at: now,
                        failures: 0,
                        ended_at: None,
                        reason: None,
                        steered_on: None,
                        told: None,
                        evidence: None,
                    };
                    ended.into_iter().chain([new]).collect()
                }
            }
        };
        let of_client: Vec<PolicyTrialRow> = stages.iter().flat_map(of_client).collect();
        let shelf = Shelf::load(store, effective, &sources.folder).await?.on_trial(of_client.clone(), &offer.artifact);
        let prepared = match prepared(store, registry, sources, effective, &shelf, &stages).await {
            Ok(prepared) => prepared,
            Err(error) => {
                errors.push(error.to_string());
                continue;
            }
        };
        for stage in prepared {
            let place = format!("{client}/{}", stage.view.name);
            match (&stage.trial, stage.ready()) {
                (Some(Trial { ready: Err(reason), .. }), _) => errors.push(format!("{place}: {reason}")),
                (Some(Trial { ready: Ok(tried), .. }), Some(ready)) => {
                    if tried.policy.digest() == ready.policy.digest() {
                        not.push(format!("{place}: it decides there already"));
                        continue;
                    }
                    beside.push(place);
                    rows.extend(of_client.iter().filter(|row| row.stage == stage.view.name).cloned());
                }
                (_, None) => {
                    let why = stage.broken().unwrap_or("nobody decides there");
                    not.push(format!("{place}: {why}"));
                }
                (None, Some(_)) => {}
            }
        }
    }
    if !errors.is_empty() {
        errors.dedup();
        return Err(
            Refusal(format!("{name}@{version} does not fit; nothing was changed\n{}", errors.join("\n"))).into()
        );
    }
    if beside.is_empty() {
        let why = not.join("\n");
        return Err(
            Refusal(format!("there is nothing to try {name}@{version} beside; nothing was changed\n{why}")).into()
        );
    }
    keep(store, &policy).await?;
    store.save_policy_trials(&rows).await?;
    let share = rows.iter().find(|row| row.ended_at.is_none()).map_or(share, |row| row.share);
    Ok(Begun { name: name.into(), version: version.into(), sha256: digest, share, beside, not, cases })
}

/// Ends the trials of a client, or of all, for one stage or all.
///
/// # Errors
/// When there is none.
pub async fn end_trials(
    store: &dyn Store,
    client: Option<&str>,
    stage: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<Vec<PolicyTrialRow>> {
    let known = store.policy_trials().await?;
    let meant = |row: &&PolicyTrialRow| {
        row.ended_at.is_none()
            && client.is_none_or(|client| row.client == client)
            && stage.is_none_or(|stage| row.stage == stage)
    };
    let rows: Vec<PolicyTrialRow> = known.iter().filter(meant).map(|row| ended(row, "it was ended", now)).collect();
    if rows.is_empty() {
        let whom = client.map_or("all clients".into(), |client| format!("client {client}"));
        let of_stage = stage.map(|stage| format!(", stage {stage}")).unwrap_or_default();
        let open = known.iter().filter(|row| row.ended_at.is_none());
        let others: Vec<String> = open.map(|row| format!("{}/{}", row.client, row.stage)).collect();
        let others = if others.is_empty() { String::new() } else { format!(" (one is for {})", others.join(", ")) };
        let of_stage = format!("{of_stage}{others}");
        let hint = "`dean policy shadow NAME@VERSION` and `dean policy canary NAME@VERSION` begin one";
        return Err(Refusal(format!("no policy is on trial for {whom}{of_stage}\n  hint: {hint}")).into());
    }
    store.save_policy_trials(&rows).await?;
    Ok(rows)
}

/// A trial that is over.
#[must_use]
pub(crate) fn ended(row: &PolicyTrialRow, reason: &str, now: Timestamp) -> PolicyTrialRow {
    PolicyTrialRow { ended_at: Some(now), reason: Some(reason.into()), ..row.clone() }
}
