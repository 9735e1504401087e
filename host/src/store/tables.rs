//! The product's tables: which there are, with which columns and keys. They are written as rows of
//! plain cells, so that every database, and a mirror elsewhere, takes them the same way.

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// How many of its columns, from the first on, are its key. The first is always the account.
    pub key: usize,
    /// Its columns.
    pub columns: &'static [&'static str],
}

/// A value in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Not known.
    Null,
    /// A text.
    Text(String),
    /// A whole number: a count, minor units, seconds.
    Integer(i64),
    /// Any other number.
    Real(f64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::Integer(number)
    }
}

impl From<f64> for Cell {
    /// What is not a number is not known.
    fn from(number: f64) -> Self {
        if number.is_finite() { Cell::Real(number) } else { Cell::Null }
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// Every ad with its creative.
pub const META_CREATIVES: Table = Table {
    name: "meta_creatives",
    key: 2,
    columns: &[
        "account_id",
        "ad_id",
        "ad_name",
        "creative_id",
        "creative_name",
        "story_id",
        "adset_id",
        "campaign_id",
        "stage",
        "status",
        "source_ad_id",
        "created_at",
    ],
};

/// How worn an ad was on a day.
pub const FATIGUE_ANALYSIS: Table = Table {
    name: "fatigue_analysis",
    key: 3,
    columns: &[
        "account_id",
        "ad_id",
        "date",
        "stage",
        "fatigue_index",
        "decay_rate",
        "half_life_days",
        "ctr_7d",
        "ctr_peak",
        "ctr_ewma",
        "momentum_7d",
        "frequency_7d",
    ],
};

/// What a creative did over all of its ads.
pub const CREATIVE_INTELLIGENCE: Table = Table {
    name: "creative_intelligence",
    key: 2,
    columns: &[
        "account_id",
        "creative_id",
        "name",
        "ads",
        "live_ads",
        "furthest_stage",
        "spend",
        "impressions",
        "clicks",
        "add_to_cart",
        "purchases",
        "revenue",
        "expected_cpa",
        "rank",
        "as_of",
    ],
};

/// A day of a stage.
pub const DAILY_SUMMARIES: Table = Table {
    name: "daily_summaries",
    key: 3,
    columns: &[
        "account_id",
        "date",
        "stage",
        "spend",
        "impressions",
        "clicks",
        "add_to_cart",
        "purchases",
        "revenue",
        "settled",
        "pauses",
        "resumes",
        "copies",
        "budget_changes",
    ],
};

/// How a stage stood at each run.
pub const TIME_SERIES_DATA: Table = Table {
    name: "time_series_data",
    key: 3,
    columns: &[
        "account_id",
        "stage",
        "observed_at",
        "live_ads",
        "budgets",
        "spend_today",
        "purchases_today",
        "revenue_today",
    ],
};

/// How weekdays differ.
pub const TEMPORAL_ANALYSIS: Table = Table {
    name: "temporal_analysis",
    key: 3,
    columns: &[
        "account_id",
        "kind",
        "slot",
        "days",
        "spend",
        "purchases",
        "revenue",
        "relative_purchase_rate",
        "as_of",
    ],
};

/// The account at each run.
pub const ACCOUNT_HEALTH: Table = Table {
    name: "account_health",
    key: 2,
    columns: &[
        "account_id",
        "observed_at",
        "status",
        "advice",
        "balance",
        "amount_spent",
        "spend_cap",
        "cpa_3d",
        "breakeven_cpa",
        "stopped_by",
        "growth_stopped",
    ],
};

/// Dean at each run.
pub const SYSTEM_HEALTH: Table = Table {
    name: "system_health",
    key: 3,
    columns: &["account_id", "run_id", "component", "status", "message", "value"],
};

/// What was learned of the account, and how promotions and policies ended.
pub const LEARNING_EVENTS: Table = Table {
    name: "learning_events",
    key: 4,
    columns: &["account_id", "observed_at", "kind", "subject", "value", "detail"],
};

/// How ads that are alike did over their lives.
pub const PERFORMANCE_PATTERNS: Table = Table {
    name: "performance_patterns",
    key: 3,
    columns: &[
        "account_id",
        "kind",
        "bucket",
        "ads",
        "promoted",
        "paused",
        "spend",
        "impressions",
        "clicks",
        "add_to_cart",
        "purchases",
        "revenue",
        "as_of",
    ],
};

/// What was known of every ad once a day, for models to be trained on.
pub const FEATURE_ENGINEERING: Table = Table {
    name: "feature_engineering",
    key: 3,
    columns: &["account_id", "ad_id", "date", "stage", "observed_at", "target_cpa", "schema", "numbers"],
};

/// The names of what was known.
pub const FEATURE_SCHEMAS: Table =
    Table { name: "feature_schemas", key: 2, columns: &["account_id", "schema", "names"] };

/// What models said of every ad once a day.
pub const ML_PREDICTIONS: Table = Table {
    name: "ml_predictions",
    key: 4,
    columns: &[
        "account_id",
        "ad_id",
        "date",
        "score",
        "stage",
        "value",
        "low",
        "high",
        "model",
        "version",
        "sha256",
        "due",
    ],
};

/// Creatives that people meet alike.
pub const CREATIVE_SIMILARITY: Table = Table {
    name: "creative_similarity",
    key: 3,
    columns: &["account_id", "creative_id", "rank", "similar_creative_id", "similarity", "version", "as_of"],
};

/// All of them.
pub const TABLES: [&Table; 14] = [
    &META_CREATIVES,
    &FATIGUE_ANALYSIS,
    &CREATIVE_INTELLIGENCE,
    &DAILY_SUMMARIES,
    &TIME_SERIES_DATA,
    &TEMPORAL_ANALYSIS,
    &ACCOUNT_HEALTH,
    &SYSTEM_HEALTH,
    &LEARNING_EVENTS,
    &PERFORMANCE_PATTERNS,
    &FEATURE_ENGINEERING,
    &FEATURE_SCHEMAS,
    &ML_PREDICTIONS,
    &CREATIVE_SIMILARITY,
];
