//! Promotions as a saga over runs: copy paused into an ad set of its own -> verified -> activated ->
//! effective and with a first impression -> source paused. Interruptible anywhere: each step is a row
//! in the ledger, and a create whose outcome is unknown is looked for before anything follows.
//!
//! A promotion says what it needs written now ([`Stagehand::steps`]) and is told what became of it
//! ([`Stagehand::settle`]), so that all promotions of a run share its batches.

use super::observe::Observation;
use crate::domain::{Ad, Clock, Money, Status, hours};
use crate::ledger::{Applied, Intent, Place, Planned, kind};
use crate::store::{ActionRow, ActionState, CopyKind, PromotionRow, PromotionState, Store, StoreError};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Everything a saga works with.
pub(super) struct Stagehand<'a> {
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
    /// What a promotion needs written now. Their places within the run begin at `seq`. What needs nothing
    /// written, such as one whose copy delivers beside its source, goes on at once.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn steps(&self, p: &mut PromotionRow, seq: usize) -> Result<Vec<Planned>, StoreError> {
        let mut steps = Steps { seq, planned: Vec::new() };
        let before = p.state;
        match (p.state, &p.reason) {
            (PromotionState::Done | PromotionState::Failed, _) => {}
            (_, Some(_)) => self.put_away(p, &mut steps).await?,
            (PromotionState::Copying, None) => self.copy(p, &mut steps).await?,
            (PromotionState::Copied, None) => self.switch_on(p, &mut steps).await?,
            (PromotionState::Activated, None) => self.hand_over(p, &mut steps).await?,
        }
        if p.state != before {
            p.step_at = self.clock.now();
        }
        Ok(steps.planned)
    }

    /// Takes a promotion as far as its steps brought it. Whether something follows that this run can do still.
    pub(super) fn settle(&self, p: &mut PromotionRow, steps: &[ActionRow], applied: &Applied) -> bool {
        if steps.is_empty() {
            return false;
        }
        let before = (p.state, p.adset_id.clone());
        let done = |kind: &str| steps.iter().filter(|a| a.kind == kind).all(|a| a.state == ActionState::Done);
        match (p.state, &p.reason) {
            (PromotionState::Done | PromotionState::Failed, _) => {}
            (_, Some(_)) => {
                if done(kind::ARCHIVE) {
                    fail(p);
                }
            }
            (PromotionState::Copying, None) => self.copied(p, steps, applied),
            (PromotionState::Copied, None) => {
                let activated = steps.iter().any(|a| a.kind == kind::ACTIVATE) && done(kind::ACTIVATE);
                if activated {
                    p.state = PromotionState::Activated;
                } else if self.waited_too_long(p) {
                    let last = steps.iter().rev().find_map(|a| a.reason.clone()).unwrap_or_default();
                    give_up(p, &format!("the copy could not be switched on: {last}"));
                }
            }
            (PromotionState::Activated, None) => {
                if done(kind::PAUSE) {
                    p.state = PromotionState::Done;
                }
            }
        }
        if p.state != before.0 {
            p.step_at = self.clock.now();
        }
        p.state == PromotionState::Copying && p.reason.is_none() && p.adset_id != before.1
    }

    fn source(&self, p: &PromotionRow) -> Option<&Ad> {
        self.observation.index.get(&p.source_ad_id).map(|&i| &self.observation.ads[i])
    }

    fn seen_copy(&self, p: &PromotionRow) -> Option<&Ad> {
        let id = p.ad_id.as_ref()?;
        self.observation.index.get(id).map(|&i| &self.observation.ads[i])
    }

    /// Copies the ad set, then the ad into it; the copy's budget is set before anything of it runs.
    async fn copy(&self, p: &mut PromotionRow, steps: &mut Steps) -> Result<(), StoreError> {
        let (adset_step, ad_step) = (format!("{}.adset", p.promotion_id), format!("{}.ad", p.promotion_id));
        // What earlier runs asked for comes first: nothing that may have been made is left behind.
        while let Some((id, made)) = match (&p.adset_id, &p.ad_id) {
            (None, _) => Some((&adset_step, &mut p.adset_id)),
            (Some(_), None) => Some((&ad_step, &mut p.ad_id)),
            (Some(_), Some(_)) => None,
        } {
            match self.known(p.step_at, id).await? {
                Create::Done(created) => *made = Some(created),
                Create::Open => return Ok(()),
                Create::Failed(reason) => return self.stop(p, steps, &reason).await,
                Create::Due => break,
            }
        }
        let Some(source) = self.running_source(p) else {
            return self.stop(p, steps, "the source was stopped meanwhile").await;
        };
        let Some(source_adset) = &source.adset_id else {
            return self.stop(p, steps, "the source has no ad set that could be copied").await;
        };
        match (p.adset_id.clone(), &p.ad_id) {
            (None, _) => {
                // Not known by its own id yet: two new ad sets of a campaign are two ad sets all the same.
                let place = Place { campaign: Some(p.campaign_id.clone()), adset: Some(adset_step.clone()) };
                let action = self.action(p, steps, kind::COPY_ADSET, source_adset, None, p.campaign_id.clone());
                steps.push(ActionRow { action_id: adset_step, ..action }, place);
            }
            (Some(adset), None) => {
                let action = self.action(p, steps, kind::COPY_AD, &p.source_ad_id, None, adset.clone());
                steps.push(ActionRow { action_id: ad_step, ..action }, place(p));
                let inherited = source.adset.as_ref().and_then(|a| a.daily_budget).map(|b| b.0);
                if !self.observation.holds_budget(&p.campaign_id) && inherited != Some(p.daily_budget) {
                    let action = self.action(p, steps, kind::SET_BUDGET, &adset, None, p.daily_budget.to_string());
                    steps.push(action, place(p));
                }
            }
            (Some(_), Some(_)) => p.state = PromotionState::Copied,
        }
        Ok(())
    }

    /// What became of the copies that were asked for.
    fn copied(&self, p: &mut PromotionRow, steps: &[ActionRow], applied: &Applied) {
        for step in steps {
            match (step.kind.as_str(), step.state) {
                (kind::COPY_ADSET, ActionState::Done) => p.adset_id.clone_from(&step.answer),
                (kind::COPY_AD, ActionState::Done) => p.ad_id.clone_from(&step.answer),
                (kind::COPY_ADSET | kind::COPY_AD, ActionState::Failed | ActionState::Dropped)
                    if applied.refused.contains(&step.action_id) || self.waited_too_long(p) =>
                {
                    return give_up(p, step.reason.as_deref().unwrap_or("the copy was not made"));
                }
                // Unknown, or refused for a passing reason: the next run looks, and tries again until the time is up.
                _ => {}
            }
        }
        if p.adset_id.is_some() && p.ad_id.is_some() {
            p.state = PromotionState::Copied;
        }
    }

    /// Verifies the copy as the account shows it and switches it on. Budget first: without it a copy must not run.
    async fn switch_on(&self, p: &mut PromotionRow, steps: &mut Steps) -> Result<(), StoreError> {
        if self.running_source(p).is_none() {
            return self.stop(p, steps, "the source was stopped meanwhile").await;
        }
        let Some(copy) = self.seen_copy(p) else {
            return match self.waited_too_long(p) {
                true => self.stop(p, steps, "the copy never appeared in the account").await,
                false => Ok(()),
            };
        };
        let right_place = copy.adset_id == p.adset_id && copy.campaign_id.as_deref() == Some(&p.campaign_id);
        let (true, Some(adset)) = (right_place, p.adset_id.clone()) else {
            return self.stop(p, steps, "the copy is not where it should be").await;
        };
        let (ad, ad_status) = (copy.id.clone(), copy.status);
        let (budget, adset_status) = copy.adset.as_ref().map_or((None, None), |a| (a.daily_budget, a.status));
        if !copy.in_shared_campaign() && budget.map(|b| b.0) != Some(p.daily_budget) {
            // What it took over from its source was nobody's budget: this is no rise and no fall.
            let action = self.action(p, steps, kind::SET_BUDGET, &adset, None, p.daily_budget.to_string());
            steps.push(action, place(p));
            return Ok(());
        }
        for (target, status) in [(&adset, adset_status), (&ad, ad_status)] {
            if status != Some(Status::Active) {
                let from = status.map(|s| s.as_str().to_string());
                let action = self.action(p, steps, kind::ACTIVATE, target, from, Status::Active.as_str().into());
                steps.push(action, place(p));
            }
        }
        if steps.planned.is_empty() {
            p.state = PromotionState::Activated;
        }
        Ok(())
    }

    /// Pauses the source once the copy delivers; gives a rejected or silent copy up.
    async fn hand_over(&self, p: &mut PromotionRow, steps: &mut Steps) -> Result<(), StoreError> {
        let copy = self.seen_copy(p);
        let impressions = || {
            let days = self.observation.days.iter();
            days.filter(|d| Some(&d.ad_id) == p.ad_id.as_ref()).map(|d| d.facts.impressions).sum::<f64>()
        };
        let delivers = copy.is_some_and(|c| c.effective_status.is_active()) && impressions() > 0.0;
        if delivers {
            match self.running_source(p).filter(|_| p.kind == CopyKind::Promote) {
                Some(source) => {
                    let from = source.status.map(|s| s.as_str().to_string());
                    let place = Place { campaign: source.campaign_id.clone(), adset: source.adset_id.clone() };
                    let paused = Status::Paused.as_str().into();
                    steps.push(self.action(p, steps, kind::PAUSE, &source.id, from, paused), place);
                }
                None => p.state = PromotionState::Done,
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
            return self.stop(p, steps, &reason).await;
        }
        Ok(())
    }

    async fn stop(&self, p: &mut PromotionRow, steps: &mut Steps, reason: &str) -> Result<(), StoreError> {
        give_up(p, reason);
        if p.state == PromotionState::Failed { Ok(()) } else { self.put_away(p, steps).await }
    }

    /// Archives the copy of a promotion that is given up. As long as it is not known to be put away the promotion is
    /// not ended, since nobody else watches what the copy spends.
    async fn put_away(&self, p: &mut PromotionRow, steps: &mut Steps) -> Result<(), StoreError> {
        let Some(adset) = p.adset_id.clone() else {
            fail(p);
            return Ok(());
        };
        let id = format!("{}.archive", p.promotion_id);
        match self.store.action(&id).await?.map(|earlier| earlier.state) {
            Some(ActionState::Done) => fail(p),
            Some(ActionState::Sent | ActionState::Unknown) => {}
            _ => {
                let archived = Status::Archived.as_str().into();
                let action = self.action(p, steps, kind::ARCHIVE, &adset, None, archived);
                steps.push(ActionRow { action_id: id, ..action }, place(p));
            }
        }
        Ok(())
    }

    /// The source, while somebody wants it to run.
    fn running_source(&self, p: &PromotionRow) -> Option<&Ad> {
        self.source(p).filter(|source| source.status.is_none_or(|status| status == Status::Active))
    }

    fn waited_too_long(&self, p: &PromotionRow) -> bool {
        self.is_too_long(p.step_at)
    }

    fn is_too_long(&self, since: Timestamp) -> bool {
        hours(since, self.clock.now()) > self.timeout_hours
    }

    /// What an earlier run knows of a create, which is made once. One that certainly did not happen for a passing
    /// reason is sent again under the same id.
    async fn known(&self, since: Timestamp, id: &str) -> Result<Create, StoreError> {
        Ok(match self.store.action(id).await? {
            None => Create::Due,
            Some(earlier) => match earlier.state {
                ActionState::Done => earlier.answer.map_or(Create::Open, Create::Done),
                ActionState::Sent | ActionState::Unknown => Create::Open,
                _ if !self.is_too_long(since) => Create::Due,
                _ => Create::Failed(earlier.reason.unwrap_or_else(|| "the copy was not made".into())),
            },
        })
    }

    fn action(
        &self,
        p: &PromotionRow,
        steps: &Steps,
        kind: &str,
        target: &str,
        from: Option<String>,
        to: String,
    ) -> ActionRow {
        let intent = Intent {
            run_id: self.run_id,
            account_id: &p.account_id,
            at: self.clock.now(),
            stage: &p.to_stage,
            rule: &p.rule,
            ad_id: Some(&p.source_ad_id),
        };
        intent.action(steps.seq + steps.planned.len(), kind, target, from, to)
    }
}

