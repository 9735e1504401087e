//! What a run keeps of what it decided on: one record a stage, written against the newest one that
//! there is, before anything is done.

use super::decide::{self, Decided};
use super::observe::Observation;
use super::{Runner, replay};
use crate::journal::{self, GuardRecord, Record};
use crate::store::{ArtifactRow, JournalRow};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A record with its run and the length of the chain that it ends.
type Link = (String, Record, usize);

/// The newest record of each stage.
#[derive(Debug, Default)]
pub struct Recent(Mutex<HashMap<String, Link>>);

impl Recent {
    fn take(&self, key: &str) -> Option<Link> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    fn put(&self, key: String, link: Link) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, link);
    }
}

/// Runs that are looked through for a record to write against.
const RUNS_SEARCHED: u32 = 5;

impl Runner<'_> {
    /// Keeps what was decided on, before anything is done.
    pub(super) async fn journal(
        &self,
        run_id: &str,
        observation: &Observation,
        decided: &[Decided],
        guard: GuardRecord,
    ) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        let mut links = Vec::new();
        for (policy, d) in self.policies.iter().zip(decided) {
            let Some(record) = decide::record(observation, policy, d) else { continue };
            if let Some(ready) = policy.ready() {
                let manifest = ready.policy.manifest();
                self.store
                    .save_artifact(&ArtifactRow {
                        digest: record.policy.clone(),
                        name: manifest.name.clone(),
                        version: manifest.version.clone(),
                        bytes: ready.policy.artifact().bytes().to_vec(),
                    })
                    .await?;
            }
            let key = format!("{}/{}", observation.account.id, record.stage);
            let base = match self.recent.take(&key) {
                Some(base) => Some(base),
                None => self.newest_record(run_id, observation, &record.stage).await?,
            };
            let base = base.filter(|(_, _, length)| *length < journal::LONGEST_CHAIN);
            let bytes = journal::encode(&record, base.as_ref().map(|(_, record, _)| record));
            let base_run_id = base.as_ref().map(|(run, _, _)| run.clone());
            rows.push(JournalRow { run_id: run_id.into(), stage: record.stage.clone(), base_run_id, bytes });
            links.push((key, (run_id.into(), record, base.map_or(1, |(_, _, length)| length + 1))));
        }
        rows.push(JournalRow {
            run_id: run_id.into(),
            stage: journal::GUARD.into(),
            base_run_id: None,
            bytes: guard.encode(),
        });
        self.store.save_journal(&rows).await?;
        // Only what is kept may be written against.
        links.into_iter().for_each(|(key, link)| self.recent.put(key, link));
        Ok(())
    }

    /// The newest record of a stage that the store has; one that cannot be read is no loss here, the
    /// new one then stands alone.
    async fn newest_record(
        &self,
        run_id: &str,
        observation: &Observation,
        stage: &str,
    ) -> anyhow::Result<Option<Link>> {
        for run in self.store.runs(&observation.account.id, RUNS_SEARCHED).await? {
            if run.run_id == run_id || self.store.journal(&run.run_id, stage).await?.is_none() {
                continue;
            }
            return Ok(match replay::load(self.store, &run.run_id, stage).await {
                Ok((record, length)) => Some((run.run_id, record, length)),
                Err(error) => {
                    tracing::warn!(%error, run = %run.run_id, "the journal of an earlier run cannot be read");
                    None
                }
            });
        }
        Ok(None)
    }
}
