//! One hour of the market: budgets are spent, people see, click and buy.

use crate::random::Random;
use crate::world::{Ad, Day, Owner, Purchase, Truth, World};
use std::collections::BTreeMap;

const HOUR: i64 = 3600;
const LONGEST_LEARNING: i64 = 7 * 24 * HOUR;
/// A 7-day click window sees nothing later.
const LONGEST_LAG_HOURS: f64 = 7.0 * 24.0;

impl World {
    /// Runs one hour.
    pub fn advance(&mut self) {
        let local = self.local(self.now);
        let day = local.date().to_string();
        let day_number = day.bytes().fold(0u64, |n, b| n * 31 + u64::from(b));
        let weekday = local.weekday().to_monday_zero_offset() as usize;
        let hour = local.hour() as usize;
        let moment = Moment { day_number, hour, weekday };

        let deliveries: Vec<Delivery> =
            self.owners().into_iter().flat_map(|owner| self.deliveries(owner, &moment)).collect();
        // Ad sets of one audience bid for the same people, whoever holds their budgets.
        let mut pressure: BTreeMap<usize, f64> = BTreeMap::new();
        for delivery in &deliveries {
            *pressure.entry(self.audience_of(delivery.ad)).or_default() += delivery.daily_budget;
        }
        for delivery in deliveries {
            let pressure = pressure[&self.audience_of(delivery.ad)];
            self.deliver(&delivery, pressure, &moment);
        }
        self.now += HOUR;
    }

    fn audience_of(&self, ad: usize) -> usize {
        self.adsets[self.ads[ad].adset].targets
    }

    fn owners(&self) -> Vec<Owner> {
        let mut owners = Vec::new();
        for (i, campaign) in self.campaigns.iter().enumerate() {
            if campaign.daily_budget.is_some() {
                owners.push(Owner::Campaign(i));
            }
        }
        for (i, adset) in self.adsets.iter().enumerate() {
            if self.campaigns[adset.campaign].daily_budget.is_none() && adset.daily_budget.is_some() {
                owners.push(Owner::AdSet(i));
            }
        }
        owners
    }

    /// What each live ad of an owner gets of its budget in this hour.
    fn deliveries(&self, owner: Owner, moment: &Moment) -> Vec<Delivery> {
        let belongs = |ad: &Ad| match owner {
            Owner::AdSet(i) => ad.adset == i,
            Owner::Campaign(i) => self.adsets[ad.adset].campaign == i,
        };
        let ads: Vec<usize> =
            (0..self.ads.len()).filter(|&i| belongs(&self.ads[i]) && self.is_live(&self.ads[i])).collect();
        let (budget, id) = match owner {
            Owner::AdSet(i) => (self.adsets[i].daily_budget, self.adsets[i].id),
            Owner::Campaign(i) => (self.campaigns[i].daily_budget, self.campaigns[i].id),
        };
        let Some(budget) = budget.filter(|_| !ads.is_empty()) else { return Vec::new() };

        let mut day = Random::at(self.seed, "overspend", &[id, moment.day_number]);
        let overspend = day.lognormal(1.0, self.params.overspend_sigma).min(1.75);
        let share = self.params.hours[moment.hour] / self.params.hours.iter().sum::<f64>();
        let spend = budget as f64 * share * overspend;

        // Meta prefers what it believes to be better, and believes something new every day.
        let weight = |&i: &usize| {
            let mut r = Random::at(self.seed, "preference", &[self.ads[i].id, moment.day_number]);
            (self.ctr_now(&self.ads[i]) * r.lognormal(1.0, 0.2)).powf(self.params.delivery_power)
        };
        let weights: Vec<f64> = ads.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        let delivery = |(ad, weight): (usize, f64)| {
            let part = weight / total;
            Delivery { ad, spend: spend * part, daily_budget: budget as f64 * part }
        };
        ads.into_iter().zip(weights).map(delivery).collect()
    }

