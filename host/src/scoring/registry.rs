//! Which version of each model scores: for a client its own choice, else the choice for all, else the shipped one.

use super::{Active, Models, Origin, SHIPPED, columns_of, shipped_columns, shipped_manifests};
use crate::store::{ModelRow, Store, StoreError, SwitchRow};
use dean_scoring::{Manifest, ModelError, sha256_of};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Why a model was not imported or switched.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The model is refused.
    #[error("{0}")]
    Refused(#[from] ModelError),
    /// Another file has this name and version.
    #[error(
        "{model}@{version} is there already with another file, and versions never change\n  hint: train it with another --version"
    )]
    Taken {
        /// The model.
        model: String,
        /// Its version.
        version: String,
    },
    /// There is no such version.
    #[error("there is no {model}@{version}\n  hint: {hint}")]
    Unknown {
        /// The model.
        model: String,
        /// The version.
        version: String,
        /// What there is.
        hint: String,
    },
    /// Another active model tells the same.
    #[error("{model}@{version} cannot score beside the other models: {reason}; what scores now stays")]
    Conflict {
        /// The model.
        model: String,
        /// The version.
        version: String,
        /// Why.
        reason: String,
    },
    /// Nothing can be taken back.
    #[error("{model} was never switched{}: {stays}", if .client.is_empty() { String::new() } else { format!(" for client {}", .client) })]
    NothingToTakeBack {
        /// The model.
        model: String,
        /// For whom.
        client: String,
        /// What scores.
        stays: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A version of a model.
#[derive(Clone, Debug)]
pub struct Version {
    /// What it says of itself; `None` when what was kept cannot be read any more.
    pub manifest: Option<Manifest>,
    /// The model.
    pub model: String,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it scores where nothing else was chosen.
    pub for_all: bool,
    /// Clients that chose it.
    pub clients: Vec<String>,
}

/// What was chosen for whom: the newest switch of each client and model; the empty client is all.
fn chosen(switches: &[SwitchRow]) -> BTreeMap<(&str, &str), &str> {
    switches.iter().map(|s| ((s.client.as_str(), s.model.as_str()), s.version.as_str())).collect()
}

/// The version of a model that a client has.
fn version_for<'a>(chosen: &BTreeMap<(&str, &str), &'a str>, client: &str, model: &str) -> Option<&'a str> {
    chosen.get(&(client, model)).or_else(|| chosen.get(&("", model))).copied()
}

/// The models of a client.
///
/// # Errors
/// When the store fails. A model that does not fit is left out by name instead.
pub async fn models_of(store: &dyn Store, client: &str) -> Result<Models, StoreError> {
    let (switches, imported) = (store.model_switches().await?, store.models().await?);
    Ok(put_together(&chosen(&switches), &imported, client))
}

/// The columns that policies of a client may ask for, from manifests alone: no model is loaded. What an imported model
/// tells that turns out not to fit is not known, and no mistake of a policy's.
///
/// # Errors
/// When the store fails.
pub async fn columns_for(store: &dyn Store, client: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut columns = shipped_columns().clone();
    for version in versions(store).await?.into_iter().filter(|version| version.origin == Origin::Imported) {
        if version.for_all || version.clients.iter().any(|chosen_by| chosen_by == client) {
            columns.extend(version.manifest.iter().flat_map(|manifest| &manifest.outputs).flat_map(columns_of));
        }
    }
    Ok(columns)
}

fn put_together(chosen: &BTreeMap<(&str, &str), &str>, imported: &[ModelRow], client: &str) -> Models {
    let mut models = Models::none();
    for ((name, file, manifest), shipped) in SHIPPED.iter().zip(shipped_manifests()) {
        let version = version_for(chosen, client, name);
        match version.filter(|version| *version != shipped.version) {
            None => models.add(name, file, manifest, Origin::Shipped),
            Some(version) => add_imported(&mut models, imported, name, version),
        }
    }
    let mut others: Vec<&str> = chosen.keys().map(|(_, model)| *model).collect();
    others.retain(|model| !SHIPPED.iter().any(|(name, ..)| name == model));
    others.sort_unstable();
    others.dedup();
    for name in others {
        if let Some(version) = version_for(chosen, client, name) {
            add_imported(&mut models, imported, name, version);
        }
    }
    models
}

fn add_imported(models: &mut Models, imported: &[ModelRow], name: &str, version: &str) {
    match imported.iter().find(|row| row.model == name && row.version == version) {
        Some(row) => models.add(name, &row.file, row.manifest.as_bytes(), Origin::Imported),
        None => models.leave_out(name, format!("version {version} is not in the store")),
    }
}

