//! The testing stage: is this creative worth money?
//!
//! Every ad gets an allowance, chosen anew each run from what it has earned so far (seven tiers);
//! it is paused when its spend since it entered testing reaches the allowance without a purchase.
//! Finer kill rules end a hopeless ad earlier, but never within an allowance that its click-through
//! or add-to-carts have earned. A purchase at a good cost, or strong add-to-cart signals, promote it.

#![cfg_attr(target_arch = "wasm32", no_std)]
#![deny(missing_docs)]

extern crate alloc;

mod settings;

pub use settings::Settings;

use dean_policy_sdk::bindings::types::Problem;
use dean_policy_sdk::{Evaluation, StagePolicy, Verb, Vocabulary};

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
        /// How likely the true cost per purchase is above target, given all evidence.
        P_CPA_ABOVE_TARGET = "p_cpa_above_target";
    }
}

/// Text columns.
pub mod text {
    dean_policy_sdk::names! { TextColumn:
        /// Meta's effective status; only `ACTIVE` ads are decided on.
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
    }
}

/// Rules, in the order in which they are tried.
pub mod rule {
    dean_policy_sdk::rules! {
        PURCHASE = "purchase-at-good-cost", "Purchase at a good cost",
            "Promotes on a purchase whose cost is at most the target, with enough return where revenue is known.";
        ADD_TO_CARTS = "strong-add-to-carts", "Strong add-to-cart signals",
            "Promotes on several cheap add-to-carts with a good click-through rate, before the first purchase.";
        QUICK = "hopeless-click-through", "Almost nobody clicks",
            "Pauses early when the click-through rate is so low that no budget would mend it.";
        CTR_FLOOR = "click-through-floor", "Click-through below the floor",
            "Pauses when the click-through rate stays below the floor after a fair chance.";
        NO_ADD_TO_CART = "no-add-to-cart", "No add-to-cart",
            "Pauses an ad that earned no tier and brought nobody to the cart.";
        ALLOWANCE = "no-purchase-in-allowance", "No purchase within its allowance",
            "Pauses when the spend in testing reaches the tier's allowance without a purchase.";
        COSTLY = "purchases-too-costly", "Purchases cost too much",
            "Pauses when the allowance is used up and the cost per purchase is almost surely above target.";
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
        context: &[],
        derived: derived::NAMES,
        rules: rule::RULES,
    };

    fn check(settings: &Settings) -> alloc::vec::Vec<Problem> {
        settings.check()
    }

    fn decide(settings: &Settings, evaluation: &mut Evaluation<'_>) {
        let table = evaluation.table();
        let active = table.code_of("ACTIVE");
        for row in 0..table.rows() {
            if active == dean_policy_sdk::table::UNKNOWN || table.code(text::STATUS, row) != active {
                continue;
            }
            decide_ad(settings, evaluation, row);
        }
    }
}

fn decide_ad(settings: &Settings, evaluation: &mut Evaluation<'_>, row: u32) {
    let mut ad = evaluation.ad(row);
    let spend = ad.get(column::SPEND);
    let add_to_carts = ad.get(column::ADD_TO_CART);
    let tier = settings.tier(add_to_carts, ad.get(column::CTR));
    let earned = derived::EARNED.of(if tier.earned { 1.0 } else { 0.0 });
    let per_add_to_cart = if add_to_carts >= 1.0 { spend / add_to_carts } else { f64::NAN };
    let per_add_to_cart = derived::COST_PER_ADD_TO_CART.of(per_add_to_cart);

    // How sure a kill is: how likely the true cost per purchase is above target. An account too
    // young to say so leaves it at even odds.
    let above = ad.get(column::P_CPA_ABOVE_TARGET);
    let above = if above.is_nan() { 0.5 } else { above };

    let good_purchase = ad
        .when(rule::PURCHASE)
        .at_least(column::PURCHASES, 1.0)
        .at_most(column::CPA, settings.cpa_max)
        .at_least_if_known(column::ROAS, settings.roas_min)
        .fires();
    let strong_carts = ad
        .when(rule::ADD_TO_CARTS)
        .at_least(column::ADD_TO_CART, settings.promote_add_to_carts)
        .at_least(column::CTR, settings.promote_ctr)
        .at_most(per_add_to_cart, settings.promote_cost_per_add_to_cart)
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
        .at_least(column::SPEND, settings.floor_spend.max(settings.fair_spend))
        .below(column::CTR, settings.floor_ctr)
        .below(column::PURCHASES, 1.0)
        .below(earned, 1.0)
        .fires();
    let no_cart = ad
        .when(rule::NO_ADD_TO_CART)
        .at_least(column::SPEND, settings.no_cart_spend.max(settings.fair_spend))
        .below(column::ADD_TO_CART, 1.0)
        .below(column::PURCHASES, 1.0)
        .below(earned, 1.0)
        .fires();
    let used_up =
        ad.when(rule::ALLOWANCE).at_least(column::SPEND, tier.allowance).below(column::PURCHASES, 1.0).fires();
    let costly = ad
        .when(rule::COSTLY)
        .at_least(column::PURCHASES, 1.0)
        .at_least(column::SPEND, tier.allowance)
        .above(column::CPA, settings.cpa_max)
        .at_least(column::P_CPA_ABOVE_TARGET, settings.costly_probability)
        .fires();

    if good_purchase {
        ad.decide_amount(Verb::Promote, settings.promote_budget, rule::PURCHASE, 1.0 - above);
    } else if strong_carts && !costly {
        ad.decide_amount(Verb::Promote, settings.promote_budget, rule::ADD_TO_CARTS, 1.0 - above);
    } else if hopeless {
        ad.decide(Verb::Pause, rule::QUICK, above);
    } else if below_floor {
        ad.decide(Verb::Pause, rule::CTR_FLOOR, above);
    } else if no_cart {
        ad.decide(Verb::Pause, rule::NO_ADD_TO_CART, above);
    } else if used_up {
        ad.decide(Verb::Pause, rule::ALLOWANCE, above);
    } else if costly {
        ad.decide(Verb::Pause, rule::COSTLY, above);
    }
}

dean_policy_sdk::policy!(Testing);