    fn deliver(&mut self, delivery: &Delivery, pressure: f64, moment: &Moment) {
        let Delivery { ad: index, spend, .. } = *delivery;
        let p = &self.params;
        let ad = &self.ads[index];
        let adset = &self.adsets[ad.adset];
        let creative = &self.creatives[ad.creative];
        let hours = (self.now / HOUR) as u64;
        let address = [ad.id, hours];

        let mut auction = Random::at(self.seed, "auction", &[adset.id, hours]);
        let mut market = Random::at(self.seed, "market", &[moment.day_number]);
        let noise = auction.lognormal(1.0, p.cpm_hour_sigma) * market.lognormal(1.0, p.cpm_day_sigma);
        let cpm = self.cpm_minor(adset.audience, pressure) * noise;
        let impressions = Random::at(self.seed, "impressions", &address).poisson(spend / cpm * 1000.0);
        let spent = (impressions as f64 * cpm / 1000.0).round() as i64;

        let clicks = Random::at(self.seed, "clicks", &address).binomial(impressions, self.ctr_now(ad));
        let moment_factor = p.hour_conversion[moment.hour] * p.weekday_conversion[moment.weekday];
        let learning = if self.is_learning(ad.adset) { p.learning_efficiency } else { 1.0 };
        let cvr = (creative.cvr * ad.placement * moment_factor * learning).min(0.5);
        let cart_rate = (cvr * creative.carts).min(0.9);
        let mut funnel = Random::at(self.seed, "funnel", &address);
        let carts = funnel.binomial(clicks, cart_rate);
        let checkouts = funnel.binomial(carts, p.checkout_share);
        let bought = funnel.binomial(checkouts, cvr / (cart_rate * p.checkout_share));

        let other_rate = self.ctr_now(ad) * p.other_clicks_share;
        let other_clicks = Random::at(self.seed, "other clicks", &address).binomial(impressions, other_rate);
        let mut video = Random::at(self.seed, "video", &address);
        let video_3s = video.binomial(impressions, 0.25);
        let thruplay = video.binomial(video_3s, 0.25);
        let watch_seconds = video_3s as f64 * 6.0 * video.lognormal(1.0, 0.1);

        // What a silent pixel does not see is bought all the same.
        let silent = self.pixel_is_silent();
        let (carts, checkouts) = if silent { (0, 0) } else { (carts, checkouts) };
        let purchases: Vec<Purchase> = (0..bought).map(|n| self.purchase(index, n)).collect();

        let date = self.today();
        let audience_creative = self.ads[index].creative;
        self.creatives[audience_creative].impressions += impressions as f64;
        let adset = self.ads[index].adset;
        self.adsets[adset].learned += bought as u32;
        let ad = &mut self.ads[index];
        ad.purchases.extend(purchases);
        if ad.days.last().is_none_or(|d| d.date != date) {
            ad.days.push(Day { date, ..Day::default() });
        }
        if let Some(day) = ad.days.last_mut() {
            day.spend += spent;
            day.impressions += impressions;
            day.link_clicks += clicks;
            day.other_clicks += other_clicks;
            day.carts += carts;
            day.checkouts += checkouts;
            day.video_3s += video_3s;
            day.thruplay += thruplay;
            day.watch_seconds += watch_seconds;
        }
    }

    fn purchase(&self, ad: usize, number: u64) -> Purchase {
        let p = &self.params;
        let ad = &self.ads[ad];
        let hours = (self.now / HOUR) as u64;
        let mut r = Random::at(self.seed, "purchase", &[ad.id, hours, number]);
        let lag = if r.chance(p.immediate_share) {
            r.uniform()
        } else {
            1.0 + r.exponential(p.lag_hours).min(LONGEST_LAG_HOURS - 1.0)
        };
        let by_view = r.chance(p.view_share) && lag <= 24.0;
        // Somewhere in this hour the ad was seen; reports show a purchase within the hour after it.
        let visible = self.now + ((1.0 + lag) * HOUR as f64) as i64;
        let withdrawn = r.chance(p.withdrawn_share).then(|| visible + ((3.0 + 7.0 * r.uniform()) * 24.0) as i64 * HOUR);
        let order = r.lognormal(self.creatives[ad.creative].order_value, p.order_value_sigma);
        Purchase {
            impression_date: self.today(),
            conversion_date: self.local(visible).date(),
            at: visible - HOUR,
            visible: if self.pixel_is_silent() { i64::MAX } else { visible },
            withdrawn,
            value: self.minor(order),
            by_view,
            within_a_day: lag <= 24.0,
        }
    }

