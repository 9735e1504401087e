//! Account health: what keeps an account from delivering or from being changed, beyond what its ads do. Facts go in,
//! findings come out: each with a level, what to do about it, and what it stops.
//!
//! Pure, and the same for a run and for `dean doctor`.

use crate::domain::{Account, AccountStatus, Money, Pixel, Vitals, hours};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A line of health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Who says so: `health`, `guard`, `data`, `configuration`, `models`, `kill-switch`, `amounts`, `anomaly`.
    pub source: String,
    /// `ok`, `warning` or `critical`.
    pub level: String,
    /// For a person.
    pub message: String,
    /// What it stops: `writes`, `growth`, `pauses`, or in words what Meta refuses; nothing when it stops nothing.
    pub stops: Option<String>,
}

/// What a finding stops that every write is stopped by.
pub const WRITES: &str = "writes";
/// What it stops that nothing is made to spend more by.
pub const GROWTH: &str = "growth";
/// What it stops that no ad is paused by.
pub const PAUSES: &str = "pauses";

/// What it stops that nothing is launched by.
pub const LAUNCHES: &str = "launches";

/// Everything that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The account.
    pub account: &'a Account,
    /// What keeps it going.
    pub vitals: &'a Vitals,
    /// The configured pixel, or why it could not be read; `None` when none is configured.
    pub pixel: Option<&'a Result<Pixel, String>>,
    /// Clicks on ads today.
    pub clicks_today: f64,
    /// Spend of a day.
    pub daily_spend: Money,
    /// Names of running ad sets that Meta calls learning limited.
    pub learning_limited: &'a [&'a str],
    /// The smallest daily budget of each stage.
    pub min_budgets: &'a [(&'a str, Money)],
    /// The moment.
    pub now: Timestamp,
}

/// Hours within which a token that ends is worth a word: a week.
const ENDS_SOON_HOURS: f64 = 7.0 * 24.0;
/// The share of its spend cap at which an account is nearly out.
const NEARLY_SPENT: f64 = 0.9;
/// Days of spend that a prepaid account should hold.
const PREPAID_DAYS: f64 = 2.0;
/// Hours in which a pixel of a shop with visitors reports something.
const PIXEL_HOURS: f64 = 6.0;
/// Clicks on ads in a day that certainly bring visitors.
const PIXEL_CLICKS: f64 = 50.0;
/// What writes need, and what reads need at least one of.
const MANAGES: &str = "ads_management";

/// Looks at an account's health: `ok` where nothing is wrong.
#[must_use]
pub fn examine(facts: &Facts<'_>) -> Vec<Health> {
    let mut found = Vec::new();
    status(facts, &mut found);
    money(facts, &mut found);
    token(facts, &mut found);
    pixel(facts, &mut found);
    adsets(facts, &mut found);
    if found.is_empty() {
        found.push(finding("ok", facts.account.status.advice(), None));
    }
    found
}

fn finding(level: &str, message: impl Into<String>, stops: Option<&str>) -> Health {
    Health { source: "health".into(), level: level.into(), message: message.into(), stops: stops.map(String::from) }
}

fn status(facts: &Facts<'_>, found: &mut Vec<Health>) {
    let account = facts.account;
    let why = disable_reason(account.disable_reason).map(|why| format!("; Meta's reason: {why}")).unwrap_or_default();
    let message = format!("{}{why}", account.status.advice());
    match account.status {
        AccountStatus::Active if why.is_empty() => {}
        AccountStatus::Active => found.push(finding("warning", message, None)),
        status if status.may_deliver() => found.push(finding("warning", message, Some(GROWTH))),
        _ => found.push(finding("critical", message, Some(WRITES))),
    }
}

/// Meta's `disable_reason` in words; nothing for 0.
fn disable_reason(number: i64) -> Option<String> {
    let known = match number {
        0 => return None,
        1 => "its ads broke the advertising standards",
        2 => "a review of intellectual property",
        3 => "its payments look risky",
        4 => "a grey account was shut down",
        5 => "a review of its ads",
        6 => "the integrity of its business",
        7 => "it was closed for good",
        8 => "it is a reseller's and unused",
        9 => "it is unused",
        10 => "it is an umbrella account",
        11 => "the integrity of its business manager",
        12 => "it misrepresents whose it is",
        _ => return Some(format!("number {number}")),
    };
    Some(known.into())
}

