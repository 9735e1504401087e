//! Tell: the report of a run, put together from what was observed, decided, judged and done.

use super::decide::Decided;
use super::measure::{self, Background, Skipped, StageCohort};
use super::observe::Observation;
use super::report::{
    Action, Decision, Evidence, Final, ModelReport, Owner, PolicyCost, Promotion, RuleCheck, RunReport, Skip,
    StageReport, TrialReport,
};
use super::why::{OfPolicy, Story};
use super::{Options, Runner, moment, promote};
use crate::domain::{Ad, Currency, Verb};
use crate::features::{self, ContextValues};
use crate::guard::{AdVerdict, Held, Verdicts};
use crate::health::Health;
use crate::ledger::kind;
use crate::meta::ApiUsage;
use crate::policies::{Decider, StagePolicy, Trial};
use crate::scoring::{Said, Scored};
use crate::store::{ActionRow, ActionState, PromotionRow, PromotionState};
use dean_policy::Cost;
use dean_policy::types::{AdDecision, Check, Plan};
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that a report is made of.
pub(super) struct Assembly<'a> {
    pub runner: &'a Runner<'a>,
    pub options: &'a Options,
    pub run_id: &'a str,
    pub observation: &'a Observation,
    pub decided: &'a [Decided],
    pub verdicts: &'a Verdicts,
    pub skipped: &'a [Skipped],
    pub actions: &'a [ActionRow],
    pub promotions: &'a [PromotionRow],
    pub health: &'a [Health],
    pub background: &'a Background<'a>,
    pub scored: &'a Scored,
    pub api: ApiUsage,
}

type Columns = BTreeMap<String, Option<Value>>;

