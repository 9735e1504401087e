//! `dean run --background`: runs again and again. Configuration and policies are looked at anew for each run, so that a
//! change takes effect without a restart; what is wrong with them is told, and the last good ones go on.

use super::context::Context;
use super::output::{self, Usage};
use super::run::{RunArgs, configured, once};
use super::{Ended, Global};
use crate::policies::{Live, Swapped};
use dean_policy::Registry;
use jiff::SignedDuration;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};

/// The shortest time between two runs: Meta's numbers do not change faster.
const SHORTEST_WAIT: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);
/// How often the watched folder is looked at: somebody sits before it.
const LOOK: Duration = Duration::from_millis(300);

/// Runs until it is told to stop.
pub(super) async fn run(global: &Global, args: &RunArgs, every: SignedDuration) -> anyhow::Result<Ended> {
    if !(SHORTEST_WAIT..=LONGEST_WAIT).contains(&every) {
        return Err(Usage(format!("--every has to be {SHORTEST_WAIT:#} to {LONGEST_WAIT:#}")).into());
    }
    // Taken before the first run, so that a run under way is finished and not cut off.
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // What cannot be read at the start has no last good form.
    let process = Process::start(global, args).await?;
    let runs = async {
        loop {
            let (context, snapshot) = (process.context(), process.live.snapshot());
            if let Err(error) = once(global, args, &context, &snapshot).await {
                output::error(global, &error);
            }
            let wait = until_next(jiff::Timestamp::now().as_second(), every.as_secs());
            tracing::info!("the next run begins in {} s", wait.as_secs());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.recv() => return Ended::Done,
                _ = interrupt.recv() => return Ended::Done,
            }
            process.refresh().await;
        }
    };
    tokio::select! {
        ended = runs => Ok(ended),
        () = process.watch() => Ok(Ended::Failed),
    }
}

/// Time until the next full multiple of `every` seconds.
fn until_next(now: i64, every: i64) -> Duration {
    Duration::from_secs((every - now.rem_euclid(every)).unsigned_abs())
}

/// A process that runs on, with the last configuration and policies that were good.
struct Process<'a> {
    global: &'a Global,
    args: &'a RunArgs,
    good: Mutex<Good>,
    live: Live,
}

struct Good {
    context: Arc<Context>,
    /// Keeps what was compiled; anew only where the limits of policies change.
    registry: Arc<Registry>,
}

impl<'a> Process<'a> {
    async fn start(global: &'a Global, args: &'a RunArgs) -> anyhow::Result<Self> {
        let context = configured(global, args)?;
        let registry = context.registry()?;
        let stages = context.policies(&registry, &context.scores().await?).await?;
        let good = Good { context: Arc::new(context), registry: Arc::new(registry) };
        Ok(Process { global, args, good: Mutex::new(good), live: Live::new(stages) })
    }

    fn good(&self) -> std::sync::MutexGuard<'_, Good> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn context(&self) -> Arc<Context> {
        Arc::clone(&self.good().context)
    }

    /// Takes configuration and policies as they are now; where something is wrong with them, that is told, and what
    /// was good goes on.
    async fn refresh(&self) {
        let started = Instant::now();
        match self.fresh().await {
            Ok(swapped) => {
                for swap in swapped {
                    output::tell(&format!("{swap} ({:.0} ms)", started.elapsed().as_secs_f64() * 1e3));
                }
            }
            Err(error) => {
                output::error(self.global, &error);
                output::tell("the configuration and the policies that were good last go on");
            }
        }
    }

    async fn fresh(&self) -> anyhow::Result<Vec<Swapped>> {
        let context = configured(self.global, self.args)?;
        let (last, mut registry) = {
            let good = self.good();
            (Arc::clone(&good.context), Arc::clone(&good.registry))
        };
        if context.effective.config.limits != last.effective.config.limits {
            registry = Arc::new(context.registry()?);
        }
        let stages = context.policies(&registry, &context.scores().await?).await?;
        *self.good() = Good { context: Arc::new(context), registry };
        Ok(self.live.swap(stages))
    }

    /// Looks at the watched folder, where there is one, and takes what changes in it at once.
    async fn watch(&self) {
        let mut seen = self.files();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.files();
            if now != seen {
                seen = now;
                self.refresh().await;
            }
        }
    }

    /// The files of the watched folder, as far as a change of them shows.
    fn files(&self) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
        let context = self.context();
        let Some(watch) = &context.effective.config.policies.watch else { return Vec::new() };
        let entries = std::fs::read_dir(context.folder.join(watch)).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                Some((entry.path(), metadata.modified().ok(), metadata.len()))
            })
            .collect();
        files.sort();
        files
    }
}

#[cfg(test)]
mod tests {
    use super::until_next;

    #[test]
    fn runs_begin_at_full_hours_or_halves() {
        assert_eq!(until_next(3_600 * 10 + 120, 3_600).as_secs(), 3_480);
        assert_eq!(until_next(3_600 * 10 + 1_800 + 1, 1_800).as_secs(), 1_799);
        assert_eq!(
            until_next(3_600 * 10, 3_600).as_secs(),
            3_600,
            "a run that ends at the full hour is not made twice"
        );
    }
}
