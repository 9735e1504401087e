//! How much of Meta's limits is used up, as its answers say.

use jiff::Timestamp;

/// The share in percent from which calls slow down, as connectors in use do.
pub const NEARLY_USED_UP: f64 = 85.0;

/// How much an app may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// An app in development: 60 points in five minutes.
    Development,
    /// An app with standard access: 9,000.
    Standard,
}

impl Tier {
    /// The tier of Meta's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Tier::Development, Tier::Standard].into_iter().find(|tier| tier.word() == word)
    }

    /// Meta's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Tier::Development => "development_access",
            Tier::Standard => "standard_access",
        }
    }

    /// The most points at once (Meta's reference on rate limits: a read is one, a write three).
    #[must_use]
    pub fn most(self) -> f64 {
        match self {
            Tier::Development => 60.0,
            Tier::Standard => 9_000.0,
        }
    }
}

/// One limit as it was last heard of.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiLimit {
    /// The header that told of it, and what it is about: `business ads_management`.
    pub name: String,
    /// The share that was used up, in percent.
    pub percent: f64,
    /// When that was heard.
    pub heard_at: Timestamp,
    /// When it is free again, where it was used up.
    pub free_at: Option<Timestamp>,
    /// Seconds in which what was used up is free again, where that was told.
    pub resets_in_s: Option<u32>,
    /// How much the app may call, where that was told.
    pub tier: Option<Tier>,
}
