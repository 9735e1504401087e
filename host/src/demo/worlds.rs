//! Many worlds at once: every core takes the next seed, and what came of them stands in the order of their seeds.

use super::world::{live_in_process, live_through_http};
use super::{DemoReport, Rules};
use dean_policy::Registry;
use dean_sim::Params;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lives through worlds: the first through HTTP and a store in a folder, the others in process.
///
/// # Errors
/// When a run fails.
pub async fn live(
    market: impl Fn(u64) -> Params + Sync,
    seeds: Range<u64>,
    days: u32,
    folder: &Path,
    rules: &Rules,
    registry: &Registry,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<DemoReport> {
    let handle = tokio::runtime::Handle::current();
    let seed = seeds.start;
    let first = || handle.block_on(live_through_http(market(seed), seed, days, folder, rules, registry, progress));
    let other = |seed| {
        let lived = live_in_process(market(seed), seed, days, rules, registry, progress);
        anyhow::Ok(handle.block_on(lived)?.report)
    };
    let (first, others) = on_every_core(first, seed + 1..seeds.end, other)?;
    let mut worlds = vec![first.report];
    worlds.extend(others);
    Ok(DemoReport {
        simulated: true,
        days,
        ads: first.ads,
        currency: market(seed).currency,
        daily_caps: first.daily_caps,
        worlds,
        runs: first.runs,
        decisions: first.decisions,
        kills: first.kills,
        promotions: first.promotions,
        budget_changes: first.budget_changes,
        api: first.api,
        daily: first.daily,
        examples: first.examples,
    })
}

/// Does one thing on this thread and another for every seed on all cores, this one too once it is free.
///
/// # Errors
/// The first error of any of them.
pub fn on_every_core<F, T: Send>(
    first: impl FnOnce() -> anyhow::Result<F>,
    seeds: Range<u64>,
    each: impl Fn(u64) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<(F, Vec<T>)> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return anyhow::Ok(done);
            }
            done.push((seed, each(seed)?));
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let (first, mut done) = tokio::task::block_in_place(|| anyhow::Ok((first()?, work()?)))?;
        for other in others {
            done.extend(other.join().map_err(|_| anyhow::anyhow!("a world ended in a panic"))??);
        }
        done.sort_by_key(|(seed, _)| *seed);
        Ok((first, done.into_iter().map(|(_, done)| done).collect()))
    })
}
