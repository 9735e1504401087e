//! The validation stage: does it sell again, on other days and with more money?
//!
//! An ad begins here with a clean clock and an allowance. Without a purchase within it the ad is
//! paused; with two purchases on two days at an acceptable cost and return it goes on to scaling,
//! with a budget that grows with how far it beats the targets. An ad that sells, but almost surely at
//! a loss, is paused too. Late conversions bring a paused ad back; freed budget goes to what sells
//! best.

#![cfg_attr(target_arch = "wasm32", no_std)]
#![deny(missing_docs)]

extern crate alloc;

mod settings;

pub use settings::Settings;

use alloc::vec::Vec;
use dean_policy_sdk::bindings::types::Problem;
use dean_policy_sdk::table::UNKNOWN;
use dean_policy_sdk::{Claim, Evaluation, Groups, StagePolicy, Verb, Vocabulary};

/// Numeric columns. Everything counts from the ad's entry into the stage.
pub mod column {
    dean_policy_sdk::names! { Column:
        /// Spend.
        SPEND = "spend_in_stage";
        /// Impressions.
        IMPRESSIONS = "impressions_in_stage";
        /// Clicks.
        CLICKS = "clicks_in_stage";
        /// Click-through rate.
        CTR = "ctr_in_stage";
        /// Add-to-carts.
        ADD_TO_CART = "add_to_cart_in_stage";
        /// Purchases.
        PURCHASES = "purchases_in_stage";
        /// Account days with a purchase.
        PURCHASE_DAYS = "purchase_days_in_stage";
        /// Cost per purchase; not known without a purchase.
        CPA = "cpa_in_stage";
        /// Return on ad spend; not known where the account reports no revenue.
        ROAS = "roas_in_stage";
        /// Revenue, for the return of several ads together.
        REVENUE = "revenue_in_stage";
        /// Shape of the posterior on purchases per spend.
        SHAPE = "purchase_shape_in_stage";
        /// Rate of that posterior.
        RATE = "purchase_rate_in_stage";
        /// How likely the true cost per purchase is above target.
        P_ABOVE_TARGET = "p_cpa_above_target";
        /// How likely it is above break-even.
        P_ABOVE_BREAKEVEN = "p_cpa_above_breakeven";
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
        /// How likely the ad loses money: above break-even, or above target where that is not known.
        P_LOSS = "p_loss";
        /// How likely it sells, where that may still lengthen its allowance.
        DOUBT = "chance_to_sell_within_the_largest_allowance";
        /// 1 when carts, or purchases at an acceptable cost, speak for it.
        SPOKEN_FOR = "spoken_for";
        /// Cost per purchase where break-even is not known.
        UNCLEAR_CPA = "cpa_without_breakeven";
        /// Purchases that were reported after Dean paused it.
        LATE_PURCHASES = "late_purchases";
        /// Cost per purchase of all live ads of its owner, in the stage.
        OWNER_CPA = "owner_cpa_in_stage";
        /// Return on ad spend of all live ads of its owner, in the stage.
        OWNER_ROAS = "owner_roas_in_stage";
        /// Spend of all live ads of its owner, in the stage.
        OWNER_SPEND = "owner_spend_in_stage";
        /// Impressions of all live ads of its owner, in the stage.
        OWNER_IMPRESSIONS = "owner_impressions_in_stage";
        /// Clicks of all live ads of its owner, in the stage.
        OWNER_CLICKS = "owner_clicks_in_stage";
    }
}

/// Rules, in the order in which they are tried.
pub mod rule {
    dean_policy_sdk::rules! {
        SELLS_AGAIN = "sells-again", "Sells again",
            "Promotes on several purchases on several days at an acceptable cost, with enough return where revenue is known.";
        ALLOWANCE = "no-purchase-in-allowance", "No purchase within its allowance",
            "Pauses when the spend in validation reaches the tier's allowance without a purchase.";
        COSTLY = "purchases-too-costly", "Purchases cost too much",
            "Pauses an ad that sells, within its allowance too, when it almost surely loses money.";
        UNLIKELY = "unlikely-to-sell", "Unlikely to sell",
            "Pauses an ad that neither carts nor an acceptable cost speak for when a model foretells a cost far above target.";
        EXONERATED = "late-conversions", "Late conversions speak for it",
            "Brings back an ad that was paused when purchases reported since then show an acceptable cost and return.";
        REINVEST = "reinvest", "Freed budget to what sells",
            "Raises the budget of owners that beat the targets, out of budget that nobody spends any more, in proportion to return.";
    }
}

