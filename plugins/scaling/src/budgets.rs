//! Budgets of owners: up on stable profit, down on loss, at rest while spend runs ahead, and raised
//! out of what nobody spends any more. One decision an owner at most.

use crate::{Settings, column, context, derived, rule};
use alloc::vec::Vec;
use dean_policy_sdk::{Ad, Claim, Computed, Evaluation, Groups, Rule, When, share_out};

/// What all live ads of an owner show together.
struct Owner {
    cpa: Computed,
    /// The plain number.
    cpa_value: f64,
    roas: Computed,
    /// The plain number, which a share is weighted with.
    roas_value: f64,
    impressions: Computed,
    clicks: Computed,
    spend: Computed,
    /// The plain number.
    spend_value: f64,
    pace: [Computed; 3],
    learning: bool,
}

/// Decides on the budget of every owner with an ad that stays: one that `lives` and is not `killed`.
pub(crate) fn decide(
    settings: &Settings,
    evaluation: &mut Evaluation<'_>,
    lives: impl Fn(u32) -> bool,
    killed: &[u32],
) {
    let table = evaluation.table();
    let groups = Groups::of(table, column::SPEND_3D, |row| lives(row) && killed.binary_search(&row).is_err());
    let gone = Groups::of(table, column::SPEND_3D, |row| killed.binary_search(&row).is_ok()).sum(column::SPEND_3D);
    let owners = owners(&groups, settings);
    let mut winners = Vec::new();
    for (group, lead) in groups.leads() {
        let owner = &owners[group as usize];
        let mut ad = evaluation.ad(lead);
        let budget = ad.get(column::BUDGET);
        let bad = ad.get(column::P_BAD_3D);
        let confidence = if bad.is_nan() { 0.5 } else { bad };

        let strong = rises(&mut ad, rule::STRONG, owner, settings, (settings.strong_cpa, settings.strong_roas));
        let good = rises(&mut ad, rule::GOOD, owner, settings, (settings.good_cpa, settings.good_roas));
        let steady = earns(&mut ad, owner, settings);
        let left = owner.spend_value;
        let share = if gone[group as usize] > 0.0 { gone[group as usize] / (gone[group as usize] + left) } else { 0.0 };
        let paused = ad
            .when(rule::PAUSED_SHARE)
            .above(derived::PAUSED_SPEND.of(share), 0.0)
            .above(column::BUDGET, settings.down_floor)
            .fires();
        let down_cpa = falls(&mut ad, rule::DOWN_CPA, owner, settings);
        let down_roas = falls(&mut ad, rule::DOWN_ROAS, owner, settings);
        let wins = ad
            .when(rule::REINVEST)
            .at_most(owner.cpa, settings.good_cpa)
            .at_least_if_known(owner.roas, settings.good_roas)
            .below_if_known(owner.pace[0], settings.pace)
            .below_if_known(owner.pace[1], settings.pace)
            .below_if_known(owner.pace[2], settings.pace_long)
            .above(context::FREED_BUDGET, 0.0)
            .above(column::BUDGET, 0.0)
            .fires();

        let fall = if owner.learning { 1.0 - settings.learning_step } else { 0.0 };
        let step = |wanted: f64| if owner.learning { wanted.min(settings.learning_step) } else { wanted };
        if paused {
            let to = (budget * (1.0 - share)).max(settings.down_floor);
            evaluation.budget(group, to, rule::PAUSED_SHARE, 1.0);
        } else if strong {
            evaluation.budget(group, budget * (1.0 + step(settings.strong_step)), rule::STRONG, 1.0 - confidence);
        } else if good {
            evaluation.budget(group, budget * (1.0 + step(settings.good_step)), rule::GOOD, 1.0 - confidence);
        } else if steady && !down_cpa && !down_roas {
            let loss = ad.get(column::P_LOSS_7D);
            evaluation.budget(group, budget * (1.0 + step(settings.steady_step)), rule::STEADY, 1.0 - loss);
        } else if down_cpa || down_roas {
            let to = (budget * settings.down_to.max(fall)).max(settings.down_floor);
            let by = if down_cpa { rule::DOWN_CPA } else { rule::DOWN_ROAS };
            evaluation.budget(group, to, by, confidence);
        } else if wins {
            let weight = if owner.roas_value.is_nan() { settings.good_roas } else { owner.roas_value };
            let most = budget * step(settings.reinvest_step);
            winners.push((group, budget, 1.0 - confidence, Claim { weight, most }));
        }
    }
    let claims: Vec<Claim> = winners.iter().map(|(.., claim)| *claim).collect();
    let shares = share_out(table.context(context::FREED_BUDGET), &claims);
    for ((group, budget, confidence, _), share) in winners.iter().zip(shares) {
        if share >= budget * settings.reinvest_least {
            evaluation.budget(*group, budget + share, rule::REINVEST, *confidence);
        }
    }
}

