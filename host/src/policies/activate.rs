//! The swap: a policy is tried in every way that is known before the pointer moves, and whatever fails leaves the one
//! that decides now in place.

use super::choose::{choose, overruled};
use super::install::keep;
use super::prepare::{StagePolicy, prepare_some};
use super::shelf::{Offer, Shelf};
use super::trial::ended;
use crate::config::{self, ConfigError, Effective, Sources, StageView};
use crate::scoring;
use crate::store::{PolicySwitchRow, PolicyTrialRow, Store};
use anyhow::Context as _;
use dean_policy::Registry;
use dean_policy::types::{ANY_STAGE, Manifest};
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A change that was refused, and why. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub(super) String);

macro_rules! refuse {
    ($($text:tt)*) => {
        return Err(Refusal(format!($($text)*)).into())
    };
}

/// What an activation did.
#[derive(Clone, Debug, Serialize)]
pub struct Activation {
    /// The policy's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub sha256: String,
    /// For whom it was activated; nobody in particular: all clients.
    pub client: Option<String>,
    /// The stages that it was activated for.
    pub stages: Vec<String>,
    /// Clients and stages that it decides for from now on, `client/stage`.
    pub decides_for: Vec<String>,
    /// Those that keep another, and why.
    pub kept: Vec<Kept>,
    /// Cases that it carries and that it was asked; 0: no cases.
    pub cases: usize,
    /// Keys that were written for another policy and that it does not read.
    pub unread: Vec<String>,
}

/// A client's stage that an activation does not reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The client.
    pub client: String,
    /// The stage.
    pub stage: String,
    /// Why.
    pub why: String,
}

/// What a rollback did to one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Returned {
    /// For whom; nobody in particular: all clients.
    pub client: Option<String>,
    /// The stage.
    pub stage: String,
    /// What decided until now, `name@version`.
    pub from: String,
    /// What decides again, for whoever chose nothing else.
    pub to: Option<String>,
    /// Why another goes on deciding that this does not change, where nobody is reached.
    pub kept: Option<String>,
}

