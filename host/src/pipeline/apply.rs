//! Plans done and runs undone: writes that no policy decides now, through the same ledger and the same limits.

use super::assemble::{action, promotion};
use super::observe::{self, Observation};
use super::plan::Plan;
use super::report::{Action, Promotion};
use super::{Options, Runner, account, promote};
use crate::domain::Status;
use crate::ledger::{self, Intent, kind};
use crate::meta::ApiUsage;
use crate::store::{ActionRow, ActionState, CopyKind, PlanRow, PromotionRow, PromotionState, RunRow};
use anyhow::{Context, bail};
use serde::Serialize;

/// What was done.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// The run that did it.
    pub run_id: String,
    /// The run whose plan it did, or which it undid.
    pub of: String,
    /// The account.
    pub account: String,
    /// The account's currency.
    pub currency: String,
    /// What was written, or why not.
    pub actions: Vec<Action>,
    /// Copies under way.
    pub promotions: Vec<Promotion>,
    /// What was left as it is, a sentence each.
    pub left: Vec<String>,
    /// What it cost in calls.
    pub api: ApiUsage,
}

impl Applied {
    /// Whether everything was done.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.left.is_empty() && self.actions.iter().all(|action| action.state == "done")
    }
}

/// The rule that stands in the ledger for what a person takes back.
const UNDO: &str = "undo";

