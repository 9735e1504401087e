//! Plans done and runs undone: writes that no policy decides now, through the same ledger and the same limits.

use super::assemble::{action, promotion};
use super::observe::{self, Observation};
use super::plan::Plan;
use super::report::{Action, Promotion};
use super::{Options, Runner};
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
    /// What it cost in calls.
    pub api: ApiUsage,
}

impl Applied {
    /// Whether everything was done.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.actions.iter().all(|action| action.state == "done")
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
        let account = self.client.account_id();
        let _lock = self.store.lock_account(account).await?;
        let kept = self.store.plan(&plan.run_id).await?;
        plan.check(kept.as_ref(), account, self.clock.now())?;
        let (observation, mut run) = self.begin_writing().await?;
        let mut actions = Vec::new();
        for planned in &plan.actions {
            let intent = self.intent(&run, &planned.stage, &planned.rule, planned.ad_id.as_deref());
            let (from, to) = (planned.from.clone(), planned.to.clone());
            let mut action = intent.action(actions.len(), &planned.kind, &planned.target, from, to);
            action.evidence = planned.evidence.clone();
            actions.push(action);
        }
        let copies = plan.promotions.iter().map(|copy| copy.begin(account, observation.at)).collect();
        let mut promotions = self.store.promotions(account).await?;
        // Written down first: a plan that was begun is not begun again.
        let by = PlanRow {
            run_id: plan.run_id.clone(),
            account_id: account.into(),
            body: plan.text(),
            applied_by: Some(run.run_id.clone()),
        };
        self.store.save_plan(&by).await?;
        let done = self.act(&run.run_id, &observation, actions, copies, &mut promotions).await?;
        self.end(&observation, &mut run, &plan.run_id, &done, &promotions).await
    }

    /// Puts back what a run changed, where it still is as the run left it. What it copied is archived.
    ///
    /// # Errors
    /// When there is no such run, it wrote nothing, or nothing may be written.
    pub async fn undo(&self, run_id: &str) -> anyhow::Result<Applied> {
        let account = self.client.account_id();
        let _lock = self.store.lock_account(account).await?;
        let found = self.store.run(run_id).await?;
        let undone = found.with_context(|| format!("there is no run {run_id}, or several begin so"))?;
        if undone.account_id != account {
            bail!("run {} was on {}, and this is {account}", undone.run_id, undone.account_id);
        }
        let mut done = self.store.actions_of(&undone.run_id).await?;
        done.retain(|action| action.state == ActionState::Done && action.kind != kind::REFRESH);
        if done.is_empty() {
            bail!("run {} changed nothing that could be put back", undone.run_id);
        }
        let (observation, mut run) = self.begin_writing().await?;
        let mut promotions = self.store.promotions(account).await?;
        let mut actions: Vec<ActionRow> = Vec::new();
        // The last thing that was done is the first to be put back.
        for action in done.iter().rev() {
            let of = promotions.iter_mut().find(|p| action.action_id == format!("{}.adset", p.promotion_id));
            for (kind, target, from, to) in back(action, of) {
                let intent = self.intent(&run, &action.stage, UNDO, action.ad_id.as_deref());
                actions.push(intent.action(actions.len(), kind, &target, from, to));
            }
        }
        self.store.save_promotions(&promotions).await?;
        let done = self.send(&observation, actions).await?.actions;
        self.end(&observation, &mut run, &undone.run_id, &done, &promotions).await
    }

    /// Observes the account for a run that will write, or says why none may.
    async fn begin_writing(&self) -> anyhow::Result<(Observation, RunRow)> {
        self.client.learn_limits(self.store.limits(self.client.account_id()).await?);
        let account = self.client.account().await?;
        if let Some(stopped) = self.stopped(&account) {
            bail!("nothing is written: {}", stopped.reason);
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

    async fn end(
        &self,
        observation: &Observation,
        run: &mut RunRow,
        of: &str,
        done: &[ActionRow],
        promotions: &[PromotionRow],
    ) -> anyhow::Result<Applied> {
        self.store.save_limits(&observation.account.id, &self.client.limits()).await?;
        let applied = Applied {
            run_id: run.run_id.clone(),
            of: of.into(),
            account: observation.account.id.clone(),
            currency: observation.account.currency.code().into(),
            actions: done.iter().map(action).collect(),
            promotions: promotions.iter().filter(|p| p.state.is_open()).map(promotion).collect(),
            api: self.client.usage(),
        };
        run.finished_at = Some(self.clock.now());
        run.state = if applied.complete() { "done" } else { "partial" }.into();
        self.store.save_run(run).await?;
        Ok(applied)
    }
}

/// A write that puts something back: kind, target, what it has to be, what it shall be again.
type Back = (&'static str, String, Option<String>, String);

/// What puts an action back. A promotion that its copy belongs to ends with it.
fn back(action: &ActionRow, promotion: Option<&mut PromotionRow>) -> Vec<Back> {
    let (target, left) = (action.target_id.clone(), Some(action.to_value.clone()));
    let active = || Status::Active.as_str().to_string();
    let was = |or: fn() -> String| action.from_value.clone().unwrap_or_else(or);
    match action.kind.as_str() {
        kind::PAUSE => vec![(kind::RESUME, target, left, was(|| Status::Active.as_str().into()))],
        kind::RESUME => vec![(kind::PAUSE, target, left, was(|| Status::Paused.as_str().into()))],
        // What a copy's budget was before is no budget of anybody's.
        kind::SET_BUDGET => match &action.from_value {
            Some(from) if action.ad_id.is_none() => vec![(kind::SET_BUDGET, target, left, from.clone())],
            _ => Vec::new(),
        },
        kind::COPY_ADSET => {
            let archived = Status::Archived.as_str().to_string();
            let mut back: Vec<Back> =
                action.answer.iter().map(|copy| (kind::ARCHIVE, copy.clone(), None, archived.clone())).collect();
            if let Some(promotion) = promotion {
                // Its copy took its place: without it the source runs again.
                if promotion.state == PromotionState::Done && promotion.kind == CopyKind::Promote {
                    let paused = Some(Status::Paused.as_str().to_string());
                    back.push((kind::RESUME, promotion.source_ad_id.clone(), paused, active()));
                }
                promotion.state = PromotionState::Failed;
                promotion.reason = Some("a person undid it; the copy is archived".into());
            }
            back
        }
        // Copied ads go with their ad set.
        _ => Vec::new(),
    }
}
