//! Samples of simulated worlds, each a market of its own: half of them are left alone, so that nothing that
//! Dean does hides what an ad would have done, and half are run by rules, as accounts are later.

use super::dataset::{Dataset, Truths};
use crate::demo::{self, Life, Rules};
use crate::domain::Currency;
use crate::pipeline::Options;
use crate::policies::{self, Shelf};
use crate::scoring::Models;
use dean_policy::Registry;
use dean_sim::{Params, World};

/// Which worlds are lived through.
#[derive(Clone, Copy, Debug)]
pub struct Worlds {
    /// The first seed; the others follow.
    pub seed: u64,
    /// How many.
    pub count: u64,
    /// Days of each.
    pub days: u32,
}

/// Lives through worlds, on every core, and puts what was seen of them together in the order of their seeds.
///
/// # Errors
/// When a run fails.
pub async fn live(
    worlds: Worlds,
    rules: &Rules,
    registry: &Registry,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<Dataset> {
    let handle = tokio::runtime::Handle::current();
    let seeds = worlds.seed..worlds.seed + worlds.count;
    let each = |seed| handle.block_on(one(seed, worlds.days, rules, registry, progress));
    let ((), lived) = demo::on_every_core(|| Ok(()), seeds, each)?;
    let mut all = Dataset::default();
    for dataset in lived {
        all.left_out += dataset.left_out;
        all.samples.extend(dataset.samples);
    }
    Ok(all)
}

async fn one(
    seed: u64,
    days: u32,
    rules: &Rules,
    registry: &Registry,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<Dataset> {
    let life = Life::new(World::new(seed, Params::varied(seed)), rules)?;
    let models = Models::none();
    let policies = policies::prepare(life.effective(), registry, &Shelf::default(), &rules.folder, &models.columns())?;
    if let Some(reason) = policies.iter().find_map(|policy| policy.broken()) {
        anyhow::bail!("a policy cannot be used: {reason}");
    }
    let left_alone = seed.is_multiple_of(2);
    let options = Options { dry_run: left_alone, ..Options::default() };
    let mut truths = Truths::new();
    let mut day = None;
    let mut ads = Vec::new();
    for hour in 0..days * 24 {
        let is_new_day = day.replace(life.world().today()) != Some(life.world().today());
        if is_new_day || !left_alone {
            let report = life.run(&policies, &models, &options).await?;
            ads = report.decisions.into_iter().map(|decision| decision.ad_id).collect::<Vec<_>>();
        }
        if is_new_day {
            let world = life.world();
            for ad in &ads {
                if let Some(truth) = ad.parse().ok().and_then(|id| world.truth(id)) {
                    let truth = [truth.ctr, truth.cvr, truth.cpa, truth.margin].map(|number| number as f32);
                    truths.insert((ad.clone(), world.today()), truth);
                }
            }
        }
        life.advance();
        progress(u64::from(hour % 24 == 23));
    }
    // The last look reads the days that late conversions have changed.
    life.run(&policies, &models, &Options { dry_run: true, ..Options::default() }).await?;
    let world = life.world();
    let currency = Currency::new(&world.params().currency);
    let attribution = life.effective().config.attribution.to_string();
    let account = format!("act_{}", life.account_id().trim_start_matches("act_"));
    let mut dataset =
        Dataset::of_account(life.store(), &account, &attribution, &currency, world.today(), &truths).await?;
    dataset.samples.iter_mut().for_each(|sample| sample.account = seed.to_string());
    Ok(dataset)
}
