//! Making a world: the account at its start with the history it has run, and the ad sets and ads
//! that are added to it, new or copied.

use crate::params::Params;
use crate::random::Random;
use crate::standing::Standing;
use crate::world::{Ad, AdSet, Campaign, Creative, Look, Stage, Status, World};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

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
            standing: Standing::default(),
            campaigns: Vec::new(),
            adsets: Vec::new(),
            ads: Vec::new(),
            creatives: Vec::new(),
            images: BTreeSet::new(),
            videos: Vec::new(),
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
            let budget = campaign_budget.map(|b| self.minor(b * self.params.budget_level));
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
                    let budget = set_budget.map(|b| self.minor(b * self.params.budget_level));
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
            look: None,
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
            targets: source.map_or(index, |s| self.adsets[s].targets),
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

    /// A creative that somebody makes: how good it is nobody knows before it runs.
    pub(crate) fn new_creative(&mut self, name: String, look: Look) -> usize {
        let p = &self.params;
        let index = self.creatives.len();
        let mut r = Random::at(self.seed, "made", &[index as u64]);
        let creative = Creative {
            id: CREATIVE_IDS + index as u64,
            name,
            ctr: r.lognormal(p.ctr, p.ctr_sigma).min(0.2),
            cvr: r.lognormal(p.cvr, p.cvr_sigma).min(0.3),
            carts: r.lognormal(p.carts_per_purchase, p.carts_sigma),
            order_value: r.lognormal(p.order_value, p.order_value_ad_sigma),
            wear_days: r.lognormal(p.wear_days, p.wear_sigma),
            launched: self.now,
            look: Some(look),
            impressions: 0.0,
        };
        self.creatives.push(creative);
        index
    }

    /// A new ad of a creative, which is reviewed first.
    pub(crate) fn launch(&mut self, adset: usize, creative: usize, name: String, status: Status) -> usize {
        let index = self.ads.len();
        let (shortest, longest) = self.params.review_hours;
        let mut r = Random::at(self.seed, "launch", &[index as u64]);
        let review = shortest + (longest - shortest) * r.uniform();
        self.ads.push(Ad {
            id: AD_IDS + index as u64,
            adset,
            creative,
            name,
            status,
            created: self.now,
            updated: self.now,
            review_until: self.now + (review * 3600.0) as i64,
            rejected: r.chance(self.params.rejected_share),
            source: None,
            placement: 1.0,
            days: Vec::new(),
            purchases: Vec::new(),
        });
        index
    }
}