/// The validation stage's policy.
#[derive(Debug)]
pub struct Validation;

impl StagePolicy for Validation {
    type Settings = Settings;
    const NAME: &'static str = "validation";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DOC: &'static str = "Extended testing: promotes on two purchases on two days at an acceptable \
        cost and return, pauses without a purchase at the tier's allowance.";
    const STAGES: &'static [&'static str] = &["validation"];
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

/// How likely an ad loses money; even where the account is too young to say.
fn p_loss(breakeven: f64, target: f64) -> f64 {
    match (breakeven.is_nan(), target.is_nan()) {
        (false, _) => breakeven,
        (true, false) => target,
        (true, true) => 0.5,
    }
}

/// Decides on a live ad; true when it is to be paused.
fn decide_ad(settings: &Settings, evaluation: &mut Evaluation<'_>, row: u32) -> bool {
    let mut ad = evaluation.ad(row);
    let loss = p_loss(ad.get(column::P_ABOVE_BREAKEVEN), ad.get(column::P_ABOVE_TARGET));
    let impressions = ad.get(column::IMPRESSIONS);
    let allowance = settings.allowance(ad.get(column::ADD_TO_CART), ad.get(column::CTR), impressions);

    // Where break-even is not known, a cost that would still promote is no loss.
    let unclear_cpa = if ad.get(column::P_ABOVE_BREAKEVEN).is_nan() { ad.get(column::CPA) } else { f64::NAN };
    let unclear_cpa = derived::UNCLEAR_CPA.of(unclear_cpa);

    let sells = ad
        .when(rule::SELLS_AGAIN)
        .at_least(column::PURCHASES, settings.promote_purchases)
        .at_least(column::PURCHASE_DAYS, settings.promote_days)
        .below(column::CPA, settings.promote_cpa)
        .above_if_known(column::ROAS, settings.promote_roas)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::CLICKS, settings.min_clicks)
        .at_least(column::SPEND, settings.min_spend)
        .fires();
    // What is likely to sell gets the benefit of the doubt, as long as any ad might.
    let doubt = if ad.get(column::SPEND) < settings.multi_cart { ad.get(column::LIKELY) } else { f64::NAN };
    let used_up = ad
        .when(rule::ALLOWANCE)
        .at_least(column::SPEND, allowance.max(settings.min_spend))
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .below(column::PURCHASES, 1.0)
        .below_if_known(derived::DOUBT.of(doubt), settings.sure)
        .fires();
    let costly = ad
        .when(rule::COSTLY)
        .at_least(column::PURCHASES, 1.0)
        .at_least(column::SPEND, settings.costly_spend.max(settings.min_spend))
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::CLICKS, settings.min_clicks)
        .at_least_if_known(unclear_cpa, settings.promote_cpa)
        .at_least(derived::P_LOSS.of(loss), settings.costly_probability)
        .below_if_known(column::LIKELY, settings.sure)
        .fires();

    let spoken_for = if ad.get(column::PURCHASES) >= 1.0 {
        ad.get(column::CPA) < settings.promote_cpa
    } else {
        ad.get(column::ADD_TO_CART) >= 1.0
    };
    let unlikely = ad
        .when(rule::UNLIKELY)
        .above(column::FORECAST_CPA, settings.unlikely_ratio * settings.cpa_target)
        .at_least(derived::P_LOSS.of(loss), settings.unlikely_probability)
        .at_least(column::SPEND, settings.costly_spend.max(settings.min_spend))
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .below(derived::SPOKEN_FOR.of(if spoken_for { 1.0 } else { 0.0 }), 1.0)
        .fires();

    if sells {
        let amount = settings.promote_budget * settings.factor(&ad);
        ad.decide_amount(Verb::Promote, amount, rule::SELLS_AGAIN, 1.0 - loss);
    } else if used_up {
        ad.decide(Verb::Pause, rule::ALLOWANCE, loss);
    } else if costly {
        ad.decide(Verb::Pause, rule::COSTLY, loss);
    } else if unlikely {
        ad.decide(Verb::Pause, rule::UNLIKELY, loss);
    }
    !sells && (used_up || costly || unlikely)
}

