//! Budgets of owners: up on stable profit, down on loss, at rest while spend runs ahead, and raised
//! out of what nobody spends any more. A budget that ads share grows with ads that join and shrinks
//! with ads that are paused. One decision an owner at most.

use crate::{Settings, column, context, derived, rule};
use alloc::vec::Vec;
use dean_policy_sdk::{Ad, Claim, Computed, Evaluation, Groups, Rule, Table, When};

/// What all live ads of an owner show together. Plain numbers stand beside the facts that are made of
/// them where they are reckoned with.
struct Owner {
    cpa: Computed,
    cpa_value: f64,
    cpa_at_least: Computed,
    at_least: f64,
    roas: Computed,
    roas_value: f64,
    impressions: Computed,
    clicks: Computed,
    spend: Computed,
    pace: [Computed; 3],
    learning: bool,
    /// How likely its ads are worn out within a week.
    worn: Computed,
    /// What a purchase will cost, as a model foretells it; NaN where none does.
    forecast: f64,
    /// Share of the spend that ads had which were paused since the budget last changed.
    paused_share: f64,
}

/// A budget that an ad's leaving or joining changes is looked at for so long after it: the days whose
/// spend tells the ad's share.
const SHARE_HOURS: f64 = 72.0;

/// Decides on the budget of every owner with an ad that stays: one that `lives` and is not `killed`.
pub(crate) fn decide(
    settings: &Settings,
    evaluation: &mut Evaluation<'_>,
    lives: impl Fn(u32) -> bool,
    killed: &[u32],
) {
    let table = evaluation.table();
    let stays = |row: u32| lives(row) && killed.binary_search(&row).is_err();
    let groups = Groups::of(table, column::SPEND_3D, stays);
    let gone = Groups::of(table, column::SPEND_3D, |row| {
        killed.binary_search(&row).is_ok() || (!lives(row) && is_since_change(table, column::HOURS_SINCE_PAUSE, row))
    });
    let owners = owners(&groups, &gone, settings);
    let ended = Groups::of(table, column::SPEND_3D, |row| killed.binary_search(&row).is_ok());
    let left = groups.sizes();
    for (group, lead) in ended.leads().filter(|(group, _)| left[*group as usize] == 0) {
        end(settings, evaluation, group, lead);
    }
    let mut winners = Vec::new();
    for (group, lead) in groups.leads() {
        let owner = &owners[group as usize];
        let mut ad = evaluation.ad(lead);
        let budget = ad.get(column::BUDGET);
        let bad = ad.get(column::P_BAD_3D);
        let bad = if bad.is_nan() { 0.5 } else { bad };

        let paused = shrinks(&mut ad, owner, settings);
        let strong = rises(&mut ad, rule::STRONG, owner, settings, (settings.strong_cpa, settings.strong_roas));
        let good = rises(&mut ad, rule::GOOD, owner, settings, (settings.good_cpa, settings.good_roas));
        let down_cpa = falls(&mut ad, rule::DOWN_CPA, owner, settings);
        let down_roas = falls(&mut ad, rule::DOWN_ROAS, owner, settings);
        let joins = grows(&mut ad, owner, settings);
        let steady = earns(&mut ad, owner, settings);
        let wins = ad
            .when(rule::REINVEST)
            .at_most(owner.cpa, settings.good_cpa)
            .at_least_if_known(owner.roas, settings.good_roas)
            .at_most(column::P_BAD_7D, settings.reinvest_probability)
            .above(context::FREED_BUDGET, 0.0);
        let wins = may_rise(wins, owner, settings);

        let size = settings.size(ad.get(context::BREAKEVEN), owner.forecast);
        let step = |wanted: f64| if owner.learning { wanted.min(settings.learning_step) } else { wanted * size };
        let brought = if joins { ad.get(column::JOINED_BUDGET) } else { 0.0 };
        let by = [(strong, settings.strong_step, rule::STRONG), (good, settings.good_step, rule::GOOD)];
        let by = by.into_iter().chain([(steady, settings.steady_step, rule::STEADY)]).find(|(holds, ..)| *holds);
        if let Some((_, wanted, rule)) = by {
            // What the others earn with, paused ads leave to them. Where joined ads are most of the rise, it
            // is told as theirs.
            let rule = if brought > budget * step(wanted) { rule::JOINED } else { rule };
            evaluation.budget(group, budget * (1.0 + step(wanted)) + brought, rule, 1.0 - bad);
        } else if down_cpa || down_roas {
            let least = if owner.learning { 1.0 - settings.learning_step } else { 0.0 };
            let left = settings.down_to.max(least).min(1.0 - owner.paused_share);
            // What joined ads begin with is theirs: a fall of the others does not keep it from them.
            let to = (budget * left).max(settings.down_floor) + brought;
            let down = if down_cpa { rule::DOWN_CPA } else { rule::DOWN_ROAS };
            let (rule, sure) = if to > budget { (rule::JOINED, 1.0 - bad) } else { (down, bad) };
            evaluation.budget(group, to, rule, sure);
        } else if paused || joins {
            let to = (budget * (1.0 - owner.paused_share) + brought).max(settings.down_floor);
            evaluation.budget(group, to, if to < budget { rule::PAUSED_SHARE } else { rule::JOINED }, 1.0 - bad);
        } else if wins {
            let weight = if owner.roas_value.is_nan() { settings.good_roas } else { owner.roas_value };
            winners.push(Claim {
                group,
                budget,
                weight,
                most: budget * step(settings.reinvest_step),
                confidence: 1.0 - bad,
            });
        }
    }
    evaluation.share_out(table.context(context::FREED_BUDGET), settings.reinvest_least, rule::REINVEST, &winners);
}

