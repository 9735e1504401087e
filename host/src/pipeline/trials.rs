//! How policies on trial fare: one that keeps failing is withdrawn, and a canary is widened or withdrawn by what its ads
//! earned beside the others ([`super::evidence`]).

use super::Runner;
use super::decide::{Decided, decides_itself};
use super::evidence::{Counted, Evidence, evidence, first_day_before};
use super::observe::Observation;
use crate::config::Canary;
use crate::domain::Currency;
use crate::health::Health;
use crate::policies::{self, StagePolicy};
use crate::store::{LifecycleRow, PolicyTrialRow, Store, StoreError};
use jiff::Timestamp;
use std::borrow::Cow;

/// Failures in a row after which a policy is no longer tried.
const PATIENCE: i64 = 3;

/// The trial of a policy that is open in the store, whatever a process remembers of it.
fn open<'a>(rows: &'a [PolicyTrialRow], known: &PolicyTrialRow) -> Option<&'a PolicyTrialRow> {
    let is_it = |row: &&PolicyTrialRow| {
        (&row.client, &row.stage, &row.digest) == (&known.client, &known.stage, &known.digest) && row.ended_at.is_none()
    };
    rows.iter().rfind(is_it)
}

/// Notes how the policy on trial did: a failure counts, an answer clears the count. `acts` is whether what the stage
/// decides is done at all: a canary that changes nothing proves nothing, and its days begin anew.
///
/// # Errors
/// When the store fails.
pub(super) async fn note(
    store: &dyn Store,
    policy: &StagePolicy,
    decided: &Decided,
    acts: bool,
    now: Timestamp,
) -> Result<Vec<Health>, StoreError> {
    let Some(trial) = &policy.trial else { return Ok(Vec::new()) };
    let stored = store.policy_trials().await?;
    let Some(known) = open(&stored, &trial.row) else { return Ok(Vec::new()) };
    let what = format!("{} on trial for stage {}", trial.name(), policy.view.name);
    if decides_itself(policy, trial) {
        let row = policies::ended(known, "it decides for the stage itself now", now);
        store.save_policy_trials(&[row]).await?;
        return Ok(vec![health("ok", format!("{what} is over: it decides for the stage itself now"))]);
    }
    let (fault, failed) = match (&trial.ready, &decided.tried) {
        (Err(reason), _) => (Some(reason.as_str()), "cannot be asked"),
        (_, Some(tried)) => (tried.fault(), "failed"),
        // This run is not about its stage.
        (_, None) => return Ok(Vec::new()),
    };
    let failures = fault.map_or(0, |_| known.failures + 1);
    let proves_nothing = trial.ready.is_err() || policy.ready().is_none() || !acts;
    let stepped_at = if known.share > 0.0 && proves_nothing { now } else { known.stepped_at };
    let mut row = PolicyTrialRow { failures, stepped_at, ..known.clone() };
    let mut found = Vec::new();
    if let Some(fault) = fault {
        let mut message = format!("{what} {failed}, and the stage's own policy decided about all ads: {fault}");
        if failures >= PATIENCE {
            row = policies::ended(&row, &format!("it {failed} {failures} times in a row: {fault}"), now);
            message = format!("{what} is withdrawn, because it {failed} {failures} times in a row: {fault}");
        }
        found.push(health("warning", message));
    }
    if row != *known {
        store.save_policy_trials(&[row]).await?;
    }
    Ok(found)
}

fn health(level: &str, message: String) -> Health {
    Health { source: "policy".into(), level: level.into(), message, stops: None }
}

impl Runner<'_> {
    /// The policies with their trials as the store has them now: one that was ended while a process holds an older
    /// snapshot is not heard any more.
    pub(super) async fn with_open_trials(&self) -> Result<Cow<'_, [StagePolicy]>, StoreError> {
        if self.policies.iter().all(|policy| policy.trial.is_none()) {
            return Ok(Cow::Borrowed(self.policies));
        }
        let stored = self.store.policy_trials().await?;
        let mut policies = self.policies.to_vec();
        for policy in &mut policies {
            policy.trial = policy.trial.take().and_then(|mut trial| {
                trial.row = open(&stored, &trial.row)?.clone();
                Some(trial)
            });
        }
        Ok(Cow::Owned(policies))
    }

    /// Widens or withdraws canaries, in the first run of a day that acts.
    pub(super) async fn steer_canaries(
        &self,
        observation: &Observation,
        settled: &[f64],
        lifecycle: &[LifecycleRow],
    ) -> anyhow::Result<Vec<Health>> {
        let mut found = Vec::new();
        let canaries: Vec<_> = self.policies.iter().filter_map(|policy| policy.trial.as_ref()).collect();
        if canaries.iter().all(|trial| trial.row.share <= 0.0) {
            return Ok(found);
        }
        // What failed in this very run is withdrawn already.
        let stored = self.store.policy_trials().await?;
        let today = observation.today;
        let is_due = |row: &&PolicyTrialRow| row.share > 0.0 && row.steered_on != Some(today);
        for row in canaries.iter().filter_map(|trial| open(&stored, &trial.row)).filter(is_due) {
            let config = &self.effective.config;
            let (account, zone) = (&observation.account, &observation.account.zone);
            let from = first_day_before(row, zone);
            let days = self.store.days_since(&account.id, &config.attribution.to_string(), from).await?;
            let cogs_per_purchase = config.economics.cogs_per_purchase;
            let counted = Counted { zone, today, currency: &account.currency, settled, cogs_per_purchase };
            let evidence = evidence(row, lifecycle, &days, counted);
            let mut row = PolicyTrialRow {
                steered_on: Some(today),
                evidence: serde_json::to_string(&evidence).ok(),
                ..row.clone()
            };
            if let Some(step) = Step::of(&row, &evidence, &config.policies.canary) {
                let (stepped, health) = step.taken(&row, &evidence, &account.currency, observation.at);
                row = stepped;
                found.push(health);
            }
            self.store.save_policy_trials(&[row]).await?;
        }
        Ok(found)
    }
}

