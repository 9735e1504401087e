//! The hourly run, readable top to bottom: observe, measure, decide, guard, act, tell.

mod assemble;
mod decide;
mod measure;
mod observe;
mod policies;
mod promote;
mod replay;
mod report;
mod why;

pub use measure::AccountNumbers;
pub use observe::{Observation, ObserveError};
pub use policies::{Ready, StagePolicy, check_plan, prepare};
pub use replay::{Explanation, Replay, explain, replay};
pub use report::{
    Action, Budget, Decision, Evidence, Final, Health, Promotion, RuleCheck, RunReport, Skip, StageReport,
};
pub use why::number;

use crate::config::Effective;
use crate::domain::{Account, Attribution, Clock, Status, Verb};
use crate::guard::{self, Stopped, Verdicts};
use crate::journal::{self, GuardRecord, Record};
use crate::ledger::{self, History, Intent, Place, kind};
use crate::meta::Client;
use crate::store::{ActionRow, ArtifactRow, JournalRow, PromotionRow, RunRow, Store};
use decide::Decided;
use jiff::{Timestamp, ToSpan};
use promote::Stagehand;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Everything a run works with.
pub struct Runner<'a> {
    /// The account's client.
    pub client: &'a Client,
    /// What Dean remembers.
    pub store: &'a dyn Store,
    /// The clock.
    pub clock: &'a Clock,
    /// The configuration.
    pub effective: &'a Effective,
    /// The policies of the stages.
    pub policies: &'a [StagePolicy],
    /// The folder in which the kill-switch file is looked for.
    pub data_dir: &'a Path,
    /// Told as each phase begins.
    pub progress: &'a (dyn Fn(&str) + Sync),
    /// The last journalled records, so that a process that runs hour after hour need not decode
    /// them again.
    pub recent: &'a Recent,
}

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

/// What is asked of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only this stage.
    pub stage: Option<String>,
    /// Read and plan, write nothing to the account.
    pub dry_run: bool,
    /// Report every column and every check.
    pub explain: bool,
}

/// How far back changes matter: the longest cooldown that can be configured.
const HISTORY_DAYS: i64 = 30;

