//! Approvals: what would add more to a day's spend than a person wants done unasked is held, asked for, and done by the
//! next run after a person said yes, if the policy still wants it then.

use super::Runner;
use super::observe::Observation;
use super::report::RunReport;
use crate::domain::{Money, Verb};
use crate::guard::{APPROVAL, AdProposal, BudgetProposal, BudgetVerdict, Held, Situation};
use crate::journal::GuardRecord;
use crate::store::ApprovalRow;
use jiff::Timestamp;

/// The kind of a budget's approval; an ad's is its verb.
pub(super) const BUDGET: &str = "budget";

impl Runner<'_> {
    /// Writes down what a person has to be asked, with why the policy wants it. Where the amount grew beyond what was
    /// approved, it is asked anew.
    pub(super) async fn ask(
        &self,
        observation: &Observation,
        record: &GuardRecord,
        report: &RunReport,
    ) -> anyhow::Result<()> {
        let row = |target: &str, kind: &str, stage: &str, amount: Money, why: &str| ApprovalRow {
            account_id: observation.account.id.clone(),
            target_id: target.into(),
            kind: kind.into(),
            stage: stage.into(),
            amount: amount.0,
            why: why.into(),
            asked_at: observation.at,
            approved_at: None,
        };
        let waits = |held: &Option<Held>| held.as_ref().is_some_and(|held| held.by == APPROVAL);
        let mut asked = Vec::new();
        for (p, _) in record.proposals.ads.iter().zip(&record.verdicts.ads).filter(|(_, v)| waits(&v.held)) {
            let decision = report.decisions.iter().find(|d| d.ad_id == p.ad_id && d.verb == p.verb && waits(&d.held));
            let why = decision.map(|d| d.why.as_str()).unwrap_or_default();
            asked.push(row(&p.ad_id, p.verb.as_str(), &p.stage, starts_with(&record.situation, p), why));
        }
        for (p, _) in record.proposals.budgets.iter().zip(&record.verdicts.budgets).filter(|(_, v)| waits(&v.held)) {
            let why =
                report.budgets.iter().find(|b| b.owner_id == p.owner_id && waits(&b.held)).map(|b| b.why.as_str());
            let added = p.to - p.from.unwrap_or(Money::ZERO);
            asked.push(row(&p.owner_id, BUDGET, &p.stage, added, why.unwrap_or_default()));
        }
        Ok(self.store.ask_approvals(&asked).await?)
    }

    /// A yes is for one write: what is about to be done with it uses it up.
    pub(super) async fn use_approvals(&self, record: &GuardRecord, approvals: &[ApprovalRow]) -> anyhow::Result<()> {
        let ads = record.proposals.ads.iter().zip(&record.verdicts.ads);
        let ads = ads.filter(|(p, v)| p.approved > Money::ZERO && v.verb == p.verb && v.held.is_none());
        let budgets = record.proposals.budgets.iter().zip(&record.verdicts.budgets);
        let rises = |(p, v): &(&BudgetProposal, &BudgetVerdict)| p.approved > Money::ZERO && v.to > p.from;
        let used: Vec<(&str, &str)> = ads
            .map(|(p, _)| (p.ad_id.as_str(), p.verb.as_str()))
            .chain(budgets.filter(rises).map(|(p, _)| (p.owner_id.as_str(), BUDGET)))
            .collect();
        let is_used = |row: &&ApprovalRow| used.contains(&(row.target_id.as_str(), row.kind.as_str()));
        let spent =
            |row: &ApprovalRow| ApprovalRow { approved_at: None, asked_at: Timestamp::UNIX_EPOCH, ..row.clone() };
        let rows: Vec<ApprovalRow> = approvals.iter().filter(is_used).map(spent).collect();
        Ok(self.store.ask_approvals(&rows).await?)
    }
}

/// The daily budget that a copy would begin with, within its stage's limits.
fn starts_with(situation: &Situation, p: &AdProposal) -> Money {
    let from = situation.stages.get(&p.stage);
    let into = match p.verb {
        Verb::Promote => from.and_then(|stage| situation.stages.get(stage.next.as_ref()?)),
        _ => from,
    };
    let Some(into) = into else { return p.amount };
    let least = if into.campaign_holds_budget { Money::ZERO } else { into.min_budget };
    p.amount.max(least).min(into.max_budget)
}
