//! The testing stage: is this creative worth money?
//!
//! Every ad gets an allowance, chosen anew each run from what it has earned so far (seven tiers);
//! it is paused when its spend since it entered testing reaches the allowance without a purchase.
//! Finer kill rules end a hopeless ad earlier, but never within an allowance that its click-through
//! or add-to-carts have earned. A purchase at a good cost, or strong add-to-cart signals, promote it.
//! An ad that it paused comes back when late conversions show that it was good. Freed budget tops up
//! ad sets whose ads sell.

#![cfg_attr(target_arch = "wasm32", no_std)]
#![deny(missing_docs)]

extern crate alloc;

mod settings;

pub use settings::Settings;

use alloc::vec::Vec;
use dean_policy_sdk::bindings::types::Problem;
use dean_policy_sdk::table::UNKNOWN;
use dean_policy_sdk::{Claim, Evaluation, Groups, StagePolicy, Verb, Vocabulary};

/// Numeric columns. Everything here counts from the ad's entry into the stage, so that what it did
/// elsewhere neither saves nor condemns it.
pub mod column {
    dean_policy_sdk::names! { Column:
        /// Spend.
        SPEND = "spend_in_stage";
        /// Impressions.
        IMPRESSIONS = "impressions_in_stage";
        /// Click-through rate.
        CTR = "ctr_in_stage";
        /// Add-to-carts.
        ADD_TO_CART = "add_to_cart_in_stage";
        /// Purchases.
        PURCHASES = "purchases_in_stage";
        /// Cost per purchase; not known without a purchase.
        CPA = "cpa_in_stage";
        /// Return on ad spend; not known where the account reports no revenue.
        ROAS = "roas_in_stage";
        /// Revenue; not known where purchases come without a value.
        REVENUE = "revenue_in_stage";
        /// How likely the true cost per purchase is above target, given all evidence.
        P_CPA_ABOVE_TARGET = "p_cpa_above_target";
        /// The same as add-to-carts foretell it.
        P_CPA_ABOVE_BY_CARTS = "p_cpa_above_target_by_carts";
        /// How likely it clicks worse than the account.
        P_CTR_BELOW_ACCOUNT = "p_ctr_below_account";
        /// Impressions of today.
        IMPRESSIONS_TODAY = "impressions_today";
        /// Click-through rate of today.
        CTR_TODAY = "ctr_today";
        /// What its click-through rate usually is.
        CTR_EWMA = "ctr_ewma";
        /// 1 when Dean paused it.
        PAUSED_BY_DEAN = "paused_by_dean";
        /// Purchases that were reported when Dean paused it.
        PURCHASES_AT_PAUSE = "purchases_at_pause";
        /// The daily budget of its owner.
        BUDGET = "budget";
        /// Hours since Dean last changed that budget.
        BUDGET_CHANGED = "hours_since_budget_change";
        /// 1 while its ad set is learning.
        IN_LEARNING = "in_learning";
        /// How likely it sells within the next target cost of spend, as a model foretells it.
        LIKELY = "score.purchase";
        /// The cost per purchase that this chance stands for.
        FORECAST_CPA = "score.purchase_cpa";
        /// How likely it has lost half of its click-through within a week, as a model foretells it.
        WORN_AHEAD = "score.fatigue";
        /// How likely the creatives that are most like it reach the target.
        SIMILAR = "score.similarity";
    }
}

/// Numbers of the account and stage.
pub mod context {
    dean_policy_sdk::names! { Context:
        /// Daily budget that nobody spends any more.
        FREED_BUDGET = "freed_budget";
    }
}

/// Text columns.
pub mod text {
    dean_policy_sdk::names! { TextColumn:
        /// Meta's effective status; only `ACTIVE` ads are judged, and `PAUSED` ones brought back.
        STATUS = "status";
    }
}

/// Facts that this policy computes.
pub mod derived {
    dean_policy_sdk::names! { Derived:
        /// Spend per add-to-cart; not known without one.
        COST_PER_ADD_TO_CART = "cost_per_add_to_cart";
        /// 1 when click-through or add-to-carts earned a tier above the last.
        EARNED = "earned_tier";
        /// Today's click-through rate by its usual one.
        FRESHNESS = "today_by_usual_ctr_ratio";
        /// Purchases that were reported after Dean paused it.
        LATE_PURCHASES = "late_purchases";
        /// How likely it sells, where that may still lengthen its allowance.
        DOUBT = "chance_to_sell_within_the_largest_allowance";
        /// 1 when carts, or a purchase at a good cost, speak for it.
        SPOKEN_FOR = "spoken_for";
        /// Purchases of all live ads of its owner, in the stage.
        OWNER_PURCHASES = "owner_purchases_in_stage";
    }
}

