//! Promotions as a saga over runs: copy paused into an ad set of its own -> verified -> activated ->
//! effective and with a first impression -> source paused. Interruptible anywhere: each step is a row
//! in the ledger, and a create whose outcome is unknown is looked for before anything follows.

use super::observe::Observation;
use crate::domain::{Ad, Clock, Money, Status};
use crate::ledger::{self, Intent, hours, kind};
use crate::meta::Client;
use crate::store::{ActionRow, ActionState, PromotionRow, PromotionState, Store, StoreError};
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
pub(super) fn begin(intent: &Intent<'_>, to_stage: &str, campaign_id: &str, daily_budget: Money) -> PromotionRow {
    let ad_id = intent.ad_id.unwrap_or_default();
    let digest = Sha256::digest(format!("{}/{ad_id}", intent.run_id));
    let id: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    PromotionRow {
        promotion_id: format!("p{id}"),
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
    /// Takes a promotion as far as it can go now. Returns the actions taken.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn advance(&self, p: &mut PromotionRow, seq: usize) -> Result<Vec<ActionRow>, StoreError> {
        let mut actions = Vec::new();
        let before = p.state;
        match p.state {
            PromotionState::Copying => self.copy(p, seq, &mut actions).await?,
            PromotionState::Copied => self.activate(p, seq, &mut actions).await?,
            PromotionState::Activated => self.hand_over(p, seq, &mut actions).await?,
            PromotionState::Done | PromotionState::Failed => {}
        }
        if p.state != before {
            p.step_at = self.clock.now();
        }
        self.store.save_promotions(std::slice::from_ref(p)).await?;
        Ok(actions)
    }

    fn source(&self, p: &PromotionRow) -> Option<&Ad> {
        self.observation.index.get(&p.source_ad_id).map(|&i| &self.observation.ads[i])
    }

    fn seen_copy(&self, p: &PromotionRow) -> Option<&Ad> {
        let id = p.ad_id.as_ref()?;
        self.observation.index.get(id).map(|&i| &self.observation.ads[i])
    }

    async fn copy(&self, p: &mut PromotionRow, seq: usize, actions: &mut Vec<ActionRow>) -> Result<(), StoreError> {
        let Some(source) = self.source(p) else {
            fail(p, "the ad is no longer in the account");
            return Ok(());
        };
        let Some(source_adset) = source.adset_id.clone() else {
            fail(p, "the ad has no ad set to copy");
            return Ok(());
        };
        if p.adset_id.is_none() {
            let id = format!("{}.adset", p.promotion_id);
            let step = self.create(p, &id, seq, kind::COPY_ADSET, &source_adset, &p.campaign_id, actions).await?;
            match step {
                Step::Done(created) => p.adset_id = Some(created),
                Step::Wait => return Ok(()),
                Step::Failed(reason) => {
                    fail(p, &reason);
                    return Ok(());
                }
            }
        }
        let Some(adset) = p.adset_id.clone() else { return Ok(()) };
        if p.ad_id.is_none() {
            let id = format!("{}.ad", p.promotion_id);
            let step = self.create(p, &id, seq + 1, kind::COPY_AD, &p.source_ad_id, &adset, actions).await?;
            match step {
                Step::Done(created) => p.ad_id = Some(created),
                Step::Wait => return Ok(()),
                Step::Failed(reason) => {
                    self.set_status(p, seq + 2, kind::ARCHIVE, &adset, Status::Archived, actions).await?;
                    fail(p, &reason);
                    return Ok(());
                }
            }
        }
        p.state = PromotionState::Copied;
        Ok(())
    }

    /// Verifies the copy as the account shows it, gives it its budget and switches it on.
    async fn activate(&self, p: &mut PromotionRow, seq: usize, actions: &mut Vec<ActionRow>) -> Result<(), StoreError> {
        let Some(copy) = self.seen_copy(p) else {
            if self.waited_too_long(p) {
                fail(p, "the copy never appeared in the account");
            }
            return Ok(());
        };
        let right_place = copy.adset_id == p.adset_id && copy.campaign_id.as_deref() == Some(&p.campaign_id);
        if !right_place {
            fail(p, "the copy is not where it should be; it stays paused: see Ads Manager");
            return Ok(());
        }
        let (adset, ad) = (copy.adset_id.clone().unwrap_or_default(), copy.id.clone());
        let campaign_holds =
            copy.campaign.as_ref().is_some_and(|c| c.daily_budget.is_some() || c.lifetime_budget.is_some());
        let budget_now = copy.adset.as_ref().and_then(|a| a.daily_budget);
        if !campaign_holds && budget_now.map(|b| b.0) != Some(p.daily_budget) {
            let from = budget_now.map(|b| b.0.to_string());
            let to = p.daily_budget.to_string();
            let mut action = self.intent(p).action(seq, kind::SET_BUDGET, &adset, from, to);
            ledger::send_one(self.client, self.store, self.clock, &mut action).await?;
            let state = action.state;
            actions.push(action);
            // Without its budget a copy must not run: the next run tries again.
            if state != ActionState::Done {
                return Ok(());
            }
        }
        let on = self.set_status(p, seq + 1, kind::ACTIVATE, &adset, Status::Active, actions).await?
            && self.set_status(p, seq + 2, kind::ACTIVATE, &ad, Status::Active, actions).await?;
        if on {
            p.state = PromotionState::Activated;
        }
        Ok(())
    }

    /// Pauses the source once the copy delivers; gives a rejected or silent copy up.
    async fn hand_over(
        &self,
        p: &mut PromotionRow,
        seq: usize,
        actions: &mut Vec<ActionRow>,
    ) -> Result<(), StoreError> {
        let copy = self.seen_copy(p);
        let impressions = || {
            let days = self.observation.days.iter();
            days.filter(|d| Some(&d.ad_id) == p.ad_id.as_ref()).map(|d| d.facts.impressions).sum::<f64>()
        };
        let delivers = copy.is_some_and(|c| c.effective_status.is_active()) && impressions() > 0.0;
        if delivers {
            let live = self.source(p).is_some_and(|s| s.status != Some(Status::Paused));
            if !live || self.set_status(p, seq, kind::PAUSE, &p.source_ad_id.clone(), Status::Paused, actions).await? {
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
            if let Some(adset) = p.adset_id.clone() {
                self.set_status(p, seq, kind::ARCHIVE, &adset, Status::Archived, actions).await?;
            }
            fail(p, &format!("{reason}; the copy is archived, the source goes on"));
        }
        Ok(())
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

    async fn set_status(
        &self,
        p: &PromotionRow,
        seq: usize,
        kind: &str,
        target: &str,
        status: Status,
        actions: &mut Vec<ActionRow>,
    ) -> Result<bool, StoreError> {
        let mut action = self.intent(p).action(seq, kind, target, None, status.as_str().into());
        ledger::send_one(self.client, self.store, self.clock, &mut action).await?;
        let done = action.state == ActionState::Done;
        actions.push(action);
        Ok(done)
    }

    /// A create with an id of its own, made once: what an earlier run knows of it is looked up first.
    #[allow(clippy::too_many_arguments)]
    async fn create(
        &self,
        p: &PromotionRow,
        id: &str,
        seq: usize,
        kind: &str,
        source: &str,
        to: &str,
        actions: &mut Vec<ActionRow>,
    ) -> Result<Step, StoreError> {
        if let Some(earlier) = self.store.action(id).await? {
            return Ok(match (earlier.state, earlier.answer) {
                (ActionState::Done, Some(created)) => Step::Done(created),
                (ActionState::Sent | ActionState::Unknown, _) => Step::Wait,
                (_, _) => Step::Failed(earlier.reason.unwrap_or_else(|| "the copy was not made".into())),
            });
        }
        let mut action = self.intent(p).action(seq, kind, source, None, to.into());
        action.action_id = id.into();
        ledger::send_one(self.client, self.store, self.clock, &mut action).await?;
        let step = match (action.state, &action.answer) {
            (ActionState::Done, Some(created)) => Step::Done(created.clone()),
            (ActionState::Done, None) => Step::Failed("Meta did not name the copy".into()),
            (ActionState::Unknown, _) => Step::Wait,
            _ => Step::Failed(action.reason.clone().unwrap_or_default()),
        };
        actions.push(action);
        Ok(step)
    }
}

enum Step {
    Done(String),
    Wait,
    Failed(String),
}

fn fail(p: &mut PromotionRow, reason: &str) {
    p.state = PromotionState::Failed;
    p.reason = Some(reason.to_string());
}

/// What a person should know of a promotion's state.
#[must_use]
pub(super) fn note(p: &PromotionRow) -> String {
    match p.state {
        PromotionState::Copying => "the copy is being made".into(),
        PromotionState::Copied => "the copy is there, paused; it is verified and switched on next".into(),
        PromotionState::Activated => "the copy is switched on; the source runs until it delivers".into(),
        PromotionState::Done => "the copy delivers, the source is paused".into(),
        PromotionState::Failed => p.reason.clone().unwrap_or_default(),
    }
}
