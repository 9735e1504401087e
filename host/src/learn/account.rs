//! Samples of a real account, from what its store remembers.

use super::dataset::{Dataset, Truths};
use crate::domain::Currency;
use crate::pipeline::{self, RunReport};
use crate::store::Store;

/// What was known of an account's ads until its last run, and what followed.
///
/// # Errors
/// When the store fails or the last run's report cannot be read.
pub async fn look_back(store: &dyn Store, account: &str, attribution: &str) -> anyhow::Result<Dataset> {
    let last = pipeline::last_decided(store, account).await?;
    let Some((last, report)) = last.as_ref().and_then(|run| Some((run, run.report.as_deref()?))) else {
        return Ok(Dataset::default());
    };
    let report = RunReport::unpack(report)?;
    let currency = Currency::new(&report.currency);
    let last_day = last.as_of.in_tz(&report.timezone)?.date();
    Dataset::of_account(store, account, attribution, &currency, last_day, &Truths::new()).await
}
