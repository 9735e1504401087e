//! The gym: any policy over the same simulated worlds, in one table with those that the program brings along, with people who
//! do nothing, and with one who knows the truth; and what it has to stand whatever it decides. Everything in it is simulated.

mod report;
mod suite;

pub use report::{GymReport, Interval, Row, WorldRow};
pub use suite::{SUITES, Suite, fingerprint};

use crate::demo::{Caps, Compared, Life, Rules, Watch, compare, demo_config, on_every_core};
use crate::domain::Verb;
use crate::pipeline::{Options, RunReport};
use crate::policies::{self, Shelf};
use crate::scoring::Models;
use dean_policy::{Policy, Registry, conform, shipped};
use std::path::PathBuf;

/// What is played.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The worlds.
    pub suite: Suite,
    /// How many of them, from the first on.
    pub worlds: usize,
    /// The policy that is tried.
    pub policy: &'a Policy,
    /// Where it lies, or its name.
    pub named: &'a str,
    /// The stages that it decides for; the shipped policies decide for the others.
    pub stages: &'a [String],
    /// What scores ads.
    pub models: &'a Models,
    /// Where policies are loaded.
    pub registry: &'a Registry,
    /// Told after each simulated day.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// What came of a world.
#[derive(Clone, Debug, Default)]
struct Lived {
    profit: f64,
    watch: Watch,
    kills: usize,
    /// Of the stages in question.
    nanos: f64,
    instructions: f64,
    asked: f64,
    failures: usize,
}

/// A world in everybody's hands.
struct Played {
    seed: u64,
    tried: Option<Lived>,
    shipped: Lived,
    rivals: Compared,
}

/// Lives all worlds.
///
/// # Errors
/// When a policy cannot be used, or a run fails.
pub fn play(question: Question<'_>) -> anyhow::Result<GymReport> {
    let Question { suite, worlds, policy, .. } = question;
    let handle = tokio::runtime::Handle::current();
    // Whoever decides for these stages anyway stands in the table already.
    let of_stage = |stage: &String| shipped::find(stage).is_some_and(|s| s.artifact().digest() == policy.digest());
    let is_shipped = question.stages.iter().all(of_stage);
    let each = |position: u64| {
        let seed = suite.seeds[position as usize];
        let tried = match is_shipped {
            true => None,
            false => Some(handle.block_on(question.live(seed, true))?),
        };
        let shipped = handle.block_on(question.live(seed, false))?;
        Ok(Played { seed, tried, shipped, rivals: rivals(suite, seed)? })
    };
    let ((), played) = on_every_core(|| Ok(()), 0..worlds as u64, each)?;
    Ok(report::report(&question, &played, conform::examine(policy)))
}

/// What the worlds of a suite are now, as [`fingerprint`] makes it of them.
///
/// # Errors
/// When the simulated account cannot be configured.
pub fn fingerprint_now(suite: Suite) -> anyhow::Result<String> {
    let each = |position: u64| Ok(rivals(suite, suite.seeds[position as usize])?.daily);
    let ((), daily) = on_every_core(|| Ok(()), 0..suite.seeds.len() as u64, each)?;
    Ok(fingerprint(daily.iter()))
}

/// A world in the hands of those who play on it directly.
fn rivals(suite: Suite, seed: u64) -> anyhow::Result<Compared> {
    let world = Suite::world(seed);
    let caps = Caps::of(&demo_config(&world, &plain())?.config);
    Ok(compare(&world, suite.days, world.today(), caps))
}

/// The rules of the gym are nobody's own: what a policy says by itself.
fn plain() -> Rules {
    Rules { folder: PathBuf::from("no-such-folder"), ..Rules::default() }
}

impl Question<'_> {
    fn rules(&self, tried: bool) -> Rules {
        let of_stage = |stage: &String| (stage.clone(), self.named.to_string());
        let policies = if tried { self.stages.iter().map(of_stage).collect() } else { Vec::new() };
        Rules { models: self.models.clone(), policies, ..plain() }
    }

    async fn live(&self, seed: u64, tried: bool) -> anyhow::Result<Lived> {
        let rules = self.rules(tried);
        let life = Life::new(Suite::world(seed), &rules)?;
        let shelf = Shelf::default();
        let prepared =
            policies::prepare(life.effective(), self.registry, &shelf, &rules.folder, &self.models.columns())?;
        if let Some(reason) = prepared.iter().find_map(|stage| stage.broken()) {
            anyhow::bail!("the policy cannot be used: {reason}");
        }
        let since = life.world().today();
        let caps = Caps::of(&life.effective().config);
        let mut lived = Lived::default();
        for hour in 0..self.suite.days * 24 {
            let report = life.run(&prepared, self.models, &Options::default()).await?;
            self.count(&report, &mut lived);
            lived.watch.note(&report, &|| life.world());
            life.advance();
            if hour % 24 == 23 {
                let world = life.world();
                lived.watch.day_over(&world, world.today().yesterday()?, &caps);
                (self.progress)(1);
            }
        }
        let world = life.world();
        lived.profit = world.profit_since(since) as f64 / world.params().minor_units() as f64;
        Ok(lived)
    }

    fn count(&self, report: &RunReport, lived: &mut Lived) {
        lived.kills += report.decisions.iter().filter(|d| d.done.verb == Verb::Pause).count();
        for stage in report.stages.iter().filter(|stage| self.stages.contains(&stage.name)) {
            lived.failures += usize::from(stage.fault.is_some());
            if let Some(cost) = stage.cost {
                lived.nanos += cost.ms * 1e6;
                lived.instructions += cost.instructions as f64;
                lived.asked += stage.ads as f64;
            }
        }
    }
}
