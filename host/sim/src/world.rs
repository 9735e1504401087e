//! The account: campaigns, ad sets, ads and creatives with what is true about them, and the writes
//! that Meta would take.

use crate::params::Params;
use crate::random::Random;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

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
    /// Impressions over all ads that use it.
    pub impressions: f64,
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
    pub(crate) account_status: i64,
    pub(crate) campaigns: Vec<Campaign>,
    pub(crate) adsets: Vec<AdSet>,
    pub(crate) ads: Vec<Ad>,
    pub(crate) creatives: Vec<Creative>,
}

const CAMPAIGN_IDS: u64 = 120_210_000_000_100_000;
const ADSET_IDS: u64 = 120_210_000_000_200_000;
const AD_IDS: u64 = 120_210_000_000_300_000;
const CREATIVE_IDS: u64 = 120_210_000_000_900_000;

impl World {
    /// Makes a world and runs its history.
    ///
    /// # Panics
    /// When the parameters name a time zone that does not exist.
    #[must_use]
    pub fn new(seed: u64, params: Params) -> Self {
        let zone =
            TimeZone::get(&params.timezone).unwrap_or_else(|_| panic!("there is no time zone {:?}", params.timezone));
        let mut world = World {
            now: params.start,
            zone,
            seed,
            account: 1_000_000_000 + Random::at(seed, "account", &[]).poisson(1e6),
            account_status: 1,
            campaigns: Vec::new(),
            adsets: Vec::new(),
            ads: Vec::new(),
            creatives: Vec::new(),
            params,
        };
        world.populate();
        let history = world.params.history_days * 24;
        for _ in 0..history {
            world.advance();
        }
        world
    }

    fn populate(&mut self) {
        let ads = self.params.ads;
        let scaling = (ads / 10).max(1);
        let validation = (ads * 3 / 20).max(1);
        let unmanaged = (ads / 20).max(1);
        let testing = ads.saturating_sub(scaling + validation + unmanaged).max(1);
        let parts = [
            (Stage::Testing, "Testing", testing, 4, Some(50.0), None),
            (Stage::Validation, "Validation", validation, 1, Some(60.0), None),
            (Stage::Scaling, "Scaling", scaling, 2, None, Some(200.0)),
            (Stage::Unmanaged, "Brand", unmanaged, 2, Some(20.0), None),
        ];
        for (stage, name, count, per_set, set_budget, campaign_budget) in parts {
            let campaign = self.campaigns.len();
            let budget = campaign_budget.map(|b| self.minor(b));
            self.campaigns.push(Campaign {
                id: CAMPAIGN_IDS + campaign as u64,
                name: name.to_string(),
                stage,
                status: Status::Active,
                daily_budget: budget,
                created: self.now,
                updated: self.now,
            });
            for i in 0..count {
                if i % per_set == 0 {
                    let budget = set_budget.map(|b| self.minor(b));
                    let label = format!("{name} {}", i / per_set + 1);
                    self.add_adset(campaign, label, Status::Active, budget, None);
                }
                self.add_new_ad(stage);
            }
        }
    }

    /// Adds an ad with a creative of its own to the newest ad set, launched some time in the history.
    fn add_new_ad(&mut self, stage: Stage) {
        let p = &self.params;
        let index = self.ads.len();
        let mut r = Random::at(self.seed, "creative", &[index as u64]);
        // What reached a later stage was picked by somebody, so it is better than the average.
        let lift = match stage {
            Stage::Testing | Stage::Unmanaged => 1.0,
            Stage::Validation => 1.25,
            Stage::Scaling => 1.5,
        };
        let launched = p.start + (r.uniform() * f64::from(p.history_days) * 0.8 * 24.0) as i64 * 3600;
        let creative = Creative {
            id: CREATIVE_IDS + index as u64,
            name: format!("Creative {:03}", index + 1),
            ctr: r.lognormal(p.ctr, p.ctr_sigma).min(0.2),
            cvr: (r.lognormal(p.cvr, p.cvr_sigma) * lift).min(0.3),
            carts: r.lognormal(p.carts_per_purchase, p.carts_sigma),
            order_value: r.lognormal(p.order_value, p.order_value_ad_sigma),
            wear_days: r.lognormal(p.wear_days, p.wear_sigma),
            launched,
            impressions: 0.0,
        };
        let paused = r.chance(0.08);
        self.creatives.push(creative);
        let ad = Ad {
            id: AD_IDS + index as u64,
            adset: self.adsets.len() - 1,
            creative: index,
            name: format!("Ad {:03}", index + 1),
            status: if paused { Status::Paused } else { Status::Active },
            created: launched,
            updated: launched,
            review_until: launched,
            rejected: false,
            source: None,
            placement: 1.0,
            days: Vec::new(),
            purchases: Vec::new(),
        };
        self.ads.push(ad);
    }