fn owners(groups: &Groups<'_>, settings: &Settings) -> Vec<Owner> {
    let [spend_3d, purchases_3d, revenue_3d, impressions, clicks] =
        [column::SPEND_3D, column::PURCHASES_3D, column::REVENUE_3D, column::IMPRESSIONS, column::CLICKS]
            .map(|c| groups.sum(c));
    // A day before an ad existed adds nothing to its owner's day.
    let [today, d1, d2, d3] =
        [column::SPEND_TODAY, column::SPEND_D1, column::SPEND_D2, column::SPEND_D3].map(|c| groups.sum_known(c));
    let settled = groups.lead_values(column::SETTLED_3D);
    let learning = groups.any(column::IN_LEARNING);
    // A day that hardly spent is no measure of pace.
    let pace = |later: f64, earlier: f64| if earlier >= settings.min_spend { later / earlier } else { f64::NAN };
    let ratio = |above: f64, below: f64| if below > 0.0 { above / below } else { f64::NAN };
    let owner = |i: usize| {
        let roas_value = ratio(revenue_3d[i], spend_3d[i]) / settled[i];
        let cpa_value = ratio(spend_3d[i], purchases_3d[i]) * settled[i];
        Owner {
            cpa: derived::OWNER_CPA.of(cpa_value),
            cpa_value,
            roas: derived::OWNER_ROAS.of(roas_value),
            roas_value,
            impressions: derived::OWNER_IMPRESSIONS.of(impressions[i]),
            clicks: derived::OWNER_CLICKS.of(clicks[i]),
            spend: derived::OWNER_SPEND.of(spend_3d[i]),
            spend_value: spend_3d[i],
            pace: [
                derived::PACE_TODAY.of(pace(today[i], d1[i])),
                derived::PACE_D1.of(pace(d1[i], d2[i])),
                derived::PACE_D2.of(pace(d2[i], d3[i])),
            ],
            learning: learning[i],
        }
    };
    (0..spend_3d.len()).map(owner).collect()
}

/// Whether a budget may rise: good enough, stable, surely not bad, and not running ahead already.
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
    let earning =
        ad.when(rule::STEADY).at_most(by_breakeven, 1.0).at_most(column::P_LOSS_7D, settings.steady_probability);
    may_rise(earning, owner, settings)
}

/// What every rise asks for: enough data, a stable return, a pace that is no freak, and time since the
/// last change.
fn may_rise(when: When<'_, '_>, owner: &Owner, settings: &Settings) -> bool {
    when.at_most_if_known(column::VOLATILITY, settings.up_volatility)
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
    let cooldown = if owner.learning { settings.up_cooldown } else { settings.down_cooldown };
    let when = ad.when(rule);
    let when = if rule == rule::DOWN_CPA {
        when.above(owner.cpa, settings.down_cpa)
    } else {
        when.below(owner.roas, settings.down_roas)
    };
    when.at_least(column::P_BAD_3D, settings.down_probability)
        .at_least(owner.impressions, settings.min_impressions)
        .at_least(owner.clicks, settings.min_clicks)
        .at_least(owner.spend, settings.min_spend)
        .above(column::BUDGET, settings.down_floor)
        .at_least_if_known(column::BUDGET_CHANGED, cooldown)
        .fires()
}