/// Rules, in the order in which they are tried.
pub mod rule {
    dean_policy_sdk::rules! {
        PURCHASE = "purchase-at-good-cost", "Purchase at a good cost",
            "Promotes on a purchase whose cost is at most the target, with enough return where revenue is known.";
        ADD_TO_CARTS = "strong-add-to-carts", "Strong add-to-cart signals",
            "Promotes on several cheap add-to-carts with a good click-through rate, within the allowance.";
        QUICK = "hopeless-click-through", "Almost nobody clicks",
            "Pauses early when the click-through rate is so low that no budget would mend it.";
        CTR_FLOOR = "click-through-floor", "Click-through below the floor",
            "Pauses when the click-through rate stays below the floor after a fair chance.";
        NO_ADD_TO_CART = "no-add-to-cart", "No add-to-cart",
            "Pauses an ad that earned no tier and brought nobody to the cart.";
        ALLOWANCE = "no-purchase-in-allowance", "No purchase within its allowance",
            "Pauses when the spend in testing reaches the tier's allowance without a purchase; one that a model thinks likely to sell goes on to the largest allowance.";
        WORN = "worn-out", "Worn out",
            "Pauses an ad that earned no tier when today's click-through rate falls far below its usual one.";
        WORN_SOON = "worn-out-soon", "Worn out soon",
            "Pauses an ad that earned no tier when a model foretells that it will have lost half of its click-through within a week.";
        UNLIKELY = "unlikely-to-sell", "Unlikely to sell",
            "Pauses an ad that neither carts nor a purchase at a good cost speak for when a model foretells a cost far above target.";
        COSTLY = "purchases-too-costly", "Purchases cost too much",
            "Pauses an ad that sells, within its allowance too, when its cost per purchase is almost surely above target.";
        EXONERATED = "late-conversions", "Late conversions speak for it",
            "Brings back an ad that was paused when purchases reported since then show a good cost.";
        REINVEST = "reinvest", "Freed budget to what sells",
            "Tops up the budget of an ad set whose ads sell, out of budget that nobody spends any more, in proportion to return.";
    }
}

/// The testing stage's policy.
#[derive(Debug)]
pub struct Testing;

impl StagePolicy for Testing {
    type Settings = Settings;
    const NAME: &'static str = "testing";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DOC: &'static str = "Tests new creatives: seven tiers of allowance by add-to-carts and \
        click-through rate, paused without a purchase at the allowance, promoted on a purchase at a \
        good cost or on strong add-to-cart signals.";
    const STAGES: &'static [&'static str] = &["testing"];
    const VOCABULARY: Vocabulary = Vocabulary {
        columns: column::NAMES,
        text_columns: text::NAMES,
        context: context::NAMES,
        derived: derived::NAMES,
        rules: rule::RULES,
    };

    fn check(settings: &Settings) -> Vec<Problem> {
        settings.check()
    }

    fn decide(settings: &Settings, evaluation: &mut Evaluation<'_>) {
        let table = evaluation.table();
        let (active, paused) = (table.code_of("ACTIVE"), table.code_of("PAUSED"));
        let mut paused_now = Vec::new();
        for row in 0..table.rows() {
            match table.code(text::STATUS, row) {
                UNKNOWN => {}
                code if code == active => {
                    let ends = decide_ad(settings, evaluation, row);
                    paused_now.extend(ends.then_some(row));
                }
                code if code == paused && table.number(column::PAUSED_BY_DEAN, row) >= 1.0 => {
                    bring_back(settings, evaluation, row);
                }
                _ => {}
            }
        }
        if table.context(context::FREED_BUDGET) > 0.0 {
            let stays = |row: u32| table.code(text::STATUS, row) == active && paused_now.binary_search(&row).is_err();
            reinvest(settings, evaluation, stays);
        }
    }
}

/// A paused ad comes back when purchases that were reported since make its cost a good one.
fn bring_back(settings: &Settings, evaluation: &mut Evaluation<'_>, row: u32) {
    let mut ad = evaluation.ad(row);
    let late = derived::LATE_PURCHASES.of(ad.get(column::PURCHASES) - ad.get(column::PURCHASES_AT_PAUSE));
    let exonerated = ad
        .when(rule::EXONERATED)
        .at_least(late, 1.0)
        .at_most(column::CPA, settings.cpa_max)
        .at_least_if_known(column::ROAS, settings.roas_min)
        .fires();
    if exonerated {
        let above = or_even(ad.get(column::P_CPA_ABOVE_TARGET));
        ad.decide(Verb::Resume, rule::EXONERATED, 1.0 - above);
    }
}

