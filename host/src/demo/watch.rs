//! What a world is watched for while Dean runs it: changes that take back another, and caps.

use super::rivals::Caps;
use crate::domain::Verb;
use crate::ledger::kind;
use crate::pipeline::RunReport;
use dean_sim::{Stage, World};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::{BTreeMap, HashMap};

/// A change that is taken back within this time is a flip.
const FLIP_HOURS: f64 = 24.0;

/// What was seen in a world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// Changes that took back another within a day.
    pub flips: usize,
    /// Ads that were paused although they earned in truth.
    pub wrong_kills: usize,
    /// Days on which a stage spent more than its cap.
    pub caps_passed: usize,
    /// Completed promotions by the stage that they went into.
    pub promoted_into: BTreeMap<String, usize>,
    last: HashMap<(String, bool), (Timestamp, bool)>,
}

impl Watch {
    /// Looks at what a run did, in a world as it is now.
    pub(crate) fn note(&mut self, report: &RunReport, world: &dyn Fn() -> World) {
        let mut paused = report.decisions.iter().filter(|d| d.done.verb == Verb::Pause).peekable();
        if paused.peek().is_some() {
            let world = world();
            let margin = |ad: &str| world.truth(ad.parse().ok()?).map(|truth| truth.margin);
            self.wrong_kills += paused.filter(|d| margin(&d.ad_id).is_some_and(|margin| margin > 0.0)).count();
        }
        for p in report.promotions.iter().filter(|p| p.state == "done") {
            *self.promoted_into.entry(p.to_stage.clone()).or_default() += 1;
        }
        let Ok(now) = report.as_of.parse::<Timestamp>() else { return };
        for action in report.actions.iter().filter(|a| a.state == "done") {
            // Whether it is about money, and whether it gives or takes.
            let number = |text: &str| text.parse::<i64>().ok();
            let (money, up) = match action.kind.as_str() {
                kind::PAUSE => (false, false),
                kind::RESUME | kind::ACTIVATE => (false, true),
                kind::SET_BUDGET => match (action.from.as_deref().and_then(number), number(&action.to)) {
                    (Some(from), Some(to)) => (true, to > from),
                    _ => continue,
                },
                _ => continue,
            };
            let before = self.last.insert((action.target.clone(), money), (now, up));
            let taken_back = |(at, was): (Timestamp, bool)| {
                was != up && ((now.as_second() - at.as_second()) as f64) < FLIP_HOURS * 3_600.0
            };
            self.flips += usize::from(before.is_some_and(taken_back));
        }
    }

    /// Looks at what a world spent on a day that is over.
    pub(crate) fn day_over(&mut self, world: &World, day: Date, caps: &Caps) {
        let minor = world.params().minor_units() as f64;
        let caps =
            [(Stage::Testing, caps.testing), (Stage::Validation, caps.validation), (Stage::Scaling, caps.scaling)];
        let passed = |(stage, cap): &(Stage, f64)| world.spend_on(*stage, day) as f64 / minor > *cap;
        self.caps_passed += caps.iter().filter(|c| passed(c)).count();
    }
}