impl Runner<'_> {
    /// One run.
    ///
    /// # Errors
    /// When the account cannot be observed or the store fails. What a policy or a single write does
    /// wrong is part of the report instead.
    pub async fn run(&self, options: &Options) -> anyhow::Result<RunReport> {
        let started = Instant::now();
        let mut timings = Timings::default();
        let _lock = self.store.lock_account(self.client.account_id()).await?;

        self.phase("observe");
        let account = self.client.account().await?;
        let configured = &self.effective.config.attribution;
        let attribution =
            Attribution { report_time: configured.report_time.clone(), windows: configured.windows.clone() };
        let observation = observe::observe(self.client, self.store, self.clock, &attribution, account).await?;
        timings.lap("observe");

        let run_id = self.new_run_id(&observation).await?;
        let mut run = self.begin(&run_id, &observation, options).await?;
        let stopped = self.stopped(&observation.account);
        let may_write = !options.dry_run && stopped.is_none();

        self.phase("reconcile");
        if may_write {
            ledger::reconcile(self.client, self.store, self.clock, &observation.ads).await?;
        }
        let since = observation.at.checked_sub((HISTORY_DAYS * 24).hours())?;
        let actions = self.store.actions_since(&observation.account.id, since).await?;
        let history = History::new(&actions, observation.day_start);
        let mut promotions = self.store.promotions(&observation.account.id).await?;
        timings.lap("reconcile");

        self.phase("measure");
        let only = options.stage.as_deref();
        let (members, skipped) = measure::assign(&observation, self.policies, only, &history);
        let lifecycle = self.enter(&observation, &members).await?;
        let numbers = measure::account_numbers(&observation, &self.effective.config.economics);
        let cohorts: Vec<_> = self
            .policies
            .iter()
            .zip(members)
            .map(|(policy, m)| measure::measure(&observation, policy, m, &lifecycle, &history, &numbers))
            .collect();
        timings.lap("measure");

        self.phase("decide");
        let seed = seed_of(&run_id);
        let decided: Vec<Decided> = self
            .policies
            .iter()
            .zip(cohorts)
            .map(|(policy, cohort)| decide::ask(&observation, policy, cohort, &numbers, seed))
            .collect();
        timings.lap("decide");

        self.phase("guard");
        let situation = decide::situation(
            &observation,
            &self.effective.config,
            self.policies,
            &numbers,
            &promotions,
            stopped.clone(),
        );
        let proposals = decide::proposals(&observation, self.policies, &decided, &history, &promotions);
        let verdicts = guard::judge(&situation, &proposals);
        self.journal(&run_id, &observation, &decided, GuardRecord { situation, proposals, verdicts: verdicts.clone() })
            .await?;
        timings.lap("guard");

        self.phase("act");
        let planned = self.plan(&run_id, &observation, &decided, &verdicts);
        let new_promotions = self.new_promotions(&run_id, &observation, &decided, &verdicts);
        let mut done = Vec::new();
        if may_write {
            done = self.act(&run_id, &observation, planned, new_promotions, &mut promotions).await?;
        } else if options.dry_run {
            done.extend(planned);
            done.extend(new_promotions.iter().map(|p| self.planned_copy(&run_id, p)));
        }
        timings.lap("act");

        self.phase("tell");
        let assembly = assemble::Assembly {
            runner: self,
            options,
            run_id: &run_id,
            observation: &observation,
            decided: &decided,
            verdicts: &verdicts,
            skipped: &skipped,
            actions: &done,
            promotions: &promotions,
            stopped: stopped.as_ref(),
            numbers: &numbers,
            history: &history,
            lifecycle: &lifecycle,
        };
        let mut report = assembly.report();
        timings.lap("tell");
        timings.total(started);
        report.timings_ms = timings.laps;
        self.finish(&mut run, &report).await?;
        Ok(report)
    }

    fn phase(&self, name: &str) {
        (self.progress)(name);
    }

    /// An id that tells the moment and is the same when the same run is made again on a fresh store:
    /// nothing random in it.
    async fn new_run_id(&self, observation: &Observation) -> anyhow::Result<String> {
        let moment = observation.at.strftime("%Y%m%dT%H%M%SZ").to_string();
        for attempt in 0.. {
            let digest = Sha256::digest(format!("{}/{moment}/{attempt}", observation.account.id));
            let id = format!("{moment}-{:02x}{:02x}", digest[0], digest[1]);
            if self.store.run(&id).await?.is_none() {
                return Ok(id);
            }
        }
        unreachable!("an unbounded range ends with a return")
    }

    async fn begin(&self, run_id: &str, observation: &Observation, options: &Options) -> anyhow::Result<RunRow> {
        let run = RunRow {
            run_id: run_id.into(),
            account_id: observation.account.id.clone(),
            client: self.effective.client.clone(),
            as_of: observation.at,
            started_at: self.clock.now(),
            finished_at: None,
            dry_run: options.dry_run,
            state: "running".into(),
            report: None,
        };
        self.store.save_run(&run).await?;
        Ok(run)
    }

    async fn finish(&self, run: &mut RunRow, report: &RunReport) -> anyhow::Result<()> {
        run.finished_at = Some(self.clock.now());
        run.state = if report.complete() { "done" } else { "partial" }.into();
        // Columns and checks can be made again from the journal.
        let mut kept = report.clone();
        kept.decisions.iter_mut().for_each(|d| {
            d.columns = None;
            d.checks = None;
        });
        kept.skipped.iter_mut().for_each(|s| s.columns = None);
        run.report = Some(kept.pack()?);
        Ok(self.store.save_run(run).await?)
    }

    /// Why nothing may be written, if so.
    fn stopped(&self, account: &Account) -> Option<Stopped> {
        let file = self.data_dir.join(&self.effective.config.guard.kill_switch_file);
        if file.exists() {
            let reason = format!("the kill-switch file {} exists; remove it to go on", file.display());
            return Some(Stopped { by: "kill-switch".into(), reason });
        }
        (!account.status.may_deliver()).then(|| Stopped { by: "health".into(), reason: account.status.advice().into() })
    }

    async fn enter(
        &self,
        observation: &Observation,
        members: &[Vec<usize>],
    ) -> anyhow::Result<Vec<crate::store::LifecycleRow>> {
        let mut lifecycle = self.store.lifecycle(&observation.account.id).await?;
        let new = measure::newcomers(observation, self.policies, members, &lifecycle);
        self.store.add_lifecycle(&new).await?;
        lifecycle.extend(new);
        Ok(lifecycle)
    }

    /// Keeps what was decided on, before anything is done.
    async fn journal(
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
            if let Some(ready) = &policy.ready {
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

    /// The writes that verdicts ask for, promotions aside.
    fn plan(
        &self,
        run_id: &str,
        observation: &Observation,
        decided: &[Decided],
        verdicts: &Verdicts,
    ) -> Vec<ActionRow> {
        let mut actions = Vec::new();
        let mut ads = verdicts.ads.iter();
        let mut budgets = verdicts.budgets.iter();
        for (policy, d) in self.policies.iter().zip(decided) {
            let rule = |rule: u32| policy.ready.as_ref().map_or("", |r| r.plan.rules[rule as usize].id.as_str());
            let intent = |rule, ad_id| Intent {
                run_id,
                account_id: &observation.account.id,
                at: observation.at,
                stage: &policy.view.name,
                rule,
                ad_id,
            };
            for (decision, verdict) in d.answer.ads.iter().zip(ads.by_ref()) {
                let ad = &observation.ads[d.stage.ads[decision.row as usize]];
                let (kind, status) = match verdict.verb {
                    Verb::Pause => (kind::PAUSE, Status::Paused),
                    Verb::Resume => (kind::RESUME, Status::Active),
                    _ => continue,
                };
                let from = ad.status.map(|s| s.as_str().to_string());
                let intent = intent(rule(decision.rule), Some(ad.id.as_str()));
                actions.push(intent.action(actions.len(), kind, &ad.id, from, status.as_str().into()));
            }
            for (decision, verdict) in d.answer.budgets.iter().zip(budgets.by_ref()) {
                let owner = &d.stage.owners[decision.group as usize];
                let Some(to) = verdict.to else { continue };
                let from = owner.daily.map(|m| m.0.to_string());
                let intent = intent(rule(decision.rule), None);
                actions.push(intent.action(actions.len(), kind::SET_BUDGET, &owner.id, from, to.0.to_string()));
            }
        }
        actions
    }

    fn new_promotions(
        &self,
        run_id: &str,
        observation: &Observation,
        decided: &[Decided],
        verdicts: &Verdicts,
    ) -> Vec<PromotionRow> {
        let mut promotions = Vec::new();
        let mut ads = verdicts.ads.iter();
        for (policy, d) in self.policies.iter().zip(decided) {
            for (decision, verdict) in d.answer.ads.iter().zip(ads.by_ref()) {
                if verdict.verb != Verb::Promote {
                    continue;
                }
                let next = policy.view.next.as_deref().unwrap_or_default();
                let target = self.policies.iter().find(|p| p.view.name == next);
                let Some(campaign) = target.and_then(|p| p.view.campaigns.first()) else { continue };
                let ad = &observation.ads[d.stage.ads[decision.row as usize]];
                let rule = policy.ready.as_ref().map_or("", |r| r.plan.rules[decision.rule as usize].id.as_str());
                let intent = Intent {
                    run_id,
                    account_id: &observation.account.id,
                    at: observation.at,
                    stage: &policy.view.name,
                    rule,
                    ad_id: Some(&ad.id),
                };
                promotions.push(promote::begin(&intent, next, campaign, verdict.amount));
            }
        }
        promotions
    }

    /// What a dry run shows of a promotion: its first step.
    fn planned_copy(&self, run_id: &str, p: &PromotionRow) -> ActionRow {
        let intent = Intent {
            run_id,
            account_id: &p.account_id,
            at: p.started_at,
            stage: &p.to_stage,
            rule: &p.rule,
            ad_id: Some(&p.source_ad_id),
        };
        let mut action = intent.action(0, kind::COPY_AD, &p.source_ad_id, None, p.campaign_id.clone());
        action.action_id = format!("{}.ad", p.promotion_id);
        action
    }

    async fn act(
        &self,
        run_id: &str,
        observation: &Observation,
        planned: Vec<ActionRow>,
        new_promotions: Vec<PromotionRow>,
        promotions: &mut Vec<PromotionRow>,
    ) -> anyhow::Result<Vec<ActionRow>> {
        let place = |action: &ActionRow| {
            let ad = action.ad_id.as_ref().and_then(|id| observation.index.get(id));
            let owner = || observation.ads.iter().position(|ad| ad.adset_id.as_ref() == Some(&action.target_id));
            let ad = ad.copied().or_else(owner).map(|i| &observation.ads[i]);
            Place { campaign: ad.and_then(|ad| ad.campaign_id.clone()), adset: ad.and_then(|ad| ad.adset_id.clone()) }
        };
        let mut next_seq = planned.len();
        let applied = ledger::apply(self.client, self.store, self.clock, planned, place).await?;
        let mut done = applied.actions;
        // Written down before anything stops the run: what was decided is not lost.
        self.store.save_promotions(&new_promotions).await?;
        promotions.extend(new_promotions);
        let mut blocked = applied.blocked;
        let stagehand = Stagehand {
            client: self.client,
            store: self.store,
            clock: self.clock,
            observation,
            run_id,
            timeout_hours: self.effective.config.guard.promotion_timeout_hours,
        };
        for promotion in promotions.iter_mut().filter(|p| p.state.is_open()) {
            // Somebody may pull the switch while a long run acts.
            blocked = blocked.or_else(|| self.stopped(&observation.account).map(|s| s.reason));
            if let Some(reason) = &blocked {
                tracing::warn!(%reason, "no more writes in this run");
                break;
            }
            let steps = stagehand.advance(promotion, next_seq).await?;
            next_seq += steps.actions.len();
            done.extend(steps.actions);
            blocked = steps.blocked;
        }
        Ok(done)
    }
}

/// The seed of a run's cohorts: from its id, so that a replay has the same.
fn seed_of(run_id: &str) -> u32 {
    let digest = Sha256::digest(run_id);
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Milliseconds by phase.
struct Timings {
    last: Instant,
    laps: BTreeMap<String, f64>,
}

impl Default for Timings {
    fn default() -> Self {
        Timings { last: Instant::now(), laps: BTreeMap::new() }
    }
}

impl Timings {
    fn lap(&mut self, name: &str) {
        let now = Instant::now();
        self.laps.insert(name.into(), (now - self.last).as_secs_f64() * 1e3);
        self.last = now;
    }

    fn total(&mut self, started: Instant) {
        self.laps.insert("total".into(), started.elapsed().as_secs_f64() * 1e3);
    }
}

/// The moment as programs write it.
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_string()
}
