//! What goes wrong between a client and Meta, by seed or by schedule: the same requests meet the same faults.

use crate::graph::{Method, Request};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Too many calls, whoever made them: nothing is done.
    Throttled,
    /// A passing error of Meta's: nothing is done.
    Transient,
    /// "Please reduce the amount of data": a page of more than 25 is not answered.
    TooMuch,
    /// A question that takes too long at once: it has to be asked as a report.
    TooLong,
    /// Something is not allowed.
    Permission,
    /// The account is blocked for policy reasons.
    PolicyBlock,
    /// The call is wrong.
    Invalid,
    /// The token works no more, from now on.
    TokenExpired,
    /// No answer comes, and nothing was done.
    TimeoutBefore,
    /// No answer comes, and it was done.
    TimeoutAfter,
    /// The answer is cut in its middle; it was done.
    Cut,
    /// A page of HTML in place of an answer, with status 200; nothing was done.
    Html,
    /// The answer comes drop by drop.
    Drip,
    /// The connection breaks before the request is read.
    Reset,
    /// The next page begins with the last row of this one.
    Duplicates,
    /// An entry of a batch is null: by the dice it was done or not.
    NullEntry,
    /// The review of what is created ends in a rejection.
    Rejected,
    /// A report ends as failed.
    ReportFailed,
    /// A report ends as skipped.
    ReportSkipped,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 19] = [
        Fault::Throttled,
        Fault::Transient,
        Fault::TooMuch,
        Fault::TooLong,
        Fault::Permission,
        Fault::PolicyBlock,
        Fault::Invalid,
        Fault::TokenExpired,
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::Cut,
        Fault::Html,
        Fault::Drip,
        Fault::Reset,
        Fault::Duplicates,
        Fault::NullEntry,
        Fault::Rejected,
        Fault::ReportFailed,
        Fault::ReportSkipped,
    ];

    /// Whether it can happen to a request, or (`inside`) to one of a batch.
    fn fits(self, request: &Request, inside: bool) -> bool {
        let path = request.path.trim_matches('/');
        let is_batch = request.parameters.iter().any(|(name, _)| name == "batch");
        let reads = request.method == Method::Get;
        let asks_report = !reads && path.ends_with("/insights");
        let creates = !reads && ["/copies", "/ads", "/adcreatives"].iter().any(|edge| path.ends_with(edge));
        let large = |(name, value): &(String, String)| name == "limit" && value.parse::<u32>().is_ok_and(|n| n > 25);
        match self {
            Fault::Throttled | Fault::Transient | Fault::Permission | Fault::PolicyBlock => !asks_report,
            Fault::Invalid => !is_batch && !asks_report,
            Fault::TokenExpired => !inside,
            Fault::TimeoutBefore | Fault::TimeoutAfter | Fault::Cut | Fault::Html | Fault::Drip | Fault::Reset => {
                !inside
            }
            Fault::TooMuch => reads && request.parameters.iter().any(large),
            Fault::TooLong => reads && path.ends_with("/insights") && path.contains("act_"),
            Fault::Duplicates => reads && request.parameters.iter().any(|(name, _)| name == "limit"),
            Fault::NullEntry => inside,
            Fault::Rejected => creates,
            Fault::ReportFailed | Fault::ReportSkipped => asks_report,
        }
    }
}

/// Which requests go wrong, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The seed of the dice.
    pub seed: u64,
    /// The share of requests that go wrong.
    pub share: f64,
    /// In which ways; one that does not fit a request leaves it alone.
    pub kinds: Vec<Fault>,
    /// Faults of single requests, by their number from 1 on, beside the dice.
    pub at: BTreeMap<u64, Fault>,
    /// The number of the first request that the dice may hit.
    pub from: u64,
    /// The number of the last; without it there is no end.
    pub until: Option<u64>,
}

impl Faults {
    /// What happens to a request, by its number; `entry` is its place in a batch, if it is in one.
    pub(crate) fn of(&self, number: u64, entry: Option<usize>, request: &Request) -> Option<Fault> {
        if let (Some(fault), None) = (self.at.get(&number), entry) {
            return Some(*fault).filter(|fault| fault.fits(request, false));
        }
        if self.share <= 0.0 || number < self.from || self.until.is_some_and(|until| number > until) {
            return None;
        }
        let mut dice = Random::at(self.seed, "fault", &[number, entry.map_or(0, |entry| entry as u64 + 1)]);
        if !dice.chance(self.share) {
            return None;
        }
        let fitting: Vec<Fault> = self.kinds.iter().copied().filter(|k| k.fits(request, entry.is_some())).collect();
        let at = (dice.uniform() * fitting.len() as f64) as usize;
        fitting.get(at).copied()
    }

    /// Whether what is lost in a batch was done all the same.
    pub(crate) fn was_done(&self, number: u64, entry: usize) -> bool {
        Random::at(self.seed, "done", &[number, entry as u64]).chance(0.5)
    }
}