/// An owner whose last ads are paused keeps the least: a limit that keeps its last ad live shall not
/// keep its money flowing, and an ad that comes later shall not begin with it.
fn end(settings: &Settings, evaluation: &mut Evaluation<'_>, group: u32, lead: u32) {
    let mut ad = evaluation.ad(lead);
    let bad = ad.get(column::P_BAD_3D);
    let ends = ad
        .when(rule::PAUSED_SHARE)
        .at_least(derived::PAUSED_SPEND.of(1.0), 1.0)
        .above(column::BUDGET, settings.down_floor)
        .fires();
    if ends {
        evaluation.budget(group, settings.down_floor, rule::PAUSED_SHARE, bad);
    }
}

/// Whether what happened to a row so many hours ago is not in its owner's budget yet.
fn is_since_change(table: Table<'_>, happened: dean_policy_sdk::Column, row: u32) -> bool {
    let hours = table.number(happened, row);
    let changed = table.number(column::BUDGET_CHANGED, row);
    hours < SHARE_HOURS && (changed.is_nan() || hours < changed)
}

fn owners(groups: &Groups<'_>, gone: &Groups<'_>, settings: &Settings) -> Vec<Owner> {
    let [spend_3d, purchases_3d, revenue_3d] =
        [column::SPEND_3D, column::PURCHASES_3D, column::REVENUE_3D].map(|c| groups.sum(c));
    let [spend, impressions, clicks] = [column::SPEND, column::IMPRESSIONS, column::CLICKS].map(|c| groups.sum(c));
    // A day before an ad existed adds nothing to its owner's day.
    let [today, d1, d2, d3] =
        [column::SPEND_TODAY, column::SPEND_D1, column::SPEND_D2, column::SPEND_D3].map(|c| groups.sum_known(c));
    let gone = gone.sum(column::SPEND_3D);
    let settled = groups.lead_values(column::SETTLED_3D);
    let learning = groups.any(column::IN_LEARNING);
    let worn = groups.mean(column::WORN_AHEAD, column::SPEND_3D);
    let forecast = groups.mean_cost(column::FORECAST_CPA, column::SPEND_3D);
    // A day that hardly spent is no measure of pace.
    let pace = |later: f64, earlier: f64| if earlier >= settings.min_day_spend { later / earlier } else { f64::NAN };
    let ratio = |above: f64, below: f64| if below > 0.0 { above / below } else { f64::NAN };
    let owner = |i: usize| {
        let cpa_value = ratio(spend_3d[i], purchases_3d[i]) * settled[i];
        // Not `max`, which would make one of purchases that are not known.
        let counted = if purchases_3d[i] < 1.0 { 1.0 } else { purchases_3d[i] };
        let at_least = spend_3d[i] / counted * settled[i];
        let roas_value = ratio(revenue_3d[i], spend_3d[i]) / settled[i];
        Owner {
            cpa: derived::OWNER_CPA.of(cpa_value),
            cpa_value,
            cpa_at_least: derived::OWNER_CPA_AT_LEAST.of(at_least),
            at_least,
            roas: derived::OWNER_ROAS.of(roas_value),
            roas_value,
            impressions: derived::OWNER_IMPRESSIONS.of(impressions[i]),
            clicks: derived::OWNER_CLICKS.of(clicks[i]),
            spend: derived::OWNER_SPEND.of(spend[i]),
            pace: [
                derived::PACE_TODAY.of(pace(today[i], d1[i])),
                derived::PACE_D1.of(pace(d1[i], d2[i])),
                derived::PACE_D2.of(pace(d2[i], d3[i])),
            ],
            learning: learning[i],
            worn: derived::OWNER_WORN.of(worn[i]),
            forecast: forecast[i],
            paused_share: if gone[i] > 0.0 { gone[i] / (gone[i] + spend_3d[i]) } else { 0.0 },
        }
    };
    (0..spend_3d.len()).map(owner).collect()
}

