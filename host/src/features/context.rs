//! Numbers of the account and of a stage, by name.

use super::basis::Basis;
use super::column::Marks;
use serde::{Deserialize, Serialize};

/// A line of the catalogue of context.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ContextEntry {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What it is.
    pub formula: &'static str,
    /// When its value is not known.
    pub missing: &'static str,
    #[serde(skip)]
    get: fn(&ContextValues) -> f64,
}

/// The values for one stage at one moment; NaN means not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContextValues {
    /// Spend of the account today, major units.
    pub account_spend_today: f64,
    /// Spend of the stage today, major units.
    pub stage_spend_today: f64,
    /// The most that the stage may spend in a day, major units.
    pub stage_cap: f64,
    /// Ads of the stage that are delivered.
    pub live_ads: f64,
    /// Daily budget that nobody spends any more, and that no stage before this one took, major units.
    pub freed_budget: f64,
    /// The hour of the account day, 0 to 23.
    pub hour: f64,
    /// The weekday, Monday 0.
    pub weekday: f64,
    /// Hours until the account day ends.
    pub hours_left_today: f64,
    /// The cost per purchase aimed at, major units.
    pub target_cpa: f64,
    /// The cost per purchase at which nothing is earned, major units.
    pub breakeven_cpa: f64,
    /// Click-through rate of the account's last thirty complete days.
    pub account_ctr: f64,
    /// Its cost of a thousand impressions, major units.
    pub account_cpm: f64,
    /// Its add-to-carts for each click.
    pub account_atc_rate: f64,
    /// Its mean order value, major units.
    pub account_aov: f64,
    /// Its return on ad spend.
    pub account_roas: f64,
    /// Shape of the prior on purchases per spend.
    pub purchase_prior_shape: f64,
    /// Its rate, major units.
    pub purchase_prior_rate: f64,
}

/// Everything that a policy's `context` may name.
pub const STAGE_CONTEXT: &[ContextEntry] = &[
    ContextEntry {
        name: "account_spend_today",
        unit: "currency",
        formula: "spend of all ads today so far",
        missing: "never",
        get: |c| c.account_spend_today,
    },
    ContextEntry {
        name: "stage_spend_today",
        unit: "currency",
        formula: "spend of the stage's ads today so far",
        missing: "never",
        get: |c| c.stage_spend_today,
    },
    ContextEntry {
        name: "stage_cap",
        unit: "currency",
        formula: "the most that the stage may spend in a day",
        missing: "when the stage has no cap",
        get: |c| c.stage_cap,
    },
    ContextEntry {
        name: "live_ads",
        unit: "count",
        formula: "ads of the stage that are delivered",
        missing: "never",
        get: |c| c.live_ads,
    },
    ContextEntry {
        name: "freed_budget",
        unit: "currency",
        formula: "daily budgets whose last live ad Dean paused in the last 24 hours, and what it lowered budgets by, less what it raised others by and what new copies begin with; offered to the stages from the end of the line back, each time less what the ones before it took",
        missing: "never",
        get: |c| c.freed_budget,
    },
    ContextEntry {
        name: "hour",
        unit: "hours",
        formula: "hour of the account day, 0 to 23",
        missing: "never",
        get: |c| c.hour,
    },
    ContextEntry {
        name: "weekday",
        unit: "days",
        formula: "weekday in the account's zone, Monday 0",
        missing: "never",
        get: |c| c.weekday,
    },
    ContextEntry {
        name: "hours_left_today",
        unit: "hours",
        formula: "hours until the account day ends",
        missing: "never",
        get: |c| c.hours_left_today,
    },
    ContextEntry {
        name: "target_cpa",
        unit: "currency",
        formula: "the cost per purchase aimed at: the stage's threshold, else break-even",
        missing: "when the stage has no threshold and break-even is not known",
        get: |c| c.target_cpa,
    },
    ContextEntry {
        name: "breakeven_cpa",
        unit: "currency",
        formula: "BREAKEVEN_CPA, else the account's mean order value less COGS_PER_PURCHASE",
        missing: "when BREAKEVEN_CPA is not set and the account has no purchase with a value, or orders are worth no more than their goods",
        get: |c| c.breakeven_cpa,
    },
    ContextEntry {
        name: "account_ctr",
        unit: "fraction",
        formula: "clicks / impressions of all ads, over the last 30 complete days",
        missing: "when the account had no impression in these days",
        get: |c| c.account_ctr,
    },
    ContextEntry {
        name: "account_cpm",
        unit: "currency",
        formula: "1000 x spend / impressions of all ads, over the last 30 complete days",
        missing: "when the account had no impression in these days",
        get: |c| c.account_cpm,
    },
    ContextEntry {
        name: "account_atc_rate",
        unit: "fraction",
        formula: "add-to-carts / clicks of all ads, over the last 30 complete days",
        missing: "when the account had no click in these days",
        get: |c| c.account_atc_rate,
    },
    ContextEntry {
        name: "account_aov",
        unit: "currency",
        formula: "revenue / purchases of the ads whose revenue is known, over the last 30 complete days",
        missing: "when none of them had a purchase in these days",
        get: |c| c.account_aov,
    },
    ContextEntry {
        name: "account_roas",
        unit: "ratio",
        formula: "revenue / (spend x its settled share) of the ads whose revenue is known, over the last 30 complete days",
        missing: "when none of them spent in these days",
        get: |c| c.account_roas,
    },
    ContextEntry {
        name: "purchase_prior_shape",
        unit: "count",
        formula: "shape of the Gamma prior on purchases per spend, before anything is known of an ad: as in purchase_shape_in_stage",
        missing: "when the account had no purchase in the last 30 complete days and target_cpa is not known",
        get: |c| c.purchase_prior_shape,
    },
    ContextEntry {
        name: "purchase_prior_rate",
        unit: "currency",
        formula: "rate of that prior: the spend that it stands for",
        missing: "when the account had no purchase in the last 30 complete days and target_cpa is not known",
        get: |c| c.purchase_prior_rate,
    },
];

