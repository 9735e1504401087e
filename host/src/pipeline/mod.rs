//! The hourly run, readable top to bottom: observe, measure, score, decide, guard, act, tell.

mod account;
mod act;
mod anomaly;
mod apply;
mod approve;
mod assemble;
mod canary;
mod decide;
mod evidence;
mod explain;
mod freed;
mod ghost;
mod health;
mod launch;
mod measure;
mod observe;
mod orders;
mod owners;
mod patterns;
mod plan;
mod predictions;
mod promote;
mod propose;
mod quality;
mod remember;
mod replay;
mod report;
mod score;
mod situation;
mod suspend;
mod tables;
mod trials;
mod why;
mod words;

pub use crate::health::Health;
pub use account::AccountNumbers;
pub use apply::Applied;
pub(crate) use canary::Share;
pub use evidence::{Arm, Counted, Evidence as CanaryEvidence, evidence as canary_evidence};
pub use explain::{Explanation, RuleWhy, explain};
pub use ghost::{Economy, GHOST_DAYS, GhostOutcome, GhostReport, Since, ghost_report};
pub use launch::{Known, launch_order};
pub(crate) use measure::texts;
pub use observe::{Observation, ObserveError};
pub use plan::{Plan, PlanError};
pub(crate) use propose::{Subjects, of_answer as propose};
pub use quality::DataQuality;
pub use remember::Recent;
pub(crate) use replay::load;
pub use replay::{Replay, ScoreReplay, ScoresReplay, StageReplay, last_decided, replay};
pub use report::{
    Action, Budget, Decision, Evidence, Final, ModelReport, Owner, PolicyCost, Promotion, RuleCheck, RunReport, Skip,
    StageReport, TrialReport,
};
pub use words::{beside, number, plain_name};

use crate::config::Effective;
use crate::domain::{Account, Clock};
use crate::guard;
use crate::journal::GuardRecord;
use crate::ledger::{self, History};
use crate::meta::Client;
use crate::policies::StagePolicy;
use crate::scoring::Models;
use crate::store::{ActionRow, PlanRow, PromotionRow, RunRow, Store};
use decide::Decided;
use jiff::{Timestamp, ToSpan};
use measure::{Background, StageCohort};
use sha2::{Digest, Sha256};
use situation::Case;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use suspend::Suspensions;

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
    /// The models that score ads.
    pub models: &'a Models,
    /// The folder in which the kill-switch file is looked for.
    pub data_dir: &'a Path,
    /// Told as each phase begins.
    pub progress: &'a (dyn Fn(&str) + Sync),
    /// The last journalled records, so that a process that runs hour after hour need not decode
    /// them again.
    pub recent: &'a Recent,
}

/// What is asked of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only this stage.
    pub stage: Option<String>,
    /// Read and plan, write nothing to the account.
    pub dry_run: bool,
    /// Report every column and every check.
    pub explain: bool,
    /// Stages that nobody let act only observe.
    pub observes: bool,
}

/// How far back every change matters: the longest cooldown that can be configured. Of what was done before,
/// the last of each kind is known.
const HISTORY_DAYS: i64 = 30;

