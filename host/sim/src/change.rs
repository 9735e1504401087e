//! What changes in an account besides the market: budgets and pauses as Meta would take them,
//! promotions done at once, and the account's status.

use crate::world::{AdSet, Owner, Stage, Status, World};

impl World {
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

    /// Multiplies the daily budget that an ad spends from, its campaign's or its ad set's.
    pub fn scale_budget(&mut self, id: u64, factor: f64) {
        let Some(adset) = self.ads.iter().find(|ad| ad.id == id).map(|ad| ad.adset) else { return };
        let campaign = self.adsets[adset].campaign;
        let (owner, budget) = match self.campaigns[campaign].daily_budget {
            Some(budget) => (Owner::Campaign(campaign), Some(budget)),
            None => (Owner::AdSet(adset), self.adsets[adset].daily_budget),
        };
        if let Some(budget) = budget {
            self.set_budget(owner, (budget as f64 * factor) as i64);
        }
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
}
