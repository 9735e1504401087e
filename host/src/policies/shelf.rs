//! What policies there are to choose from at one moment: shipped, installed, activated, and those that decided last.

use super::activate::Refusal;
use super::fetch::{Fetched, of_file};
use super::install::{check_statement, newest_serial, with_serials};
use crate::config::{ConfigError, Effective};
use crate::store::{PolicyRow, PolicySwitchRow, PolicyTrialRow, PolicyUseRow, Store, StoreError};
use dean_policy::sign::{self, Statement, TrustedKey};
use dean_policy::{Artifact, Digest, Policy, shipped};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What policies there are to choose from, as the store had it at one moment.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    pub(super) installed: Vec<PolicyRow>,
    pub(super) switches: Vec<PolicySwitchRow>,
    pub(super) uses: Vec<PolicyUseRow>,
    /// Signatures, each with the digest of what it signs.
    signatures: Vec<(String, String)>,
    /// Policies on trial.
    trials: Vec<PolicyTrialRow>,
    bytes: BTreeMap<String, Artifact>,
    /// The watched folder.
    watch: Option<PathBuf>,
}

/// A policy's bytes, with the signatures that came with them.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub artifact: Artifact,
    pub signatures: Vec<String>,
    /// Part of this program: trusted as the program is.
    pub shipped: bool,
    /// A file that nobody installed, so that nobody has looked yet whether something newer was signed.
    pub file: bool,
}

impl Shelf {
    /// What the store has for a client, with the bytes of everything that its configuration or a switch may choose.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(store: &dyn Store, effective: &Effective, folder: &Path) -> Result<Self, StoreError> {
        let mut installed = store.policies().await?;
        let signatures = store.policy_signatures().await?;
        if effective.config.policies.require_signed {
            // A key that is none is told where signatures are looked at.
            let keys = trusted_keys(effective).unwrap_or_default();
            with_serials(store, &mut installed, &signatures, &keys).await?;
        }
        let switches = store.policy_switches().await?;
        let uses = store.policy_uses(&effective.client).await?;
        let mut trials = store.policy_trials().await?;
        trials.retain(|trial| trial.ended_at.is_none() && trial.client == effective.client);
        let named: Vec<String> = effective.config.stages().into_iter().filter_map(|stage| stage.policy).collect();
        let is_named = |row: &&PolicyRow| named.contains(&format!("{}@{}", row.name, row.version));
        let of_client = |switch: &&PolicySwitchRow| switch.client.is_empty() || switch.client == effective.client;
        let digests = installed.iter().filter(is_named).map(|row| &row.digest);
        let digests = digests.chain(switches.iter().filter(of_client).map(|switch| &switch.digest));
        let digests = digests.chain(trials.iter().map(|trial| &trial.digest));
        let mut digests: Vec<String> = digests.chain(uses.iter().map(|last| &last.digest)).cloned().collect();
        digests.sort();
        digests.dedup();
        let mut shelf =
            Shelf { installed, switches, uses, signatures, trials, ..Shelf::nothing_installed(effective, folder) };
        for digest in digests {
            if let Some(row) = store.artifact(&digest).await? {
                let artifact = Artifact::new(format!("{}@{}", row.name, row.version), row.bytes);
                shelf.bytes.insert(digest, artifact);
            }
        }
        Ok(shelf)
    }

    /// What there is where nothing is stored yet.
    #[must_use]
    pub fn nothing_installed(effective: &Effective, folder: &Path) -> Self {
        let watch = effective.config.policies.watch.as_ref().filter(|watch| !watch.is_empty());
        Shelf { watch: watch.map(|watch| folder.join(watch)), ..Shelf::default() }
    }

    /// The file of the watched folder that stands in for a policy.
    pub(super) fn watched(&self, name: &str) -> Option<PathBuf> {
        Some(self.watch.as_ref()?.join(format!("{name}.wasm"))).filter(|file| file.is_file())
    }

    /// The same with another choice for stages, as if it had been made already.
    #[must_use]
    pub(super) fn with(mut self, switches: Vec<PolicySwitchRow>, artifact: &Artifact) -> Self {
        self.switches.extend(switches);
        self.bytes.insert(artifact.digest().to_string(), artifact.clone());
        self
    }

    /// The same with trials in another state, as if they had begun already.
    #[must_use]
    pub(super) fn on_trial(mut self, mut trials: Vec<PolicyTrialRow>, artifact: &Artifact) -> Self {
        trials.retain(|trial| trial.ended_at.is_none());
        self.trials = trials;
        self.bytes.insert(artifact.digest().to_string(), artifact.clone());
        self
    }

    /// The same without the watched folder.
    #[must_use]
    pub(super) fn unwatched(mut self) -> Self {
        self.watch = None;
        self
    }

    /// The policy that is on trial for a client's stage.
    pub(super) fn trial(&self, client: &str, stage: &str) -> Option<&PolicyTrialRow> {
        self.trials.iter().rfind(|trial| trial.client == client && trial.stage == stage)
    }

    /// The same without some choices.
    #[must_use]
    pub(super) fn without(mut self, withdrawn: &[PolicySwitchRow]) -> Self {
        for gone in withdrawn {
            if let Some(at) = self.switches.iter().rposition(|switch| switch == gone) {
                self.switches.remove(at);
            }
        }
        self
    }

    /// The newest switch that holds of a scope (empty: all clients) and stage.
    pub(super) fn switch(&self, client: &str, stage: &str) -> Option<&PolicySwitchRow> {
        self.switches.iter().rfind(|switch| switch.client == client && switch.stage == stage)
    }

    /// The policy of a digest.
    pub(super) fn of_digest(&self, digest: &str) -> Result<Offer, String> {
        if let Some(shipped) = shipped::of_digest(digest) {
            return Ok(Offer { artifact: shipped.artifact(), signatures: Vec::new(), shipped: true, file: false });
        }
        let artifact = self.bytes.get(digest).cloned();
        let artifact =
            artifact.ok_or_else(|| format!("the policy with sha256 {digest} is not in the store any more"))?;
        // A store that was damaged or edited must not decide about money.
        if artifact.digest().to_string() != digest {
            return Err(format!(
                "the store's bytes of {} are damaged: their sha256 is not {digest}",
                artifact.origin()
            ));
        }
        let of_it = self.signatures.iter().filter(|(signed, _)| signed == digest);
        let signatures = of_it.map(|(_, signature)| signature.clone()).collect();
        Ok(Offer { artifact, signatures, shipped: false, file: false })
    }

    /// The policy of a name and version.
    pub(super) fn of_version(&self, name: &str, version: &str) -> Result<Offer, String> {
        if let Some(row) = self.installed.iter().find(|row| row.name == name && row.version == version) {
            return self.of_digest(&row.digest);
        }
        match shipped::find(name).filter(|_| version == shipped::VERSION) {
            Some(shipped) => {
                Ok(Offer { artifact: shipped.artifact(), signatures: Vec::new(), shipped: true, file: false })
            }
            None => Err(format!("no policy {name}@{version} is installed\n  hint: {}", self.known(name))),
        }
    }

    /// The same of one that nobody chose yet, so that its bytes are in the store only.
    pub(super) async fn fetch(mut self, store: &dyn Store, name: &str, version: &str) -> anyhow::Result<Offer> {
        if let Some(row) = self.installed.iter().find(|row| row.name == name && row.version == version)
            && let Some(kept) = store.artifact(&row.digest).await?
        {
            self = self.with(Vec::new(), &Artifact::new(format!("{name}@{version}"), kept.bytes));
        }
        Ok(self.of_version(name, version).map_err(Refusal)?)
    }

    /// What there is, nearest first: for whoever named something else.
    pub(super) fn known(&self, name: &str) -> String {
        let shipped = shipped::SHIPPED.iter().map(|s| (s.name.to_string(), shipped::VERSION.to_string()));
        let installed = self.installed.iter().map(|row| (row.name.clone(), row.version.clone()));
        let mut all: Vec<(String, String)> = shipped.chain(installed).collect();
        all.sort_by_key(|(known, _)| strsim::osa_distance(known, name));
        let shown: Vec<String> = all.iter().take(8).map(|(name, version)| format!("{name}@{version}")).collect();
        format!("there are {}; `dean policy install` adds others", shown.join(", "))
    }
}