/// Every version that there is, the shipped ones first.
///
/// # Errors
/// When the store fails.
pub async fn versions(store: &dyn Store) -> Result<Vec<Version>, StoreError> {
    let (switches, imported) = (store.model_switches().await?, store.models().await?);
    let chosen = chosen(&switches);
    let version = |model: &str, version: &str, origin, manifest| Version {
        manifest,
        model: model.into(),
        version: version.into(),
        origin,
        for_all: match chosen.get(&("", model)) {
            Some(chosen) => *chosen == version,
            None => origin == Origin::Shipped,
        },
        clients: chosen
            .iter()
            .filter(|((client, of), chosen)| !client.is_empty() && *of == model && **chosen == version)
            .map(|((client, _), _)| (*client).to_string())
            .collect(),
    };
    let shipped = shipped_manifests().iter();
    let shipped = shipped.map(|m| version(&m.model, &m.version, Origin::Shipped, Some(m.clone())));
    let kept = imported
        .iter()
        .map(|row| version(&row.model, &row.version, Origin::Imported, serde_json::from_str(&row.manifest).ok()));
    Ok(shipped.chain(kept).collect())
}

/// Checks a model and keeps it.
///
/// # Errors
/// When it is refused, or another file has its name and version. What scores stays as it is.
pub async fn import(store: &dyn Store, file: &[u8], manifest: &[u8], at: Timestamp) -> Result<Manifest, RegistryError> {
    let active = Active::load(file, manifest, Origin::Imported)?;
    let known = active.model.manifest().clone();
    let taken = || RegistryError::Taken { model: known.model.clone(), version: known.version.clone() };
    if shipped_manifests().iter().any(|m| m.model == known.model && m.version == known.version) {
        return Err(taken());
    }
    if store.model(&known.model, &known.version).await?.is_some_and(|row| row.sha256 != known.sha256) {
        return Err(taken());
    }
    let row = ModelRow {
        model: known.model.clone(),
        version: known.version.clone(),
        sha256: sha256_of(file),
        manifest: String::from_utf8_lossy(manifest).into_owned(),
        file: file.to_vec(),
        imported_at: at,
    };
    store.save_model(&row).await?;
    Ok(known)
}

/// Lets a version score from now on, for a client or (empty) for all; before that it is loaded and checked beside
/// the others.
///
/// # Errors
/// When there is no such version, or it does not fit. What scores stays as it is.
pub async fn activate(
    store: &dyn Store,
    client: &str,
    model: &str,
    version: &str,
    at: Timestamp,
) -> Result<(), RegistryError> {
    let all = versions(store).await?;
    if !all.iter().any(|v| v.model == model && v.version == version) {
        let there: Vec<String> =
            all.iter().filter(|v| v.model == model).map(|v| format!("{model}@{}", v.version)).collect();
        let hint = if there.is_empty() { "`dean model list` shows every one".into() } else { there.join(", ") };
        return Err(RegistryError::Unknown { model: model.into(), version: version.into(), hint });
    }
    let (switches, imported) = (store.model_switches().await?, store.models().await?);
    let mut chosen = chosen(&switches);
    chosen.insert((client, model), version);
    let models = put_together(&chosen, &imported, client);
    if let Some(left) = models.left_out().iter().find(|left| left.model == model) {
        let (model, version) = (model.to_string(), version.to_string());
        return Err(RegistryError::Conflict { model, version, reason: left.reason.clone() });
    }
    Ok(store.switch_model(client, model, version, at).await?)
}

/// Takes the newest switch of a model back; what scores then.
///
/// # Errors
/// When there is none.
pub async fn rollback(
    store: &dyn Store,
    client: &str,
    model: &str,
    at: Timestamp,
) -> Result<Option<String>, RegistryError> {
    let scores = |switches: &[SwitchRow]| {
        let shipped = || shipped_manifests().iter().find(|m| m.model == model).map(|m| m.version.clone());
        version_for(&chosen(switches), client, model).map(String::from).or_else(shipped)
    };
    if !store.withdraw_model_switch(client, model, at).await? {
        let now = scores(&store.model_switches().await?);
        let stays = now.map_or("there is no such model".into(), |version| format!("{model}@{version} scores"));
        return Err(RegistryError::NothingToTakeBack { model: model.into(), client: client.into(), stays });
    }
    Ok(scores(&store.model_switches().await?))
}