impl Runner<'_> {
    /// One run.
    ///
    /// # Errors
    /// When the account cannot be observed or the store fails. What a policy or a single write does
    /// wrong is part of the report instead.
    pub async fn run(&self, options: &Options) -> anyhow::Result<RunReport> {
        self.holding_the_account(async {
            let policies = self.with_open_trials().await?;
            Runner { policies: &policies, ..*self }.run_held(options).await
        })
        .await
    }

    /// Does something while no other process works on the account, by the limits that earlier ones heard of.
    async fn holding_the_account<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let account = self.client.account_id();
        let _lock = self.store.lock_account(account).await?;
        self.client.learn_limits(self.store.limits(account).await?);
        let done = work.await;
        // Also where it failed: the next one has to know why.
        self.store.save_limits(account, &self.client.limits()).await?;
        done
    }

    async fn run_held(&self, options: &Options) -> anyhow::Result<RunReport> {
        let started = Instant::now();
        let called = self.client.usage();
        let mut timings = Timings::default();

        self.phase("observe");
        let account = self.client.account().await?;
        let config = &self.effective.config;
        let observation = observe::observe(self.client, self.store, self.clock, config, account).await?;
        timings.lap("observe");

        let run_id = self.new_run_id(&observation).await?;
        let mut run = self.begin(&run_id, &observation, options).await?;
        let numbers = account::measure(&observation, &self.effective.config, self.policies);
        // A dry run shows what would be done, and whoever applies its plan lets it.
        let ghosts = self.ghosts(&observation, options.observes && !options.dry_run).await?;
        let mut condition = self.condition(&observation, &numbers, options.dry_run).await?;
        condition.found.extend(ghosts.health());
        let may_write = !options.dry_run && condition.writes.is_none();

        self.phase("reconcile");
        if may_write {
            ledger::reconcile(self.client, self.store, self.clock, &observation.ads).await?;
        }
        let since = observation.at.checked_sub((HISTORY_DAYS * 24).hours())?;
        let mut actions = self.store.last_actions_before(&observation.account.id, since).await?;
        actions.extend(self.store.actions_since(&observation.account.id, since).await?);
        let history = History::new(&actions);
        let mut promotions = self.store.promotions(&observation.account.id).await?;
        timings.lap("reconcile");

        self.phase("measure");
        let only = options.stage.as_deref();
        let (members, skipped) = measure::assign(&observation, self.policies, only, &history, &promotions);
        let all = measure::everybody(&members, &skipped);
        let lifecycle = self.enter(&observation, &all, &promotions).await?;
        let joined = freed::joined(&observation, &history, &promotions);
        let background = Background::new(&observation, &lifecycle, &history, joined, &numbers);
        let measure = |(policy, members)| measure::measure(&observation, policy, members, &background);
        let mut stages: Vec<StageCohort> = self.policies.iter().zip(members).map(measure).collect();
        timings.lap("measure");

        self.phase("score");
        let (reading, scored) = score::score(&observation, self.policies, &mut stages, &numbers, self.models);
        timings.lap("score");

        self.phase("decide");
        let sources = measure::sources(&lifecycle);
        let seed = seed_of(&run_id);
        let asking = decide::Asking { observation: &observation, numbers: &numbers, sources: &sources, seed };
        let suspensions = Suspensions::load(self.store, &observation.account.id).await?;
        let mut freed = freed::freed(&observation, &history, &promotions);
        let mut decided: Vec<Option<Decided>> = self.policies.iter().map(|_| None).collect();
        let mut stages: Vec<Option<StageCohort>> = stages.into_iter().map(Some).collect();
        for i in freed::order(self.policies) {
            let (policy, Some(mut stage)) = (&self.policies[i], stages[i].take()) else { continue };
            stage.context.freed_budget = freed;
            let suspended = suspensions.reason(policy, observation.at);
            let of_stage = decide::ask(asking, policy, stage, suspended);
            if !options.dry_run {
                suspensions.note(self.store, &observation.account.id, policy, &of_stage, observation.at).await?;
                let acts = may_write && !ghosts.stages.contains_key(&policy.view.name);
                condition.found.extend(trials::note(self.store, policy, &of_stage, acts, observation.at).await?);
            }
            freed = (freed - freed::wanted(&of_stage, &observation.account.currency)).max(0.0);
            decided[i] = Some(of_stage);
        }
        let decided: Vec<Decided> = decided.into_iter().flatten().collect();
        if !options.dry_run {
            condition.found.extend(self.steer_canaries(&observation, &numbers.settled, &lifecycle).await?);
            self.remember_uses(&decided).await?;
            self.store.add_policy_calls(&self.calls(&observation, &decided)).await?;
        }
        timings.lap("decide");

        self.phase("guard");
        let approvals = self.store.approvals(&observation.account.id).await?;
        let case = Case {
            observation: &observation,
            config: &self.effective.config,
            policies: self.policies,
            numbers: &numbers,
            history: &history,
            promotions: &promotions,
            condition: &condition,
            ghosts: &ghosts,
            approvals: &approvals,
            joined: &background.joined,
        };
        let situation = situation::situation(case);
        let (standings, proposals) = propose::of_run(case, &decided);
        let verdicts = guard::judge(&situation, &proposals);
        let record = GuardRecord { situation, standings, proposals, verdicts: verdicts.clone() };
        self.journal(&run_id, &observation, &decided, &numbers, &reading, &record).await?;
        timings.lap("guard");

        self.phase("act");
        let planned = self.plan(&run_id, &observation, &decided, &verdicts);
        let new_promotions = self.new_promotions(&run_id, &observation, &decided, &verdicts);
        let mut done = Vec::new();
        if may_write {
            promotions.extend(new_promotions);
            self.use_approvals(&record, &approvals).await?;
            let mut queue = Vec::new();
            if !condition.launches && self.may_launch(&observation, &record.situation, only) {
                queue = self.store.queue(&observation.account.id).await?;
                self.supply(&run_id, &observation, &numbers, &mut queue);
            }
            let acted = self.act(&run_id, &observation, planned, &mut promotions, &mut queue).await?;
            condition.found.extend(acted.health());
            done = acted.actions;
        } else if options.dry_run {
            self.keep_plan(&run, &planned, &new_promotions).await?;
            done.extend(planned);
            done.extend(new_promotions.iter().flat_map(|p| self.planned_copies(&observation, &run_id, p)));
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
            health: &condition.found,
            background: &background,
            scored: &scored,
            api: self.client.usage().since(&called),
        };
        let mut report = assembly.report();
        if !options.dry_run {
            self.ask(&observation, &record, &report).await?;
            self.remember_intents(&observation, &report).await?;
        }
        timings.lap("tell");

        self.phase("learn");
        report.timings_ms = timings.so_far(started);
        actions.extend(done);
        let learned = tables::Learned {
            observation: &observation,
            policies: self.policies,
            decided: &decided,
            lifecycle: &lifecycle,
            numbers: &numbers,
            scored: &scored,
            situation: &record.situation,
            actions: &actions,
            report: &report,
        };
        learned.save(self.store).await?;
        timings.lap("learn");
        report.timings_ms = timings.so_far(started);
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

    /// Keeps what a dry run would have done, for whoever wants it done.
    async fn keep_plan(&self, run: &RunRow, actions: &[ActionRow], copies: &[PromotionRow]) -> anyhow::Result<()> {
        let plan = Plan::new(&run.run_id, &run.client, &run.account_id, run.as_of, actions, copies);
        let (run_id, account_id) = (run.run_id.clone(), run.account_id.clone());
        Ok(self.store.save_plan(&PlanRow { run_id, account_id, body: plan.text(), applied_by: None }).await?)
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
        kept.stages.iter_mut().for_each(|s| s.context = None);
        run.report = Some(kept.pack()?);
        Ok(self.store.save_run(run).await?)
    }

    /// Why nothing may be written, as far as that is known at once: a switch, or the account's status.
    fn stopped(&self, account: &Account) -> Option<String> {
        let status = || (!account.status.may_deliver()).then(|| account.status.advice().to_string());
        self.kill_switch().map(|switch| switch.message).or_else(status)
    }

    async fn enter(
        &self,
        observation: &Observation,
        members: &[Vec<usize>],
        promotions: &[PromotionRow],
    ) -> anyhow::Result<Vec<crate::store::LifecycleRow>> {
        let mut lifecycle = self.store.lifecycle(&observation.account.id).await?;
        let new = measure::newcomers(observation, self.policies, members, &lifecycle, promotions);
        self.store.save_lifecycle(&new).await?;
        lifecycle.extend(new);
        Ok(lifecycle)
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

    /// The laps, and all time since the beginning.
    fn so_far(&self, started: Instant) -> BTreeMap<String, f64> {
        let mut laps = self.laps.clone();
        laps.insert("total".into(), started.elapsed().as_secs_f64() * 1e3);
        laps
    }
}

/// The moment as programs write it.
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_string()
}