impl Assembly<'_> {
    pub(super) fn report(&self) -> RunReport {
        RunReport {
            run_id: self.run_id.into(),
            client: self.runner.effective.client.clone(),
            account: self.observation.account.id.clone(),
            currency: self.currency().code().into(),
            timezone: self.observation.account.zone_name.clone(),
            as_of: moment(self.observation.at),
            dry_run: self.options.dry_run,
            ads: self.observation.ads.len(),
            stages: self.stages(),
            models: self.models(),
            decisions: self.decisions(),
            budgets: self.budgets(),
            actions: self.actions.iter().map(action).collect(),
            promotions: self.promotions(),
            skipped: self.skips(),
            api: self.api,
            data: self.observation.quality.clone(),
            health: self.health(),
            timings_ms: BTreeMap::new(),
        }
    }

    pub(super) fn currency(&self) -> &Currency {
        &self.observation.account.currency
    }

    fn stages(&self) -> Vec<StageReport> {
        let stage = |(policy, d): (&StagePolicy, &Decided)| {
            let manifest = policy.ready().map(|r| r.policy.manifest());
            StageReport {
                name: policy.view.name.clone(),
                policy: manifest.map(|m| m.name.clone()),
                version: manifest.map(|m| m.version.clone()),
                sha256: policy.ready().map(|r| r.policy.digest().to_string()),
                chosen: policy.ready().map(|r| r.chosen.to_string()),
                ads: d.stage.ads.len(),
                live: d.stage.ads.iter().filter(|i| self.observation.ads[**i].effective_status.is_active()).count(),
                fault: d.fault.as_ref().map(ToString::to_string),
                cost: d.asked.as_ref().map(|asked| cost(&asked.cost)),
                trial: policy.trial.as_ref().map(|trial| trial_report(trial, d)),
                context: self.options.explain.then(|| context(&d.stage.context)),
            }
        };
        self.runner.policies.iter().zip(self.decided).map(stage).collect()
    }

    fn decisions(&self) -> Vec<Decision> {
        let mut ad_verdicts = self.verdicts.ads.iter();
        let mut decisions = Vec::new();
        for (policy, d) in self.runner.policies.iter().zip(self.decided) {
            let columns = self.options.explain.then(|| self.columns(&d.stage));
            let mut checks: Vec<Vec<Check>> = vec![Vec::new(); d.stage.ads.len()];
            d.answer.checks.iter().for_each(|c| checks[c.row as usize].push(*c));
            let mut of_row: Vec<Vec<(&AdDecision, &AdVerdict)>> = vec![Vec::new(); d.stage.ads.len()];
            for (decision, verdict) in d.answer.ads.iter().zip(ad_verdicts.by_ref()) {
                of_row[decision.row as usize].push((decision, verdict));
            }
            for (row, made) in of_row.iter().enumerate() {
                let scene = Scene { policy, d, row, checks: &checks[row] };
                let columns = columns.as_ref().map(|all| all[row].clone());
                if made.is_empty() {
                    decisions.push(self.decision(&scene, None, columns.clone()));
                }
                for pair in made {
                    decisions.push(self.decision(&scene, Some(*pair), columns.clone()));
                }
            }
        }
        decisions
    }

    fn decision(
        &self,
        scene: &Scene<'_>,
        made: Option<(&AdDecision, &AdVerdict)>,
        columns: Option<Columns>,
    ) -> Decision {
        let Scene { policy, d, row, checks } = *scene;
        let plan = &d.plan;
        let ad = &self.observation.ads[d.stage.ads[row]];
        let decision = made.map(|(decision, _)| decision);
        let held = match (made, d.fault.as_ref(), &policy.decider) {
            (Some((_, verdict)), ..) => {
                let not_done = || match verdict.verb {
                    Verb::Pause => self.not_done(&ad.id, kind::PAUSE),
                    Verb::Resume => self.not_done(&ad.id, kind::RESUME),
                    Verb::Promote | Verb::Duplicate => self.not_copied(&ad.id),
                    Verb::Hold | Verb::Refresh => None,
                };
                verdict.held.clone().or_else(not_done)
            }
            (None, Some(fault), _) => Some(Held { by: "policy".into(), reason: fault.to_string() }),
            (None, None, Decider::Nobody) => Some(Held {
                by: "no-policy".into(),
                reason: format!("stage {} has no policy: its ads are only observed", policy.view.name),
            }),
            (None, None, _) => None,
        };
        let done = made.filter(|_| held.is_none()).map_or(Verb::Hold, |(_, verdict)| verdict.verb);
        let has_amount = |verb: Verb| matches!(verb, Verb::Promote | Verb::Duplicate);
        let inherits = d.stage.frame.rows()[row].inherited_spend > 0.0;
        let of_policy = OfPolicy { plan, currency: self.currency(), checks, marks: d.stage.marks(), inherits };
        let story = Story { of_policy, decision, done, held: held.as_ref(), planned: self.options.dry_run };
        let why = match (decision, &held) {
            (None, Some(held)) => format!("Held by {}: {}.", held.by, held.reason),
            (None, None) if !ad.effective_status.is_active() => match d.stage.frame.rows()[row].hours_since_pause {
                hours if hours.is_nan() => format!("Held: {}.", ad.effective_status.reason()),
                hours => {
                    let by = self.background.history.of(&ad.id).and_then(|c| c.pause_rule.as_ref());
                    let titled =
                        |rule: &str| plan.rules.iter().find(|r| r.id == rule).map_or(rule.into(), |r| r.title.clone());
                    let by = by.map(|(rule, run)| format!(" by “{}” in run {run}", titled(rule))).unwrap_or_default();
                    format!("Paused by Dean {hours:.1} h ago{by}; it is watched for late conversions for 14 days.")
                }
            },
            _ => story.sentence(),
        };
        Decision {
            ad_id: ad.id.clone(),
            ad_name: ad.name.clone(),
            stage: policy.view.name.clone(),
            canary: policy.trial.as_ref().filter(|_| d.is_tried_on(row)).map(Trial::name),
            owner: owner(ad),
            verb: decision.map_or(Verb::Hold, |d| d.verb),
            amount: decision.filter(|d| has_amount(d.verb)).map(|d| d.amount),
            rule: decision.map(|d| plan.rules[d.rule as usize].id.clone()),
            confidence: decision.map(|d| d.confidence),
            evidence: checks
                .iter()
                .filter(|c| decision.is_some_and(|d| d.rule == c.rule))
                .map(|c| evidence(plan, c))
                .collect(),
            done: Final {
                verb: done,
                amount: made.filter(|(_, v)| has_amount(v.verb)).map(|(_, v)| self.currency().to_major(v.amount)),
            },
            held,
            why,
            columns,
            checks: self.options.explain.then(|| checks.iter().map(|c| rule_check(plan, c)).collect()),
        }
    }

    /// Why the copy that was to be made in this run was not: one that goes on over runs tells its own state.
    fn not_copied(&self, ad: &str) -> Option<Held> {
        let promotion = self.promotions.iter().find(|p| p.source_ad_id == ad && p.started_at == self.observation.at)?;
        let refused = || {
            let of_it = |a: &&ActionRow| a.action_id.starts_with(&promotion.promotion_id);
            self.actions.iter().filter(of_it).find(|a| a.state == ActionState::Failed)?.reason.clone()
        };
        let reason = match promotion.state {
            PromotionState::Failed => promotion.reason.clone(),
            _ => refused(),
        }?;
        let first = reason.lines().next().unwrap_or_default();
        Some(Held { by: "meta".into(), reason: format!("the copy was refused: {first}") })
    }

    /// Why what was judged was not done after all: its write failed, was dropped, or is unknown.
    pub(super) fn not_done(&self, target: &str, kind: &str) -> Option<Held> {
        let action = self.actions.iter().find(|a| a.target_id == target && a.kind == kind)?;
        let (by, what) = match action.state {
            ActionState::Done | ActionState::Planned => return None,
            ActionState::Unknown | ActionState::Sent => ("unknown", "whether it happened is read back in the next run"),
            ActionState::Failed => ("meta", "Meta refused it"),
            ActionState::Dropped => ("dropped", "it was not sent"),
        };
        let reason = action.reason.as_deref().and_then(|r| r.lines().next()).unwrap_or_default();
        Some(Held { by: by.into(), reason: format!("{what}: {reason}") })
    }

    fn skips(&self) -> Vec<Skip> {
        let columns = self.options.explain.then(|| self.columns_of_skipped());
        let skip = |(i, s): (usize, &Skipped)| Skip {
            ad_id: self.observation.ads[s.ad].id.clone(),
            ad_name: self.observation.ads[s.ad].name.clone(),
            owner: owner(&self.observation.ads[s.ad]),
            reason: s.reason.clone(),
            columns: columns.as_ref().and_then(|all| all[i].clone()),
        };
        self.skipped.iter().enumerate().map(skip).collect()
    }

    /// The columns of skipped ads, each measured in its own stage, in their order.
    fn columns_of_skipped(&self) -> Vec<Option<Columns>> {
        let nowhere = StagePolicy::nowhere();
        let mut all = vec![None; self.skipped.len()];
        let stages = (0..self.runner.policies.len()).map(Some).chain([None]);
        for stage in stages {
            let policy = stage.map_or(&nowhere, |i| &self.runner.policies[i]);
            let of_stage: Vec<usize> = (0..self.skipped.len()).filter(|&i| self.skipped[i].stage == stage).collect();
            let members = of_stage.iter().map(|&i| self.skipped[i].ad).collect();
            let measured = measure::measure(self.observation, policy, members, self.background);
            for (i, columns) in of_stage.into_iter().zip(self.columns(&measured)) {
                all[i] = Some(columns);
            }
        }
        all
    }

    /// Every column of the catalogue, and what models say, for every ad of a frame.
    fn columns(&self, stage: &StageCohort) -> Vec<Columns> {
        let frame = &stage.frame;
        let mut all: Vec<Columns> = vec![BTreeMap::new(); frame.ads()];
        for entry in features::catalogue() {
            if entry.column.is_text() {
                for (columns, row) in all.iter_mut().zip(frame.rows()) {
                    columns.insert(entry.name.clone(), entry.column.text(row).map(Value::from));
                }
                continue;
            }
            for (columns, value) in
                all.iter_mut().zip(entry.column.values(frame, &self.background.numbers.basis, stage.marks()))
            {
                columns.insert(entry.name.clone(), known(value).map(Value::from));
            }
        }
        // Also of ads that no model was asked of: every ad has every column.
        for name in self.runner.models.columns() {
            let values = frame.scores().get(&name);
            for (row, columns) in all.iter_mut().enumerate() {
                columns.insert(name.clone(), values.and_then(|v| known(v[row])).map(Value::from));
            }
        }
        all
    }

    fn promotions(&self) -> Vec<Promotion> {
        let current = |p: &&PromotionRow| p.state.is_open() || p.step_at >= self.observation.at;
        self.promotions.iter().filter(current).map(promotion).collect()
    }

    fn models(&self) -> Vec<ModelReport> {
        let said = |said: &Said| ModelReport {
            model: said.model.clone(),
            version: Some(said.version.clone()),
            sha256: Some(said.sha256.clone()),
            ads: said.ads,
            problem: said.problem.clone(),
            outside: said.outside.as_ref().map(|(feature, share)| {
                format!("{feature} of {:.0} % of the ads lies outside of what it was trained on", 100.0 * share)
            }),
        };
        let left_out = self.runner.models.left_out().iter().map(|left| ModelReport {
            model: left.model.clone(),
            version: None,
            sha256: None,
            ads: 0,
            problem: Some(left.reason.clone()),
            outside: None,
        });
        self.scored.said.iter().map(said).chain(left_out).collect()
    }

    fn health(&self) -> Vec<Health> {
        let mut health = self.health.to_vec();
        health.extend(self.observation.quality.health());
        let mut say = |source: &str, level: &str, message: String, stops: Option<&str>| {
            let (source, level, stops) = (source.into(), level.into(), stops.map(String::from));
            health.push(Health { source, level, message, stops });
        };
        for model in self.models() {
            if let Some(problem) = model.problem {
                say("models", "warning", format!("model {} is left out: {problem}", model.model), Some("its scores"));
            }
        }
        for (stage, ready) in self.runner.policies.iter().filter_map(|p| Some((&p.view.name, p.ready()?))) {
            if let Some(reason) = &ready.instead {
                let manifest = ready.policy.manifest();
                let last = manifest.named();
                let message = format!("stage {stage}: {last}, which decided last, goes on: {reason}");
                say("policy", "critical", message, None);
            }
        }
        for policy in self.runner.policies {
            let next = policy.view.next.as_deref();
            let unwatched = |p: &&StagePolicy| Some(p.view.name.as_str()) == next && p.ready().is_none();
            let target = self.runner.policies.iter().find(unwatched).filter(|p| !p.view.campaigns.is_empty());
            if let (Some(target), Some(_)) = (target, policy.ready()) {
                let (from, to) = (&policy.view.name, &target.view.name);
                let message = format!(
                    "stage {to} has no policy: what {from} promotes into it runs within its caps, and nobody pauses it; \
                     set stages.{to}.policy, or stages.{from}.next = \"\""
                );
                say("configuration", "warning", message, None);
            }
            let is_absent = |campaign: &&String| self.observation.empty_campaigns.get(*campaign) == Some(&None);
            for campaign in policy.view.campaigns.iter().filter(is_absent) {
                let stage = &policy.view.name;
                let message = format!(
                    "campaign {campaign} of stage {stage} is not in this account: its ads are not decided on, and \
                     nothing is promoted into it; is its id right?"
                );
                say("configuration", "warning", message, None);
            }
        }
        if self.runner.policies.iter().all(|policy| policy.view.campaigns.is_empty()) {
            let message = "no stage has a campaign, so nothing is decided: set ids.testing_campaign_id and the others";
            say("configuration", "warning", message.into(), None);
        }
        for sentence in self.runner.effective.without_effect() {
            say("configuration", "warning", sentence.into(), None);
        }
        for (ad, problem) in &self.observation.problems {
            say("data", "warning", format!("ad {ad} is not decided on: {problem}"), None);
        }
        for warning in &self.observation.warnings {
            say("data", "warning", warning.clone(), None);
        }
        health
    }
}

