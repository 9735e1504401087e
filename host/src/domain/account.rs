//! The ad account itself.

use super::money::{Currency, Money};
use super::vitals::Payment;
use jiff::tz::TimeZone;

/// An ad account as it was observed.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id with `act_`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it may deliver.
    pub status: AccountStatus,
    /// Its currency.
    pub currency: Currency,
    /// Its time zone: days are days there.
    pub zone: TimeZone,
    /// The zone's IANA name.
    pub zone_name: String,
    /// What is owed.
    pub balance: Option<Money>,
    /// Spent since the cap was set.
    pub amount_spent: Option<Money>,
    /// The most it may spend; `None` without a cap.
    pub spend_cap: Option<Money>,
    /// Why it is disabled, Meta's number; 0 when it is not.
    pub disable_reason: i64,
    /// How it pays.
    pub payment: Payment,
}

/// Meta's `account_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// 1: may deliver.
    Active,
    /// 2
    Disabled,
    /// 3: a payment is outstanding.
    Unsettled,
    /// 7
    PendingRiskReview,
    /// 8
    PendingSettlement,
    /// 9: still delivers, not for long.
    GracePeriod,
    /// 100
    PendingClosure,
    /// 101
    Closed,
    /// Any other number: treated as not active, because money is at stake.
    Other(i64),
}

impl AccountStatus {
    /// The status of Meta's number.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        match number {
            1 => AccountStatus::Active,
            2 => AccountStatus::Disabled,
            3 => AccountStatus::Unsettled,
            7 => AccountStatus::PendingRiskReview,
            8 => AccountStatus::PendingSettlement,
            9 => AccountStatus::GracePeriod,
            100 => AccountStatus::PendingClosure,
            101 => AccountStatus::Closed,
            other => AccountStatus::Other(other),
        }
    }

    /// Whether writes make sense: active, or in its grace period.
    #[must_use]
    pub fn may_deliver(self) -> bool {
        matches!(self, AccountStatus::Active | AccountStatus::GracePeriod)
    }

    /// What a person should know and do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            AccountStatus::Active => "the account is active",
            AccountStatus::Disabled => "the account is disabled: see Account Quality in the Business Suite",
            AccountStatus::Unsettled => "a payment failed: settle it under Billing in Ads Manager",
            AccountStatus::PendingRiskReview => "Meta reviews the account: wait, or answer in Account Quality",
            AccountStatus::PendingSettlement => "a settlement is pending: see Billing in Ads Manager",
            AccountStatus::GracePeriod => "a payment failed and the grace period runs: settle it under Billing",
            AccountStatus::PendingClosure => "the account is being closed",
            AccountStatus::Closed => "the account is closed: configure another FB_AD_ACCOUNT_ID",
            AccountStatus::Other(_) => "Meta reports a status that is not documented: see Ads Manager",
        }
    }
}
