//! What measuring 1,000 ads over 38 days costs, and a whole run of 1,000 ads by phase.
//!
//! `cargo bench -p dean-tests --bench run` prints medians; the run goes through HTTP to a simulated
//! account in the same process, so its reads hold the server's time too.

use dean::domain::{Currency, Facts, Money};
use dean::features::{self, Basis, DAYS, Frame, LagCurve, Marks, Row, Totals};
use dean::pipeline::Options;
use dean::store::Store;
use dean_policy::shipped;
use dean_sim::Params;
use dean_tests::account::{TestAccount, registry};
use std::collections::BTreeMap;
use std::time::Instant;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ADS: usize = 1_000;
const ROUNDS: usize = 30;
const RUNS: usize = 24;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Median milliseconds of something.
fn measure<T>(mut work: impl FnMut() -> T) -> f64 {
    let time = || {
        let started = Instant::now();
        std::hint::black_box(work());
        started.elapsed().as_secs_f64() * 1e3
    };
    median(std::iter::repeat_with(time).take(ROUNDS).collect())
}

/// A day of an ad: numbers that differ, and make sense.
fn facts(ad: usize, day: usize) -> Facts {
    let mixed = (ad * 31 + day * 17) % 97;
    let (impressions, clicks) = (500.0 + mixed as f64 * 60.0, 4.0 + mixed as f64);
    let purchases = (mixed % 4) as f64;
    Facts {
        spend: Money(1_000 + mixed as i64 * 40),
        impressions,
        clicks,
        purchases,
        revenue: Some(Money(purchases as i64 * 6_000)),
        add_to_cart: purchases * 3.0,
        ..Facts::default()
    }
}

fn row() -> Row {
    Row {
        age_hours: 900.0,
        hours_in_stage: 900.0,
        stage_days: DAYS,
        status: "ACTIVE".into(),
        budget: 50.0,
        in_learning: 0.0,
        budget_day_start: 50.0,
        ..Row::default()
    }
}

fn frame() -> Frame {
    let mut frame = Frame::new(vec![row(); ADS], &Currency::new("EUR"));
    for ad in 0..ADS {
        (0..DAYS).for_each(|day| frame.set_day(ad, day, &facts(ad, day)));
    }
    frame
}

fn basis() -> Basis {
    let totals = |ad: usize| {
        let mut total = Totals::default();
        for facts in (1..=30).map(|day| facts(ad, day)) {
            total.spend += facts.spend.0 as f64 / 100.0;
            total.settled_spend += facts.spend.0 as f64 / 100.0;
            total.impressions += facts.impressions;
            total.clicks += facts.clicks;
            total.add_to_cart += facts.add_to_cart;
            total.purchases += facts.purchases;
        }
        total
    };
    Basis::fit(&(0..ADS).map(totals).collect::<Vec<_>>(), &LagCurve::default(), 0.5)
}

fn columns() -> anyhow::Result<()> {
    println!("priors of {ADS} ads fitted: {:.2} ms", measure(basis));
    println!("a frame of {ADS} ads and {DAYS} days filled: {:.2} ms", measure(frame));
    let (frame, basis) = (frame(), basis());
    let marks = Marks { target_cpa: 36.0, breakeven_cpa: 45.0 };
    for shipped in shipped::of_stages() {
        let plan = registry().resolve(&shipped.name.parse()?)?.prepare(shipped.name, &[])?;
        let found: Vec<_> = plan.columns.iter().filter_map(|name| features::find(name)).collect();
        let all = || found.iter().map(|column| column.values(&frame, &basis, marks)).collect::<Vec<_>>();
        println!("the {} columns of {}: {:.2} ms", found.len(), shipped.name, measure(all));
    }
    let whole = features::catalogue();
    let all = || whole.iter().map(|entry| entry.column.values(&frame, &basis, marks)).collect::<Vec<_>>();
    println!("all {} columns of the catalogue: {:.2} ms", whole.len(), measure(all));
    Ok(())
}

async fn phases() -> anyhow::Result<()> {
    let params = Params { ads: ADS, history_days: 10, ..Params::default() };
    let caps = [("stages.testing.daily_cap", 50_000.0.into()), ("stages.scaling.daily_cap", 50_000.0.into())];
    let account = TestAccount::new(1, params, &caps).await?;
    // The first run of a day reads more than the others.
    account.run(&Options::default()).await?;
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let (mut journal, mut scored) = (0, Vec::new());
    for _ in 0..RUNS {
        account.advance(1);
        let report = account.run(&Options::default()).await?;
        for stage in account.store.journal_stages(&report.run_id).await? {
            journal += account.store.journal(&report.run_id, &stage).await?.map_or(0, |row| row.bytes.len());
        }
        scored = report.models.iter().map(|model| format!("{} {}", model.model, model.ads)).collect();
        report.timings_ms.into_iter().for_each(|(phase, ms)| times.entry(phase).or_default().push(ms));
    }
    println!("a run of {ADS} ads, median of {RUNS} hourly runs, by phase:");
    times.into_iter().for_each(|(phase, times)| println!("  {phase:<10} {:>8.1} ms", median(times)));
    println!("ads that each model says something of: {}", scored.join(", "));
    let runs = account.store.runs(account.client.account_id(), RUNS as u32).await?;
    let reports: usize = runs.iter().map(|run| run.report.as_ref().map_or(0, Vec::len)).sum();
    println!(
        "a run keeps on average {:.0} kB of journal and {:.0} kB of report",
        journal as f64 / RUNS as f64 / 1e3,
        reports as f64 / RUNS as f64 / 1e3
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    columns()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(phases())
}
