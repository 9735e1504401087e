//! From a file to the active policy: cold (nothing compiled, cases not asked yet) and warm (by a process that knows the
//! bytes, and by another on the same cache), with every client's settings checked and the switch on the disk.

use dean::config::Sources;
use dean::policies;
use dean::store::SqliteStore;
use dean_policy::{Artifact, Limits, Registry, Runtime, shipped};
use jiff::Timestamp;
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 21;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    println!(
        "{:<12} {:>9} {:>6} {:>10} {:>22} {:>12}",
        "policy", "bytes", "cases", "cold ms", "warm, new process ms", "warm ms"
    );
    for shipped in shipped::of_stages() {
        let (mut cold, mut other, mut warm) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let folder = tempfile::tempdir()?;
            let file = folder.path().join("policy.wasm");
            std::fs::write(&file, shipped.bytes)?;
            let store = SqliteStore::open(folder.path())?;
            let cache = folder.path().join("cache");
            let first = Registry::new(Runtime::new(Limits::default(), Some(&cache))?);
            cold.push(once(&store, &first, &file, folder.path()).await?);
            warm.push(once(&store, &first, &file, folder.path()).await?);
            let second = Registry::new(Runtime::new(Limits::default(), Some(&cache))?);
            other.push(once(&store, &second, &file, folder.path()).await?);
        }
        let cases =
            Registry::new(Runtime::new(Limits::default(), None)?).load(&shipped.artifact())?.package().cases.len();
        let median = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        };
        let (cold, other, warm) = (median(&mut cold), median(&mut other), median(&mut warm));
        println!("{:<12} {:>9} {cases:>6} {cold:>10.1} {other:>22.1} {warm:>12.1}", shipped.name, shipped.bytes.len());
    }
    Ok(())
}

/// Reads the file and makes it the active policy, milliseconds.
async fn once(store: &SqliteStore, registry: &Registry, file: &Path, folder: &Path) -> anyhow::Result<f64> {
    let sources = Sources { folder: folder.into(), ..Sources::default() };
    let started = Instant::now();
    let artifact = Artifact::read(file)?;
    let effective = dean::config::load(&sources)?;
    let now = Timestamp::UNIX_EPOCH;
    let installed = policies::install(store, registry, &effective, &artifact, None, now).await?;
    let manifest = installed.policy.manifest();
    let named = (manifest.name.as_str(), manifest.version.as_str());
    policies::activate(store, registry, &sources, named, None, None, now).await?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}
