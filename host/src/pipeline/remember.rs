//! What a run keeps of what it decided on: one record a stage and one of what models read, each written against
//! the newest one that there is, before anything is done.

use super::account::AccountNumbers;
use super::decide::{self, Asked, Decided};
use super::observe::Observation;
use super::{Runner, replay, score};
use crate::journal::{self, Entry, GuardRecord, Measured, Outcome, Record, Scores};
use crate::policies::{self, Ready, StagePolicy};
use crate::scoring::Reading;
use crate::store::{JournalRow, PolicyCallsRow, PolicyUseRow};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the next run of the same process need not read again.
#[derive(Debug, Default)]
pub struct Recent {
    records: Newest<Record>,
    scores: Newest<Scores>,
    measured: Newest<Measured>,
    /// Digests of models that the store has.
    models: Mutex<BTreeSet<String>>,
}

/// The newest entry under each key.
#[derive(Debug)]
struct Newest<E>(Mutex<HashMap<String, Link<E>>>);

/// An entry with its run and the length of the chain that it ends.
#[derive(Debug)]
struct Link<E> {
    key: String,
    run: String,
    entry: E,
    length: usize,
}

impl<E> Default for Newest<E> {
    fn default() -> Self {
        Newest(Mutex::default())
    }
}

impl<E> Newest<E> {
    fn take(&self, key: &str) -> Option<Link<E>> {
        locked(&self.0).remove(key)
    }

