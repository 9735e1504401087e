//! Promotions as a saga over runs: copy paused into an ad set of its own -> verified -> activated ->
//! effective and with a first impression -> source paused. Interruptible anywhere: each step is a row
//! in the ledger, and a create whose outcome is unknown is looked for before anything follows.

use super::observe::Observation;
use crate::domain::{Ad, Clock, Money, Status};
use crate::ledger::{self, Intent, hours, kind};
use crate::meta::Client;
use crate::store::{ActionRow, ActionState, CopyKind, PromotionRow, PromotionState, Store, StoreError};
use sha2::{Digest, Sha256};

/// Everything a saga works with.
pub(super) struct Stagehand<'a> {
    /// The account's client.
    pub client: &'a Client,
    /// The ledger's store.
    pub store: &'a dyn Store,
    /// The clock.
    pub clock: &'a Clock,
    /// The account.
    pub observation: &'a Observation,
    /// The run.
    pub run_id: &'a str,
    /// Hours after which a copy that does not deliver is given up.
    pub timeout_hours: f64,
}

/// A new promotion of the intent's ad, out of its stage into another.
#[must_use]
pub(super) fn begin(
    intent: &Intent<'_>,
    kind: CopyKind,
    to_stage: &str,
    campaign_id: &str,
    daily_budget: Money,
) -> PromotionRow {
    let ad_id = intent.ad_id.unwrap_or_default();
    let digest = Sha256::digest(format!("{}/{ad_id}", intent.run_id));
    let id: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    PromotionRow {
        promotion_id: format!("p{id}"),
        kind,
        account_id: intent.account_id.into(),
        source_ad_id: ad_id.into(),
        from_stage: intent.stage.into(),
        to_stage: to_stage.into(),
        campaign_id: campaign_id.into(),
        daily_budget: daily_budget.0,
        rule: intent.rule.into(),
        state: PromotionState::Copying,
        adset_id: None,
        ad_id: None,
        started_at: intent.at,
        step_at: intent.at,
        reason: None,
    }
}