/// Notes why a promotion ends. One that made nothing has ended; else its copy is put away first.
pub(super) fn give_up(p: &mut PromotionRow, reason: &str) {
    p.reason = Some(reason.into());
    if p.adset_id.is_none() {
        fail(p);
    }
}

/// Ends a promotion of which nothing is left running.
fn fail(p: &mut PromotionRow) {
    let reason = p.reason.clone().unwrap_or_default();
    p.state = PromotionState::Failed;
    p.reason = Some(match p.adset_id {
        Some(_) => format!("{reason}; the copy is archived, the source is as it was"),
        None => format!("{reason}; no copy was made"),
    });
}

/// Where a promotion's copy is.
fn place(p: &PromotionRow) -> Place {
    Place { campaign: Some(p.campaign_id.clone()), adset: p.adset_id.clone() }
}

/// What is known of a create.
enum Create {
    /// It was made, with this id.
    Done(String),
    /// Whether it was made is not known yet.
    Open,
    /// It was not made and shall be.
    Due,
    /// It was not made, and is not tried again.
    Failed(String),
}

/// The steps of one promotion.
struct Steps {
    seq: usize,
    planned: Vec<Planned>,
}

impl Steps {
    fn push(&mut self, action: ActionRow, place: Place) {
        self.planned.push(Planned { action, place });
    }
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
