//! Policies that keep failing are not asked for a while: each failure in a row doubles the wait.

use super::decide::{Decided, StageFault};
use crate::policies::StagePolicy;
use crate::store::{PolicyFaultRow, Store, StoreError};
use jiff::{Timestamp, ToSpan};

/// Failures in a row after which a policy is suspended: the first ones may be bad luck.
const PATIENCE: i64 = 3;
/// Hours of the first suspension, and of the longest.
const FIRST_HOURS: i64 = 2;
const LONGEST_HOURS: i64 = 24;

/// What is known of failures of an account's policies.
pub(super) struct Suspensions(Vec<PolicyFaultRow>);

impl Suspensions {
    /// Reads what is known.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn load(store: &dyn Store, account: &str) -> Result<Self, StoreError> {
        Ok(Suspensions(store.policy_faults(account).await?))
    }

    fn of(&self, policy: &StagePolicy) -> Option<&PolicyFaultRow> {
        // Other bytes are another policy, which begins anew.
        let digest = policy.ready()?.policy.digest().to_string();
        self.0.iter().find(|row| row.stage == policy.view.name && row.digest == digest)
    }

    /// Why a stage's policy is not asked now, if it is not.
    #[must_use]
    pub(super) fn reason(&self, policy: &StagePolicy, now: Timestamp) -> Option<String> {
        let row = self.of(policy).filter(|row| row.suspended_until > now)?;
        let PolicyFaultRow { failures, suspended_until, reason, .. } = row;
        Some(format!("{failures} failures in a row, not asked again before {suspended_until}; the last: {reason}"))
    }

    /// Notes how a stage's policy did: a failure counts, an answer clears the count.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn note(
        &self,
        store: &dyn Store,
        account: &str,
        policy: &StagePolicy,
        decided: &Decided,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(ready) = policy.ready() else { return Ok(()) };
        match &decided.fault {
            Some(StageFault::Failed(reason)) => {
                let failures = self.of(policy).map_or(0, |row| row.failures) + 1;
                let row = PolicyFaultRow {
                    account_id: account.into(),
                    stage: policy.view.name.clone(),
                    digest: ready.policy.digest().to_string(),
                    failures,
                    suspended_until: now.saturating_add(wait_hours(failures).hours()).unwrap_or(now),
                    reason: reason.clone(),
                    failed_at: now,
                };
                store.save_policy_fault(&row).await
            }
            None if self.0.iter().any(|row| row.stage == policy.view.name) => {
                store.clear_policy_fault(account, &policy.view.name).await
            }
            _ => Ok(()),
        }
    }
}

fn wait_hours(failures: i64) -> i64 {
    if failures < PATIENCE {
        return 0;
    }
    // Five doublings are beyond the longest wait; the exponent stays small whatever was counted.
    let doublings = (failures - PATIENCE).min(5) as u32;
    (FIRST_HOURS << doublings).min(LONGEST_HOURS)
}

#[cfg(test)]
mod tests {
    use super::wait_hours;

    #[test]
    fn the_wait_doubles_from_the_third_failure_to_a_day() {
        let waits: Vec<i64> = [1, 2, 3, 4, 5, 6, 7, 8, 1_000].map(wait_hours).to_vec();
        assert_eq!(waits, [0, 0, 2, 4, 8, 16, 24, 24, 24]);
    }
}
