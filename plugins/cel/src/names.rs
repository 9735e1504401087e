//! The names that rules use, each once: columns, texts, context and what is computed.

use alloc::{string::String, string::ToString, vec::Vec};

/// Numbers of the account and stage; every other name is a column.
pub const CONTEXT: [&str; 17] = [
    "account_spend_today",
    "stage_spend_today",
    "stage_cap",
    "live_ads",
    "freed_budget",
    "hour",
    "weekday",
    "hours_left_today",
    "target_cpa",
    "breakeven_cpa",
    "account_ctr",
    "account_cpm",
    "account_atc_rate",
    "account_aov",
    "account_roas",
    "purchase_prior_shape",
    "purchase_prior_rate",
];

/// The names that rules use, in the order in which they are first met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub columns: Vec<String>,
    pub texts: Vec<String>,
    pub context: Vec<String>,
    pub derived: Vec<String>,
    /// Parameters that some rule reads.
    pub params: Vec<String>,
}

fn position(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_string());
        names.len() - 1
    })
}

impl Names {
    pub(crate) fn column(&mut self, name: &str) -> usize {
        position(&mut self.columns, name)
    }

    pub(crate) fn text(&mut self, name: &str) -> usize {
        position(&mut self.texts, name)
    }

    pub(crate) fn context(&mut self, name: &str) -> usize {
        position(&mut self.context, name)
    }

    pub(crate) fn uses(&mut self, param: &str) {
        position(&mut self.params, param);
    }

    pub(crate) fn derived(&mut self, text: &str) -> usize {
        position(&mut self.derived, text)
    }
}
