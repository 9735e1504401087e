//! Spans of time that columns are taken over, counted in account days.

use super::basis::Basis;
use super::frame::{Frame, Metric};

/// A span of time, counted in account days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The present account day, as far as it has come.
    Today,
    /// The last complete account days, today not among them: like Meta's `last_7d`.
    Days(usize),
    /// One complete account day; 1 is yesterday.
    Day(usize),
    /// The ad's whole life, today included.
    Lifetime,
    /// Since the ad entered its stage, today included.
    InStage,
}

/// The last day that has a column of its own.
const LAST_SINGLE_DAY: usize = 14;

impl Window {
    pub(super) fn all() -> impl Iterator<Item = Window> {
        let days = (1..=LAST_SINGLE_DAY).map(Window::Day);
        let spans = [3, 7, 14, 30].map(Window::Days);
        [Window::Today].into_iter().chain(spans).chain([Window::Lifetime, Window::InStage]).chain(days)
    }

    pub(super) fn suffix(self) -> String {
        match self {
            Window::Today => "today".into(),
            Window::Days(n) => format!("{n}d"),
            Window::Day(n) => format!("d{n}"),
            Window::Lifetime => "lifetime".into(),
            Window::InStage => "in_stage".into(),
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Window::Today => "today so far".into(),
            Window::Days(n) => format!("the last {n} complete account days"),
            Window::Day(1) => "yesterday".into(),
            Window::Day(n) => format!("the complete account day {n} days ago"),
            Window::Lifetime => "the ad's whole life".into(),
            Window::InStage => {
                "the time since it entered its stage: its whole life less what was reported of it then".into()
            }
        }
    }

    pub(super) fn values(self, frame: &Frame, metric: Metric) -> Vec<f64> {
        match self {
            Window::Today => frame.day(metric, 0),
            Window::Days(n) => frame.sum(metric, 1, n),
            Window::Day(n) => frame.day(metric, n),
            Window::Lifetime => frame.lifetime(metric),
            Window::InStage => frame.in_stage(metric),
        }
    }

    /// The share of purchases that is reported by now, over the window: each day weighted by its spend.
    pub(super) fn settled(self, frame: &Frame, basis: &Basis) -> Vec<f64> {
        match self {
            Window::Today => vec![basis.settled(0); frame.ads()],
            Window::Day(n) => vec![basis.settled(n); frame.ads()],
            _ => {
                let (spend, settled) = (self.values(frame, Metric::Spend), self.settled_spend(frame, basis));
                spend.iter().zip(settled).map(|(all, part)| if *all > 0.0 { part / all } else { f64::NAN }).collect()
            }
        }
    }

    /// Spend of the window times the share of its purchases that is reported by now. What lies before
    /// the kept days is settled.
    pub(super) fn settled_spend(self, frame: &Frame, basis: &Basis) -> Vec<f64> {
        let mut sums = self.values(frame, Metric::Spend);
        let days = match self {
            Window::Today => 0..=0,
            Window::Day(n) => n..=n,
            Window::Days(n) => 1..=n,
            Window::Lifetime | Window::InStage => 0..=super::DAYS - 1,
        };
        for day in days {
            let missing = 1.0 - basis.settled(day);
            if missing > 0.0 {
                let in_stage = self == Window::InStage;
                let of_day = |frame: &Frame| {
                    if in_stage { frame.day_in_stage(Metric::Spend, day) } else { frame.day(Metric::Spend, day) }
                };
                for (sum, spend) in sums.iter_mut().zip(of_day(frame)) {
                    if spend.is_finite() {
                        *sum = (*sum - spend * missing).max(0.0);
                    }
                }
            }
        }
        sums
    }
}
