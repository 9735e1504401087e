//! Attribution: which conversions Meta counts, and on which day. Pinned, because rows of different
//! attribution must never be mixed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// When and within which windows conversions count: also a table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Attribution {
    /// The day on which a conversion counts: `impression`, `conversion` or `mixed`.
    #[schemars(regex(pattern = "^(impression|conversion|mixed)$"))]
    pub report_time: String,
    /// Attribution windows: 1d_click, 7d_click, 28d_click, 1d_ev, 1d_view.
    #[schemars(length(min = 1), inner(regex(pattern = "^(1d_click|7d_click|28d_click|1d_ev|1d_view)$")))]
    pub windows: Vec<String>,
}

impl Default for Attribution {
    fn default() -> Self {
        Attribution { report_time: "impression".into(), windows: vec!["7d_click".into(), "1d_view".into()] }
    }
}

impl fmt::Display for Attribution {
    /// The key under which rows are stored: `impression:7d_click+1d_view`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.report_time, self.windows.join("+"))
    }
}
