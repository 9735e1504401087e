//! From what both sides would have done to where they differ.

use super::side::{Does, Event};
use crate::domain::hours;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The same done again and again to one target: this long apart it is not the same any more.
const APART_HOURS: f64 = 7.0 * 24.0;

/// An event of each side that belong together, or one that stands alone.
#[derive(Clone, Copy)]
pub(super) enum Pair<'a> {
    Both(&'a Event, &'a Event),
    Before(&'a Event),
    After(&'a Event),
}

/// How the second side differs from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Both do the same at the same time.
    Same,
    /// The second does it earlier.
    Earlier,
    /// The second does it later.
    Later,
    /// Both do it at the same time, by another amount.
    Amount,
    /// Only the first does it.
    Gone,
    /// Only the second does it.
    New,
}

impl Change {
    pub(super) fn word(self) -> &'static str {
        match self {
            Change::Same => "same",
            Change::Earlier => "earlier",
            Change::Later => "later",
            Change::Amount => "amount",
            Change::Gone => "gone",
            Change::New => "new",
        }
    }
}

impl<'a> Pair<'a> {
    pub(super) fn change(self) -> Change {
        match self {
            Pair::Both(before, after) => match after.run.cmp(&before.run) {
                Ordering::Less => Change::Earlier,
                Ordering::Greater => Change::Later,
                Ordering::Equal if before.does == after.does => Change::Same,
                Ordering::Equal => Change::Amount,
            },
            Pair::Before(_) => Change::Gone,
            Pair::After(_) => Change::New,
        }
    }

    pub(super) fn before(self) -> Option<&'a Event> {
        match self {
            Pair::Both(before, _) | Pair::Before(before) => Some(before),
            Pair::After(_) => None,
        }
    }

    pub(super) fn after(self) -> Option<&'a Event> {
        match self {
            Pair::Both(_, after) | Pair::After(after) => Some(after),
            Pair::Before(_) => None,
        }
    }

    /// The earlier of the two.
    pub(super) fn first(self) -> &'a Event {
        match self {
            Pair::Both(before, after) => {
                if after.run < before.run {
                    after
                } else {
                    before
                }
            }
            Pair::Before(event) | Pair::After(event) => event,
        }
    }
}

/// Puts events on the same target that do the same beside each other, in the order of time. Budgets belong together
/// only within one run: each of their changes begins with the budget of its hour.
pub(super) fn pairs<'a>(before: &'a [Event], after: &'a [Event]) -> Vec<Pair<'a>> {
    type Events<'a> = (Vec<&'a Event>, Vec<&'a Event>);
    let mut by_target: BTreeMap<(&str, &str), Events<'a>> = BTreeMap::new();
    for event in before {
        by_target.entry((&event.target, event.does.word())).or_default().0.push(event);
    }
    for event in after {
        by_target.entry((&event.target, event.does.word())).or_default().1.push(event);
    }
    let mut pairs = Vec::new();
    for (before, after) in by_target.into_values() {
        // What each side does once is the same, however long apart.
        let once = before.len() == 1 && after.len() == 1;
        let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
        loop {
            let pair = match (before.peek(), after.peek()) {
                (None, None) => break,
                (Some(b), Some(a)) if belong(b, a, once) => Pair::Both(b, a),
                (Some(b), Some(a)) if b.run <= a.run => Pair::Before(b),
                (Some(b), None) => Pair::Before(b),
                (_, Some(a)) => Pair::After(a),
            };
            before.next_if(|_| pair.before().is_some());
            after.next_if(|_| pair.after().is_some());
            pairs.push(pair);
        }
    }
    pairs.sort_by_key(|pair| pair.first().run);
    pairs
}

fn belong(before: &Event, after: &Event, once: bool) -> bool {
    match before.does {
        Does::Budget { .. } => before.run == after.run,
        Does::Ad(..) => once || hours(before.at, after.at).abs() <= APART_HOURS,
    }
}