/// Whether a shared budget loses the share of ads that were paused.
fn shrinks(ad: &mut Ad<'_, '_>, owner: &Owner, settings: &Settings) -> bool {
    ad.when(rule::PAUSED_SHARE)
        .above(derived::PAUSED_SPEND.of(owner.paused_share), 0.0)
        .above(column::BUDGET, settings.down_floor)
        .at_least_if_known(column::BUDGET_CHANGED, settings.up_cooldown)
        .fires()
}

/// Whether a shared budget gains what ads that joined bring along: not while its ads lose money.
fn grows(ad: &mut Ad<'_, '_>, owner: &Owner, settings: &Settings) -> bool {
    let by_breakeven = derived::OWNER_CPA_BY_BREAKEVEN.of(owner.at_least / ad.get(context::BREAKEVEN));
    ad.when(rule::JOINED)
        .above(column::JOINED_BUDGET, 0.0)
        .at_most_if_known(by_breakeven, 1.0)
        .at_least_if_known(column::BUDGET_CHANGED, settings.up_cooldown)
        .above(column::BUDGET, 0.0)
        .fires()
}

/// Whether a budget may rise: good enough, surely not bad, and all that every rise asks for.
fn rises(ad: &mut Ad<'_, '_>, rule: Rule, owner: &Owner, settings: &Settings, (cpa, roas): (f64, f64)) -> bool {
    let good = ad
        .when(rule)
        .at_most(owner.cpa, cpa)
        .at_least_if_known(owner.roas, roas)
        .at_most(column::P_BAD_7D, settings.up_probability);
    may_rise(good, owner, settings)
}

/// Whether a budget may rise by a small step: the ads earn, surely, and day after day.
fn earns(ad: &mut Ad<'_, '_>, owner: &Owner, settings: &Settings) -> bool {
    let by_breakeven = derived::OWNER_CPA_BY_BREAKEVEN.of(owner.cpa_value / ad.get(context::BREAKEVEN));
    let earning = ad
        .when(rule::STEADY)
        .at_most(by_breakeven, 1.0)
        .at_least_if_known(owner.roas, settings.kill_roas)
        .at_most(column::P_LOSS_7D, settings.steady_probability);
    may_rise(earning, owner, settings)
}

/// What every rise asks for: enough data, a stable return, a pace that is no freak, and time since the
/// last change.
fn may_rise(when: When<'_, '_>, owner: &Owner, settings: &Settings) -> bool {
    when.at_most_if_known(column::VOLATILITY, settings.up_volatility)
        .below_if_known(owner.worn, settings.sure)
        .at_least(owner.impressions, settings.min_impressions)
        .at_least(owner.clicks, settings.min_clicks)
        .at_least(owner.spend, settings.min_spend)
        .below_if_known(owner.pace[0], settings.pace)
        .below_if_known(owner.pace[1], settings.pace)
        .below_if_known(owner.pace[2], settings.pace_long)
        .at_least_if_known(column::BUDGET_CHANGED, settings.up_cooldown)
        .above(column::BUDGET, 0.0)
        .fires()
}

/// Whether a budget has to fall.
fn falls(ad: &mut Ad<'_, '_>, rule: Rule, owner: &Owner, settings: &Settings) -> bool {
    // Small steps may follow each other sooner.
    let since_fall = if owner.learning { settings.up_cooldown } else { settings.down_cooldown };
    let when = ad.when(rule);
    let when = if rule == rule::DOWN_CPA {
        when.above(owner.cpa_at_least, settings.down_cpa)
    } else {
        when.below(owner.roas, settings.down_roas)
    };
    when.at_least(column::P_BAD_3D, settings.down_probability)
        .at_least(owner.impressions, settings.min_impressions)
        .at_least(owner.clicks, settings.min_clicks)
        .at_least(owner.spend, settings.min_spend)
        .above(column::BUDGET, settings.down_floor)
        .at_least_if_known(column::BUDGET_FELL, since_fall)
        .at_least_if_known(column::BUDGET_CHANGED, settings.up_cooldown)
        .fires()
}
