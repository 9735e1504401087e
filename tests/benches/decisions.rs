//! What a decision costs: through the sandbox and native, with evidence and with every check, and what
//! it takes to have an instance.
//!
//! `cargo bench -p dean-tests --bench decisions` prints nanoseconds an ad, medians over many batches of
//! 1,000 on one thread. What counts are the ratios in one run.

use dean_policy::types::{Cohort, Plan, Setting};
use dean_policy::{Limits, Policy, Registry, Runtime};
use dean_policy_sdk::bindings::types as wit;
use dean_policy_sdk::{StagePolicy, decide};
use std::time::Instant;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 1_000;
const BATCHES: usize = 400;

/// Ads of which one in `firing` is decided on: a hopeless one in testing, a used-up allowance in
/// validation, two bad days in scaling.
fn cohort(plan: &Plan, firing: usize, trace: bool) -> Cohort {
    let value = |name: &str, row: usize| {
        let fires = row.is_multiple_of(firing);
        match name {
            "impressions_in_stage" | "impressions_today" => 20_000.0,
            "clicks_in_stage" => 200.0,
            "ctr_in_stage" | "ctr_today" | "ctr_ewma" => 0.0008 + if fires { 0.0 } else { 0.01 },
            "spend_in_stage" if fires => 650.0 + row as f64 / 1_000.0,
            "spend_in_stage" => 60.0 + row as f64 / 1_000.0,
            "spend_d1" | "spend_d2" | "spend_d3" => {
                if fires {
                    90.0
                } else {
                    30.0
                }
            }
            "purchases_d1" | "purchases_d2" | "purchases_d3" => 1.0,
            "purchases_in_stage" | "add_to_cart_in_stage" => 0.0,
            "p_cpa_above_target" | "p_cpa_above_target_3d" => 0.9,
            "budget" => 100.0,
            _ => 1.0,
        }
    };
    Cohort {
        rows: ROWS as u32,
        groups: ROWS as u32,
        trace,
        values: plan.columns.iter().flat_map(|name| (0..ROWS).map(move |row| value(name, row))).collect(),
        words: vec!["ACTIVE".into()],
        codes: vec![0; ROWS * plan.text_columns.len()],
        context: vec![0.0; plan.context.len()],
        group_of: (0..ROWS as u32).collect(),
        ..Cohort::default()
    }
}

/// Median nanoseconds an ad of something that is done for a batch, after a warm-up.
fn measure(mut batch: impl FnMut()) -> f64 {
    (0..BATCHES / 10).for_each(|_| batch());
    let mut times: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let started = Instant::now();
            batch();
            started.elapsed().as_nanos() as f64 / ROWS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[BATCHES / 2]
}

fn sandboxed(policy: &Policy, stage: &str, plan: &Plan, cohort: &Cohort) -> (f64, usize, usize) {
    let settings: [Setting; 0] = [];
    let mut lent = cohort.clone();
    let (mut decided, mut checks) = (0, 0);
    let time = measure(|| match policy.decide(stage, &settings, plan, &mut lent).answer {
        Ok(answer) => (decided, checks) = (answer.ads.len(), answer.checks.len()),
        Err(fault) => panic!("{fault}"),
    });
    (time, decided, checks)
}

fn native<P: StagePolicy>(cohort: &Cohort) -> f64 {
    let Cohort { now, seed, rows, groups, trace, values, words, codes, context, group_of } = cohort.clone();
    let texts = wit::Texts { words, codes };
    let lent = wit::Cohort { now, seed, rows, groups, trace, values, texts, context, group_of };
    measure(|| {
        std::hint::black_box(decide::<P>(&[], std::hint::black_box(&lent))).unwrap_or_else(|error| panic!("{error}"));
    })
}

fn main() -> anyhow::Result<()> {
    let registry = Registry::new(Runtime::new(Limits::default(), None)?);
    println!(
        "{:<11} {:<28} {:>9} {:>9} {:>12} {:>10} {:>7} {:>8} {:>8}",
        "policy", "batch of 1,000", "decisions", "checks", "sandbox (ns)", "ads/s (M)", "native", "ratio", ""
    );
    for stage in ["testing", "validation", "scaling"] {
        let policy = registry.resolve(&stage.parse()?)?;
        let plan = policy.prepare(stage, &[])?;
        for (what, firing, trace) in
            [("every ad decided", 1, false), ("one in ten decided", 10, false), ("every check of every rule", 10, true)]
        {
            let cohort = cohort(&plan, firing, trace);
            let (time, decided, checks) = sandboxed(&policy, stage, &plan, &cohort);
            let native = match stage {
                "testing" => native::<dean_testing::Testing>(&cohort),
                "validation" => native::<dean_validation::Validation>(&cohort),
                _ => native::<dean_scaling::Scaling>(&cohort),
            };
            println!(
                "{stage:<11} {what:<28} {decided:>9} {checks:>9} {time:>12.0} {:>10.2} {native:>7.0} {:>8.1}",
                1e3 / time,
                time / native
            );
        }
    }
    let policy = registry.resolve(&"testing".parse()?)?;
    let plan = policy.prepare("testing", &[])?;
    let mut empty = Cohort { context: vec![0.0; plan.context.len()], ..Cohort::default() };
    let time = measure(|| match policy.decide("testing", &[], &plan, &mut empty).answer {
        Ok(answer) => assert!(answer.ads.is_empty()),
        Err(fault) => panic!("{fault}"),
    });
    // Components of other languages, by their files: DEAN_POLICIES="a.wasm b.wasm".
    let named = std::env::var("DEAN_POLICIES").unwrap_or_default();
    for file in named.split_whitespace() {
        let started = Instant::now();
        let policy = registry.resolve(&file.parse()?)?;
        let loaded = started.elapsed();
        let stage = policy.manifest().stages[0].clone();
        let plan = policy.prepare(&stage, &[])?;
        let mut cohort = cohort(&plan, 10, true);
        let mut times: Vec<f64> = (0..20)
            .map(|_| policy.decide(&stage, &[], &plan, &mut cohort).cost.time.as_nanos() as f64 / ROWS as f64)
            .collect();
        times.sort_by(f64::total_cmp);
        let cost = policy.decide(&stage, &[], &plan, &mut cohort).cost;
        println!(
            "{}: {} kB, loaded in {:.0} ms; every check: {:.0} ns and {} instructions an ad, {} MiB",
            policy.manifest().named(),
            policy.artifact().bytes().len() / 1_000,
            loaded.as_secs_f64() * 1e3,
            times[times.len() / 2],
            cost.instructions / ROWS as u64,
            cost.memory_bytes >> 20
        );
    }
    println!("an instance, an empty cohort, an answer: {:.1} us", time * ROWS as f64 / 1e3);
    Ok(())
}
