//! The account: campaigns, ad sets, ads and creatives with what is true about them, and what
//! stands of them at a moment.

use crate::params::Params;
use crate::standing::Standing;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// Where a campaign stands in the pipeline, for whoever maps campaigns to stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// New creatives, several to an ad set.
    Testing,
    /// One ad to an ad set.
    Validation,
    /// The campaign holds the budget.
    Scaling,
    /// Nobody's: brand ads that no policy touches.
    Unmanaged,
}

/// What a user set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Paused,
    Archived,
    Deleted,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Status::Active => "ACTIVE",
            Status::Paused => "PAUSED",
            Status::Archived => "ARCHIVED",
            Status::Deleted => "DELETED",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [Status::Active, Status::Paused, Status::Archived, Status::Deleted];
        all.into_iter().find(|s| s.as_str() == text)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    pub id: u64,
    pub name: String,
    pub stage: Stage,
    pub status: Status,
    /// Minor units a day, where the campaign holds the budget.
    pub daily_budget: Option<i64>,
    pub created: i64,
    pub updated: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct AdSet {
    pub id: u64,
    pub campaign: usize,
    pub name: String,
    pub status: Status,
    pub daily_budget: Option<i64>,
    pub audience: f64,
    /// The ad set whose audience it shares: a copy keeps the targeting of its source. Its own position
    /// where it was not copied.
    pub targets: usize,
    /// Conversions since the last significant edit.
    pub learned: u32,
    pub edited: i64,
    pub created: i64,
    pub updated: i64,
    pub source: Option<u64>,
}

/// What is true about a creative; nobody can read it but the truth policy.
#[derive(Clone, Debug)]
pub(crate) struct Creative {
    pub id: u64,
    pub name: String,
    pub ctr: f64,
    pub cvr: f64,
    pub carts: f64,
    pub order_value: f64,
    pub wear_days: f64,
    pub launched: i64,
    /// What it looks like, where somebody made it here.
    pub look: Option<Look>,
    /// Impressions over all ads that use it.
    pub impressions: f64,
}

/// What a creative that somebody made looks like.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// The post that it shows, where it shows one that was there.
    pub post: Option<String>,
    /// The story that was asked for.
    pub spec: Option<serde_json::Value>,
    pub instagram: Option<String>,
}

/// A video of the account.
#[derive(Clone, Debug)]
pub(crate) struct Video {
    pub title: String,
    /// Bytes, and how many of them were sent.
    pub size: u64,
    pub received: u64,
    pub finished: bool,
    /// How often it was looked at.
    pub looks: u32,
}

/// One account day of one ad, as it is known at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Day {
    pub date: Date,
    pub spend: i64,
    pub impressions: u64,
    /// Clicks on the link, the ones that can buy.
    pub link_clicks: u64,
    /// Clicks on anything else of the ad; Meta's `clicks` counts both.
    pub other_clicks: u64,
    pub carts: u64,
    pub checkouts: u64,
    pub video_3s: u64,
    pub thruplay: u64,
    pub watch_seconds: f64,
}

/// One purchase: when the impression was, when it became visible, and whether it is withdrawn.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    pub impression_date: Date,
    pub conversion_date: Date,
    /// When it was made.
    pub at: i64,
    /// When it is reported; never where the pixel was silent.
    pub visible: i64,
    pub withdrawn: Option<i64>,
    pub value: i64,
    pub by_view: bool,
    pub within_a_day: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Ad {
    pub id: u64,
    pub adset: usize,
    pub creative: usize,
    pub name: String,
    pub status: Status,
    pub created: i64,
    pub updated: i64,
    pub review_until: i64,
    pub rejected: bool,
    pub source: Option<u64>,
    /// What this placement makes of the creative's conversion, around 1.
    pub placement: f64,
    pub days: Vec<Day>,
    pub purchases: Vec<Purchase>,
}

/// What a person would see of an ad, for policies that play on the world directly.
#[derive(Clone, Debug)]
pub struct AdState {
    /// Its id.
    pub id: u64,
    /// Its campaign's place.
    pub stage: Stage,
    /// Whether it is delivered now.
    pub live: bool,
    /// Spend so far, minor units.
    pub spend: i64,
    /// Purchases that are visible now.
    pub purchases: u64,
    /// Spend of the last three account days and today, minor units.
    pub spend_3d: i64,
    /// Purchases of the same days that are visible now.
    pub purchases_3d: u64,
}

/// What is true of an ad now.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// Expected click-through rate.
    pub ctr: f64,
    /// Expected purchases per click.
    pub cvr: f64,
    /// Expected cost per purchase, major units.
    pub cpa: f64,
    /// Expected profit for one unit of spend.
    pub margin: f64,
}

/// An ad account in a simulated market.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) params: Params,
    pub(crate) seed: u64,
    pub(crate) now: i64,
    pub(crate) zone: TimeZone,
    pub(crate) account: u64,
    pub(crate) standing: Standing,
    pub(crate) campaigns: Vec<Campaign>,
    pub(crate) adsets: Vec<AdSet>,
    pub(crate) ads: Vec<Ad>,
    pub(crate) creatives: Vec<Creative>,
    /// Hashes of images that were uploaded.
    pub(crate) images: BTreeSet<String>,
    pub(crate) videos: Vec<Video>,
}

impl World {
    /// The present moment, seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The account's id without `act_`.
    #[must_use]
    pub fn account(&self) -> u64 {
        self.account
    }

    /// Ad sets and ads that there are, those that are put away among them.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.adsets.len(), self.ads.len())
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The campaign of a stage.
    #[must_use]
    pub fn campaign(&self, stage: Stage) -> u64 {
        self.campaigns.iter().find(|c| c.stage == stage).map_or(0, |c| c.id)
    }