/// The bytes of an installed or shipped policy.
///
/// # Errors
/// When there is none of that name and version.
pub async fn find(store: &dyn Store, name: &str, version: &str) -> anyhow::Result<Artifact> {
    let shelf = Shelf { installed: store.policies().await?, ..Shelf::default() };
    Ok(shelf.fetch(store, name, version).await?.artifact)
}

/// The keys whose signatures count under a configuration.
///
/// # Errors
/// A key that is none, with its place.
pub fn trusted_keys(effective: &Effective) -> Result<Vec<TrustedKey>, ConfigError> {
    let key = |text: &String| {
        text.parse().map_err(|error: sign::SignatureError| ConfigError::Value {
            origin: effective.tree.nearest("policies.trusted_keys").origin().clone(),
            key: "policies.trusted_keys".into(),
            message: format!("has a key that cannot be used: {error}"),
            hint: "`dean policy keygen` prints the public key that goes here".into(),
        })
    };
    effective.config.policies.trusted_keys.iter().map(key).collect()
}

impl Offer {
    /// The policy of a file, with the signature beside it.
    pub(super) fn of_file(file: &Path) -> Result<Self, String> {
        let Fetched { artifact, signature } = of_file(file).map_err(|error| error.to_string())?;
        Ok(Offer { artifact, signatures: signature.into_iter().collect(), shipped: false, file: true })
    }

    /// Whether it may decide under a configuration that asks for signatures; what its own states, where that is asked.
    pub(super) fn check_signature(&self, effective: &Effective) -> Result<Option<Statement>, String> {
        if !effective.config.policies.require_signed || self.shipped {
            return Ok(None);
        }
        let keys = trusted_keys(effective).map_err(|error| error.to_string())?;
        let verified = |signature: &String| sign::verify(&self.artifact, signature, &keys);
        let Some(last) = self.signatures.last() else {
            let hint = "`dean policy sign` signs it; policies.require_signed asks for that";
            return Err(format!("{} is not signed\n  hint: {hint}", self.artifact.origin()));
        };
        match self.signatures.iter().find_map(|signature| verified(signature).ok()) {
            Some(statement) => Ok(Some(statement)),
            None => verified(last).map(Some).map_err(|error| error.to_string()),
        }
    }

    /// Whether what its signature states is about this policy, and is not older than what is installed of that name.
    pub(super) fn check_statement(&self, statement: &Statement, policy: &Policy, shelf: &Shelf) -> Result<(), String> {
        let newest = self.file.then(|| newest_serial(&shelf.installed, policy)).flatten();
        check_statement(statement, policy, newest).map_err(|error| error.to_string())
    }

    /// Whether it is what a configuration pins.
    pub(super) fn check_pin(&self, pin: Option<Digest>) -> Result<(), String> {
        let found = self.artifact.digest();
        match pin.filter(|pinned| *pinned != found) {
            None => Ok(()),
            Some(pinned) => Err(format!(
                "{} has sha256 {found}, but {pinned} is pinned\n  hint: if the change is wanted, write the new digest into \
                 policy_sha256",
                self.artifact.origin()
            )),
        }
    }
}
