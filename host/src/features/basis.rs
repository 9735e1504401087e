//! What is known of the account as a whole, against which each of its ads is measured: priors, the
//! lag curve, means.

use super::lag::LagCurve;
use super::posterior::{Beta, Gamma};
use super::{DAYS, prior};
use serde::{Deserialize, Serialize};

/// What one ad did in the complete days from which priors are fitted, in major units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Spend.
    pub spend: f64,
    /// Spend times the share of its purchases that is reported by now.
    pub settled_spend: f64,
    /// Impressions.
    pub impressions: f64,
    /// Clicks.
    pub clicks: f64,
    /// Add-to-carts.
    pub add_to_cart: f64,
    /// Purchases.
    pub purchases: f64,
    /// Revenue; NaN when purchases came without a value.
    pub revenue: f64,
}

/// What is known of the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    purchases: Option<Gamma>,
    carts: Option<Gamma>,
    clicks: Option<Beta>,
    /// Purchases for each add-to-cart; NaN without one.
    purchases_per_cart: f64,
    /// Click-through rate; NaN without impressions.
    pub ctr: f64,
    /// Cost of a thousand impressions, major units; NaN without impressions.
    pub cpm: f64,
    /// Add-to-carts for each click; NaN without clicks.
    pub atc_rate: f64,
    /// Mean order value of ads whose revenue is known, major units; NaN without a purchase of theirs.
    pub aov: f64,
    /// Return on ad spend, conversions still to come accounted for; NaN where revenue is not known.
    pub roas: f64,
    settled: Vec<f64>,
}

impl Basis {
    /// What the ads of an account say of it. `elapsed` is the share of the account day that is over.
    #[must_use]
    pub fn fit(ads: &[Totals], lag: &LagCurve, elapsed: f64) -> Self {
        let sum = |of: fn(&Totals) -> f64| ads.iter().map(of).sum::<f64>();
        let pairs = |of: fn(&Totals) -> (f64, f64)| ads.iter().map(of).collect::<Vec<_>>();
        let share = |above: f64, below: f64| if below > 0.0 { above / below } else { f64::NAN };
        // An ad without known revenue says nothing of the return, so its spend is left out too.
        let valued = || ads.iter().filter(|ad| ad.revenue.is_finite());
        let (revenue, spend) = valued().fold((0.0, 0.0), |(r, s), ad| (r + ad.revenue, s + ad.settled_spend));
        let orders = valued().map(|ad| ad.purchases).sum::<f64>();
        Basis {
            purchases: prior::gamma(&pairs(|ad| (ad.purchases, ad.settled_spend))),
            carts: prior::gamma(&pairs(|ad| (ad.add_to_cart, ad.spend))),
            clicks: prior::beta(&pairs(|ad| (ad.clicks, ad.impressions))),
            purchases_per_cart: share(sum(|ad| ad.purchases), sum(|ad| ad.add_to_cart)),
            ctr: share(sum(|ad| ad.clicks), sum(|ad| ad.impressions)),
            cpm: 1_000.0 * share(sum(|ad| ad.spend), sum(|ad| ad.impressions)),
            atc_rate: share(sum(|ad| ad.add_to_cart), sum(|ad| ad.clicks)),
            aov: share(revenue, orders),
            roas: share(revenue, spend),
            settled: lag.settled(DAYS, elapsed),
        }
    }

    /// The prior on purchases per spend: the account's own, else one purchase for `target` of spend.
    /// `None` when there is neither.
    #[must_use]
    pub fn purchase_prior(&self, target: f64) -> Option<Gamma> {
        self.purchases.or_else(|| Gamma::of_mean(1.0 / target))
    }

    /// Whether the account itself says how purchases follow spend.
    #[must_use]
    pub fn has_purchase_prior(&self) -> bool {
        self.purchases.is_some()
    }

    /// The prior on add-to-carts per spend, with the cost of an add-to-cart at which purchases cost
    /// `target`: the account's purchases for each add-to-cart make the one of the other.
    #[must_use]
    pub fn cart_prior(&self, target: f64) -> Option<(Gamma, f64)> {
        let cost = target * self.purchases_per_cart;
        self.carts.zip((cost > 0.0).then_some(cost))
    }

    /// The prior on the click-through rate.
    #[must_use]
    pub fn click_prior(&self) -> Option<Beta> {
        self.clicks
    }

    /// The share of a day's purchases that is reported by now; 0 is today, 1 the last complete day.
    #[must_use]
    pub fn settled(&self, day: usize) -> f64 {
        self.settled.get(day).copied().unwrap_or(1.0)
    }
}