impl Stagehand<'_> {
    /// Takes a promotion as far as it can go now. Returns the actions taken, and why no other write
    /// would go through, if that is so.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn advance(&self, p: &mut PromotionRow, seq: usize) -> Result<Steps, StoreError> {
        let mut steps = Steps { actions: Vec::new(), blocked: None, refused: false, seq };
        let before = p.state;
        match (p.state, p.reason.clone()) {
            (PromotionState::Done | PromotionState::Failed, _) => {}
            (_, Some(reason)) => self.give_up(p, &mut steps, &reason).await?,
            (PromotionState::Copying, None) => self.copy(p, &mut steps).await?,
            (PromotionState::Copied, None) => self.activate(p, &mut steps).await?,
            (PromotionState::Activated, None) => self.hand_over(p, &mut steps).await?,
        }
        if p.state != before {
            p.step_at = self.clock.now();
        }
        self.store.save_promotions(std::slice::from_ref(p)).await?;
        Ok(steps)
    }

    fn source(&self, p: &PromotionRow) -> Option<&Ad> {
        self.observation.index.get(&p.source_ad_id).map(|&i| &self.observation.ads[i])
    }

    fn seen_copy(&self, p: &PromotionRow) -> Option<&Ad> {
        let id = p.ad_id.as_ref()?;
        self.observation.index.get(id).map(|&i| &self.observation.ads[i])
    }

    async fn copy(&self, p: &mut PromotionRow, steps: &mut Steps) -> Result<(), StoreError> {
        let Some(source_adset) = self.running_source(p).and_then(|source| source.adset_id.clone()) else {
            return self.give_up(p, steps, "the source was stopped meanwhile").await;
        };
        if p.adset_id.is_none() {
            let id = format!("{}.adset", p.promotion_id);
            let (campaign, target) = (p.campaign_id.clone(), source_adset);
            match self.create(p, &id, kind::COPY_ADSET, &target, &campaign, steps).await? {
                Step::Done(created) => p.adset_id = Some(created),
                Step::Wait => return Ok(()),
                Step::Failed(reason) => return self.give_up(p, steps, &reason).await,
            }
        }
        let Some(adset) = p.adset_id.clone() else { return Ok(()) };
        if p.ad_id.is_none() {
            let id = format!("{}.ad", p.promotion_id);
            let source = p.source_ad_id.clone();
            match self.create(p, &id, kind::COPY_AD, &source, &adset, steps).await? {
                Step::Done(created) => p.ad_id = Some(created),
                Step::Wait => return Ok(()),
                Step::Failed(reason) => return self.give_up(p, steps, &reason).await,
            }
        }
        p.state = PromotionState::Copied;
        Ok(())
    }

    /// Verifies the copy as the account shows it, gives it its budget and switches it on.
    async fn activate(&self, p: &mut PromotionRow, steps: &mut Steps) -> Result<(), StoreError> {
        if self.running_source(p).is_none() {
            return self.give_up(p, steps, "the source was stopped meanwhile").await;
        }
        let too_long = self.waited_too_long(p);
        let Some(copy) = self.seen_copy(p) else {
            return if too_long {
                self.give_up(p, steps, "the copy never appeared in the account").await
            } else {
                Ok(())
            };
        };
        let right_place = copy.adset_id == p.adset_id && copy.campaign_id.as_deref() == Some(&p.campaign_id);
        if !right_place {
            return self.give_up(p, steps, "the copy is not where it should be").await;
        }
        if self.switch_on(p, copy, steps).await? {
            p.state = PromotionState::Activated;
        } else if too_long {
            let last = steps.actions.last().and_then(|a| a.reason.clone()).unwrap_or_default();
            return self.give_up(p, steps, &format!("the copy could not be switched on: {last}")).await;
        }
        Ok(())
    }

    /// Budget first: without it a copy must not run. False when a write did not get through; the next
    /// run tries again.
    async fn switch_on(&self, p: &PromotionRow, copy: &Ad, steps: &mut Steps) -> Result<bool, StoreError> {
        let (adset, ad) = (copy.adset_id.clone().unwrap_or_default(), copy.id.clone());
        let campaign_holds = copy.campaign.as_ref().is_some_and(|c| c.holds_budget());
        let budget_now = copy.adset.as_ref().and_then(|a| a.daily_budget);
        if !campaign_holds && budget_now.map(|b| b.0) != Some(p.daily_budget) {
            let from = budget_now.map(|b| b.0.to_string());
            let action =
                self.intent(p).action(steps.next(), kind::SET_BUDGET, &adset, from, p.daily_budget.to_string());
            if !self.send(action, steps).await? {
                return Ok(false);
            }
        }
        Ok(self.set_status(p, kind::ACTIVATE, &adset, Status::Active, steps).await?
            && self.set_status(p, kind::ACTIVATE, &ad, Status::Active, steps).await?)
    }

    /// Pauses the source once the copy delivers; gives a rejected or silent copy up.
    async fn hand_over(&self, p: &mut PromotionRow, steps: &mut Steps) -> Result<(), StoreError> {
        let copy = self.seen_copy(p);
        let impressions = || {
            let days = self.observation.days.iter();
            days.filter(|d| Some(&d.ad_id) == p.ad_id.as_ref()).map(|d| d.facts.impressions).sum::<f64>()
        };
        let delivers = copy.is_some_and(|c| c.effective_status.is_active()) && impressions() > 0.0;
        if delivers && p.kind == CopyKind::Duplicate {
            p.state = PromotionState::Done;
            return Ok(());
        }
        if delivers {
            let source = p.source_ad_id.clone();
            if self.running_source(p).is_none()
                || self.set_status(p, kind::PAUSE, &source, Status::Paused, steps).await?
            {
                p.state = PromotionState::Done;
            }
            return Ok(());
        }
        let rejected = copy.is_some_and(|c| c.effective_status.0 == "DISAPPROVED");
        if rejected || self.waited_too_long(p) {
            let reason = match copy {
                Some(copy) if rejected => copy.effective_status.reason(),
                Some(copy) => {
                    format!("the copy did not deliver within {:.0} h ({})", self.timeout_hours, copy.effective_status.0)
                }
                None => "the copy is no longer in the account".into(),
            };
            return self.give_up(p, steps, &reason).await;
        }
        Ok(())
    }

    /// Ends a promotion that came to nothing. As long as its copy is not known to be put away it is not ended, since
    /// nobody else watches what the copy spends; why it ends is kept, so that no later run goes on with it.
    async fn give_up(&self, p: &mut PromotionRow, steps: &mut Steps, reason: &str) -> Result<(), StoreError> {
        p.reason = Some(reason.into());
        // Written down before it is done: a run that finds the copy archived has to know why.
        self.store.save_promotions(std::slice::from_ref(p)).await?;
        if let Some(adset) = p.adset_id.clone() {
            let id = format!("{}.archive", p.promotion_id);
            match self.store.action(&id).await?.map(|earlier| earlier.state) {
                Some(ActionState::Done) => {}
                Some(ActionState::Sent | ActionState::Unknown) => return Ok(()),
                _ => {
                    let archived = Status::Archived.as_str().to_string();
                    let mut action = self.intent(p).action(steps.next(), kind::ARCHIVE, &adset, None, archived);
                    action.action_id = id;
                    if !self.send(action, steps).await? {
                        return Ok(());
                    }
                }
            }
        }
        p.state = PromotionState::Failed;
        p.reason = Some(match p.adset_id {
            Some(_) => format!("{reason}; the copy is archived, the source is as it was"),
            None => format!("{reason}; no copy was made"),
        });
        Ok(())
    }

    /// The source, while somebody wants it to run.
    fn running_source(&self, p: &PromotionRow) -> Option<&Ad> {
        self.source(p).filter(|source| source.status.is_none_or(|status| status == Status::Active))
    }

    fn waited_too_long(&self, p: &PromotionRow) -> bool {
        hours(p.step_at, self.clock.now()) > self.timeout_hours
    }

    fn intent<'b>(&'b self, p: &'b PromotionRow) -> Intent<'b> {
        Intent {
            run_id: self.run_id,
            account_id: &p.account_id,
            at: self.clock.now(),
            stage: &p.to_stage,
            rule: &p.rule,
            ad_id: Some(&p.source_ad_id),
        }
    }

    async fn send(&self, mut action: ActionRow, steps: &mut Steps) -> Result<bool, StoreError> {
        let sent = ledger::send_one(self.client, self.store, self.clock, &mut action).await?;
        let done = action.state == ActionState::Done;
        steps.blocked = steps.blocked.take().or(sent.blocked);
        steps.refused = sent.refused;
        steps.actions.push(action);
        Ok(done)
    }

    async fn set_status(
        &self,
        p: &PromotionRow,
        kind: &str,
        target: &str,
        status: Status,
        steps: &mut Steps,
    ) -> Result<bool, StoreError> {
        let action = self.intent(p).action(steps.next(), kind, target, None, status.as_str().into());
        self.send(action, steps).await
    }

    /// A create with an id of its own, made once: what an earlier run knows of it is looked up first.
    /// One that certainly did not happen for a passing reason is sent again under the same id.
    async fn create(
        &self,
        p: &PromotionRow,
        id: &str,
        kind: &str,
        source: &str,
        to: &str,
        steps: &mut Steps,
    ) -> Result<Step, StoreError> {
        match self.store.action(id).await? {
            Some(earlier) if earlier.state == ActionState::Done => {
                return Ok(earlier.answer.map_or(Step::Wait, Step::Done));
            }
            Some(earlier) if matches!(earlier.state, ActionState::Sent | ActionState::Unknown) => {
                return Ok(Step::Wait);
            }
            Some(earlier) if !self.waited_too_long(p) && steps.blocked.is_none() => {
                tracing::debug!(id, state = earlier.state.as_str(), "making a copy again that was surely not made");
            }
            Some(earlier) => {
                return Ok(Step::Failed(earlier.reason.unwrap_or_else(|| "the copy was not made".into())));
            }
            None => {}
        }
        let mut action = self.intent(p).action(steps.next(), kind, source, None, to.into());
        action.action_id = id.into();
        self.send(action, steps).await?;
        let action = steps.actions.last();
        Ok(match action.map(|a| (a.state, a.answer.clone())) {
            Some((ActionState::Done, Some(created))) => Step::Done(created),
            Some((ActionState::Failed | ActionState::Dropped, _)) if steps.refused || self.waited_too_long(p) => {
                Step::Failed(action.and_then(|a| a.reason.clone()).unwrap_or_default())
            }
            // Unknown, or refused for a passing reason: the next run looks, and tries again until the time is up.
            _ => Step::Wait,
        })
    }
}

