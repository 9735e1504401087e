//! Two policies over the same runs: what was decided, or would have been, set beside what another policy or other settings
//! would have done, and what became of the ads that they disagree about.
//!
//! Every run is a question of its own: the tried policy sees the account as it was at that hour, moved by whoever
//! decided then, and its proposals go before the guard as it stood. What it would have changed itself it
//! remembers, so that an ad is paused once; an ad that the account paused and it did not is out of its sight from then on.

mod ask;
mod differ;
mod history;
mod html;
mod outcome;
mod report;
mod side;
mod walk;

pub use html::page;
pub use outcome::Outcome;
pub use report::{Comparison, Difference, Done, Kills, Moved, PauseDay, RuleLine, Sides, StageSides};

use crate::domain::Currency;
use crate::policies::StagePolicy;
use crate::store::{PolicyTrialRow, Store};
use history::Reader;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use outcome::Days;
use std::time::Instant;
use walk::Walk;

/// What is compared.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The account of the runs.
    pub account: &'a str,
    /// The client.
    pub client: &'a str,
    /// Runs since this moment.
    pub since: Timestamp,
    /// Runs before this moment.
    pub until: Timestamp,
    /// What is tried, by stage.
    pub tried: Tried<'a>,
    /// What it is compared against; nothing: what decided then.
    pub against: Option<&'a [StagePolicy]>,
    /// The attribution under which days are stored.
    pub attribution: &'a str,
    /// Cost of goods of a purchase, major units.
    pub cogs_per_purchase: f64,
    /// Told after each run.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// What is tried.
#[derive(Clone, Copy)]
pub enum Tried<'a> {
    /// Policies with settings, asked about every run again.
    Policies(&'a [StagePolicy]),
    /// Policies that were on trial when the runs were made: they were asked then, and only runs in which they were count.
    Trials(&'a [PolicyTrialRow]),
}

/// Compares.
///
/// # Errors
/// When the journal cannot be read.
pub async fn compare(store: &dyn Store, question: Question<'_>) -> anyhow::Result<Comparison> {
    let started = Instant::now();
    let mut reader = Reader::new(store);
    let runs = reader.runs(question.account, question.since, question.until).await?;
    let mut walk = Walk::new(&question);
    for (position, run) in runs.iter().enumerate() {
        match reader.read(run).await? {
            Some(hour) if walk.is_about(&hour) => walk.step(position, &hour),
            Some(_) => {}
            None => walk.without += 1,
        }
        (question.progress)(position + 1, runs.len());
    }
    let first = walk.first.map(|at| at.to_zoned(TimeZone::UTC).date());
    let days = match first {
        Some(first) => store.days_since(question.account, question.attribution, first.yesterday()?).await?,
        None => Vec::new(),
    };
    let currency = walk.currency.clone().unwrap_or_else(|| Currency::new("USD"));
    let lives = store.lifecycle(question.account).await?;
    let days = Days::new(&days, &lives, &currency, question.cogs_per_purchase);
    let mut report = walk.report(&question, &runs, &days, &currency);
    report.ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(report)
}
