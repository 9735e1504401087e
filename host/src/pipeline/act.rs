//! Act: what the verdicts ask for becomes rows of the ledger and steps of promotions, and is sent.

use super::Runner;
use super::decide::Decided;
use super::observe::Observation;
use super::promote::{self, Stagehand};
use crate::domain::{Ad, Status, Verb};
use crate::guard::Verdicts;
use crate::ledger::{self, Intent, Place, kind};
use crate::store::{ActionRow, CopyKind, PromotionRow, StoreError};

impl Runner<'_> {
    /// The writes that verdicts ask for, promotions aside.
    pub(super) fn plan(
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
            let rule = |rule: u32| policy.ready().map_or("", |r| r.plan.rules[rule as usize].id.as_str());
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
                    Verb::Refresh => {
                        let intent = intent(rule(decision.rule), Some(ad.id.as_str()));
                        actions.push(intent.action(actions.len(), kind::REFRESH, &ad.id, None, "new creative".into()));
                        continue;
                    }
                    _ => continue,
                };
                let from = ad.status.map(|s| s.as_str().to_string());
                let intent = intent(rule(decision.rule), Some(ad.id.as_str()));
                let mut action = intent.action(actions.len(), kind, &ad.id, from, status.as_str().into());
                let evidence = d.stage.evidence(decision.row as usize, &observation.account.currency);
                // Plain numbers always have a JSON form.
                action.evidence = serde_json::to_string(&evidence).ok();
                actions.push(action);
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

    pub(super) fn new_promotions(
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
                let ad = &observation.ads[d.stage.ads[decision.row as usize]];
                let (kind, stage, campaign) = match verdict.verb {
                    Verb::Promote => {
                        let next = policy.view.next.as_deref().unwrap_or_default();
                        let target = self.policies.iter().find(|p| p.view.name == next);
                        (CopyKind::Promote, next, target.and_then(|p| p.view.campaigns.first()))
                    }
                    Verb::Duplicate => (CopyKind::Duplicate, policy.view.name.as_str(), ad.campaign_id.as_ref()),
                    _ => continue,
                };
                let Some(campaign) = campaign else { continue };
                let rule = policy.ready().map_or("", |r| r.plan.rules[decision.rule as usize].id.as_str());
                let intent = Intent {
                    run_id,
                    account_id: &observation.account.id,
                    at: observation.at,
                    stage: &policy.view.name,
                    rule,
                    ad_id: Some(&ad.id),
                };
                promotions.push(promote::begin(&intent, kind, stage, campaign, verdict.amount));
            }
        }
        promotions
    }

    /// What a dry run shows of a promotion: its first step.
    pub(super) fn planned_copy(&self, run_id: &str, p: &PromotionRow) -> ActionRow {
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

    /// Sends changes of status and budget through the ledger.
    pub(super) async fn send(
        &self,
        observation: &Observation,
        actions: Vec<ActionRow>,
    ) -> Result<ledger::Applied, StoreError> {
        let place = |action: &ActionRow| place(observation, action);
        ledger::apply(self.client, self.store, self.clock, actions, place).await
    }

    /// Who takes promotions further in a run.
    pub(super) fn stagehand<'a>(&'a self, observation: &'a Observation, run_id: &'a str) -> Stagehand<'a> {
        Stagehand {
            client: self.client,
            store: self.store,
            clock: self.clock,
            observation,
            run_id,
            timeout_hours: self.effective.config.guard.promotion_timeout_hours,
        }
    }

    pub(super) async fn act(
        &self,
        run_id: &str,
        observation: &Observation,
        planned: Vec<ActionRow>,
        new_promotions: Vec<PromotionRow>,
        promotions: &mut Vec<PromotionRow>,
    ) -> anyhow::Result<Vec<ActionRow>> {
        let mut next_seq = planned.len();
        let applied = self.send(observation, planned).await?;
        let mut done = applied.actions;
        // Written down before anything stops the run: what was decided is not lost.
        self.store.save_promotions(&new_promotions).await?;
        promotions.extend(new_promotions);
        let mut blocked = applied.blocked;
        let stagehand = self.stagehand(observation, run_id);
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

/// Where the target of an action is.
fn place(observation: &Observation, action: &ActionRow) -> Place {
    let by = |is: &dyn Fn(&Ad) -> bool| observation.ads.iter().find(|ad| is(ad));
    let target = Some(&action.target_id);
    if action.ad_id.is_none() && by(&|ad| ad.campaign_id.as_ref() == target).is_some() {
        return Place { campaign: target.cloned(), adset: None };
    }
    let ad = action.ad_id.as_ref().and_then(|id| observation.index.get(id)).map(|&i| &observation.ads[i]);
    let ad = ad.or_else(|| by(&|ad| ad.adset_id.as_ref() == target));
    Place { campaign: ad.and_then(|ad| ad.campaign_id.clone()), adset: ad.and_then(|ad| ad.adset_id.clone()) }
}