/// What one advance did.
pub(super) struct Steps {
    /// The actions taken.
    pub(super) actions: Vec<ActionRow>,
    /// Why no other write would go through.
    pub(super) blocked: Option<String>,
    /// Whether Meta will refuse the last action again.
    refused: bool,
    seq: usize,
}

impl Steps {
    fn next(&mut self) -> usize {
        self.seq += 1;
        self.seq - 1
    }
}

enum Step {
    Done(String),
    Wait,
    Failed(String),
}

/// What a person should know of a promotion's state.
#[must_use]
pub(super) fn note(p: &PromotionRow) -> String {
    if let (true, Some(reason)) = (p.state.is_open(), &p.reason) {
        return format!("it is given up, and its copy put away: {reason}");
    }
    match (p.state, p.kind) {
        (PromotionState::Copying, _) => "the copy is being made".into(),
        (PromotionState::Copied, _) => "the copy is there, paused; it is verified and switched on next".into(),
        (PromotionState::Activated, CopyKind::Promote) => {
            "the copy is switched on; the source runs until it delivers".into()
        }
        (PromotionState::Activated, CopyKind::Duplicate) => "the copy is switched on; it has to deliver yet".into(),
        (PromotionState::Done, CopyKind::Promote) => "the copy delivers, the source is paused".into(),
        (PromotionState::Done, CopyKind::Duplicate) => "the copy delivers beside its source".into(),
        (PromotionState::Failed, _) => p.reason.clone().unwrap_or_default(),
    }
}
