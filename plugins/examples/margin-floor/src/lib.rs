//! Pauses what does not bring in its spend after the cost of goods, and gives more to owners that bring in far more.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use dean_policy_sdk::bindings::types::Problem;
use dean_policy_sdk::{Evaluation, Groups, StagePolicy, Verb, Vocabulary};

/// Columns that are read: `dean metrics` lists every one with its unit and formula.
mod column {
    dean_policy_sdk::names! { Column:
        /// Spend of a week.
        SPEND = "spend_7d";
        /// Its revenue; not known where the account reports none.
        REVENUE = "revenue_7d";
        /// The daily budget of the ad's owner.
        BUDGET = "budget";
        /// Hours since that was last changed.
        BUDGET_CHANGED = "hours_since_budget_change";
    }
}

/// Texts that are read.
mod text {
    dean_policy_sdk::names! { TextColumn:
        /// Meta's effective status.
        STATUS = "status";
    }
}

/// Numbers of the account that are read: none.
mod context {
    dean_policy_sdk::names! { Context: }
}

/// What this policy computes and decides by.
mod derived {
    dean_policy_sdk::names! { Derived:
        /// What is left of a week's revenue after the cost of goods, for each unit of spend.
        RETURN = "return_after_goods_7d";
        /// The same of all of an owner's ads.
        OWNER_RETURN = "owner_return_after_goods_7d";
    }
}

/// What it may do, and why.
mod rule {
    dean_policy_sdk::rules! {
        BELOW_FLOOR = "below-floor", "Does not bring in its spend",
            "Pauses when a week's revenue, after the cost of goods, stays below a share of its spend.";
        RICH = "rich", "Brings in far more",
            "Raises the budget of an owner whose ads bring in a multiple of their spend, once a day.";
    }
}

dean_policy_sdk::settings! {
    /// What a client may set.
    pub struct Settings {
        /// The share of revenue that goods cost.
        goods: number("goods", "fraction", 0.4, 0.0, 1.0),
        /// Spend of a week below which nothing is judged.
        spend: number("spend", "currency", 100.0, 1.0, 1e9),
        /// What has to be left for each unit of spend.
        floor: number("floor", "ratio", 0.8, 0.0, 100.0),
        /// What has to be left for each unit of spend before a budget rises.
        rich: number("rich", "ratio", 1.5, 0.0, 100.0),
        /// By how much it then rises.
        step: number("step", "fraction", 0.2, 0.01, 1.0),
    }
}

/// The policy.
pub struct Policy;

impl StagePolicy for Policy {
    type Settings = Settings;
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DOC: &'static str = "Holds every ad to what it leaves after the cost of goods.";
    const STAGES: &'static [&'static str] = &["testing"];
    const VOCABULARY: Vocabulary = Vocabulary {
        columns: column::NAMES,
        text_columns: text::NAMES,
        context: context::NAMES,
        derived: derived::NAMES,
        rules: rule::RULES,
    };

    fn check(_: &Settings) -> alloc::vec::Vec<Problem> {
        // What bounds of single settings cannot say goes here.
        alloc::vec::Vec::new()
    }

    fn decide(settings: &Settings, evaluation: &mut Evaluation<'_>) {
        let table = evaluation.table();
        let active = table.code_of("ACTIVE");
        let live = |row: u32| table.code(text::STATUS, row) == active && table.text(text::STATUS, row).is_some();
        for row in (0..table.rows()).filter(|row| live(*row)) {
            let mut ad = evaluation.ad(row);
            let left = ad.get(column::REVENUE) * (1.0 - settings.goods) / ad.get(column::SPEND);
            // A comparison with what is not known never holds.
            let falls = ad
                .when(rule::BELOW_FLOOR)
                .at_least(column::SPEND, settings.spend)
                .below(derived::RETURN.of(left), settings.floor)
                .fires();
            if falls {
                ad.decide(Verb::Pause, rule::BELOW_FLOOR, 0.9);
            }
        }
        let owners = Groups::of(table, column::SPEND, live);
        let (spends, revenues) = (owners.sum(column::SPEND), owners.sum(column::REVENUE));
        for (group, lead) in owners.leads() {
            let (spend, revenue) = (spends[group as usize], revenues[group as usize]);
            let left = revenue * (1.0 - settings.goods) / spend;
            let mut ad = evaluation.ad(lead);
            let budget = ad.get(column::BUDGET);
            // Where Dean never changed it, there is nothing to wait for.
            let rises = ad
                .when(rule::RICH)
                .at_least(column::SPEND, settings.spend)
                .at_least(derived::OWNER_RETURN.of(left), settings.rich)
                .at_least_if_known(column::BUDGET_CHANGED, 24.0)
                .above(column::BUDGET, 0.0)
                .fires();
            if rises {
                evaluation.budget(group, budget * (1.0 + settings.step), rule::RICH, 0.8);
            }
        }
    }
}

dean_policy_sdk::policy!(Policy);