#[derive(Clone, Copy)]
struct Scene<'a> {
    policy: &'a StagePolicy,
    d: &'a Decided,
    row: usize,
    checks: &'a [Check],
}

fn cost(cost: &Cost) -> PolicyCost {
    PolicyCost {
        ms: cost.time.as_secs_f64() * 1e3,
        instructions: cost.instructions,
        memory_bytes: cost.memory_bytes as u64,
    }
}

fn trial_report(trial: &Trial, d: &Decided) -> TrialReport {
    let not_asked = || trial.ready.as_ref().err().cloned();
    TrialReport {
        policy: trial.row.name.clone(),
        version: trial.row.version.clone(),
        sha256: trial.row.digest.clone(),
        share: trial.row.share,
        ads: d.tried.as_ref().map_or(0, |tried| tried.rows.len()),
        fault: d.tried.as_ref().and_then(|tried| tried.fault().map(String::from)).or_else(not_asked),
        cost: d.tried.as_ref().map(|tried| cost(&tried.asked.cost)),
    }
}

fn context(values: &ContextValues) -> BTreeMap<String, Option<f64>> {
    let value = |name: &str| values.get(name).and_then(known);
    features::STAGE_CONTEXT.iter().map(|entry| (entry.name.to_string(), value(entry.name))).collect()
}