fn money(facts: &Facts<'_>, found: &mut Vec<Health>) {
    let account = facts.account;
    let shown = |money: Money| account.currency.format(money);
    if let (Some(cap), Some(spent)) = (account.spend_cap.filter(|cap| *cap > Money::ZERO), account.amount_spent) {
        let share = spent.0 as f64 / cap.0 as f64;
        let message = format!(
            "the account has spent {} of its spending limit of {}: raise or reset it under Billing in Ads Manager",
            shown(spent),
            shown(cap)
        );
        if share >= 1.0 {
            found.push(finding("critical", format!("{message}; nothing is delivered until then"), Some(GROWTH)));
        } else if share >= NEARLY_SPENT {
            found.push(finding("warning", message, None));
        }
    }
    let payment = account.payment;
    if payment.funded == Some(false) {
        let message = "the account has no way to pay: add one under Billing in Ads Manager";
        found.push(finding("critical", message, Some(GROWTH)));
    }
    if payment.prepaid
        && let Some(left) = account.balance
        && (left.0 as f64) < PREPAID_DAYS * facts.daily_spend.0 as f64
    {
        let message = format!(
            "{} are left on this prepaid account, which spends {} a day: add funds under Billing in Ads Manager",
            shown(left),
            shown(facts.daily_spend)
        );
        found.push(finding("warning", message, None));
    }
    if let Some(least) = payment.min_daily_budget {
        let below: Vec<&str> =
            facts.min_budgets.iter().filter(|(_, min)| *min < least).map(|(name, _)| *name).collect();
        if !below.is_empty() {
            let message = format!(
                "Meta takes daily budgets from {} on in this account; stages {} allow smaller ones, and get {} in their place",
                shown(least),
                below.join(", "),
                shown(least)
            );
            found.push(finding("ok", message, None));
        }
    }
}

fn token(facts: &Facts<'_>, found: &mut Vec<Health>) {
    let Some(token) = &facts.vitals.token else { return };
    const RENEW: &str = "make a new token in the Business Suite and set FB_ACCESS_TOKEN";
    if !token.valid {
        found.push(finding("critical", format!("Meta says that the token is not valid: {RENEW}"), Some(WRITES)));
        return;
    }
    // A server that lists none says nothing about them.
    if !token.scopes.is_empty() && !token.scopes.iter().any(|scope| scope == MANAGES) {
        let message = format!(
            "the token may do {}, and not {MANAGES}: nothing can be changed; make one with that permission and set FB_ACCESS_TOKEN",
            token.scopes.join(", ")
        );
        found.push(finding("critical", message, Some(WRITES)));
    }
    let ends =
        [(token.expires_at, "the token ends"), (token.data_access_expires_at, "the token's access to data ends")];
    for (at, what) in ends.into_iter().filter_map(|(at, what)| Some((at?, what))) {
        let left = hours(facts.now, at);
        if left <= 0.0 {
            found.push(finding("critical", format!("{what}: it was due at {at}; {RENEW}"), Some(WRITES)));
        } else if left < ENDS_SOON_HOURS {
            found.push(finding("warning", format!("{what} at {at}, in {left:.0} h: {RENEW}"), None));
        }
    }
}

fn pixel(facts: &Facts<'_>, found: &mut Vec<Health>) {
    match facts.pixel {
        None => {}
        Some(Err(error)) => {
            let message = format!(
                "the pixel could not be read, so its silence would not be seen: {error}; is FB_PIXEL_ID right?"
            );
            found.push(finding("warning", message, None));
        }
        Some(Ok(pixel)) => {
            let Some(last) = pixel.last_fired else { return };
            let silent = hours(last, facts.now);
            if silent < PIXEL_HOURS || facts.clicks_today < PIXEL_CLICKS {
                return;
            }
            let message = format!(
                "pixel {} ({}) has reported nothing for {silent:.0} h while ads had {:.0} clicks today: what they sell is not \
                 known, and nothing is decided on it; look at it in the Events Manager",
                pixel.name, pixel.id, facts.clicks_today
            );
            found.push(finding("critical", message, Some(WRITES)));
        }
    }
}

/// How many names a sentence lists.
const NAMED: usize = 3;

fn adsets(facts: &Facts<'_>, found: &mut Vec<Health>) {
    let listed = |names: &[&str]| {
        let more = names.len().saturating_sub(NAMED);
        let first = names[..names.len().min(NAMED)].join(", ");
        if more > 0 { format!("{first} and {more} more") } else { first }
    };
    if !facts.learning_limited.is_empty() {
        let message = format!(
            "{} ad set(s) are learning limited, too few sales for Meta to learn from: {}; fewer ad sets with more budget each learn sooner",
            facts.learning_limited.len(),
            listed(facts.learning_limited)
        );
        found.push(finding("warning", message, None));
    }
    let without: Vec<&str> = facts.vitals.without_dsa.iter().map(String::as_str).collect();
    if !without.is_empty() && !facts.account.payment.names_payer {
        let message = format!(
            "{} ad set(s) show ads in the European Union and do not name who pays for them and who gains by them: {}; set both \
             for the account under Settings in Ads Manager",
            without.len(),
            listed(&without)
        );
        found.push(finding("warning", message, Some("copies of them, which Meta refuses")));
    }
}