/// Lets a policy decide from the next run on: for a client or all, for one stage or all that it decides for.
///
/// # Errors
/// When it is not there, not signed where that is asked, does not load, fails its cases, or some client's settings do
/// not fit it. Then nothing has changed.
pub async fn activate(
    store: &dyn Store,
    registry: &Registry,
    sources: &Sources,
    named: (&str, &str),
    client: Option<&str>,
    stage: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<Activation> {
    let (name, version) = named;
    let scopes = scopes(sources, client)?;
    let first = &scopes.first().context("there is always the configuration without a client")?.effective;
    let shelf = Shelf::load(store, first, &sources.folder).await?;
    let offer = shelf.fetch(store, name, version).await?;
    trusted_by_some(&scopes, &offer)?;
    let policy = registry.load(&offer.artifact)?;
    let manifest = policy.manifest();
    if (manifest.name.as_str(), manifest.version.as_str()) != named {
        refuse!("{name}@{version} says that it is {}@{}; nothing was changed", manifest.name, manifest.version);
    }
    let cases = registry.examine(&policy).map_err(|error| Refusal(format!("{error}\nnothing was changed")))?;
    let stages = stages(first, manifest, stage)?;
    let switch = |stage: &String| PolicySwitchRow {
        client: client.unwrap_or_default().into(),
        stage: stage.clone(),
        name: name.into(),
        version: version.into(),
        digest: policy.digest().to_string(),
        switched_at: now,
    };
    let switches: Vec<PolicySwitchRow> = stages.iter().map(switch).collect();

    let mut activation = Activation {
        name: name.into(),
        version: version.into(),
        sha256: policy.digest().to_string(),
        client: client.map(String::from),
        stages,
        decides_for: Vec::new(),
        kept: Vec::new(),
        cases,
        unread: Vec::new(),
    };
    let mut errors = Vec::new();
    for scope in &scopes {
        let effective = &scope.effective;
        let before = Shelf::load(store, effective, &sources.folder).await?;
        let after = before.clone().with(switches.clone(), &offer.artifact);
        let of = client.unwrap_or_default();
        let (mut reached, kept) = reach((effective, &sources.folder), &activation.stages, of, (&before, &after));
        // A file that stands in for it says nothing about what was activated.
        let after = after.unwatched();
        for stage in &match prepared(store, registry, sources, effective, &after, &reached).await {
            Ok(prepared) => prepared,
            Err(error) => {
                errors.push(error.to_string());
                continue;
            }
        } {
            let ready = stage.ready().filter(|ready| ready.policy.digest() == policy.digest());
            if let Some(reason) = stage.broken().or(stage.ready().and_then(|ready| ready.instead.as_deref())) {
                errors.push(format!("{}, stage {}: {reason}", scope.named(), stage.view.name));
            }
            activation.unread.extend(ready.into_iter().flat_map(|ready| ready.unread.clone()));
        }
        if !scope.is_present {
            continue;
        }
        let watched = before.watched(name);
        let stands_in = |file: &PathBuf| format!("{} of the watched folder stands in for it", file.display());
        let kept = kept.into_iter().chain(
            watched.iter().flat_map(|file| reached.drain(..).map(|stage| (stage, stands_in(file))).collect::<Vec<_>>()),
        );
        let client = &effective.client;
        activation.kept.extend(kept.map(|(stage, why)| Kept { client: client.clone(), stage, why }));
        activation.decides_for.extend(reached.iter().map(|stage| format!("{client}/{stage}")));
    }
    if !errors.is_empty() {
        errors.dedup();
        refuse!("{name}@{version} does not fit; nothing was changed\n{}", errors.join("\n"));
    }
    if activation.decides_for.is_empty() {
        let why: Vec<String> = activation.kept.iter().map(|k| format!("{}/{}: {}", k.client, k.stage, k.why)).collect();
        refuse!(
            "{name}@{version} would decide for nobody; nothing was changed\n{}\n  hint: change the configuration there",
            why.join("\n")
        );
    }
    activation.unread.sort();
    activation.unread.dedup();
    keep(store, &policy).await?;
    // Where it decides it is not tried any more: taken back, it must not go on as its own canary.
    let reached = |row: &PolicyTrialRow| activation.decides_for.contains(&format!("{}/{}", row.client, row.stage));
    let trials = store.policy_trials().await?;
    let over = trials.iter().filter(|row| row.ended_at.is_none() && row.digest == activation.sha256 && reached(row));
    let over: Vec<PolicyTrialRow> = over.map(|row| ended(row, "it was activated", now)).collect();
    store.switch_policies(&switches, &over).await?;
    Ok(activation)
}

/// Takes the newest activation back: of a client or of all, for one stage or all that were activated with it.
///
/// # Errors
/// When nothing was activated, or what would decide again does not fit any more. Then nothing has changed.
pub async fn rollback(
    store: &dyn Store,
    registry: &Registry,
    sources: &Sources,
    client: Option<&str>,
    stage: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<Vec<Returned>> {
    let scope = client.unwrap_or_default();
    let whom = client.map_or("all clients".into(), |client| format!("client {client}"));
    let switches = store.policy_switches().await?;
    let of_scope =
        |switch: &&PolicySwitchRow| switch.client == scope && stage.is_none_or(|stage| switch.stage == stage);
    let Some(newest) = switches.iter().rfind(of_scope) else {
        let of_stage = stage.map(|stage| format!(" for stage {stage}")).unwrap_or_default();
        refuse!(
            "nothing was activated for {whom}{of_stage}: there is nothing to take back\n  hint: `dean policy list`"
        );
    };
    let together =
        |switch: &&PolicySwitchRow| switch.digest == newest.digest && switch.switched_at == newest.switched_at;
    let withdrawn: Vec<PolicySwitchRow> = switches.iter().filter(of_scope).filter(together).cloned().collect();
    let stages: Vec<String> = withdrawn.iter().map(|gone| gone.stage.clone()).collect();

    let (mut errors, mut to) = (Vec::new(), Vec::new());
    let mut keeps: Vec<(String, String)> = Vec::new();
    for one in scopes(sources, client)? {
        let effective = &one.effective;
        let before = Shelf::load(store, effective, &sources.folder).await?;
        let shelf = before.clone().without(&withdrawn);
        let (reached, kept) = reach((effective, &sources.folder), &stages, scope, (&before, &shelf));
        keeps.extend(kept);
        match prepared(store, registry, sources, effective, &shelf, &reached).await {
            Err(error) => errors.push(error.to_string()),
            Ok(prepared) => {
                for stage in prepared {
                    let instead = stage.ready().and_then(|ready| ready.instead.as_deref());
                    match stage.broken().or(instead) {
                        Some(reason) => errors.push(format!("{}, stage {}: {reason}", one.named(), stage.view.name)),
                        None => to.push(stage),
                    }
                }
            }
        }
    }
    if !errors.is_empty() {
        errors.dedup();
        refuse!("what would decide again does not fit any more; nothing was changed\n{}", errors.join("\n"));
    }
    if !store.withdraw_policy_switches(&withdrawn, now).await? {
        refuse!("another policy was activated at the same time; nothing was changed\n  hint: `dean policy list`");
    }
    let returned = |gone: &PolicySwitchRow| {
        let again = to.iter().find(|stage| stage.view.name == gone.stage);
        let again = again.and_then(|stage| stage.ready()).map(|ready| ready.policy.manifest().named());
        let kept = keeps.iter().find(|(stage, _)| *stage == gone.stage).map(|(_, why)| why.clone());
        Returned {
            client: client.map(String::from),
            stage: gone.stage.clone(),
            from: format!("{}@{}", gone.name, gone.version),
            kept: kept.filter(|_| again.is_none()),
            to: again,
        }
    };
    Ok(withdrawn.iter().map(returned).collect())
}

/// A configuration that a change concerns.
pub(super) struct Scope {
    pub effective: Effective,
    /// Whether it is one of the profile that the command was given: the others are looked at, so that nothing stops a run
    /// under them.
    pub is_present: bool,
}

impl Scope {
    /// Whose it is, for messages.
    pub(super) fn named(&self) -> String {
        match (&self.effective.profile, self.is_present) {
            (Some(profile), false) => format!("{} under profile {profile}", self.effective.client),
            _ => self.effective.client.clone(),
        }
    }
}

/// The configurations that a change of a scope concerns: a client's, or that without a client and every client's; each
/// under the profile of the command first, and then under every other.
pub(super) fn scopes(sources: &Sources, client: Option<&str>) -> Result<Vec<Scope>, ConfigError> {
    let clients: Vec<Option<String>> = match client {
        Some(client) => vec![Some(client.into())],
        None => std::iter::once(None).chain(config::clients(&sources.folder).into_iter().map(Some)).collect(),
    };
    let others = std::iter::once(None).chain(config::profiles(&sources.folder).into_iter().map(Some));
    let others = others.filter(|profile| *profile != sources.profile);
    let profiles: Vec<Option<String>> = std::iter::once(sources.profile.clone()).chain(others).collect();
    let (mut scopes, mut wrong) = (Vec::new(), Vec::new());
    for profile in profiles {
        let is_present = profile == sources.profile;
        for client in &clients {
            match config::load(&Sources { client: client.clone(), profile: profile.clone(), ..sources.clone() }) {
                Ok(effective) => scopes.push(Scope { effective, is_present }),
                Err(error) => wrong.push(error),
            }
        }
    }
    ConfigError::from_many(wrong).map_or(Ok(scopes), Err)
}

/// What nobody trusts is not even compiled; who trusts it is looked at where it would decide.
pub(super) fn trusted_by_some(scopes: &[Scope], offer: &Offer) -> Result<(), Refusal> {
    let mut refused = None;
    for scope in scopes {
        match offer.check_signature(&scope.effective) {
            Ok(_) => return Ok(()),
            Err(reason) => refused = refused.or(Some(reason)),
        }
    }
    refused.map_or(Ok(()), |reason| Err(Refusal(format!("{reason}\nnothing was changed"))))
}

/// The stages that an activation is for.
pub(super) fn stages(effective: &Effective, manifest: &Manifest, stage: Option<&str>) -> anyhow::Result<Vec<String>> {
    let there: Vec<String> = effective.config.stages().into_iter().map(|view| view.name).collect();
    let (named, joined) = (manifest.named(), manifest.stages.join(", "));
    match stage {
        Some(stage) if !there.iter().any(|name| name == stage) => {
            refuse!("there is no stage {stage}\n  hint: there are {}", there.join(", "))
        }
        Some(stage) if !manifest.decides_for(stage) => {
            refuse!("{named} does not decide for stage {stage}; nothing was changed\n  hint: it decides for {joined}")
        }
        Some(stage) => Ok(vec![stage.into()]),
        None => {
            let both: Vec<String> = there.into_iter().filter(|name| manifest.stages.contains(name)).collect();
            if manifest.decides_for(ANY_STAGE) {
                refuse!("{named} decides for any stage; nothing was changed\n  hint: say which with --stage");
            }
            if both.is_empty() {
                refuse!("{named} decides for {joined}, and there is no such stage; nothing was changed");
            }
            Ok(both)
        }
    }
}

/// Which of some stages a change of a scope (empty: all clients) reaches in a client's configuration, and what keeps the
/// others from it. What a client keeps is not this change's business, also where it is broken.
fn reach(
    (effective, folder): (&Effective, &Path),
    stages: &[String],
    scope: &str,
    (before, after): (&Shelf, &Shelf),
) -> (Vec<String>, Vec<(String, String)>) {
    let (mut reached, mut kept) = (Vec::new(), Vec::new());
    for view in effective.config.stages().into_iter().filter(|view| stages.contains(&view.name)) {
        let choice = |shelf: &Shelf| Some(choose(effective, folder, &view, shelf)?.offer.map(|o| o.artifact.digest()));
        match overruled(effective, &view, after, scope) {
            // Whoever names a policy without its version gets the version that is active.
            Some(why) if choice(before) == choice(after) => kept.push((view.name, why)),
            _ => reached.push(view.name),
        }
    }
    (reached, kept)
}

/// The policies of some stages: an activation concerns no others.
pub(super) async fn prepared(
    store: &dyn Store,
    registry: &Registry,
    sources: &Sources,
    effective: &Effective,
    shelf: &Shelf,
    stages: &[String],
) -> anyhow::Result<Vec<StagePolicy>> {
    let scores = scoring::columns_for(store, &effective.client).await?;
    let of = |view: &StageView| stages.contains(&view.name);
    Ok(prepare_some(effective, registry, shelf, &sources.folder, &scores, &of)?)
}
