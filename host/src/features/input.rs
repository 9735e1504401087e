//! What models read: columns, each by itself or divided by others, so that accounts of every currency and
//! size look alike. `spend_7d/target_cpa` is a week's spend in purchases that it should have bought.

use super::{Basis, Column, ContextValues, Frame, Marks, STAGE_CONTEXT, find, nearest, nearest_context};
use thiserror::Error;

/// What is kept of every ad once a day, for models to be trained on, in this order. A model may read any other
/// column too.
pub const INPUTS: [&str; 87] = [
    // The ad and its budget.
    "age_hours",
    "hours_in_stage",
    "in_learning",
    "hours_since_budget_change",
    "budget/target_cpa",
    "breakeven_cpa/target_cpa",
    "live_ads",
    "weekday",
    // How much is known of it.
    "spend_d1/target_cpa",
    "spend_3d/target_cpa",
    "spend_7d/target_cpa",
    "spend_14d/target_cpa",
    "spend_30d/target_cpa",
    "spend_in_stage/target_cpa",
    "spend_lifetime/target_cpa",
    "impressions_7d",
    "impressions_lifetime",
    "clicks_3d",
    "clicks_7d",
    "clicks_lifetime",
    "settled_7d",
    // Clicks.
    "ctr_d1/account_ctr",
    "ctr_3d/account_ctr",
    "ctr_7d/account_ctr",
    "ctr_14d/account_ctr",
    "ctr_lifetime/account_ctr",
    "ctr_peak/account_ctr",
    "ctr_ewma/account_ctr",
    "ctr_d1/ctr_7d",
    "ctr_3d/ctr_7d",
    "ctr_7d/ctr_14d",
    "ctr_7d/ctr_30d",
    "ctr_7d/ctr_lifetime",
    "ctr_7d/ctr_peak",
    "ctr_ewma/ctr_7d",
    "link_ctr_7d/ctr_7d",
    "p_ctr_below_account",
    // What people cost.
    "cpm_3d/account_cpm",
    "cpm_7d/account_cpm",
    "cpm_lifetime/account_cpm",
    "cpm_7d/target_cpa",
    "account_cpm/target_cpa",
    "frequency_d1",
    "frequency_7d",
    "frequency_lifetime",
    // What comes after the click.
    "add_to_cart_7d",
    "add_to_cart_lifetime",
    "initiate_checkout_7d",
    "initiate_checkout_lifetime",
    "atc_rate_7d/account_atc_rate",
    "atc_rate_lifetime/account_atc_rate",
    "p_cpa_above_target_by_carts",
    "purchases_d1",
    "purchases_3d",
    "purchases_7d",
    "purchases_14d",
    "purchases_lifetime",
    "purchases_in_stage",
    "purchase_shape_in_stage",
    "purchase_prior_shape",
    "purchase_prior_rate/purchase_prior_shape/target_cpa",
    "purchase_days_in_stage",
    "purchase_rate_7d/purchase_shape_7d/target_cpa",
    "purchase_rate_in_stage/purchase_shape_in_stage/target_cpa",
    "p_cpa_above_target",
    "p_cpa_above_target_7d",
    "p_cpa_above_breakeven",
    "aov_lifetime/account_aov",
    "roas_7d/account_roas",
    "roas_lifetime/account_roas",
    // How it changes.
    "trend_ctr_7d",
    "trend_cpm_7d",
    "trend_spend_7d",
    "trend_atc_rate_7d",
    "trend_roas_7d",
    "volatility_ctr_7d",
    "momentum_7d",
    "acceleration_7d",
    "stability_7d",
    "decay_rate",
    "half_life_days",
    "fatigue_index",
    "performance_score",
    // How it is watched.
    "video_3s_7d/impressions_7d",
    "thruplay_7d/video_3s_7d",
    "watch_time_7d/video_3s_7d",
    "cpc_7d/target_cpa",
];

/// A name that models cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no column or context {name:?}{}", .nearest.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
pub struct UnknownInput {
    /// The part of the name that nothing has.
    pub name: String,
    /// What it may mean.
    pub nearest: Option<String>,
}

/// The unit of what a model reads: that of its column, or a ratio.
#[must_use]
pub fn input_unit(name: &str) -> &'static str {
    if name.contains('/') { "ratio" } else { super::unit(name).unwrap_or("ratio") }
}

/// One thing that a model reads of every ad.
#[derive(Clone, Debug)]
pub struct Input {
    first: Part,
    divisors: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Column(Column),
    Context(String),
}

impl Input {
    /// What a name says: a column or context, and what it is divided by.
    ///
    /// # Errors
    /// When a part of it is neither.
    pub fn parse(name: &str) -> Result<Self, UnknownInput> {
        let (first, divisors) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
        let divisors = divisors.into_iter().flat_map(|rest| rest.split('/')).map(Part::parse);
        Ok(Input { first: Part::parse(first)?, divisors: divisors.collect::<Result<_, _>>()? })
    }

    /// The values of every ad of a stage; NaN where a part is not known or a divisor is 0.
    #[must_use]
    pub fn values(&self, frame: &Frame, basis: &Basis, marks: Marks, context: &ContextValues) -> Vec<f64> {
        let mut values = self.first.values(frame, basis, marks, context);
        for divisor in &self.divisors {
            for (value, by) in values.iter_mut().zip(divisor.values(frame, basis, marks, context)) {
                *value = if by == 0.0 { f64::NAN } else { *value / by };
            }
        }
        values
    }
}

impl Part {
    fn parse(name: &str) -> Result<Self, UnknownInput> {
        match find(name) {
            Some(column) if !column.is_text() => Ok(Part::Column(column)),
            _ if STAGE_CONTEXT.iter().any(|entry| entry.name == name) => Ok(Part::Context(name.into())),
            _ => {
                let nearest = nearest(name).or_else(|| nearest_context(name).map(String::from));
                Err(UnknownInput { name: name.into(), nearest })
            }
        }
    }

    fn values(&self, frame: &Frame, basis: &Basis, marks: Marks, context: &ContextValues) -> Vec<f64> {
        match self {
            Part::Column(column) => column.values(frame, basis, marks),
            Part::Context(name) => vec![context.get(name).unwrap_or(f64::NAN); frame.ads()],
        }
    }
}