    fn put(&self, link: Link<E>) {
        locked(&self.0).insert(link.key.clone(), link);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs that are looked through for an entry to write against.
const RUNS_SEARCHED: u32 = 5;

impl Runner<'_> {
    /// Keeps what was decided on, before anything is done.
    pub(super) async fn journal(
        &self,
        run_id: &str,
        observation: &Observation,
        decided: &[Decided],
        numbers: &AccountNumbers,
        reading: &Reading,
        guard: &GuardRecord,
    ) -> anyhow::Result<()> {
        let account = &observation.account.id;
        let mut rows = Vec::new();
        let mut records = Vec::new();
        for (policy, d) in self.policies.iter().zip(decided) {
            let Some(record) = decide::record(observation, policy, d) else {
                rows.extend(self.trial_row(run_id, observation, policy, d, None).await?);
                continue;
            };
            if let Some(ready) = policy.ready() {
                policies::keep(self.store, &ready.policy).await?;
            }
            let stage = record.stage.clone();
            let trial = self.trial_row(run_id, observation, policy, d, Some(&record)).await?;
            let (row, link) = self.written(&self.recent.records, run_id, account, &stage, record).await?;
            rows.push(row);
            rows.extend(trial);
            records.push(link);
        }
        let measured = decide::measured(observation, self.policies, decided, numbers);
        let (row, measured) = self.written(&self.recent.measured, run_id, account, journal::MEASURED, measured).await?;
        rows.push(row);
        let mut scores = None;
        if let Some(record) = score::record(self.models, reading) {
            self.keep_models(&record).await?;
            let (row, link) = self.written(&self.recent.scores, run_id, account, journal::SCORES, record).await?;
            rows.push(row);
            scores = Some(link);
        }
        rows.push(JournalRow {
            run_id: run_id.into(),
            stage: journal::GUARD.into(),
            base_run_id: None,
            bytes: guard.encode(),
        });
        self.store.save_journal(&rows).await?;
        // Only what is kept may be written against.
        records.into_iter().for_each(|link| self.recent.records.put(link));
        self.recent.measured.put(measured);
        scores.into_iter().for_each(|link| self.recent.scores.put(link));
        Ok(())
    }

    /// What the policy on trial saw and answered, as a row: against the record of the one that it is tried beside.
    async fn trial_row(
        &self,
        run_id: &str,
        observation: &Observation,
        policy: &StagePolicy,
        decided: &Decided,
        base: Option<&Record>,
    ) -> anyhow::Result<Option<JournalRow>> {
        let (Some(ready), Some(trial)) = (policy.tried(), decide::trial_record(observation, policy, decided)) else {
            return Ok(None);
        };
        policies::keep(self.store, &ready.policy).await?;
        Ok(Some(JournalRow {
            run_id: run_id.into(),
            stage: format!("{}{}", journal::TRIAL, policy.view.name),
            base_run_id: base.map(|_| run_id.into()),
            bytes: trial.encode(base),
        }))
    }

    /// Notes which policies answered: whichever cannot be used later, these can.
    pub(super) async fn remember_uses(&self, decided: &[Decided]) -> anyhow::Result<()> {
        let client = &self.effective.client;
        let known = self.store.policy_uses(client).await?;
        let mut uses = Vec::new();
        for (stage, decided) in self.policies.iter().zip(decided) {
            let Some(ready) = stage.ready().filter(|_| decided.fault.is_none()) else { continue };
            let (manifest, digest) = (ready.policy.manifest(), ready.policy.digest().to_string());
            if known.iter().any(|last| last.stage == stage.view.name && last.digest == digest) {
                continue;
            }
            policies::keep(self.store, &ready.policy).await?;
            for signature in &ready.signatures {
                self.store.save_policy_signature(&digest, signature).await?;
            }
            uses.push(PolicyUseRow {
                client: client.clone(),
                stage: stage.view.name.clone(),
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                digest,
                used_at: self.clock.now(),
            });
        }
        Ok(self.store.save_policy_uses(&uses).await?)
    }

    /// What asking policies cost.
    pub(super) fn calls(&self, observation: &Observation, decided: &[Decided]) -> Vec<PolicyCallsRow> {
        let mut rows = Vec::new();
        for (stage, decided) in self.policies.iter().zip(decided) {
            let ads = decided.stage.ads.len();
            let row = |ready: &Ready, trial: bool, asked: Option<&Asked>| {
                let manifest = ready.policy.manifest();
                let failed = asked.is_some_and(|asked| matches!(asked.outcome, Outcome::Failed(_)));
                // About a canary's share the stage's own policy decides when it fails.
                let held = if trial || decided.fault.is_none() { 0 } else { ads };
                let cost = asked.map(|asked| asked.cost).unwrap_or_default();
                PolicyCallsRow {
                    account_id: observation.account.id.clone(),
                    date: observation.today,
                    stage: stage.view.name.clone(),
                    digest: ready.policy.digest().to_string(),
                    name: manifest.name.clone(),
                    version: manifest.version.clone(),
                    trial,
                    calls: i64::from(asked.is_some()),
                    ads: if asked.is_some() { ads as i64 } else { 0 },
                    failures: i64::from(failed),
                    held: held as i64,
                    micros: cost.time.as_micros() as i64,
                    instructions: cost.instructions as i64,
                    memory_bytes: cost.memory_bytes as i64,
                }
            };
            // One that is suspended holds its ads without being asked.
            let own = stage.ready().filter(|_| ads > 0);
            rows.extend(own.map(|ready| row(ready, false, decided.asked.as_ref())));
            let tried = stage.tried().zip(decided.tried.as_ref());
            rows.extend(tried.map(|(ready, tried)| row(ready, true, Some(&tried.asked))));
        }
        rows
    }

    /// An entry as a row, against the newest that there is.
    async fn written<E: Entry>(
        &self,
        newest: &Newest<E>,
        run_id: &str,
        account: &str,
        stage: &str,
        entry: E,
    ) -> anyhow::Result<(JournalRow, Link<E>)> {
        let key = format!("{account}/{stage}");
        let base = match newest.take(&key) {
            Some(base) => Some(base),
            None => self.stored(run_id, account, stage).await?,
        };
        let base = base.filter(|base| base.length < journal::LONGEST_CHAIN);
        let row = JournalRow {
            run_id: run_id.into(),
            stage: stage.into(),
            base_run_id: base.as_ref().map(|base| base.run.clone()),
            bytes: entry.encode(base.as_ref().map(|base| &base.entry)),
        };
        let length = base.map_or(1, |base| base.length + 1);
        Ok((row, Link { key, run: run_id.into(), entry, length }))
    }

    /// The newest entry that the store has; one that cannot be read is no loss here, the new one then stands
    /// alone.
    async fn stored<E: Entry>(&self, run_id: &str, account: &str, stage: &str) -> anyhow::Result<Option<Link<E>>> {
        for run in self.store.runs(account, RUNS_SEARCHED).await? {
            if run.run_id == run_id || self.store.journal(&run.run_id, stage).await?.is_none() {
                continue;
            }
            let key = format!("{account}/{stage}");
            return Ok(match replay::load(self.store, &run.run_id, stage).await {
                Ok((entry, length)) => Some(Link { key, run: run.run_id, entry, length }),
                Err(error) => {
                    tracing::warn!(%error, run = %run.run_id, "the journal of an earlier run cannot be read");
                    None
                }
            });
        }
        Ok(None)
    }

    /// Keeps the models that scored, once.
    async fn keep_models(&self, record: &Scores) -> anyhow::Result<()> {
        for (active, digest) in self.models.active().iter().zip(&record.models) {
            if locked(&self.recent.models).contains(digest) {
                continue;
            }
            for artifact in score::artifacts(active) {
                self.store.save_artifact(&artifact).await?;
            }
            locked(&self.recent.models).insert(digest.clone());
        }
        Ok(())
    }
}
