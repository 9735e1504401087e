//! Installing: a policy taken into the store under its name and version, which from then on mean those bytes for ever.

use super::shelf::trusted_keys;
use crate::config::{ConfigError, Effective};
use crate::store::{ArtifactRow, PolicyRow, Store, StoreError};
use dean_policy::{Artifact, LoadError, Policy, Registry, SignatureError, Statement, TrustedKey, shipped, sign};
use jiff::Timestamp;
use thiserror::Error;

/// Why a policy was not installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// It does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It has none, and one is asked for.
    #[error(
        "{origin} is not signed, and policies.require_signed asks for that\n  hint: `dean policy sign` signs it; the signature lies beside the file as FILE.minisig"
    )]
    Unsigned {
        /// What it is about.
        origin: String,
    },
    /// Something newer of its name was signed and installed before.
    #[error(
        "{policy} was signed with serial {serial}, but serial {newest} of it is installed already\n  hint: what is new is signed with a higher one (`dean policy sign --serial`, seconds by default); `dean policy rollback` goes back to one that is installed"
    )]
    Serial {
        /// The policy.
        policy: String,
        /// Its serial.
        serial: u64,
        /// The newest one that is installed.
        newest: u64,
    },
    /// Another file has this name and version.
    #[error(
        "{policy} is there already with other bytes (sha256 {known}), and versions never change\n  hint: build it under another version"
    )]
    Taken {
        /// The policy.
        policy: String,
        /// The digest of what is there.
        known: String,
    },
    /// A trusted key is none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was installed.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The policy.
    pub policy: Policy,
    /// What its signature states, where it was verified.
    pub statement: Option<Statement>,
    /// Whether it was there already.
    pub was_there: bool,
}

/// Takes a policy into the store.
///
/// # Errors
/// When it does not load, its signature does not count or is missing where one is asked for, its serial is older than
/// one that is there, or its name and version mean other bytes.
pub async fn install(
    store: &dyn Store,
    registry: &Registry,
    effective: &Effective,
    artifact: &Artifact,
    signature: Option<&str>,
    now: Timestamp,
) -> Result<Installed, InstallError> {
    // What nobody trusts is not even compiled.
    let keys = trusted_keys(effective)?;
    let origin = || artifact.origin().to_string();
    let statement = match signature {
        None if effective.config.policies.require_signed => return Err(InstallError::Unsigned { origin: origin() }),
        // Without a key nobody can say whether a signature is right: it is kept for the day on which somebody can.
        Some(signature) if effective.config.policies.require_signed || !keys.is_empty() => {
            Some(sign::verify(artifact, signature, &keys)?)
        }
        Some(signature) => {
            sign::readable(artifact.origin(), signature)?;
            None
        }
        None => None,
    };
    let policy = registry.load(artifact)?;
    let manifest = policy.manifest();
    let named = manifest.named();
    let digest = artifact.digest().to_string();
    let mut installed = store.policies().await?;
    if let Some(statement) = &statement {
        with_serials(store, &mut installed, &store.policy_signatures().await?, &keys).await?;
        check_statement(statement, &policy, newest_serial(&installed, &policy))?;
    }
    let shipped = shipped::find(&manifest.name).filter(|_| manifest.version == shipped::VERSION);
    let shipped = shipped.map(|shipped| shipped.artifact().digest().to_string());
    let there = installed.iter().find(|row| row.name == manifest.name && row.version == manifest.version);
    let known = there.map(|row| row.digest.clone()).or_else(|| shipped.clone());
    if let Some(known) = known.as_ref().filter(|known| **known != digest) {
        return Err(InstallError::Taken { policy: named, known: known.clone() });
    }
    // What is part of this program needs no row.
    if shipped.is_some() {
        return Ok(Installed { was_there: true, policy, statement });
    }
    keep(store, &policy).await?;
    let row = PolicyRow {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: digest.clone(),
        origin: artifact.origin().into(),
        serial: statement.as_ref().and_then(|statement| i64::try_from(statement.serial).ok()),
        installed_at: now,
    };
    // Somebody else may have been quicker.
    let first = store.save_policy(&row).await?;
    if first != digest {
        return Err(InstallError::Taken { policy: named, known: first });
    }
    if let Some(signature) = signature {
        store.save_policy_signature(&digest, signature).await?;
    }
    Ok(Installed { was_there: known.is_some(), policy, statement })
}

/// Keeps a policy's bytes by their digest.
///
/// # Errors
/// When the store fails.
pub async fn keep(store: &dyn Store, policy: &Policy) -> Result<(), StoreError> {
    let manifest = policy.manifest();
    let row = ArtifactRow {
        digest: policy.digest().to_string(),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        bytes: policy.artifact().bytes().to_vec(),
    };
    store.save_artifact(&row).await
}

/// Fills in the serials of what was installed before anybody could say whether its signature counts.
pub(super) async fn with_serials(
    store: &dyn Store,
    installed: &mut [PolicyRow],
    signatures: &[(String, String)],
    keys: &[TrustedKey],
) -> Result<(), StoreError> {
    for row in installed.iter_mut().filter(|row| row.serial.is_none() && !keys.is_empty()) {
        let of_it: Vec<&String> = signatures.iter().filter(|(of, _)| *of == row.digest).map(|(_, s)| s).collect();
        if of_it.is_empty() {
            continue;
        }
        let Some(kept) = store.artifact(&row.digest).await? else { continue };
        let artifact = Artifact::new(row.origin.as_str(), kept.bytes);
        let stated = of_it.into_iter().filter_map(|signature| sign::verify(&artifact, signature, keys).ok());
        row.serial = stated.filter_map(|statement| i64::try_from(statement.serial).ok()).max();
    }
    Ok(())
}

/// The newest serial of what else is installed under a policy's name.
pub(super) fn newest_serial(installed: &[PolicyRow], policy: &Policy) -> Option<u64> {
    let digest = policy.digest().to_string();
    let others = installed.iter().filter(|row| row.name == policy.manifest().name && row.digest != digest);
    others.filter_map(|row| row.serial).max().and_then(|serial| u64::try_from(serial).ok())
}

/// Whether a statement is about this policy, and newer than what is installed.
pub(super) fn check_statement(statement: &Statement, policy: &Policy, newest: Option<u64>) -> Result<(), InstallError> {
    is_about(statement, policy)?;
    match newest.filter(|newest| statement.serial <= *newest) {
        Some(newest) => {
            let policy = policy.manifest().named();
            Err(InstallError::Serial { policy, serial: statement.serial, newest })
        }
        None => Ok(()),
    }
}

/// What a signature states, if it counts and is about this policy.
///
/// # Errors
/// Why it does not count.
pub fn verified(policy: &Policy, signature: &str, keys: &[TrustedKey]) -> Result<Statement, SignatureError> {
    let statement = sign::verify(policy.artifact(), signature, keys)?;
    is_about(&statement, policy)?;
    Ok(statement)
}

fn is_about(statement: &Statement, policy: &Policy) -> Result<(), SignatureError> {
    let found = policy.manifest().named();
    let stated = format!("{}@{}", statement.name, statement.version);
    if stated == found {
        return Ok(());
    }
    Err(SignatureError::Mismatch { origin: policy.artifact().origin().into(), stated, found })
}
