//! What a comparison found, for people and programs.

use super::outcome::Outcome;
use serde::Serialize;

/// What a comparison found. `before` is what decided, or what is compared against; `after` is the policy or the settings
/// that are tried. Money in major units.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The account.
    pub account: String,
    /// The client.
    pub client: String,
    /// Its currency.
    pub currency: String,
    /// The first run's moment.
    pub since: Option<String>,
    /// The last run's moment.
    pub until: Option<String>,
    /// Runs that were compared.
    pub runs: usize,
    /// Ads that they decided on.
    pub ads: usize,
    /// Decisions that were made again: one an ad and run of the compared stages.
    pub decisions: usize,
    /// The stages that are compared, with who decides on either side.
    pub stages: Vec<StageSides>,
    /// What either side does that the other does not, or does at another time or by another amount.
    pub changed: usize,
    /// The same by rule.
    pub rules: Vec<RuleLine>,
    /// Daily budgets that were moved, or would have been.
    pub budget: Sides<Moved>,
    /// Ads that are paused.
    pub kills: Kills,
    /// The same day by day, where there are any.
    pub pauses: Vec<PauseDay>,
    /// Every difference, oldest first.
    pub differences: Vec<Difference>,
    /// What cannot be known from this, or was not there to be looked at.
    pub unknown: Vec<String>,
    /// How long it took.
    pub ms: f64,
}

/// One value for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sides<T> {
    /// What decided, or what is compared against.
    pub before: T,
    /// What is tried.
    pub after: T,
}

/// Who decides for a stage on either side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageSides {
    /// The stage.
    pub stage: String,
    /// By the journal: everybody who decided in these runs; else the policy that is compared against.
    pub before: Vec<String>,
    /// The policy that is tried.
    pub after: String,
    /// Its digest.
    pub after_sha256: String,
}

/// What a rule does on either side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleLine {
    /// The stage.
    pub stage: String,
    /// The rule.
    pub rule: String,
    /// What it does: a verb, or `budget`.
    pub does: String,
    /// How often, before.
    pub before: usize,
    /// How often, after.
    pub after: usize,
    /// Of both: at the same time and by the same amount, by whichever rule.
    pub same: usize,
    /// Of `after`: earlier than before.
    pub earlier: usize,
    /// Of `after`: later than before.
    pub later: usize,
    /// Of `after`: by another amount.
    pub amount: usize,
    /// Of `before`: not any more.
    pub gone: usize,
    /// Of `after`: not before.
    pub new: usize,
    /// Daily budget that it moves, up and down together.
    pub budget: Sides<f64>,
}

/// Daily budgets that a side moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Moved {
    /// Changes.
    pub changes: usize,
    /// What they add, together.
    pub raised: f64,
    /// What they take away, together.
    pub lowered: f64,
}

/// Ads that are paused on either side, and what those went on to do that only the tried side lets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Kills {
    /// Before.
    pub before: usize,
    /// After.
    pub after: usize,
    /// At the same time.
    pub same: usize,
    /// Earlier than before.
    pub earlier: usize,
    /// Later than before.
    pub later: usize,
    /// Only before.
    pub gone: usize,
    /// Only after.
    pub new: usize,
    /// Of the new and the earlier ones: those that were delivered on later days, so that it is known what they did.
    pub known: usize,
    /// Of those, the ones that went on to sell.
    pub sold_after: usize,
    /// Of those, the ones that went on to earn.
    pub earned_after: usize,
    /// What they went on to spend, all together.
    pub spend_after: f64,
    /// What they went on to sell.
    pub purchases_after: f64,
    /// What they went on to earn; nothing as soon as purchases came without a value.
    pub profit_after: Option<f64>,
    /// Of the known ones: those whose late conversions may still arrive.
    pub open: usize,
}

/// Something that one side does, and what the other does there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The moment of the earlier side.
    pub at: String,
    /// Its run.
    pub run_id: String,
    /// The stage.
    pub stage: String,
    /// The ad; nothing for a budget.
    pub ad_id: Option<String>,
    /// Its name, as it was last seen.
    pub ad_name: Option<String>,
    /// The owner of the budget; nothing for an ad.
    pub owner_id: Option<String>,
    /// A verb, or `budget`.
    pub does: String,
    /// `earlier`, `later`, `amount`, `gone` or `new`, seen from the tried side.
    pub change: String,
    /// Hours from before to after, where both do it.
    pub hours: Option<f64>,
    /// What it is before.
    pub before: Option<Done>,
    /// What it is after.
    pub after: Option<Done>,
    /// What the ad went on to do in the account, where the tried side pauses or promotes it.
    pub outcome: Option<Outcome>,
}

/// What a side does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Done {
    /// The rule.
    pub rule: String,
    /// The daily budget that a copy begins with, or that a budget becomes.
    pub amount: Option<f64>,
    /// The daily budget before it.
    pub from: Option<f64>,
}

/// Ads that are paused on an account day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PauseDay {
    /// The account day, `YYYY-MM-DD`.
    pub date: String,
    /// On either side.
    #[serde(flatten)]
    pub kills: Sides<usize>,
}

impl Comparison {
    /// What was found in a few sentences.
    #[must_use]
    pub fn headline(&self) -> Vec<String> {
        let span = match (&self.since, &self.until) {
            (Some(since), Some(until)) => format!("from {since} to {until}"),
            _ => "in that time".into(),
        };
        let (kills, budget, currency) = (&self.kills, &self.budget, &self.currency);
        let mut lines = vec![
            format!(
                "{} runs {span}, {} ads, {} decisions made again: {} differ.",
                self.runs, self.ads, self.decisions, self.changed
            ),
            format!(
                "Ads paused: {} before, {} after; {} at the same time, {} earlier, {} later, {} not any more, {} only now.",
                kills.before, kills.after, kills.same, kills.earlier, kills.later, kills.gone, kills.new
            ),
        ];
        if kills.known > 0 {
            let (earned, profit) = match kills.profit_after {
                Some(profit) => {
                    (format!(" and {} to earn", kills.earned_after), format!(", {profit:+.0} {currency} of profit"))
                }
                None => (String::new(), ", for a revenue that is not known".into()),
            };
            let open = match kills.open {
                0 => String::new(),
                open => format!(" For {open} of them late conversions may still arrive."),
            };
            lines.push(format!(
                "Of the {} that are paused earlier or only now and went on in the account, {} went on to sell{}: {:.0} \
                 purchases for {:.0} {currency}{profit}.{open}",
                kills.known, kills.sold_after, earned, kills.purchases_after, kills.spend_after
            ));
        }
        lines.push(format!(
            "Daily budgets moved: {} times before (+{:.0} and -{:.0} {currency}), {} times after (+{:.0} and -{:.0} {currency}).",
            budget.before.changes,
            budget.before.raised,
            budget.before.lowered,
            budget.after.changes,
            budget.after.raised,
            budget.after.lowered
        ));
        lines
    }
}