    /// Meta's word for it: what has not learned enough within a week is "learning limited".
    pub(crate) fn learning_status(&self, adset: usize) -> &'static str {
        match (self.is_learning(adset), self.now - self.adsets[adset].edited > LONGEST_LEARNING) {
            (false, _) => "SUCCESS",
            (true, true) => "FAIL",
            (true, false) => "LEARNING",
        }
    }

    pub(crate) fn is_learning(&self, adset: usize) -> bool {
        self.adsets[adset].learned < self.params.learning_conversions
    }

    /// The expected cost of a thousand impressions, minor units, under a daily budget: the larger
    /// the share of the audience it would reach in a day, the dearer.
    fn cpm_minor(&self, audience: f64, budget: f64) -> f64 {
        let base = self.minor(self.params.cpm) as f64;
        let reach = budget / base * 1000.0 / audience;
        base * (1.0 + self.params.cpm_pressure * reach)
    }

    /// The click-through rate now: what the creative began with, worn by time and by repetition.
    pub(crate) fn ctr_now(&self, ad: &Ad) -> f64 {
        let p = &self.params;
        let creative = &self.creatives[ad.creative];
        let audience = self.adsets[ad.adset].audience;
        let days = (self.now - creative.launched).max(0) as f64 / 86_400.0;
        let frequency = creative.impressions / audience;
        let fresh = 0.5f64.powf(frequency / p.fatigue_frequency) * 0.5f64.powf(days / creative.wear_days);
        creative.ctr * (p.fatigue_floor + (1.0 - p.fatigue_floor) * fresh)
    }

    fn live_adsets(&self, campaign: usize) -> i64 {
        let live = |index: usize| self.ads.iter().any(|ad| ad.adset == index && self.is_live(ad));
        (0..self.adsets.len()).filter(|&i| self.adsets[i].campaign == campaign && live(i)).count() as i64
    }

    /// What is true of an ad now, if there is one of this id.
    #[must_use]
    pub fn truth(&self, id: u64) -> Option<Truth> {
        let ad = self.ads.iter().find(|ad| ad.id == id)?;
        let p = &self.params;
        let adset = &self.adsets[ad.adset];
        let creative = &self.creatives[ad.creative];
        let shared = self.campaigns[adset.campaign].daily_budget.map(|b| b / self.live_adsets(adset.campaign).max(1));
        let budget = shared.or(adset.daily_budget).unwrap_or(0);
        let minor = self.params.minor_units() as f64;
        let cpm = self.cpm_minor(adset.audience, budget as f64) / minor;
        let ctr = self.ctr_now(ad);
        let learning = if self.is_learning(ad.adset) { p.learning_efficiency } else { 1.0 };
        let cvr = creative.cvr * ad.placement * learning;
        let kept = 1.0 - p.withdrawn_share;
        // The mean of a log-normal is its median times exp(sigma^2 / 2).
        let order = creative.order_value * (p.order_value_sigma.powi(2) / 2.0).exp() * p.price_level;
        let cpa = cpm / 1000.0 / (ctr * cvr);
        let margin = kept * (order - p.cogs * p.price_level) / cpa - 1.0;
        Some(Truth { ctr, cvr, cpa, margin })
    }
}

/// What one ad gets of its owner's budget, minor units.
struct Delivery {
    ad: usize,
    /// In this hour.
    spend: f64,
    /// In a day.
    daily_budget: f64,
}

/// What an hour is, in the account's zone.
struct Moment {
    day_number: u64,
    hour: usize,
    weekday: usize,
}