impl ContextValues {
    /// What ads are measured against.
    #[must_use]
    pub fn marks(&self) -> Marks {
        Marks { target_cpa: self.target_cpa, breakeven_cpa: self.breakeven_cpa }
    }

    /// The same for a policy that aims at another cost per purchase.
    #[must_use]
    pub fn aimed_at(&self, target_cpa: f64, basis: &Basis) -> Self {
        if target_cpa.to_bits() == self.target_cpa.to_bits() {
            return self.clone();
        }
        let prior = basis.purchase_prior(target_cpa);
        ContextValues {
            target_cpa,
            purchase_prior_shape: prior.map_or(f64::NAN, |prior| prior.shape),
            purchase_prior_rate: prior.map_or(f64::NAN, |prior| prior.rate),
            ..self.clone()
        }
    }

    /// Nothing is known.
    #[must_use]
    pub const fn unknown() -> Self {
        let unknown = f64::NAN;
        ContextValues {
            account_spend_today: unknown,
            stage_spend_today: unknown,
            stage_cap: unknown,
            live_ads: unknown,
            freed_budget: unknown,
            hour: unknown,
            weekday: unknown,
            hours_left_today: unknown,
            target_cpa: unknown,
            breakeven_cpa: unknown,
            account_ctr: unknown,
            account_cpm: unknown,
            account_atc_rate: unknown,
            account_aov: unknown,
            account_roas: unknown,
            purchase_prior_shape: unknown,
            purchase_prior_rate: unknown,
        }
    }

    /// The value of a name, if there is such a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        STAGE_CONTEXT.iter().find(|entry| entry.name == name).map(|entry| (entry.get)(self))
    }
}

/// The known name that is nearest to an unknown one.
#[must_use]
pub fn nearest_context(name: &str) -> Option<&'static str> {
    let names = STAGE_CONTEXT.iter().map(|entry| entry.name);
    let best = names.map(|known| (strsim::osa_distance(name, known), known)).min()?;
    (best.0 <= 4).then_some(best.1)
}
