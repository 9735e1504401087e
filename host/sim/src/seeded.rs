//! A world that begins where a real account stands: its owners' budgets and what is known of its ads.
//! For looking a few days ahead; the market itself is the same.

use crate::params::Params;
use crate::random::Random;
use crate::standing::Standing;
use crate::world::{Ad, Campaign, Creative, Owner, Stage, Status, World};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// Who holds a budget in an account.
#[derive(Clone, Copy, Debug)]
pub struct KnownOwner {
    /// Minor units a day; `None` when it has none that is known.
    pub daily_budget: Option<i64>,
    /// Whether it is a campaign that holds the budget for ad sets of its own.
    pub campaign: bool,
}

/// What is known of an ad.
#[derive(Clone, Copy, Debug)]
pub struct KnownAd {
    /// The position of its owner.
    pub owner: usize,
    /// Whether it is delivered.
    pub live: bool,
    /// Expected clicks on the link per impression.
    pub ctr: f64,
    /// Expected purchases per click on the link.
    pub cvr: f64,
    /// Expected value of an order, major units.
    pub order_value: f64,
}

/// What came of some days, once everything has settled, minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Spend.
    pub spend: i64,
    /// Purchases that are never withdrawn.
    pub purchases: u64,
    /// Their revenue.
    pub revenue: i64,
}

impl World {
    /// A world of known owners and ads, without history: it begins at `params.start`.
    ///
    /// # Panics
    /// When the parameters name a time zone that does not exist.
    #[must_use]
    pub fn seeded(seed: u64, params: Params, owners: &[KnownOwner], ads: &[KnownAd]) -> Self {
        let mut world = World::empty(seed, params);
        let alone = world.add_campaign("Ad sets", None);
        // The ad set of each owner that is one; campaigns get an ad set for every ad.
        let places: Vec<(usize, Option<usize>)> = owners
            .iter()
            .map(|owner| match owner.campaign {
                true => (world.add_campaign("Campaign", owner.daily_budget), None),
                false => {
                    let adset = world.add_adset(alone, "Ad set".into(), Status::Active, owner.daily_budget, None);
                    (alone, Some(adset))
                }
            })
            .collect();
        for ad in ads {
            let (campaign, adset) = places[ad.owner];
            let adset = adset.unwrap_or_else(|| world.add_adset(campaign, "Ad set".into(), Status::Active, None, None));
            world.add_known(adset, ad);
        }
        world
    }

    fn empty(seed: u64, params: Params) -> Self {
        let zone =
            TimeZone::get(&params.timezone).unwrap_or_else(|_| panic!("there is no time zone {:?}", params.timezone));
        World {
            now: params.start,
            zone,
            seed,
            account: 1,
            standing: Standing::default(),
            campaigns: Vec::new(),
            adsets: Vec::new(),
            ads: Vec::new(),
            creatives: Vec::new(),
            images: BTreeSet::new(),
            videos: Vec::new(),
            params,
        }
    }

    fn add_campaign(&mut self, name: &str, daily_budget: Option<i64>) -> usize {
        let (index, now) = (self.campaigns.len(), self.now);
        self.campaigns.push(Campaign {
            id: index as u64 + 1,
            name: name.into(),
            stage: Stage::Unmanaged,
            status: Status::Active,
            daily_budget,
            created: now,
            updated: now,
        });
        index
    }

    fn add_known(&mut self, adset: usize, ad: &KnownAd) {
        let (index, now) = (self.ads.len(), self.now);
        let mut r = Random::at(self.seed, "known", &[index as u64]);
        self.creatives.push(Creative {
            id: index as u64 + 1,
            name: String::new(),
            ctr: ad.ctr,
            cvr: ad.cvr,
            carts: self.params.carts_per_purchase,
            order_value: ad.order_value,
            // What it has lost already is in its present rate.
            wear_days: r.lognormal(self.params.wear_days, self.params.wear_sigma),
            launched: now,
            look: None,
            impressions: 0.0,
        });
        self.ads.push(Ad {
            id: index as u64 + 1,
            adset,
            creative: index,
            name: String::new(),
            status: if ad.live { Status::Active } else { Status::Paused },
            created: now,
            updated: now,
            review_until: now,
            rejected: false,
            source: None,
            placement: 1.0,
            days: Vec::new(),
            purchases: Vec::new(),
        });
    }

    /// The id of the known ad at a position.
    #[must_use]
    pub fn known_ad(position: usize) -> u64 {
        position as u64 + 1
    }

    /// Brings a paused ad back.
    pub fn resume(&mut self, id: u64) {
        if let Some(ad) = self.ads.iter_mut().find(|ad| ad.id == id) {
            ad.status = Status::Active;
        }
    }

    /// Copies a known ad into an ad set with a daily budget of its own, minor units.
    pub fn copy_alone(&mut self, id: u64, daily_budget: i64) {
        let Some(source) = self.ads.iter().position(|ad| ad.id == id) else { return };
        let from = self.ads[source].adset;
        let adset = self.add_adset(0, "Copy".into(), Status::Active, Some(daily_budget), Some(from));
        self.copy_ad(source, adset, "Copy".into(), Status::Active);
    }

    /// The owner's daily budget as a share of what it was: set for the owner of a known ad.
    pub fn set_budget_of(&mut self, id: u64, daily_budget: i64) {
        let Some(adset) = self.ads.iter().find(|ad| ad.id == id).map(|ad| ad.adset) else { return };
        let campaign = self.adsets[adset].campaign;
        let shared = self.campaigns[campaign].daily_budget.is_some();
        self.set_budget(if shared { Owner::Campaign(campaign) } else { Owner::AdSet(adset) }, daily_budget);
    }

    /// What came of a day.
    #[must_use]
    pub fn outcome_of(&self, date: Date) -> Outcome {
        let mut outcome = Outcome::default();
        for ad in &self.ads {
            outcome.spend += ad.days.iter().filter(|d| d.date == date).map(|d| d.spend).sum::<i64>();
            for purchase in ad.purchases.iter().filter(|p| p.impression_date == date && p.withdrawn.is_none()) {
                outcome.purchases += 1;
                outcome.revenue += purchase.value;
            }
        }
        outcome
    }
}