/// What becomes of a canary.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Withdraw,
    Widen(f64),
    /// Nothing is wider but to activate it.
    Held,
    /// It earns by spending nothing.
    Starves,
    /// With so few ads nothing will ever be known.
    TooFew,
    /// It decides about all of them.
    Alone,
}

impl Step {
    fn of(row: &PolicyTrialRow, evidence: &Evidence, canary: &Canary) -> Option<Step> {
        if evidence.surely_worse.is_some_and(|sure| sure > canary.withdraw_above) {
            return Some(Step::Withdraw);
        }
        // Looked at once every so many days: whoever looks daily for a good day finds one.
        if evidence.days == 0 || !evidence.days.is_multiple_of(canary.step_days.max(1)) {
            return None;
        }
        let step = match evidence.worse {
            Some(worse) if worse > canary.widen_below => return None,
            Some(_) if evidence.starves() => Step::Starves,
            Some(_) => {
                let wider = canary.steps.iter().copied().find(|step| *step > row.share && *step <= 1.0);
                wider.map_or(Step::Held, Step::Widen)
            }
            None if evidence.others.ads == 0 => Step::Alone,
            None => Step::TooFew,
        };
        let said = step.word().is_some_and(|word| row.told.as_deref() == Some(word));
        (!said).then_some(step)
    }

    /// What is said once of a share is kept by.
    fn word(self) -> Option<&'static str> {
        match self {
            Step::Withdraw | Step::Widen(_) => None,
            Step::Held => Some("held"),
            Step::Starves => Some("starves"),
            Step::TooFew => Some("too-few"),
            Step::Alone => Some("alone"),
        }
    }

    fn taken(
        self,
        row: &PolicyTrialRow,
        evidence: &Evidence,
        currency: &Currency,
        now: Timestamp,
    ) -> (PolicyTrialRow, Health) {
        let what = format!("{}@{}, canary of stage {}", row.name, row.version, row.stage);
        let share = |share: f64| format!("{:.0} % of the ads", 100.0 * share);
        let shown = evidence.sentence(currency);
        let told = PolicyTrialRow { told: self.word().map(String::from), ..row.clone() };
        match self {
            Step::Withdraw => {
                let row = policies::ended(row, &shown, now);
                (row, health("critical", format!("{what}, is withdrawn: {shown}")))
            }
            Step::Widen(to) => {
                let message = format!("{what}, decides about {} from the next run on: {shown}", share(to));
                (PolicyTrialRow { share: to, stepped_at: now, ..told }, health("ok", message))
            }
            Step::Held => {
                let by = format!("`dean policy activate {}@{} --stage {}`", row.name, row.version, row.stage);
                let message = format!("{what}, held up on {}: {shown}; {by} lets it decide", share(row.share));
                (told, health("ok", message))
            }
            Step::Starves => {
                let message = format!(
                    "{what}, is not widened: {shown}, but it let its ads spend less than half as much; \
                     `dean policy canary {}@{} --share` widens it all the same",
                    row.name, row.version
                );
                (told, health("warning", message))
            }
            Step::Alone => {
                let message = format!(
                    "{what}, decides about every ad, so that nothing is left to set it beside; `dean policy canary \
                     {0}@{1} --share 0.5` leaves half of them to the stage's own policy, `dean policy activate {0}@{1} \
                     --stage {2}` lets it decide",
                    row.name, row.version, row.stage
                );
                (told, health("warning", message))
            }
            Step::TooFew => {
                let message = format!(
                    "{what}, decides about too few ads for anything to be known: {shown}; \
                     `dean policy canary {}@{} --share` widens it",
                    row.name, row.version
                );
                (told, health("warning", message))
            }
        }
    }
}
