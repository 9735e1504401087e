//! Ads and what holds them: ad sets, campaigns, creatives, budgets.

use super::money::Money;
use jiff::Timestamp;

/// What a user set on an ad, ad set or campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Should run.
    Active,
    /// Should not.
    Paused,
    /// Put away.
    Archived,
    /// Gone.
    Deleted,
}

impl Status {
    /// Meta's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Active => "ACTIVE",
            Status::Paused => "PAUSED",
            Status::Archived => "ARCHIVED",
            Status::Deleted => "DELETED",
        }
    }

    /// The status of Meta's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Status::Active, Status::Paused, Status::Archived, Status::Deleted];
        all.into_iter().find(|status| status.as_str() == word)
    }
}

/// What Meta makes of it, with all that holds the ad: one of its words, also a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveStatus(pub String);

impl EffectiveStatus {
    /// Whether the ad is delivered.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.0 == "ACTIVE"
    }

    /// Whether the ad spends money, or will without anybody doing anything.
    #[must_use]
    pub fn may_spend(&self) -> bool {
        matches!(self.0.as_str(), "ACTIVE" | "PENDING_REVIEW" | "IN_PROCESS" | "PREAPPROVED" | "WITH_ISSUES")
    }

    /// Why an ad in this status is not decided on, for a person.
    #[must_use]
    pub fn reason(&self) -> String {
        match self.0.as_str() {
            "ACTIVE" => "it is active".into(),
            "PAUSED" => "it is paused".into(),
            "ADSET_PAUSED" => "its ad set is paused".into(),
            "CAMPAIGN_PAUSED" => "its campaign is paused".into(),
            "PENDING_REVIEW" => "Meta still reviews it".into(),
            "IN_PROCESS" => "Meta still processes it".into(),
            "DISAPPROVED" => "Meta rejected it: edit it, or appeal in Account Quality".into(),
            "PREAPPROVED" => "it is approved and not started yet".into(),
            "PENDING_BILLING_INFO" => "billing information is missing: see Billing in Ads Manager".into(),
            "WITH_ISSUES" => "Meta reports issues: see the ad in Ads Manager".into(),
            "ARCHIVED" => "it is archived".into(),
            "DELETED" => "it is deleted".into(),
            other => format!("its status is {other}"),
        }
    }
}

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What was set, if Meta said so.
    pub status: Option<Status>,
    /// Its daily budget, where it holds one (CBO).
    pub daily_budget: Option<Money>,
    /// Its lifetime budget, where it holds one: read, never changed.
    pub lifetime_budget: Option<Money>,
}

impl Campaign {
    /// Whether it holds the budget for all of its ad sets (CBO).
    #[must_use]
    pub fn holds_budget(&self) -> bool {
        let some = |budget: Option<Money>| budget.is_some_and(|m| m > Money::ZERO);
        some(self.daily_budget) || some(self.lifetime_budget)
    }
}

/// An ad set.
#[derive(Clone, Debug)]
pub struct AdSet {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What was set, if Meta said so.
    pub status: Option<Status>,
    /// Its daily budget, where it holds one.
    pub daily_budget: Option<Money>,
    /// Its lifetime budget, where it holds one: read, never changed.
    pub lifetime_budget: Option<Money>,
    /// Whether Meta says that it is learning; `None` when it says nothing.
    pub learning: Option<bool>,
    /// Whether Meta says that it sells too little to learn.
    pub learning_limited: bool,
}

/// A creative.
#[derive(Clone, Debug)]
pub struct Creative {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The post behind it: a copy that keeps it keeps likes and comments.
    pub story_id: Option<String>,
}

/// An ad with what holds it. The ad set may be missing where Meta did not send it.
#[derive(Clone, Debug)]
pub struct Ad {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What was set, if Meta said so.
    pub status: Option<Status>,
    /// What Meta makes of it.
    pub effective_status: EffectiveStatus,
    /// When it was created, if Meta said so.
    pub created: Option<Timestamp>,
    /// The id of its ad set.
    pub adset_id: Option<String>,
    /// The id of its campaign.
    pub campaign_id: Option<String>,
    /// Its ad set.
    pub adset: Option<AdSet>,
    /// Its campaign.
    pub campaign: Option<Campaign>,
    /// Its creative.
    pub creative: Option<Creative>,
}

/// Which kind of object holds a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnerKind {
    /// The ad set.
    AdSet,
    /// The campaign (CBO).
    Campaign,
}

impl OwnerKind {
    /// A word for tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OwnerKind::AdSet => "adset",
            OwnerKind::Campaign => "campaign",
        }
    }
}

/// Who holds the budget that an ad spends.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetOwner {
    /// The owner's id.
    pub id: String,
    /// Ad set or campaign.
    pub kind: OwnerKind,
    /// Its daily budget; `None` when it has a lifetime budget or none was sent.
    pub daily: Option<Money>,
    /// Whether it has a lifetime budget.
    pub lifetime: bool,
}

impl Ad {
    /// Whether its campaign holds the budget for all of its ad sets (CBO).
    #[must_use]
    pub fn in_shared_campaign(&self) -> bool {
        self.campaign.as_ref().is_some_and(Campaign::holds_budget)
    }

    /// Whether it spends a lifetime budget of its ad set.
    #[must_use]
    pub fn has_lifetime_adset(&self) -> bool {
        let budget = self.adset.as_ref().and_then(|adset| adset.lifetime_budget);
        !self.in_shared_campaign() && budget.is_some_and(|m| m > Money::ZERO)
    }

    /// The owner of its budget: the campaign where that has a budget, else the ad set.
    #[must_use]
    pub fn budget_owner(&self) -> Option<BudgetOwner> {
        let owner = |id: &str, kind, daily: Option<Money>, lifetime: Option<Money>| BudgetOwner {
            id: id.to_string(),
            kind,
            daily: daily.filter(|m| *m > Money::ZERO),
            lifetime: lifetime.is_some_and(|m| m > Money::ZERO),
        };
        if let Some(c) = &self.campaign
            && c.holds_budget()
        {
            return Some(owner(&c.id, OwnerKind::Campaign, c.daily_budget, c.lifetime_budget));
        }
        let s = self.adset.as_ref()?;
        Some(owner(&s.id, OwnerKind::AdSet, s.daily_budget, s.lifetime_budget))
    }
}
