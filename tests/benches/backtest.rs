//! What a backtest of 1,000 hourly ads costs, whether twice the hours take twice the time, and what the journal
//! of it takes.
//!
//! `cargo bench -p dean-tests --bench backtest` lives through ten days first, on a simulated account that Dean only
//! observes, so that all ads stay; with `DEAN_BACKTEST_DAYS=90` through ninety, which takes a quarter of an hour.

use dean::compare::{Comparison, Question, Tried, compare};
use dean::pipeline::Options;
use dean::policies::StagePolicy;
use dean::store::Store;
use dean_policy::{Artifact, Identity, Package, shipped};
use dean_sim::Params;
use dean_tests::account::TestAccount;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ADS: usize = 1_000;
const DAYS: i64 = 10;

async fn asked(account: &TestAccount, tried: &[StagePolicy], since: Timestamp) -> anyhow::Result<Comparison> {
    let question = Question {
        account: account.client.account_id(),
        client: "default",
        since,
        until: Timestamp::MAX,
        tried: Tried::Policies(tried),
        against: None,
        attribution: &account.effective.config.attribution.to_string(),
        cogs_per_purchase: account.effective.config.economics.cogs_per_purchase,
        progress: &|_, _| {},
    };
    let _ = compare(&account.store, question).await?;
    compare(&account.store, question).await
}

async fn measure(days: i64) -> anyhow::Result<()> {
    let params = Params { ads: ADS, history_days: 10, ..Params::default() };
    let caps = [("stages.testing.daily_cap", 50_000.0.into()), ("stages.scaling.daily_cap", 50_000.0.into())];
    let account = TestAccount::new(1, params, &caps).await?;
    let runs = days * 24;
    println!("{runs} runs journalled: {:.0} kB a run", journalled(&account, runs).await?);
    let half = account.clock.now().checked_sub((days * 12).hours())?;
    let others: [(&str, &[(&str, serde_json::Value)]); 3] = [
        ("the same settings", &[]),
        ("another tier", &[("rules.testing.tiers.poor", json!(60.0))]),
        ("another target", &[("rules.thresholds.cpa.testing_max", json!(30.0))]),
    ];
    for (name, settings) in others {
        let tried = account.policies_with(settings)?;
        let (whole, half) = (asked(&account, &tried, Timestamp::MIN).await?, asked(&account, &tried, half).await?);
        println!(
            "{name}: {} decisions of {} runs made again in {:.2} s, {} differ; {:.2} ms a run; half of the runs take \
             {:.2} of the time",
            whole.decisions,
            whole.runs,
            whole.ms / 1e3,
            whole.changed,
            whole.ms / whole.runs as f64,
            half.ms / whole.ms
        );
    }
    // A policy on trial is journalled against the stage's own of the same run: most of what both saw is the same.
    account.install(&of_another_name()?).await?;
    account.put_on_trial(("beside", "1.0.0"), 0.0).await?;
    let account = account.with_stored_policies().await?;
    println!("with a shadow beside the testing stage: {:.0} kB a run", journalled(&account, 48).await?);
    Ok(())
}

/// Lives through so many hours; what the journal takes of one of them, in kB.
async fn journalled(account: &TestAccount, runs: i64) -> anyhow::Result<f64> {
    let options = Options { observes: true, ..Options::default() };
    let mut journal = 0;
    for _ in 0..runs {
        let report = account.run(&options).await?;
        let rows = account.store.journal_of(&report.run_id).await?;
        journal += rows.iter().map(|row| row.bytes.len()).sum::<usize>();
        account.advance(1);
    }
    Ok(journal as f64 / runs as f64 / 1e3)
}

/// The shipped policy of the testing stage, as somebody else's.
fn of_another_name() -> anyhow::Result<Artifact> {
    let identity = Identity {
        name: "beside".into(),
        version: "1.0.0".into(),
        doc: "A policy of this benchmark.".into(),
        stages: vec!["testing".into()],
    };
    let package = Package { identity: Some(identity), ..Package::default() };
    let testing = shipped::find("testing").ok_or_else(|| anyhow::anyhow!("testing is shipped"))?;
    Ok(Artifact::new("beside.wasm", package.put_into(testing.bytes).map_err(anyhow::Error::msg)?))
}

fn main() -> anyhow::Result<()> {
    let days = std::env::var("DEAN_BACKTEST_DAYS").ok().map(|days| days.parse()).transpose()?.unwrap_or(DAYS);
    // One core: what a backtest takes is not spread over several.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(days))
}