impl Runner<'_> {
    /// Does what a dry run planned, save for what has changed since.
    ///
    /// # Errors
    /// When the plan may not be done, the account cannot be observed, or nothing may be written.
    pub async fn apply(&self, plan: &Plan) -> anyhow::Result<Applied> {
        self.holding_the_account(self.apply_held(plan)).await
    }

    async fn apply_held(&self, plan: &Plan) -> anyhow::Result<Applied> {
        let account = self.client.account_id();
        let called = self.client.usage();
        let kept = self.store.plan(&plan.run_id).await?;
        plan.check(kept.as_ref(), account, self.clock.now())?;
        let (observation, mut run) = self.begin_writing().await?;
        let numbers = account::measure(&observation, &self.effective.config, self.policies);
        let condition = self.condition(&observation, &numbers, false).await?;
        if let Some(stopped) = &condition.writes {
            bail!("nothing is written: {}", stopped.reason);
        }
        let mut left: Vec<String> = Vec::new();
        let mut actions = Vec::new();
        for planned in &plan.actions {
            let minor = |value: Option<&str>| value.and_then(|value| value.parse::<i64>().ok());
            let rises = minor(Some(&planned.to)) > minor(planned.from.as_deref());
            let grows = planned.kind == kind::RESUME || (planned.kind == kind::SET_BUDGET && rises);
            let falls = planned.kind == kind::PAUSE || (planned.kind == kind::SET_BUDGET && !rises);
            let held = condition.growth.as_ref().filter(|_| grows).or(condition.pauses.as_ref().filter(|_| falls));
            if let Some(reason) = held {
                left.push(format!("{} of {}: {reason}", planned.kind, planned.target));
                continue;
            }
            let intent = self.intent(&run, &planned.stage, &planned.rule, planned.ad_id.as_deref());
            let (from, to) = (planned.from.clone(), planned.to.clone());
            let mut action = intent.action(actions.len(), &planned.kind, &planned.target, from, to);
            action.evidence = planned.evidence.clone();
            actions.push(action);
        }
        let mut promotions = self.store.promotions(account).await?;
        // Another run may have copied the same ad since: two copies are what nobody planned.
        let copied = |source: &str| {
            promotions.iter().any(|p| p.source_ad_id == source && (p.state.is_open() || p.started_at >= plan.as_of))
        };
        let (late, copies): (Vec<_>, Vec<_>) = plan.promotions.iter().partition(|copy| copied(&copy.source));
        left.extend(late.iter().map(|copy| format!("ad {} is copied by another run already", copy.source)));
        let copies = match &condition.growth {
            Some(reason) => {
                left.extend(copies.iter().map(|copy| format!("copy of {}: {reason}", copy.source)));
                Vec::new()
            }
            None => copies,
        };
        // What the plan names and nothing else: promotions that are under way go on in runs.
        let mut copies: Vec<_> = copies.iter().map(|copy| copy.begin(account, observation.at)).collect();
        // Written down first: a plan that was begun is not begun again.
        let by = PlanRow {
            run_id: plan.run_id.clone(),
            account_id: account.into(),
            body: plan.text(),
            applied_by: Some(run.run_id.clone()),
        };
        self.store.save_plan(&by).await?;
        let done = self.act(&run.run_id, &observation, actions, &mut copies, &mut []).await?.actions;
        promotions.extend(copies);
        self.end(
            &mut run,
            &observation,
            Ending { of: &plan.run_id, done: &done, promotions: &promotions, left, called },
        )
        .await
    }

    /// Puts back what a run changed, where it still is as the run left it. What it copied is archived.
    ///
    /// # Errors
    /// When there is no such run, it wrote nothing, or nothing may be written.
    pub async fn undo(&self, run_id: &str) -> anyhow::Result<Applied> {
        self.holding_the_account(self.undo_held(run_id)).await
    }

    async fn undo_held(&self, run_id: &str) -> anyhow::Result<Applied> {
        let account = self.client.account_id();
        let called = self.client.usage();
        let found = self.store.run(run_id).await?;
        let undone = found.with_context(|| format!("there is no run {run_id}, or several begin so"))?;
        if undone.account_id != account {
            bail!("run {} was on {}, and this is {account}", undone.run_id, undone.account_id);
        }
        let mut changed = self.store.actions_of(&undone.run_id).await?;
        changed.retain(|action| action.state == ActionState::Done && action.kind != kind::REFRESH);
        if changed.is_empty() {
            bail!("run {} changed nothing that could be put back", undone.run_id);
        }
        let (observation, mut run) = self.begin_writing().await?;
        let promotions = self.store.promotions(account).await?;
        let (mut actions, mut left): (Vec<ActionRow>, Vec<String>) = (Vec::new(), Vec::new());
        let since = self.store.actions_since(account, undone.as_of).await?;
        let is_budget = |action: &ActionRow| action.kind == kind::SET_BUDGET;
        // The last thing that was done is the first to be put back.
        for action in changed.iter().rev() {
            let changed_since = |later: &&ActionRow| {
                later.state == ActionState::Done
                    && later.run_id != undone.run_id
                    && later.target_id == action.target_id
                    && is_budget(later) == is_budget(action)
                    && matches!(later.kind.as_str(), kind::PAUSE | kind::RESUME | kind::SET_BUDGET)
                    // What was undone at the same moment was undone afterwards.
                    && (later.planned_at > action.planned_at || later.rule == UNDO)
            };
            let later = since.iter().rfind(changed_since);
            if let Some(later) = later.filter(|_| back(action).is_some()) {
                left.push(format!("{} of {}: run {} changed it since", action.kind, action.target_id, later.run_id));
                continue;
            }
            // What was launched is paused.
            if let (kind::CREATE_AD, Some(ad)) = (action.kind.as_str(), &action.answer) {
                let intent = self.intent(&run, &action.stage, UNDO, Some(ad));
                let (from, to) = (Some(Status::Active.as_str().into()), Status::Paused.as_str().into());
                actions.push(intent.action(actions.len(), kind::PAUSE, ad, from, to));
            }
            match back(action) {
                Some((kind, to)) => {
                    let intent = self.intent(&run, &action.stage, UNDO, action.ad_id.as_deref());
                    let from = Some(action.to_value.clone());
                    actions.push(intent.action(actions.len(), kind, &action.target_id, from, to));
                }
                None if action.kind == kind::ARCHIVE => {
                    left.push(format!("{} was archived, which cannot be put back", action.target_id));
                }
                None => {}
            }
        }
        let of_run = |p: &PromotionRow| changed.iter().any(|action| is_about_its_copy(action, p));
        let (mut undone_too, mut promotions): (Vec<_>, Vec<_>) = promotions.into_iter().partition(of_run);
        for promotion in &mut undone_too {
            // Its copy took its place: without it the source runs again.
            if promotion.state == PromotionState::Done && promotion.kind == CopyKind::Promote {
                let intent = self.intent(&run, &promotion.from_stage, UNDO, Some(&promotion.source_ad_id));
                let (from, to) = (Some(Status::Paused.as_str().into()), Status::Active.as_str().into());
                actions.push(intent.action(actions.len(), kind::RESUME, &promotion.source_ad_id, from, to));
            }
            if promotion.state != PromotionState::Failed {
                promotion.state = PromotionState::Activated;
                promote::give_up(promotion, "a person undid it");
            }
        }
        // Later runs go on putting copies away until they are.
        let done = self.act(&run.run_id, &observation, actions, &mut undone_too, &mut []).await?.actions;
        promotions.extend(undone_too);
        self.end(
            &mut run,
            &observation,
            Ending { of: &undone.run_id, done: &done, promotions: &promotions, left, called },
        )
        .await
    }

    /// Observes the account for a run that will write, or says why none may.
    async fn begin_writing(&self) -> anyhow::Result<(Observation, RunRow)> {
        let account = self.client.account().await?;
        if let Some(reason) = self.stopped(&account) {
            bail!("nothing is written: {reason}");
        }
        let config = &self.effective.config;
        let observation = observe::observe(self.client, self.store, self.clock, config, account).await?;
        let run_id = self.new_run_id(&observation).await?;
        let run = self.begin(&run_id, &observation, &Options::default()).await?;
        ledger::reconcile(self.client, self.store, self.clock, &observation.ads).await?;
        Ok((observation, run))
    }

    fn intent<'a>(&self, run: &'a RunRow, stage: &'a str, rule: &'a str, ad_id: Option<&'a str>) -> Intent<'a> {
        Intent { run_id: &run.run_id, account_id: &run.account_id, at: run.as_of, stage, rule, ad_id }
    }

    async fn end(&self, run: &mut RunRow, observation: &Observation, ending: Ending<'_>) -> anyhow::Result<Applied> {
        let applied = Applied {
            run_id: run.run_id.clone(),
            of: ending.of.into(),
            account: observation.account.id.clone(),
            currency: observation.account.currency.code().into(),
            actions: ending.done.iter().map(action).collect(),
            promotions: ending.promotions.iter().filter(|p| p.state.is_open()).map(promotion).collect(),
            left: ending.left,
            api: self.client.usage().since(&ending.called),
        };
        run.finished_at = Some(self.clock.now());
        run.state = if applied.complete() { "done" } else { "partial" }.into();
        self.store.save_run(run).await?;
        Ok(applied)
    }
}

/// How a run ended that did a plan or put something back.
struct Ending<'a> {
    of: &'a str,
    done: &'a [ActionRow],
    promotions: &'a [PromotionRow],
    left: Vec<String>,
    called: ApiUsage,
}

/// Whether an action made a promotion's copy or changed it.
fn is_about_its_copy(action: &ActionRow, promotion: &PromotionRow) -> bool {
    let copy = [promotion.adset_id.as_ref(), promotion.ad_id.as_ref()];
    copy.into_iter().flatten().any(|copy| *copy == action.target_id || action.answer.as_ref() == Some(copy))
}

/// What puts a change of status or budget back, and to what; nothing for what belongs to a copy.
fn back(action: &ActionRow) -> Option<(&'static str, String)> {
    let was = |or: Status| action.from_value.clone().unwrap_or_else(|| or.as_str().into());
    match action.kind.as_str() {
        kind::PAUSE => Some((kind::RESUME, was(Status::Active))),
        kind::RESUME => Some((kind::PAUSE, was(Status::Paused))),
        // What a copy's budget was before is no budget of anybody's.
        kind::SET_BUDGET if action.ad_id.is_none() => Some((kind::SET_BUDGET, action.from_value.clone()?)),
        _ => None,
    }
}