fn owner(ad: &Ad) -> Option<Owner> {
    ad.budget_owner().map(|owner| Owner { id: owner.id, kind: owner.kind })
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

pub(super) fn evidence(plan: &Plan, check: &Check) -> Evidence {
    Evidence {
        column: plan.fact(check.fact).unwrap_or_default().into(),
        value: known(check.value),
        comparison: check.comparison,
        threshold: check.threshold,
    }
}

pub(super) fn rule_check(plan: &Plan, check: &Check) -> RuleCheck {
    RuleCheck {
        rule: plan.rules.get(check.rule as usize).map_or_else(String::new, |r| r.id.clone()),
        evidence: evidence(plan, check),
        met: check.met,
    }
}

pub(super) fn promotion(row: &PromotionRow) -> Promotion {
    Promotion {
        ad_id: row.source_ad_id.clone(),
        copy_id: row.ad_id.clone(),
        to_stage: row.to_stage.clone(),
        state: row.state.as_str().into(),
        note: promote::note(row),
    }
}

pub(super) fn action(row: &ActionRow) -> Action {
    Action {
        id: row.action_id.clone(),
        kind: row.kind.clone(),
        target: row.target_id.clone(),
        from: row.from_value.clone(),
        to: row.to_value.clone(),
        state: row.state.as_str().into(),
        created: row.answer.clone(),
        reason: row.reason.clone(),
    }
}
