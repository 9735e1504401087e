//! What Dean changed before, by target: cooldowns, pauses of its own, steps of budgets.

use super::kind;
use crate::domain::{Evidence, Money, hours};
use crate::store::{ActionRow, ActionState};
use jiff::Timestamp;
use std::collections::HashMap;

/// Changes of one target.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// When each happened, oldest first.
    pub at: Vec<Timestamp>,
    /// When Dean paused it, if that was the last that it did to its status.
    pub paused_at: Option<Timestamp>,
    /// The rule that paused it, and the run.
    pub pause_rule: Option<(String, String)>,
    /// What it had done in its stage then.
    pub at_pause: Option<Evidence>,
    /// How often Dean brought it back.
    pub resumes: usize,
}

/// Changes by target, from done actions.
#[derive(Clone, Debug, Default)]
pub struct History {
    by_target: HashMap<String, Changes>,
    copies: HashMap<String, Vec<Timestamp>>,
    refreshes: HashMap<String, Timestamp>,
    budget_steps: Vec<BudgetStep>,
    budget_falls: HashMap<String, Timestamp>,
}

/// One change of a daily budget.
#[derive(Clone, Debug)]
struct BudgetStep {
    at: Timestamp,
    owner: String,
    by: Money,
}

impl History {
    /// The history of actions, oldest first.
    #[must_use]
    pub fn new(actions: &[ActionRow]) -> Self {
        let mut history = History::default();
        for action in actions.iter().filter(|a| a.state == ActionState::Done) {
            let at = action.finished_at.unwrap_or(action.planned_at);
            let changes = history.by_target.entry(action.target_id.clone()).or_default();
            match action.kind.as_str() {
                kind::PAUSE => {
                    changes.paused_at = Some(at);
                    changes.pause_rule = Some((action.rule.clone(), action.run_id.clone()));
                    changes.at_pause = action.evidence.as_deref().and_then(|json| serde_json::from_str(json).ok());
                }
                kind::RESUME => {
                    changes.paused_at = None;
                    changes.resumes += 1;
                }
                kind::ACTIVATE => changes.paused_at = None,
                kind::REFRESH => {
                    // Somebody was asked; nothing changed.
                    history.refreshes.insert(action.target_id.clone(), at);
                    continue;
                }
                kind::SET_BUDGET => {
                    let from = action.from_value.as_deref().and_then(|v| v.parse().ok()).map(Money);
                    if let (Some(from), Ok(to)) = (from, action.to_value.parse().map(Money)) {
                        let owner = action.target_id.clone();
                        history.budget_steps.push(BudgetStep { at, owner, by: to - from });
                        if to < from {
                            history.budget_falls.insert(action.target_id.clone(), at);
                        }
                    }
                }
                kind::COPY_ADSET | kind::COPY_AD => {
                    // A copy changes nothing of its source; it counts as a copy of it.
                    history.copies.entry(action.target_id.clone()).or_default().push(at);
                    continue;
                }
                // What is made anew changes nothing of where it is put.
                kind::UPLOAD | kind::CREATE_CREATIVE | kind::CREATE_AD => continue,
                _ => {}
            }
            changes.at.push(at);
        }
        history
    }

    /// What was changed of a target.
    #[must_use]
    pub fn of(&self, target: &str) -> Option<&Changes> {
        self.by_target.get(target)
    }

    /// Hours since a target was last changed; NaN when it never was.
    #[must_use]
    pub fn hours_since_change(&self, target: &str, now: Timestamp) -> f64 {
        let last = self.of(target).and_then(|c| c.at.last());
        last.map_or(f64::NAN, |at| hours(*at, now))
    }

    /// Changes of a target within some hours.
    #[must_use]
    pub fn changes_within(&self, target: &str, within: f64, now: Timestamp) -> usize {
        let recent = |c: &Changes| c.at.iter().filter(|at| hours(**at, now) < within).count();
        self.of(target).map_or(0, recent)
    }

    /// When a copy was last made of a source.
    #[must_use]
    pub fn last_copy(&self, source: &str) -> Option<Timestamp> {
        self.copies.get(source).and_then(|at| at.last()).copied()
    }

    /// When a new creative was last asked for in an ad's place.
    #[must_use]
    pub fn last_refresh(&self, ad: &str) -> Option<Timestamp> {
        self.refreshes.get(ad).copied()
    }

    /// Hours since an owner's budget was last lowered; NaN when it never was.
    #[must_use]
    pub fn hours_since_fall(&self, owner: &str, now: Timestamp) -> f64 {
        self.budget_falls.get(owner).map_or(f64::NAN, |at| hours(*at, now))
    }

    /// What daily budgets rose by in the last 24 hours, all together, less what they fell by.
    #[must_use]
    pub fn raised_24h(&self, now: Timestamp) -> Money {
        let recent = self.budget_steps.iter().filter(|step| hours(step.at, now) < 24.0);
        recent.fold(Money::ZERO, |sum, step| sum + step.by)
    }

    /// When an owner's daily budget was raised and by how much, oldest first.
    pub fn rises_of<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = (Timestamp, Money)> + 'a {
        let of_owner = self.budget_steps.iter().filter(move |step| step.owner == owner && step.by > Money::ZERO);
        of_owner.map(|step| (step.at, step.by))
    }

    /// Copies that were made of a source since a moment.
    #[must_use]
    pub fn copies_since(&self, source: &str, since: Timestamp) -> usize {
        self.copies.get(source).map_or(0, |at| at.iter().filter(|at| **at >= since).count())
    }
}