    /// The present day in the account's zone.
    #[must_use]
    pub fn today(&self) -> Date {
        self.local(self.now).date()
    }

    pub(crate) fn local(&self, at: i64) -> jiff::Zoned {
        Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone())
    }

    /// Major units of a euro-level price as minor units of the account's currency.
    pub(crate) fn minor(&self, euros: f64) -> i64 {
        (euros * self.params.price_level * self.params.minor_units() as f64).round() as i64
    }

    /// Meta's effective status of an ad set: what is put away takes everything below along.
    pub(crate) fn effective_adset_status(&self, adset: &AdSet) -> &'static str {
        match (self.campaigns[adset.campaign].status, adset.status) {
            (Status::Deleted, _) | (_, Status::Deleted) => "DELETED",
            (Status::Archived, _) | (_, Status::Archived) => "ARCHIVED",
            (_, Status::Paused) => "PAUSED",
            (Status::Paused, _) => "CAMPAIGN_PAUSED",
            (Status::Active, Status::Active) => "ACTIVE",
        }
    }

    /// Meta's effective status of an ad.
    pub(crate) fn effective_status(&self, ad: &Ad) -> &'static str {
        let above = self.effective_adset_status(&self.adsets[ad.adset]);
        match (above, ad.status) {
            ("DELETED", _) | (_, Status::Deleted) => "DELETED",
            ("ARCHIVED", _) | (_, Status::Archived) => "ARCHIVED",
            (_, Status::Paused) => "PAUSED",
            ("PAUSED", _) => "ADSET_PAUSED",
            ("CAMPAIGN_PAUSED", _) => "CAMPAIGN_PAUSED",
            _ if self.now < ad.review_until => "PENDING_REVIEW",
            _ if ad.rejected => "DISAPPROVED",
            _ => "ACTIVE",
        }
    }

    pub(crate) fn is_live(&self, ad: &Ad) -> bool {
        self.now >= ad.created && self.effective_status(ad) == "ACTIVE"
    }

    /// What a person sees of every ad.
    #[must_use]
    pub fn ads(&self) -> Vec<AdState> {
        let from = self.today().saturating_sub(jiff::Span::new().days(3));
        let state = |ad: &Ad| {
            let visible = || ad.purchases.iter().filter(|p| p.counts_at(self.now));
            AdState {
                id: ad.id,
                stage: self.campaigns[self.adsets[ad.adset].campaign].stage,
                live: self.is_live(ad),
                spend: ad.days.iter().map(|d| d.spend).sum(),
                purchases: visible().count() as u64,
                spend_3d: ad.days.iter().filter(|d| d.date >= from).map(|d| d.spend).sum(),
                purchases_3d: visible().filter(|p| p.impression_date >= from).count() as u64,
            }
        };
        self.ads.iter().map(state).collect()
    }

    /// Daily budgets of a stage's live owners together, minor units.
    #[must_use]
    pub fn budgets(&self, stage: Stage) -> i64 {
        let of_stage = |campaign: usize| self.campaigns[campaign].stage == stage;
        let campaigns = self.campaigns.iter().filter(|c| c.stage == stage && c.status == Status::Active);
        let live = |index: usize| self.ads.iter().any(|ad| ad.adset == index && ad.status == Status::Active);
        let adsets = self
            .adsets
            .iter()
            .enumerate()
            .filter(|(i, a)| of_stage(a.campaign) && a.status == Status::Active && live(*i));
        campaigns.filter_map(|c| c.daily_budget).sum::<i64>() + adsets.filter_map(|(_, a)| a.daily_budget).sum::<i64>()
    }

    /// What a stage's ads spent on a day, minor units.
    #[must_use]
    pub fn spend_on(&self, stage: Stage, date: Date) -> i64 {
        let of_stage = |ad: &&Ad| self.campaigns[self.adsets[ad.adset].campaign].stage == stage;
        let days = self.ads.iter().filter(of_stage).flat_map(|ad| &ad.days);
        days.filter(|day| day.date == date).map(|day| day.spend).sum()
    }

    /// What was spent from a day on, minor units: on ads that earn in truth, and altogether.
    #[must_use]
    pub fn spend_on_winners_since(&self, date: Date) -> (i64, i64) {
        let spent = |ad: &Ad| ad.days.iter().filter(|d| d.date >= date).map(|d| d.spend).sum::<i64>();
        let earns = |ad: &&Ad| self.truth(ad.id).is_some_and(|truth| truth.margin > 0.0);
        (self.ads.iter().filter(earns).map(spent).sum(), self.ads.iter().map(spent).sum())
    }

    /// Profit from a moment on, in minor units, once everything has settled: revenue of all
    /// purchases that are never withdrawn, less goods and spend.
    #[must_use]
    pub fn profit_since(&self, date: Date) -> i64 {
        let cogs = self.minor(self.params.cogs);
        let of_ad = |ad: &Ad| {
            let spend: i64 = ad.days.iter().filter(|d| d.date >= date).map(|d| d.spend).sum();
            let kept = ad.purchases.iter().filter(|p| p.impression_date >= date && p.withdrawn.is_none());
            kept.map(|p| p.value - cogs).sum::<i64>() - spend
        };
        self.ads.iter().map(of_ad).sum()
    }
}

impl Purchase {
    /// Whether Meta reports it at a moment.
    pub(crate) fn counts_at(&self, now: i64) -> bool {
        self.visible <= now && self.withdrawn.is_none_or(|at| at > now)
    }
}

/// Who holds a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Campaign(usize),
    AdSet(usize),
}
