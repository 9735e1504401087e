//! Policies swapped under runs: each run is decided by one snapshot whole, none is dropped, none fails.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::pipeline::Options;
use dean::policies::{Live, StagePolicy};
use dean_policy::types::Cohort;
use dean_policy::{Artifact, Identity, Package, shipped};
use dean_sim::Params;
use dean_tests::account::{TestAccount, registry};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Times that all stages are asked, as a run does it.
const ASKED: usize = 10_000;
const THREADS: usize = 4;
const BETWEEN_SWAPS: Duration = Duration::from_millis(50);

/// The stages, decided by the shipped policies under another version.
fn version(stages: &[StagePolicy], version: &str) -> Vec<StagePolicy> {
    let renamed = |stage: &StagePolicy| {
        let mut stage = stage.clone();
        let name = stage.view.name.clone();
        let (version, doc, stages) = (version.to_string(), "Another.".to_string(), vec![name.clone()]);
        let identity = Identity { name: name.clone(), version, doc, stages };
        let package = Package { identity: Some(identity), ..Package::default() };
        let bytes = package.put_into(shipped::find(&name).unwrap().bytes).unwrap();
        let dean::policies::Decider::Ready(ready) = &mut stage.decider else { panic!("{name} has a policy") };
        ready.policy = registry().load(&Artifact::new(name, bytes)).unwrap();
        stage
    };
    stages.iter().map(renamed).collect()
}

/// Whole runs, account and all: a few of them here, and as many with `DEAN_SOAK`.
fn runs() -> usize {
    if std::env::var_os("DEAN_SOAK").is_some() { ASKED } else { 200 }
}

/// Lets four threads do something until it was done so often, each time with the snapshot that is current then, while
/// the pointer moves every fifty milliseconds. How often each version decided.
fn under_swaps<T: Send>(
    times: usize,
    live: &Live,
    versions: [&[StagePolicy]; 2],
    workers: Vec<T>,
    each: impl Fn(&mut T, &[StagePolicy]) -> Vec<String> + Sync,
) -> BTreeMap<String, usize> {
    let (begun, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |mut worker: T| {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        while begun.fetch_add(1, Ordering::Relaxed) < times {
            let snapshot = live.snapshot();
            let decided = each(&mut worker, &snapshot);
            assert!(decided.iter().all(|version| *version == decided[0]), "a run mixes policies: {decided:?}");
            *seen.entry(decided[0].clone()).or_default() += 1;
            done.fetch_add(1, Ordering::Relaxed);
        }
        seen
    };
    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = workers.into_iter().map(|worker| scope.spawn(move || work(worker))).collect();
        let mut swaps = 0;
        while !threads.iter().all(|thread| thread.is_finished()) {
            std::thread::sleep(BETWEEN_SWAPS);
            swaps += 1;
            live.swap(versions[swaps % 2].to_vec());
        }
        for seen in threads.into_iter().map(|thread| thread.join().unwrap()) {
            seen.into_iter().for_each(|(version, times)| *all.entry(version).or_default() += times);
        }
        eprintln!("{swaps} swaps under {times} runs: {all:?}");
    });
    assert_eq!(done.into_inner(), times, "none was dropped");
    all
}

fn small() -> Params {
    Params { ads: 6, history_days: 2, ..Params::default() }
}

#[test]
fn ten_thousand_runs_on_four_threads_are_each_decided_by_one_snapshot() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let account = runtime.block_on(TestAccount::new(7, small(), &[])).unwrap();
    let (first, second) = (version(&account.policies, "1.0.0"), version(&account.policies, "2.0.0"));
    let live = Live::new(first.clone());
    let ask = |_: &mut (), stages: &[StagePolicy]| {
        let decided = stages.iter().map(|stage| {
            let ready = stage.ready().unwrap();
            // A thousand ads of which nothing is known: nothing is decided, and everything is looked at.
            let (rows, plan) = (1_000, &ready.plan);
            let mut cohort = Cohort {
                rows,
                groups: 1,
                trace: true,
                values: vec![f64::NAN; plan.columns.len() * rows as usize],
                codes: vec![u32::MAX; plan.text_columns.len() * rows as usize],
                context: vec![f64::NAN; plan.context.len()],
                group_of: vec![0; rows as usize],
                ..Cohort::default()
            };
            ready.policy.decide(&stage.view.name, &ready.settings, plan, &mut cohort).answer.unwrap();
            ready.policy.manifest().version.clone()
        });
        decided.collect()
    };
    let seen = under_swaps(ASKED, &live, [&first, &second], vec![(); THREADS], ask);
    assert!(seen.len() == 2 && seen.values().all(|times| *times > ASKED / 10), "both decided: {seen:?}");
}

#[test]
fn whole_runs_are_each_decided_by_one_snapshot() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let accounts: Vec<TestAccount> =
        (0..THREADS).map(|i| runtime.block_on(TestAccount::new(i as u64, small(), &[])).unwrap()).collect();
    let (first, second) = (version(&accounts[0].policies, "1.0.0"), version(&accounts[0].policies, "2.0.0"));
    let live = Live::new(first.clone());
    let run = |account: &mut TestAccount, stages: &[StagePolicy]| {
        account.policies = stages.to_vec();
        let report = runtime.block_on(account.run(&Options { dry_run: true, ..Options::default() })).unwrap();
        assert!(report.stages.iter().all(|stage| stage.fault.is_none()), "{:?}", report.stages);
        report.stages.iter().map(|stage| stage.version.clone().unwrap()).collect()
    };
    let seen = under_swaps(runs(), &live, [&first, &second], accounts, run);
    assert!(seen.len() == 2, "both decided: {seen:?}");
}
