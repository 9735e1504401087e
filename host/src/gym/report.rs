//! What the gym found: one row for each of those who ran the worlds.

use super::{Lived, Played, Question, fingerprint};
use crate::demo::Spread;
use dean_policy::conform::Finding;
use serde::Serialize;

/// What the gym found. Money in major units of each world's currency, at the euro's level.
#[derive(Clone, Debug, Serialize)]
pub struct GymReport {
    /// Always true: nothing here is about a real account.
    pub simulated: bool,
    /// The version of the worlds.
    pub suite: String,
    /// Days of each world.
    pub days: u32,
    /// Worlds that were lived.
    pub worlds: usize,
    /// The fingerprint of all worlds of the suite; null where only a part of them was lived.
    pub fingerprint: Option<String>,
    /// Whether the worlds are those of the version; null where only a part of them was lived.
    pub unchanged: Option<bool>,
    /// The version of this program: guard and columns are its own.
    pub dean: String,
    /// The stages that the tried policy decides for.
    pub stages: Vec<String>,
    /// Who ran the worlds, best first by mean profit.
    pub rows: Vec<Row>,
    /// What the policy has to stand whatever it decides.
    pub conformance: Vec<Finding>,
}

/// Somebody who ran all worlds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Who.
    pub who: String,
    /// The digest of the tried policy, or of the shipped one where a single stage is looked at.
    pub sha256: Option<String>,
    /// Profit of a world once everything has settled.
    pub profit: Interval,
    /// That beyond what the shipped policies make, world by world.
    pub beyond_shipped: Interval,
    /// What who knows the truth makes beyond it, world by world.
    pub regret: Interval,
    /// Ads paused in all worlds; null for those who play on the world directly.
    pub kills: Option<usize>,
    /// Of a world, paused ads that earned in truth when they were.
    pub wrong_kills: Option<Interval>,
    /// Of a world, changes that took back another within 24 hours.
    pub flips: Option<Interval>,
    /// Days in all worlds on which a stage spent more than its cap.
    pub caps_passed: Option<usize>,
    /// Calls in all worlds that failed.
    pub failures: Option<usize>,
    /// Wall time of a decision, of the stages that are looked at.
    pub ns_an_ad: Option<f64>,
    /// Its WebAssembly instructions.
    pub instructions_an_ad: Option<f64>,
    /// World by world.
    pub worlds: Vec<WorldRow>,
}

/// What somebody made of a world.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WorldRow {
    /// Its seed.
    pub seed: u64,
    /// The profit.
    pub profit: f64,
}

/// A mean with its 95 % interval (Student's t); the interval is null for a single world.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Where the interval begins.
    pub low: Option<f64>,
    /// Where it ends.
    pub high: Option<f64>,
}

impl Interval {
    fn of(values: &[f64]) -> Self {
        let Spread { mean, half_width } = Spread::of(values);
        let known = |value: f64| value.is_finite().then_some(value);
        Interval { mean, low: known(mean - half_width), high: known(mean + half_width) }
    }
}

pub(super) fn report(question: &Question<'_>, played: &[Played], conformance: Vec<Finding>) -> GymReport {
    let suite = question.suite;
    let whole = played.len() == suite.seeds.len();
    let fingerprint = whole.then(|| fingerprint(played.iter().map(|world| &world.rivals.daily)));
    let shipped: Vec<f64> = played.iter().map(|world| world.shipped.profit).collect();
    let truth: Vec<f64> = played.iter().map(|world| world.rivals.profit.truth).collect();
    let row = |who: String, sha256: Option<String>, profits: Vec<f64>, lived: Option<Vec<&Lived>>| {
        let less = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
        let sum = |get: fn(&Lived) -> f64| lived.as_ref().map(|all| all.iter().map(|l| get(l)).sum::<f64>());
        let of_world = |get: fn(&Lived) -> f64| {
            lived.as_ref().map(|all| Interval::of(&all.iter().map(|l| get(l)).collect::<Vec<_>>()))
        };
        let asked = sum(|l| l.asked);
        let an_ad = |total: Option<f64>| Some(total? / asked.filter(|asked| *asked > 0.0)?);
        Row {
            who,
            sha256,
            profit: Interval::of(&profits),
            beyond_shipped: Interval::of(&less(&profits, &shipped)),
            regret: Interval::of(&less(&truth, &profits)),
            kills: sum(|l| l.kills as f64).map(|kills| kills as usize),
            wrong_kills: of_world(|l| l.watch.wrong_kills as f64),
            flips: of_world(|l| l.watch.flips as f64),
            caps_passed: sum(|l| l.watch.caps_passed as f64).map(|days| days as usize),
            failures: sum(|l| l.failures as f64).map(|failures| failures as usize),
            ns_an_ad: an_ad(sum(|l| l.nanos)),
            instructions_an_ad: an_ad(sum(|l| l.instructions)),
            worlds: played.iter().zip(profits).map(|(world, profit)| WorldRow { seed: world.seed, profit }).collect(),
        }
    };
    let rival = |get: fn(&Played) -> f64| played.iter().map(get).collect::<Vec<f64>>();
    let of_shipped: Vec<&Lived> = played.iter().map(|world| &world.shipped).collect();
    let mut rows = vec![
        row("shipped".into(), None, shipped.clone(), Some(of_shipped)),
        row("untouched".into(), None, rival(|world| world.rivals.profit.untouched), None),
        row("plain thresholds".into(), None, rival(|world| world.rivals.profit.thresholds), None),
        row("the truth known".into(), None, truth.clone(), None),
    ];
    let tried: Option<Vec<&Lived>> = played.iter().map(|world| world.tried.as_ref()).collect();
    if let Some(tried) = tried.filter(|tried| !tried.is_empty()) {
        let profits = tried.iter().map(|lived| lived.profit).collect();
        let (who, sha256) = (question.policy.manifest().named(), question.policy.digest().to_string());
        rows.push(row(who, Some(sha256), profits, Some(tried)));
    }
    rows.sort_by(|a, b| b.profit.mean.total_cmp(&a.profit.mean));
    GymReport {
        simulated: true,
        suite: suite.version.into(),
        days: suite.days,
        worlds: played.len(),
        unchanged: fingerprint.as_ref().map(|found| found == suite.fingerprint),
        fingerprint,
        dean: env!("CARGO_PKG_VERSION").into(),
        stages: question.stages.to_vec(),
        rows,
        conformance,
    }
}