/// Ad sets whose ads sell are topped up to the stage's own daily budget.
fn reinvest(settings: &Settings, evaluation: &mut Evaluation<'_>, stays: impl Fn(u32) -> bool) {
    let table = evaluation.table();
    let groups = Groups::of(table, column::SPEND, stays);
    let learning = groups.any(column::IN_LEARNING);
    let [purchases, revenue, spend] = [column::PURCHASES, column::REVENUE, column::SPEND].map(|c| groups.sum(c));
    let mut winners = Vec::new();
    for (group, lead) in groups.leads() {
        let sold = purchases[group as usize];
        let mut ad = evaluation.ad(lead);
        let wins = ad
            .when(rule::REINVEST)
            .at_least(derived::OWNER_PURCHASES.of(sold), 1.0)
            .below(column::BUDGET, settings.reinvest_budget)
            .at_least_if_known(column::BUDGET_CHANGED, settings.reinvest_cooldown)
            .above(context::FREED_BUDGET, 0.0)
            .fires();
        if wins {
            let budget = ad.get(column::BUDGET);
            let most = settings.reinvest_budget - budget;
            let most = if learning[group as usize] { most.min(budget * settings.learning_step) } else { most };
            let confidence = 1.0 - or_even(ad.get(column::P_CPA_ABOVE_TARGET));
            // In proportion to return; where none is known, as much as a promotion asks for.
            let roas = revenue[group as usize] / spend[group as usize];
            let weight = if roas > 0.0 { roas } else { settings.roas_min };
            winners.push(Claim { group, budget, weight, most, confidence });
        }
    }
    evaluation.share_out(table.context(context::FREED_BUDGET), 0.0, rule::REINVEST, &winners);
}

/// A chance that the account is too young to know is even.
fn or_even(chance: f64) -> f64 {
    if chance.is_nan() { 0.5 } else { chance }
}

