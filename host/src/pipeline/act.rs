//! Act: what the verdicts ask for becomes rows of the ledger and steps of promotions, and is sent.

use super::Runner;
use super::decide::Decided;
use super::launch::Launcher;
use super::observe::Observation;
use super::promote::{self, Stagehand};
use crate::domain::{Ad, Status, Verb};
use crate::guard::Verdicts;
use crate::health::{Health, WRITES};
use crate::ledger::{self, Intent, OneBatch, Place, Planned, kind};
use crate::store::{ActionRow, CopyKind, PromotionRow, QueueRow, QueueState, Store, StoreError};

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
            let rule = |rule: u32| d.plan.rules[rule as usize].id.as_str();
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
                let rule = d.plan.rules[decision.rule as usize].id.as_str();
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

    /// What a dry run shows of a promotion: the copies that it begins with.
    pub(super) fn planned_copies(&self, observation: &Observation, run_id: &str, p: &PromotionRow) -> [ActionRow; 2] {
        let intent = Intent {
            run_id,
            account_id: &p.account_id,
            at: p.started_at,
            stage: &p.to_stage,
            rule: &p.rule,
            ad_id: Some(&p.source_ad_id),
        };
        let source = observation.index.get(&p.source_ad_id).map(|&i| &observation.ads[i]);
        let adset = source.and_then(|ad| ad.adset_id.clone()).unwrap_or_default();
        let copy = |kind, target, part| {
            let action = intent.action(0, kind, target, None, p.campaign_id.clone());
            ActionRow { action_id: format!("{}.{part}", p.promotion_id), ..action }
        };
        [copy(kind::COPY_ADSET, &adset, "adset"), copy(kind::COPY_AD, &p.source_ad_id, "ad")]
    }

    /// Sends what was planned together with what promotions need now, and then, in one batch more, what follows from
    /// that and what launches need, whose media take their time; what does not fit there goes on in the next run. So
    /// posts never exceed by more than one what the writes themselves ask for.
    pub(super) async fn act(
        &self,
        run_id: &str,
        observation: &Observation,
        planned: Vec<ActionRow>,
        promotions: &mut [PromotionRow],
        queue: &mut [QueueRow],
    ) -> anyhow::Result<Acted> {
        let stagehand = Stagehand {
            store: self.store,
            clock: self.clock,
            observation,
            run_id,
            timeout_hours: self.effective.config.guard.promotion_timeout_hours,
        };
        let launcher = self.launcher(observation, run_id);
        let mut sagas = Sagas::under_way(stagehand, launcher, promotions, queue);
        let placed = |action: ActionRow| Planned { place: place(observation, &action), action };
        let mut planned: Vec<Planned> = planned.into_iter().map(placed).collect();
        let mut whose = Vec::new();
        let (launches, promotions): (Vec<Saga>, Vec<Saga>) =
            sagas.touched.iter().copied().partition(|saga| matches!(saga, Saga::Launch(_)));
        for saga in promotions {
            let steps = sagas.steps(saga, planned.len()).await?;
            whose.push((saga, planned.len()..planned.len() + steps.len()));
            planned.extend(steps);
        }
        // Also what is decided but not sent yet, such as why a promotion ends, is written down before it is done.
        sagas.save(self.store).await?;
        let stopped = || self.stopped(&observation.account);
        let mut first = ledger::apply(self.client, self.store, self.clock, planned, &stopped).await?;
        let mut going_on = Vec::new();
        for (saga, range) in whose {
            if sagas.settle(saga, &first.actions[range], &first) {
                going_on.push(saga);
            }
        }
        sagas.save(self.store).await?;
        // Pauses and budgets were not kept waiting by uploads.
        going_on.extend(launches);
        if first.blocked.is_some() || going_on.is_empty() {
            return Ok(Acted { actions: first.actions, blocked: first.blocked });
        }

        let mut follow: Vec<(Saga, Vec<Planned>)> = Vec::new();
        for saga in going_on {
            let seq = first.actions.len() + follow.iter().map(|(_, steps)| steps.len()).sum::<usize>();
            follow.push((saga, sagas.steps(saga, seq).await?));
        }
        // A launch under way may have ended without anything to write.
        sagas.save(self.store).await?;
        let (mut batch, mut planned, mut whose) = (OneBatch::default(), Vec::new(), Vec::new());
        for (saga, steps) in follow {
            if batch.takes(&steps.iter().map(|step| &step.place).collect::<Vec<_>>()) {
                whose.push((saga, planned.len()..planned.len() + steps.len()));
                planned.extend(steps);
            }
        }
        let second = ledger::apply(self.client, self.store, self.clock, planned, &stopped).await?;
        for (saga, range) in whose {
            sagas.settle(saga, &second.actions[range], &second);
        }
        sagas.save(self.store).await?;
        first.actions.extend(second.actions);
        Ok(Acted { actions: first.actions, blocked: second.blocked })
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub(super) struct Acted {
    /// The actions, in their final state.
    pub actions: Vec<ActionRow>,
    /// Why nothing more could be written, if so.
    pub blocked: Option<String>,
}

impl Acted {
    /// What a person should know of it.
    pub(super) fn health(&self) -> Option<Health> {
        let reason = self.blocked.as_ref()?.lines().next().unwrap_or_default();
        let message = format!("nothing more was written in this run: {reason}");
        Some(Health { source: "meta".into(), level: "critical".into(), message, stops: Some(WRITES.into()) })
    }
}

/// What goes on over runs: a promotion, or a launch, by its position.
#[derive(Clone, Copy, Debug)]
enum Saga {
    Promotion(usize),
    Launch(usize),
}

/// Everything that goes on over runs, with who takes it further.
struct Sagas<'a> {
    stagehand: Stagehand<'a>,
    launcher: Option<Launcher<'a>>,
    promotions: &'a mut [PromotionRow],
    queue: &'a mut [QueueRow],
    /// Those that were under way when the run began to act.
    touched: Vec<Saga>,
}

