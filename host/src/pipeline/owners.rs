//! Tell, for budgets: what became of every decision on an owner's daily budget.

use super::assemble::{Assembly, evidence};
use super::decide::Decided;
use super::report::Budget;
use super::why::{BudgetStory, OfPolicy};
use crate::guard::BudgetVerdict;
use crate::ledger::kind;
use crate::policies::{StagePolicy, Trial};
use dean_policy::types::{BudgetDecision, Check};

impl Assembly<'_> {
    /// Every decision on a budget, in the order of stages and answers.
    pub(super) fn budgets(&self) -> Vec<Budget> {
        let mut verdicts = self.verdicts.budgets.iter();
        let mut budgets = Vec::new();
        for (policy, d) in self.runner.policies.iter().zip(self.decided) {
            for (decision, verdict) in d.answer.budgets.iter().zip(verdicts.by_ref()) {
                budgets.push(self.budget(policy, d, decision, verdict));
            }
        }
        budgets
    }

    fn budget(&self, policy: &StagePolicy, d: &Decided, decision: &BudgetDecision, verdict: &BudgetVerdict) -> Budget {
        let (plan, owner) = (&d.plan, &d.stage.owners[decision.group as usize]);
        let currency = self.currency();
        let in_group = |c: &&Check| c.rule == decision.rule && d.stage.group_of[c.row as usize] == decision.group;
        let checks: Vec<Check> = d.answer.checks.iter().filter(in_group).copied().collect();
        let not_done = verdict.to.and_then(|_| self.not_done(&owner.id, kind::SET_BUDGET));
        let to = verdict.to.filter(|_| not_done.is_none());
        let held = not_done.or_else(|| verdict.held.clone());
        let marks = d.stage.marks();
        let of_policy = OfPolicy { plan, currency, checks: &checks, marks, inherits: false };
        let learns = d.stage.ads.iter().zip(&d.stage.group_of).any(|(ad, group)| {
            let adset = self.observation.ads[*ad].adset.as_ref();
            *group == decision.group && adset.is_some_and(|adset| adset.learning == Some(true))
        });
        let story = BudgetStory {
            of_policy,
            decision,
            from: owner.daily,
            to,
            held: held.as_ref(),
            planned: self.options.dry_run,
            learning_step: learns.then_some(self.runner.effective.config.guard.learning_step),
        };
        Budget {
            owner_id: owner.id.clone(),
            kind: owner.kind,
            stage: policy.view.name.clone(),
            canary: policy.trial.as_ref().filter(|_| d.is_budget_tried_on(decision.group)).map(Trial::name),
            from: owner.daily.map(|m| currency.to_major(m)),
            to: decision.amount,
            rule: plan.rules[decision.rule as usize].id.clone(),
            confidence: decision.confidence,
            evidence: checks.iter().map(|c| evidence(plan, c)).collect(),
            done: to.map(|m| currency.to_major(m)),
            why: story.sentence(),
            held,
        }
    }
}
