//! The limits on budgets.

use super::rules::{Bench, ghost};
use super::{BudgetProposal, BudgetVerdict, Held, held};
use crate::domain::Money;

pub(super) fn judge(bench: &mut Bench<'_>, proposal: &BudgetProposal) -> BudgetVerdict {
    match try_budget(bench, proposal) {
        Ok(_) if bench.is_ghost(&proposal.stage) => BudgetVerdict { to: None, held: Some(ghost(&proposal.stage)) },
        Ok((to, held)) => BudgetVerdict { to: Some(to), held },
        Err(held) => BudgetVerdict { to: None, held: Some(held) },
    }
}

/// Changes of a budget that Meta takes within an hour; then it blocks the ad set for an hour (its reference on
/// rate limits).
const MOST_CHANGES_1H: u32 = 4;

/// The budget that may be set, with the limit that made it smaller than what was wanted.
fn try_budget(bench: &mut Bench<'_>, p: &BudgetProposal) -> Result<(Money, Option<Held>), Held> {
    bench.common(p.hours_since_change)?;
    if p.changes_1h >= MOST_CHANGES_1H {
        let reason = format!("it was changed {} times within the hour, and Meta takes {MOST_CHANGES_1H}", p.changes_1h);
        return Err(held("meta-budget-changes", reason));
    }
    let Some(from) = p.from else {
        return Err(held("lifetime-budget", "it has no daily budget; lifetime budgets are read and never changed"));
    };
    if p.shared {
        return Err(held("shared-owner", "the budget also serves ads of another stage"));
    }
    let Some((name, stage)) = bench.situation.stages.get_key_value(&p.stage) else {
        return Err(held("no-stage", format!("there is no stage {}", p.stage)));
    };
    if p.to < from
        && let Some(reason) = &bench.situation.pauses_stopped
    {
        return Err(held("anomaly", reason.clone()));
    }
    let mut limit = None;
    let mut to = p.to;
    // Whatever a stage's smallest budget is, a budget that is below it already is not raised to it.
    if to < stage.min_budget && to < from {
        to = stage.min_budget.min(from);
        limit = Some(held("min-budget", "limited to the stage's smallest budget"));
    }
    if to > from {
        bench.growth(name, to - from)?;
        let start = p.day_start.unwrap_or(from);
        let rise = bench.situation.max_daily_rise;
        let most = Money((start.0 as f64 * (1.0 + rise)).floor() as i64).max(from);
        let mut at_most = |most: Money, by: &str, reason: String| {
            if to > most {
                to = most;
                limit = Some(held(by, reason));
            }
        };
        // A budget that is above the largest already is not taken down to it by a wish for more.
        at_most(stage.max_budget.max(from), "max-budget", "limited to the stage's largest budget".into());
        at_most(most, "daily-rise", format!("limited to +{:.0} % within one account day", rise * 100.0));
        let room = bench.room(name);
        at_most(
            from + room.max(Money::ZERO),
            "stage-cap",
            "limited by the cap of the stage or account, counting Meta's overspend of 75 %".into(),
        );
    }
    // A step that was meant to be just as large may be rounded up by a minor unit; what copies brought
    // along is no step for the others.
    let largest = (bench.situation.learning_step * from.0 as f64).ceil() as i64;
    let largest = if to > from { largest + p.joined.0 } else { largest };
    // Who loses an ad to a kill rule has nothing left to learn with its budget.
    let follows_kill = p.kill && to < from;
    if p.learning && !follows_kill && (to.0 - from.0).abs() > largest {
        let percent = bench.situation.learning_step * 100.0;
        if to > from {
            let step = (to.0 - from.0) as f64 / from.0.max(1) as f64 * 100.0;
            let reason = format!(
                "it is in its learning phase, which a step of {step:.0} % would restart; steps above {percent:.0} % wait"
            );
            return Err(held("learning", reason));
        }
        to = Money(from.0 - largest);
        limit = Some(held("learning", format!("limited to -{percent:.0} % while it is in its learning phase")));
    }
    if to == from {
        return Err(limit.unwrap_or_else(|| held("no-change", "it has that budget already")));
    }
    bench.approved(to - from, p.approved, name, &p.owner_id)?;
    bench.take(name, to - from);
    Ok((to, limit))
}
