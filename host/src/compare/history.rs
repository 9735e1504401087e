//! Runs as the journal has them, oldest first: each is decoded once, against the one before it.

use crate::features::{Frame, Moment, Places};
use crate::guard::StageStanding;
use crate::journal::{self, Entry, GuardRecord, JournalError, Measured, Record, Trial};
use crate::pipeline;
use crate::store::{JournalRow, JournalledRun, Store};
use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// What one run saw.
pub(super) struct Hour<'a> {
    pub run: &'a JournalledRun,
    pub today: Date,
    pub measured: &'a Measured,
    pub guard: &'a GuardRecord,
    /// Where what was measured lies, once somebody asks.
    places: &'a OnceCell<Places>,
    /// By stage, what its policy saw and answered.
    pub records: BTreeMap<&'a str, &'a Record>,
    /// By stage, what the policy on trial did.
    pub trials: BTreeMap<&'a str, &'a Trial>,
}

impl Hour<'_> {
    pub(super) fn moment(&self) -> Moment {
        Moment { at: self.run.as_of, today: self.today }
    }

    /// The frame of some of the ads that were measured, without their texts where nobody reads them.
    pub(super) fn frame(&self, rows: Range<usize>, texts: bool) -> Frame {
        let (fields, moment) = (&self.measured.fields, self.moment());
        let places = self.places.get_or_init(|| fields.places(moment));
        let currency = &self.guard.situation.currency;
        let mut frame = fields.frame(places, rows.clone(), self.measured.ads.len(), moment, currency);
        if texts {
            fields.set_texts(&mut frame, places, rows, self.measured.ads.len());
        }
        frame
    }

    /// The ads of a stage among those that were measured.
    pub(super) fn rows(&self, stage: &str) -> Option<(Range<usize>, &journal::MeasuredStage)> {
        let mut from = 0;
        for of in &self.measured.stages {
            let rows = from..from + of.ads as usize;
            from = rows.end;
            if of.name == stage {
                return Some((rows, of));
            }
        }
        None
    }

    pub(super) fn standing(&self, stage: &str) -> Option<&StageStanding> {
        self.guard.standings.iter().find(|standing| standing.stage == stage)
    }
}

/// Reads runs one after the other.
pub(super) struct Reader<'a> {
    store: &'a dyn Store,
    records: HashMap<String, Read<Record>>,
    measured: Option<Read<Measured>>,
    guard: Option<GuardRecord>,
    /// By stage, of the run that was read last.
    trials: BTreeMap<String, Trial>,
    /// For the names of the last run.
    places: OnceCell<Places>,
}

/// What was decoded last, and of which run.
struct Read<E> {
    run: String,
    entry: E,
}

impl<'a> Reader<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Reader {
            store,
            records: HashMap::new(),
            measured: None,
            guard: None,
            trials: BTreeMap::new(),
            places: OnceCell::new(),
        }
    }

    /// The runs of an account between two moments.
    pub(super) async fn runs(
        &self,
        account: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> anyhow::Result<Vec<JournalledRun>> {
        Ok(self.store.journalled_runs(account, since, until).await?)
    }

    /// Decodes a run; nothing where it decided nothing.
    pub(super) async fn read<'r>(&'r mut self, run: &'r JournalledRun) -> anyhow::Result<Option<Hour<'r>>> {
        let damaged = || {
            format!(
                "run {} cannot be read again\n  hint: `--since` with a moment after {} leaves it out",
                run.run_id, run.as_of
            )
        };
        self.read_whole(run).await.with_context(damaged)
    }

    async fn read_whole<'r>(&'r mut self, run: &'r JournalledRun) -> anyhow::Result<Option<Hour<'r>>> {
        self.guard = None;
        self.trials.clear();
        let mut trials = Vec::new();
        for row in self.store.journal_of(&run.run_id).await? {
            match row.stage.as_str() {
                journal::GUARD => self.guard = Some(GuardRecord::decode(&row.bytes)?),
                journal::MEASURED => {
                    let base = self.measured.take();
                    let day = base.as_ref().map(|base| base.entry.today.clone());
                    let names = base.as_ref().map(|base| base.entry.fields.names.len());
                    let read: Read<Measured> = decoded(self.store, row, base).await?;
                    // Names are days: they are the same until the next one begins.
                    if day.as_ref() != Some(&read.entry.today) || names != Some(read.entry.fields.names.len()) {
                        self.places = OnceCell::new();
                    }
                    self.measured = Some(read);
                }
                stage if stage.starts_with(journal::TRIAL) => trials.push(row),
                stage if stage.starts_with('@') => {}
                stage => {
                    let stage = stage.to_string();
                    let base = self.records.remove(&stage);
                    let read = decoded(self.store, row, base).await?;
                    self.records.insert(stage, read);
                }
            }
        }
        for row in trials {
            let stage = row.stage.trim_start_matches(journal::TRIAL).to_string();
            let base = self.records.get(&stage).filter(|read| read.run == run.run_id && row.base_run_id.is_some());
            let trial = Trial::decode(&row.bytes, base.map(|read| read.entry.clone()))?;
            self.trials.insert(stage, trial);
        }
        let of_run = |measured: &&Read<Measured>| measured.run == run.run_id;
        let (Some(measured), Some(guard)) = (self.measured.as_ref().filter(of_run), &self.guard) else {
            return Ok(None);
        };
        let records = self.records.iter().filter(|(_, read)| read.run == run.run_id);
        let today = measured.entry.today.parse();
        let today = today.map_err(|_| JournalError::Damaged(format!("{} is no day", measured.entry.today)))?;
        Ok(Some(Hour {
            run,
            today,
            measured: &measured.entry,
            guard,
            places: &self.places,
            records: records.map(|(stage, read)| (stage.as_str(), &read.entry)).collect(),
            trials: self.trials.iter().map(|(stage, trial)| (stage.as_str(), trial)).collect(),
        }))
    }
}

/// A row decoded against what was decoded before it, or else with the whole chain that it ends.
async fn decoded<E: Entry>(store: &dyn Store, row: JournalRow, last: Option<Read<E>>) -> anyhow::Result<Read<E>> {
    let base = match (&row.base_run_id, last) {
        (None, _) => None,
        (Some(base), Some(last)) if last.run == *base => Some(last.entry),
        _ => {
            let (entry, _) = pipeline::load::<E>(store, &row.run_id, &row.stage).await?;
            return Ok(Read { run: row.run_id, entry });
        }
    };
    Ok(Read { entry: E::decode(&row.bytes, base)?, run: row.run_id })
}
