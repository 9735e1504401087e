//! How an account stands with Meta, beside its ads: status, money, token, pixel. `POST /sim/standing` sets it.

use crate::world::World;
use serde::{Deserialize, Serialize};

/// How an account stands. Delivery goes on whatever it says, since what is tried is what a client does about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Standing {
    /// Meta's `account_status`: 1 is active, 2 disabled.
    pub account_status: i64,
    /// Meta's `disable_reason`; 0 is none.
    pub disable_reason: i64,
    /// What is owed, or what is left of an account that is paid before; minor units.
    pub balance: i64,
    /// The most that may be spent, minor units; 0 is no cap.
    pub spend_cap: i64,
    /// Whether there is a way to pay.
    pub funding: bool,
    /// Whether it is paid before.
    pub prepay: bool,
    /// The smallest daily budget, minor units; 0 is one euro's worth.
    pub min_daily_budget: i64,
    /// When the token ends, seconds since 1970-01-01 UTC; 0 is never.
    pub token_expires_at: i64,
    /// When what the token may read ends; 0 is never.
    pub data_access_expires_at: i64,
    /// What the token may do.
    pub scopes: Vec<String>,
    /// Since when the pixel reports nothing, seconds since 1970-01-01 UTC. The shop goes on selling.
    pub pixel_silent_since: Option<i64>,
    /// Whether ad sets name who pays for them and who gains by them, as ads in the European Union have to.
    pub dsa: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Standing {
            account_status: 1,
            disable_reason: 0,
            balance: 0,
            spend_cap: 0,
            funding: true,
            prepay: false,
            min_daily_budget: 0,
            token_expires_at: 0,
            data_access_expires_at: 0,
            scopes: ["ads_management", "ads_read", "business_management"].map(String::from).to_vec(),
            pixel_silent_since: None,
            dsa: true,
        }
    }
}

impl World {
    /// How the account stands.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// How the account stands, to change it.
    pub fn standing_mut(&mut self) -> &mut Standing {
        &mut self.standing
    }

    /// The pixel's id.
    #[must_use]
    pub fn pixel(&self) -> u64 {
        300_000_000_000_001
    }

    /// The smallest daily budget that is taken, minor units.
    pub(crate) fn least_budget(&self) -> i64 {
        if self.standing.min_daily_budget > 0 { self.standing.min_daily_budget } else { self.minor(1.0) }
    }

    pub(crate) fn pixel_is_silent(&self) -> bool {
        self.standing.pixel_silent_since.is_some_and(|since| self.now >= since)
    }

    /// What the shop sold, whoever it is attributed to, as a shop exports it: CSV of order, time, total and
    /// currency.
    #[must_use]
    pub fn orders(&self) -> String {
        let mut sold: Vec<(i64, u64, usize, i64)> = Vec::new();
        for ad in &self.ads {
            let kept = ad.purchases.iter().enumerate().filter(|(_, p)| p.at <= self.now && p.withdrawn.is_none());
            sold.extend(kept.map(|(n, p)| (p.at, ad.id, n, p.value)));
        }
        sold.sort_unstable();
        let mut csv = String::from("Name,Created at,Currency,Total\n");
        for (at, ad, number, value) in sold {
            let when = self.local(at).strftime("%Y-%m-%d %H:%M:%S %z").to_string();
            let units = self.params.minor_units();
            let total = if units == 1 { value.to_string() } else { format!("{}.{:02}", value / units, value % units) };
            csv.push_str(&format!("#{ad}-{number},{when},{},{total}\n", self.params.currency));
        }
        csv
    }
}