impl<'a> Sagas<'a> {
    /// Those that are under way.
    fn under_way(
        stagehand: Stagehand<'a>,
        launcher: Option<Launcher<'a>>,
        promotions: &'a mut [PromotionRow],
        queue: &'a mut [QueueRow],
    ) -> Self {
        let open = promotions.iter().enumerate().filter(|(_, p)| p.state.is_open());
        let launches = queue.iter().enumerate().filter(|(_, row)| row.state == QueueState::Launching);
        let launches = launches.filter(|_| launcher.is_some());
        let touched = open.map(|(i, _)| Saga::Promotion(i)).chain(launches.map(|(i, _)| Saga::Launch(i))).collect();
        Sagas { stagehand, launcher, promotions, queue, touched }
    }

    async fn steps(&mut self, saga: Saga, seq: usize) -> Result<Vec<Planned>, StoreError> {
        match (saga, &self.launcher) {
            (Saga::Promotion(i), _) => self.stagehand.steps(&mut self.promotions[i], seq).await,
            (Saga::Launch(i), Some(launcher)) => launcher.steps(&mut self.queue[i], seq).await,
            (Saga::Launch(_), None) => Ok(Vec::new()),
        }
    }

    /// Whether something follows that this run can do still.
    fn settle(&mut self, saga: Saga, steps: &[ActionRow], applied: &ledger::Applied) -> bool {
        match (saga, &self.launcher) {
            (Saga::Promotion(i), _) => return self.stagehand.settle(&mut self.promotions[i], steps, applied),
            (Saga::Launch(i), Some(launcher)) => launcher.settle(&mut self.queue[i], steps, applied),
            (Saga::Launch(_), None) => {}
        }
        false
    }

    async fn save(&self, store: &dyn Store) -> Result<(), StoreError> {
        let promotion = |saga: &Saga| match saga {
            Saga::Promotion(i) => Some(self.promotions[*i].clone()),
            Saga::Launch(_) => None,
        };
        let launch = |saga: &Saga| match saga {
            Saga::Launch(i) => Some(self.queue[*i].clone()),
            Saga::Promotion(_) => None,
        };
        store.save_promotions(&self.touched.iter().filter_map(promotion).collect::<Vec<_>>()).await?;
        store.save_queue(&self.touched.iter().filter_map(launch).collect::<Vec<_>>()).await
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
