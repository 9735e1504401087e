//! Samples of a real account, from what its store remembers.

use super::dataset::{Dataset, Truths};
use crate::domain::Currency;
use crate::pipeline::RunReport;
use crate::store::Store;

/// Runs that are looked through for one that decided something.
const RUNS_SEARCHED: u32 = 50;

/// What was known of an account's ads until its last run, and what followed.
///
/// # Errors
/// When the store fails or the last run's report cannot be read.
pub async fn look_back(store: &dyn Store, account: &str, attribution: &str) -> anyhow::Result<Dataset> {
    // Plans that were done and runs that were undone observed no more than the runs around them.
    let runs = store.runs(account, RUNS_SEARCHED).await?;
    let Some((last, report)) = runs.iter().find_map(|run| Some((run, run.report.as_deref()?))) else {
        return Ok(Dataset::default());
    };
    let report = RunReport::unpack(report)?;
    let currency = Currency::new(&report.currency);
    let last_day = last.as_of.in_tz(&report.timezone)?.date();
    Dataset::of_account(store, account, attribution, &currency, last_day, &Truths::new()).await
}
