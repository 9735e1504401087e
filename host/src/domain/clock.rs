//! Time comes in through here and nowhere else, so that every run can be replayed and a simulated
//! day takes a second.

use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Where the present comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// One moment, as `--now` gives it. Waiting still takes its time: the network is real.
    Standing(Timestamp),
    /// A moment in seconds since 1970-01-01 UTC, moved by whoever holds it: a simulation. Waiting
    /// moves it, and takes no time.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock of a simulation that begins at a moment.
    #[must_use]
    pub fn simulated(moment: Timestamp) -> Self {
        Clock::Manual(Arc::new(AtomicI64::new(moment.as_second())))
    }

    /// The present, in whole seconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default(),
            Clock::Standing(moment) => *moment,
            Clock::Manual(seconds) => Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap_or_default(),
        }
    }

    /// Moves the clock of a simulation; the others are not ours to move.
    pub fn set(&self, moment: Timestamp) {
        if let Clock::Manual(seconds) = self {
            seconds.store(moment.as_second(), Ordering::Relaxed);
        }
    }

    /// Waits: for real, save in a simulation.
    pub async fn sleep(&self, time: Duration) {
        match self {
            Clock::Manual(seconds) => {
                seconds.fetch_add(time.as_secs_f64().ceil() as i64, Ordering::Relaxed);
            }
            _ => tokio::time::sleep(time).await,
        }
    }
}

/// Hours from one moment to another.
#[must_use]
pub fn hours(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_second() - from.as_second()) as f64 / 3600.0
}