impl Settings {
    /// How much larger or smaller than usual a promoted ad starts: as far as its expected cost, as a model foretells
    /// it or else its own numbers do, and its return beat or miss their targets, whichever does worse.
    fn factor(&self, ad: &dean_policy_sdk::Ad<'_, '_>) -> f64 {
        // What is worn out soon is not worth more, whatever it earned.
        if ad.get(column::WORN_AHEAD) >= self.sure {
            return self.promote_least_factor;
        }
        let forecast = ad.get(column::FORECAST_CPA);
        let expected_cpa = if forecast.is_nan() { ad.get(column::RATE) / ad.get(column::SHAPE) } else { forecast };
        let by_cost = self.cpa_target / expected_cpa;
        let by_return = ad.get(column::ROAS) / self.roas_target;
        // min ignores what is not known; with nothing known the usual size it is.
        let factor = by_cost.min(by_return);
        if factor.is_nan() { 1.0 } else { factor.clamp(self.promote_least_factor, self.promote_factor) }
    }
}

/// A paused ad comes back when purchases that were reported since make it acceptable.
fn bring_back(settings: &Settings, evaluation: &mut Evaluation<'_>, row: u32) {
    let mut ad = evaluation.ad(row);
    let late = derived::LATE_PURCHASES.of(ad.get(column::PURCHASES) - ad.get(column::PURCHASES_AT_PAUSE));
    let loss = p_loss(ad.get(column::P_ABOVE_BREAKEVEN), ad.get(column::P_ABOVE_TARGET));
    let exonerated = ad
        .when(rule::EXONERATED)
        .at_least(late, 1.0)
        .below(column::CPA, settings.promote_cpa)
        .above_if_known(column::ROAS, settings.promote_roas)
        .below(derived::P_LOSS.of(loss), settings.costly_probability)
        .fires();
    if exonerated {
        ad.decide(Verb::Resume, rule::EXONERATED, 1.0 - loss);
    }
}

/// Freed budget goes to owners that beat the targets, in proportion to their return.
fn reinvest(settings: &Settings, evaluation: &mut Evaluation<'_>, stays: impl Fn(u32) -> bool) {
    let table = evaluation.table();
    let groups = Groups::of(table, column::SPEND, stays);
    let learning = groups.any(column::IN_LEARNING);
    let [spend, impressions, clicks] = [column::SPEND, column::IMPRESSIONS, column::CLICKS].map(|c| groups.sum(c));
    let [purchases, revenue] = [column::PURCHASES, column::REVENUE].map(|c| groups.sum(c));
    let mut winners = Vec::new();
    for (group, lead) in groups.leads() {
        let i = group as usize;
        let cpa = if purchases[i] > 0.0 { spend[i] / purchases[i] } else { f64::NAN };
        let roas = if spend[i] > 0.0 { revenue[i] / spend[i] } else { f64::NAN };
        let mut ad = evaluation.ad(lead);
        let wins = ad
            .when(rule::REINVEST)
            .at_most(derived::OWNER_CPA.of(cpa), settings.cpa_target)
            .at_least_if_known(derived::OWNER_ROAS.of(roas), settings.roas_target)
            .at_least(derived::OWNER_SPEND.of(spend[i]), settings.min_spend)
            .at_least(derived::OWNER_CLICKS.of(clicks[i]), settings.min_clicks)
            .at_least(derived::OWNER_IMPRESSIONS.of(impressions[i]), settings.min_impressions)
            .at_least_if_known(column::BUDGET_CHANGED, settings.reinvest_cooldown)
            .above(column::BUDGET, 0.0)
            .above(context::FREED_BUDGET, 0.0)
            .fires();
        if wins {
            let budget = ad.get(column::BUDGET);
            let weight = if roas.is_nan() { settings.roas_target } else { roas };
            let step = settings.reinvest_step;
            let step = if learning[i] { step.min(settings.learning_step) } else { step };
            let loss = p_loss(ad.get(column::P_ABOVE_BREAKEVEN), ad.get(column::P_ABOVE_TARGET));
            winners.push(Claim { group, budget, weight, most: budget * step, confidence: 1.0 - loss });
        }
    }
    evaluation.share_out(table.context(context::FREED_BUDGET), settings.reinvest_least, rule::REINVEST, &winners);
}

dean_policy_sdk::policy!(Validation);