/// Decides on a live ad; true when it is to be paused.
fn decide_ad(settings: &Settings, evaluation: &mut Evaluation<'_>, row: u32) -> bool {
    let mut ad = evaluation.ad(row);
    let spend = ad.get(column::SPEND);
    let add_to_carts = ad.get(column::ADD_TO_CART);
    let tier = settings.tier(add_to_carts, ad.get(column::CTR));
    // Below the fair spend only the quick kill may pause.
    let allowance = tier.allowance.max(settings.fair_spend).max(settings.min_spend);
    let earned = derived::EARNED.of(if tier.earned { 1.0 } else { 0.0 });
    let per_add_to_cart = if add_to_carts >= 1.0 { spend / add_to_carts } else { f64::NAN };
    let per_add_to_cart = derived::COST_PER_ADD_TO_CART.of(per_add_to_cart);

    let freshness = derived::FRESHNESS.of(ad.get(column::CTR_TODAY) / ad.get(column::CTR_EWMA));

    // How sure a kill is: how likely the true cost per purchase is above target, or that it clicks
    // worse than the account where clicks decide.
    let above = or_even(ad.get(column::P_CPA_ABOVE_TARGET));
    let clicks_worse = or_even(ad.get(column::P_CTR_BELOW_ACCOUNT));
    let above_by_carts = or_even(ad.get(column::P_CPA_ABOVE_BY_CARTS));

    let good_purchase = ad
        .when(rule::PURCHASE)
        .at_least(column::PURCHASES, 1.0)
        .at_most(column::CPA, settings.cpa_max)
        .at_least_if_known(column::ROAS, settings.roas_min)
        .at_least(column::SPEND, settings.min_spend)
        .fires();
    let strong_carts = ad
        .when(rule::ADD_TO_CARTS)
        .at_least(column::ADD_TO_CART, settings.promote_add_to_carts)
        .at_least(column::CTR, settings.promote_ctr)
        .at_most(per_add_to_cart, settings.promote_cost_per_add_to_cart)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::SPEND, settings.min_spend)
        .below(column::SPEND, allowance)
        .fires();
    let hopeless = ad
        .when(rule::QUICK)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::SPEND, settings.quick_spend.max(settings.min_spend))
        .below(column::CTR, settings.quick_ctr)
        .below(column::PURCHASES, 1.0)
        .below(earned, 1.0)
        .fires();
    let below_floor = ad
        .when(rule::CTR_FLOOR)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::SPEND, settings.floor_spend.max(settings.fair_spend).max(settings.min_spend))
        .below(column::CTR, settings.floor_ctr)
        .below(column::PURCHASES, 1.0)
        .below(earned, 1.0)
        .fires();
    let no_cart = ad
        .when(rule::NO_ADD_TO_CART)
        .at_least(column::SPEND, settings.no_cart_spend.max(settings.fair_spend).max(settings.min_spend))
        .below(column::ADD_TO_CART, 1.0)
        .below(column::PURCHASES, 1.0)
        .below(earned, 1.0)
        .fires();
    let worn = ad
        .when(rule::WORN)
        .at_least(column::IMPRESSIONS_TODAY, settings.min_impressions)
        .at_least(column::SPEND, settings.fair_spend.max(settings.min_spend))
        .below(freshness, settings.worn_share)
        .below(column::PURCHASES, 1.0)
        .below(earned, 1.0)
        .fires();
    let worn_soon = ad
        .when(rule::WORN_SOON)
        .at_least(column::WORN_AHEAD, settings.sure)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::SPEND, settings.fair_spend.max(settings.min_spend))
        .below(column::PURCHASES, 1.0)
        .below(earned, 1.0)
        .fires();
    // What is likely to sell gets the benefit of the doubt, as long as any ad might.
    let doubt = if spend < settings.multi_cart { ad.get(column::LIKELY) } else { f64::NAN };
    let used_up = ad
        .when(rule::ALLOWANCE)
        .at_least(column::SPEND, allowance)
        .below(column::PURCHASES, 1.0)
        .below_if_known(derived::DOUBT.of(doubt), settings.sure)
        .fires();
    // Carts earn an allowance until the first purchase; from then on its cost speaks.
    let spoken_for =
        if ad.get(column::PURCHASES) >= 1.0 { ad.get(column::CPA) <= settings.cpa_max } else { add_to_carts >= 1.0 };
    let unlikely = ad
        .when(rule::UNLIKELY)
        .above(column::FORECAST_CPA, settings.unlikely_ratio * settings.cpa_max)
        .at_least(column::SPEND, settings.fair_spend.max(settings.min_spend))
        .at_least_if_known(column::P_CPA_ABOVE_TARGET, settings.unlikely_probability)
        .below(derived::SPOKEN_FOR.of(if spoken_for { 1.0 } else { 0.0 }), 1.0)
        .fires();
    // An allowance is what an ad may spend without a purchase. One that sells is judged by its cost.
    let costly = ad
        .when(rule::COSTLY)
        .at_least(column::PURCHASES, 1.0)
        .at_least(column::SPEND, settings.costly_spend.max(settings.fair_spend).max(settings.min_spend))
        .above(column::CPA, settings.cpa_max)
        .at_least(column::P_CPA_ABOVE_TARGET, settings.costly_probability)
        .below_if_known(column::LIKELY, settings.sure)
        .fires();

    // Add-to-carts promote as long as nothing ends the ad: what has used up its allowance has had its chance.
    // Within it they count for more than a dear purchase.
    let costly = costly && !strong_carts;
    let ends = [
        (hopeless, rule::QUICK, clicks_worse),
        (below_floor, rule::CTR_FLOOR, clicks_worse),
        (no_cart, rule::NO_ADD_TO_CART, above),
        (worn, rule::WORN, clicks_worse),
        (worn_soon, rule::WORN_SOON, or_even(ad.get(column::WORN_AHEAD))),
        (used_up, rule::ALLOWANCE, above),
        (unlikely, rule::UNLIKELY, above),
        (costly, rule::COSTLY, above),
    ];
    let end = ends.into_iter().find(|(fires, ..)| *fires);
    let budget = settings.promote_budget * settings.factor(ad.get(column::SIMILAR));
    if good_purchase {
        ad.decide_amount(Verb::Promote, budget, rule::PURCHASE, 1.0 - above);
        return false;
    }
    match end {
        None if strong_carts => {
            ad.decide_amount(Verb::Promote, budget, rule::ADD_TO_CARTS, 1.0 - above_by_carts);
        }
        Some((_, rule, sure)) => ad.decide(Verb::Pause, rule, sure),
        None => {}
    }
    end.is_some()
}

dean_policy_sdk::policy!(Testing);
