//! The demo: simulated worlds, each lived through several times — run by Dean, left alone, under
//! plain thresholds, and by somebody who knows the truth. Everything in it is simulated.

mod forecast;
mod html;
mod rivals;
mod watch;
mod world;
mod worlds;

pub use forecast::{Expected, Forecast, ForecastDay, forecast};
pub use html::page;
pub(crate) use rivals::{Caps, Compared, compare};
pub(crate) use watch::Watch;
pub use world::{InProcess, Life, demo_config};
pub use worlds::{live, on_every_core};

use crate::domain::Currency;
use crate::scoring::Models;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a demo found.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// Always true: nothing here is about a real account.
    pub simulated: bool,
    /// Simulated days.
    pub days: u32,
    /// Ads of a world at its beginning.
    pub ads: usize,
    /// The currency of all money, in major units.
    pub currency: String,
    /// What each stage may spend in a day.
    pub daily_caps: BTreeMap<String, Option<f64>>,
    /// The worlds.
    pub worlds: Vec<WorldReport>,
    /// Hourly runs of the first world.
    pub runs: usize,
    /// Decisions of those runs, one an ad and run.
    pub decisions: usize,
    /// Ads that they paused.
    pub kills: usize,
    /// Promotions that they completed.
    pub promotions: usize,
    /// Budgets that they changed.
    pub budget_changes: usize,
    /// Calls of the first world.
    pub api: crate::meta::ApiUsage,
    /// Profit of the first world after each day: by policy.
    pub daily: Vec<Daily>,
    /// The last reasons, one for each kind of change.
    pub examples: Vec<String>,
}

/// One world.
#[derive(Clone, Debug, Serialize)]
pub struct WorldReport {
    /// Its seed.
    pub seed: u64,
    /// Profit once everything has settled, major units.
    pub profit: Profit,
    /// Changes that took back another within 24 hours: a pause undone, a budget up and down. None is meant
    /// to happen.
    pub flips: usize,
    /// Ads that were paused although they earned in truth.
    pub wrong_kills: usize,
    /// Days on which a stage spent more than its cap. None is meant to happen.
    pub caps_passed: usize,
    /// Promotions that Dean completed, by the stage that they went into.
    pub promoted_into: BTreeMap<String, usize>,
    /// Share of the last seven days' spend that went to ads which earn in truth, run by Dean.
    pub winners_share: f64,
    /// The same where the account is left alone.
    pub winners_share_untouched: f64,
}

/// Where the rules come from that Dean runs a world by, as on a real account; campaigns, account and the
/// cost of goods are the simulated ones.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The folder of `dean.toml` and `rules.toml`. What is not there is not read.
    pub folder: PathBuf,
    /// A profile of `profiles/`.
    pub profile: Option<String>,
    /// A client of `clients/`.
    pub client: Option<String>,
    /// The models that score ads.
    pub models: Models,
    /// Policies of some stages in place of those that the configuration names.
    pub policies: Vec<(String, String)>,
}

/// Profit of one world by who ran it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Profit {
    /// Run by Dean.
    pub dean: f64,
    /// Left alone.
    pub untouched: f64,
    /// Under plain thresholds, as automated rules in Ads Manager have them.
    pub thresholds: f64,
    /// By somebody who knows what is true of every ad and acts by a few plain rules: a yardstick, and no
    /// upper bound.
    pub truth: f64,
}

/// Profit so far at the end of a day.
#[derive(Clone, Debug, Serialize)]
pub struct Daily {
    /// The day.
    pub date: String,
    /// By who ran it.
    #[serde(flatten)]
    pub profit: Profit,
}

/// Mean and spread over worlds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// Half of the 95 % interval of the mean (Student's t); NaN for a single world.
    pub half_width: f64,
}

impl Spread {
    /// The spread of values.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Spread { mean, half_width: student(values.len()) * (variance / n).sqrt() }
    }
}

/// The 97.5 % quantile of Student's t for a sample of a size (any statistics table), so that few
/// worlds are not taken for many.
fn student(n: usize) -> f64 {
    const QUANTILES: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, //
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    match n {
        0 | 1 => f64::NAN,
        n => QUANTILES.get(n - 2).copied().unwrap_or(1.96),
    }
}

impl DemoReport {
    /// Spreads over the worlds: dean, untouched, thresholds, truth.
    #[must_use]
    pub fn spreads(&self) -> [(&'static str, Spread); 4] {
        let of = |get: fn(&Profit) -> f64| Spread::of(&self.worlds.iter().map(|w| get(&w.profit)).collect::<Vec<_>>());
        [
            ("Dean", of(|p| p.dean)),
            ("untouched", of(|p| p.untouched)),
            ("plain thresholds", of(|p| p.thresholds)),
            ("the truth known", of(|p| p.truth)),
        ]
    }

    /// The spread of what Dean made beyond another way, world by world.
    #[must_use]
    pub fn gain(&self, over: fn(&Profit) -> f64) -> Spread {
        Spread::of(&self.worlds.iter().map(|w| w.profit.dean - over(&w.profit)).collect::<Vec<_>>())
    }

    /// The currency.
    #[must_use]
    pub fn currency(&self) -> Currency {
        Currency::new(&self.currency)
    }
}