    pub(crate) fn add_adset(
        &mut self,
        campaign: usize,
        name: String,
        status: Status,
        daily_budget: Option<i64>,
        source: Option<usize>,
    ) -> usize {
        let index = self.adsets.len();
        let p = &self.params;
        let mut r = Random::at(self.seed, "audience", &[index as u64]);
        let audience = match source {
            Some(source) => self.adsets[source].audience,
            None => r.lognormal(p.audience, p.audience_sigma),
        };
        self.adsets.push(AdSet {
            id: ADSET_IDS + index as u64,
            campaign,
            name,
            status,
            daily_budget,
            audience,
            learned: 0,
            edited: self.now,
            created: self.now,
            updated: self.now,
            source: source.map(|s| self.adsets[s].id),
        });
        index
    }

    /// Copies an ad into an ad set: the same post, so the same creative; reviewed anew.
    pub(crate) fn copy_ad(&mut self, source: usize, adset: usize, name: String, status: Status) -> usize {
        let index = self.ads.len();
        let (shortest, longest) = self.params.review_hours;
        let mut r = Random::at(self.seed, "copy", &[self.ads[source].id, index as u64]);
        let review = shortest + (longest - shortest) * r.uniform();
        let ad = Ad {
            id: AD_IDS + index as u64,
            adset,
            creative: self.ads[source].creative,
            name,
            status,
            created: self.now,
            updated: self.now,
            review_until: self.now + (review * 3600.0) as i64,
            rejected: r.chance(self.params.rejected_share),
            source: Some(self.ads[source].id),
            placement: r.lognormal(1.0, self.params.copy_sigma),
            days: Vec::new(),
            purchases: Vec::new(),
        };
        self.ads.push(ad);
        index
    }

    /// Sets a daily budget, and restarts the learning phase when the step is significant.
    pub(crate) fn set_budget(&mut self, owner: Owner, minor: i64) {
        let significant = |old: Option<i64>| old.is_none_or(|old| (minor - old).abs() as f64 > 0.2 * old as f64);
        let now = self.now;
        let restart = |adset: &mut AdSet| {
            adset.learned = 0;
            adset.edited = now;
        };
        match owner {
            Owner::Campaign(i) => {
                let restarted = significant(self.campaigns[i].daily_budget);
                self.campaigns[i].daily_budget = Some(minor);
                self.campaigns[i].updated = now;
                if restarted {
                    self.adsets.iter_mut().filter(|a| a.campaign == i).for_each(restart);
                }
            }
            Owner::AdSet(i) => {
                if significant(self.adsets[i].daily_budget) {
                    restart(&mut self.adsets[i]);
                }
                self.adsets[i].daily_budget = Some(minor);
                self.adsets[i].updated = now;
            }
        }
    }

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

    /// Sets Meta's `account_status`: 1 is active, 2 disabled. Delivery goes on, since what is tried
    /// is what a client does about it.
    pub fn set_account_status(&mut self, status: i64) {
        self.account_status = status;
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

    /// Pauses an ad, if there is one of this id.
    pub fn pause(&mut self, id: u64) {
        let now = self.now;
        if let Some(ad) = self.ads.iter_mut().find(|ad| ad.id == id) {
            ad.status = Status::Paused;
            ad.updated = now;
        }
    }

    /// Copies an ad into an ad set of its own in a stage's campaign, live with a daily budget in minor
    /// units, and pauses the source: what a promotion amounts to, done at once. False when there is
    /// no such ad or stage.
    pub fn promote(&mut self, id: u64, stage: Stage, daily_budget: i64) -> bool {
        let Some(source) = self.ads.iter().position(|ad| ad.id == id) else { return false };
        let Some(campaign) = self.campaigns.iter().position(|c| c.stage == stage) else { return false };
        let from = self.ads[source].adset;
        let name = self.adsets[from].name.clone();
        let budget = self.campaigns[campaign].daily_budget.is_none().then_some(daily_budget);
        let adset = self.add_adset(campaign, name, Status::Active, budget, Some(from));
        let name = self.ads[source].name.clone();
        self.copy_ad(source, adset, name, Status::Active);
        self.pause(id);
        true
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
