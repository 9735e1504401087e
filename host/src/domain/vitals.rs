//! What keeps an account going beside its ads: how it pays, what its token may do, whether its pixel reports.

use super::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is read of an account once a day. A part is `None` where Meta did not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vitals {
    /// What its token may do.
    pub token: Option<Token>,
    /// Which token that was: the beginning of its SHA-256.
    pub token_digest: String,
    /// Names of running ad sets that show ads in the European Union and do not name who pays and who gains.
    pub without_dsa: Vec<String>,
}

/// How an account pays, as far as Meta said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    /// Whether there is a way to pay; `None` where Meta did not say.
    pub funded: Option<bool>,
    /// Whether it is paid before it is spent: then `balance` is what is left.
    pub prepaid: bool,
    /// The smallest daily budget that Meta takes.
    pub min_daily_budget: Option<Money>,
    /// Whether the account names who pays for all of its ads and who gains by them, as the EU asks.
    pub names_payer: bool,
}

/// What a token may do, and how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Token {
    /// Whether it works.
    pub valid: bool,
    /// When it ends; `None` when it does not.
    pub expires_at: Option<Timestamp>,
    /// When its user's data may no longer be read; `None` when that does not end.
    pub data_access_expires_at: Option<Timestamp>,
    /// What it may do: `ads_management` and others.
    pub scopes: Vec<String>,
}

/// The pixel that reports what a shop sells.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixel {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it last reported anything.
    pub last_fired: Option<Timestamp>,
}
