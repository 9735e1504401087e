//! Learn: what was learned of the account, and which patterns its ads show, for the product's tables.

use super::measure::lives;
use super::tables::{Learned, Rows};
use crate::domain::{Ad, Facts};
use crate::ledger::kind;
use crate::store::ActionState;
use std::collections::{BTreeMap, BTreeSet};

/// Days whose settled share is told of the lag curve.
const LAG_DAYS: [usize; 3] = [1, 3, 7];

/// Upper edges of click-through buckets: those of the product's tiers.
const CTR_EDGES: [f64; 3] = [0.01, 0.015, 0.02];
const CTR_BUCKETS: [&str; 4] = ["below 1 %", "1 to 1.5 %", "1.5 to 2 %", "2 % or more"];
const CART_BUCKETS: [&str; 4] = ["none", "one", "two", "three or more"];

/// Ads that are alike, and what became of them.
#[derive(Default)]
struct Pattern {
    ads: i64,
    promoted: i64,
    paused: i64,
    facts: Facts,
}

impl Learned<'_> {
    /// What was learned in this run: what the account's own days say, once a day, and how promotions and
    /// policies ended.
    pub(super) fn learning_events(&self) -> Rows {
        let at = self.observation.at.as_second();
        let mut rows = Vec::new();
        let mut learned = |kind: &str, subject: &str, value: f64, detail: String| {
            rows.push(vec![self.account(), at.into(), kind.into(), subject.into(), value.into(), detail.into()]);
        };
        if self.observation.new_day {
            let basis = &self.numbers.basis;
            if let Some(prior) = basis.purchase_prior(f64::NAN) {
                let detail = format!("Gamma with shape {:.3} and rate {:.3}", prior.shape, prior.rate);
                learned("prior", "cpa", 1.0 / prior.mean(), detail);
            }
            if let Some(prior) = basis.click_prior() {
                let detail = format!("Beta with {:.3} clicks and {:.3} without", prior.alpha, prior.beta);
                learned("prior", "ctr", basis.ctr, detail);
            }
            for day in LAG_DAYS {
                let detail = "share of a day's purchases that is reported by now".to_string();
                learned("lag", &format!("d{day}"), basis.settled(day), detail);
            }
        }
        for p in self.report.promotions.iter().filter(|p| p.state == "done" || p.state == "failed") {
            let succeeded = if p.state == "done" { 1.0 } else { 0.0 };
            learned("promotion", &p.ad_id, succeeded, format!("into {}: {}", p.to_stage, p.note));
        }
        for stage in &self.report.stages {
            if let Some(fault) = &stage.fault {
                learned("policy", &stage.name, 0.0, fault.clone());
            }
        }
        rows
    }

    /// How ads did by their click-through and by their add-to-carts, over their whole lives.
    pub(super) fn performance_patterns(&self) -> Rows {
        let sources: BTreeSet<&str> = self.lifecycle.iter().filter_map(|row| row.source_ad_id.as_deref()).collect();
        let paused: BTreeSet<&str> = self.paused_ads().collect();
        let lives = lives(self.observation);
        // All of them each time: a bucket that emptied must not keep what it held.
        let buckets = CTR_BUCKETS.map(|bucket| ("ctr", bucket)).into_iter();
        let buckets = buckets.chain(CART_BUCKETS.map(|bucket| ("add_to_cart", bucket)));
        let mut patterns: BTreeMap<(&str, &str), Pattern> = buckets.map(|key| (key, Pattern::default())).collect();
        for ad in &self.observation.ads {
            let Some(facts) = lives.get(ad.id.as_str()).filter(|facts| facts.impressions > 0.0) else { continue };
            let ctr = facts.clicks / facts.impressions;
            let by_ctr = CTR_BUCKETS[CTR_EDGES.iter().filter(|edge| ctr >= **edge).count()];
            let by_carts = CART_BUCKETS[(facts.add_to_cart.floor() as usize).min(CART_BUCKETS.len() - 1)];
            for key in [("ctr", by_ctr), ("add_to_cart", by_carts)] {
                let pattern = patterns.entry(key).or_default();
                pattern.ads += 1;
                pattern.promoted += i64::from(sources.contains(ad.id.as_str()));
                pattern.paused += i64::from(paused.contains(ad.id.as_str()));
                pattern.facts += facts;
            }
        }
        let row = |((kind, bucket), pattern): (&(&str, &str), &Pattern)| {
            let facts = &pattern.facts;
            vec![
                self.account(),
                (*kind).into(),
                (*bucket).into(),
                pattern.ads.into(),
                pattern.promoted.into(),
                pattern.paused.into(),
                facts.spend.0.into(),
                facts.impressions.into(),
                facts.clicks.into(),
                facts.add_to_cart.into(),
                facts.purchases.into(),
                facts.revenue.map(|revenue| revenue.0).into(),
                self.today(),
            ]
        };
        patterns.iter().map(row).collect()
    }

    /// Ads that Dean paused in the last weeks and that are still paused.
    fn paused_ads(&self) -> impl Iterator<Item = &str> {
        let done = self.actions.iter().filter(|a| a.kind == kind::PAUSE && a.state == ActionState::Done);
        let is_paused = |ad: &&Ad| !ad.effective_status.is_active();
        let ads = done.filter_map(|a| self.observation.index.get(&a.target_id)).map(|&i| &self.observation.ads[i]);
        ads.filter(is_paused).map(|ad| ad.id.as_str())
    }
}
