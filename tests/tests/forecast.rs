//! `--simulate`: a week ahead of the account as it stands, with and without the plan.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::demo::{Expected, forecast};
use dean::domain::Verb;
use dean::pipeline::{Options, RunReport};
use dean_sim::Params;
use dean_tests::account::TestAccount;
use serde_json::json;

async fn plan(settings: &[(&str, serde_json::Value)]) -> (TestAccount, RunReport) {
    let account =
        TestAccount::new(7, Params { ads: 20, history_days: 10, ..Params::default() }, settings).await.unwrap();
    let options = Options { dry_run: true, explain: true, ..Options::default() };
    let report = account.run(&options).await.unwrap();
    (account, report)
}

fn nobody() -> [(&'static str, serde_json::Value); 3] {
    ["stages.testing.policy", "stages.validation.policy", "stages.scaling.policy"].map(|key| (key, json!("")))
}

fn same(a: Expected, b: Expected) -> bool {
    (a.spend - b.spend).abs() + (a.purchases - b.purchases).abs() + (a.profit - b.profit).abs() < 1e-9
}

#[tokio::test]
async fn a_plan_that_changes_nothing_changes_nothing_and_nothing_is_written() {
    let (account, report) = plan(&nobody()).await;
    let ahead = forecast(&report, &report.timezone, 15.0).unwrap();
    assert_eq!(ahead.days.len(), 7);
    assert_eq!(ahead.days[0].date, account.server.graph().world().today().tomorrow().unwrap().to_string());
    assert!(ahead.days.iter().all(|day| same(day.as_it_is, day.with_plan)));
    assert!(ahead.days.iter().all(|day| day.as_it_is.spend > 100.0 && day.as_it_is.purchases > 0.0));
    assert_eq!(account.client.usage().writes, 0);
}

#[tokio::test]
async fn the_week_is_like_the_one_that_follows() {
    let (account, report) = plan(&nobody()).await;
    let ahead = forecast(&report, &report.timezone, 15.0).unwrap();
    let from = account.server.graph().world().today().tomorrow().unwrap();
    account.advance(24 * 8);
    let graph = account.server.graph();
    let spent: i64 = (0..7)
        .map(|day| from.checked_add(jiff::Span::new().days(day)).unwrap())
        .map(|day| graph.world().outcome_of(day).spend)
        .sum();
    let foretold: f64 = ahead.days.iter().map(|day| day.as_it_is.spend).sum();
    let share = foretold / (spent as f64 / 100.0);
    assert!((0.8..1.25).contains(&share), "foretold {foretold:.0}, came {:.0}", spent as f64 / 100.0);
}

#[tokio::test]
async fn what_is_paused_spends_nothing_and_budgets_are_as_planned() {
    let (_account, mut report) = plan(&nobody()).await;
    for decision in &mut report.decisions {
        decision.done.verb = Verb::Pause;
    }
    let without = forecast(&report, &report.timezone, 15.0).unwrap();
    // Ads of no stage go on, whatever the plan says of the others.
    assert!(without.days.iter().all(|day| day.with_plan.spend < 0.2 * day.as_it_is.spend));
    let twice = forecast(&report, &report.timezone, 15.0).unwrap();
    assert!(without.days.iter().zip(&twice.days).all(|(a, b)| same(a.with_plan, b.with_plan)), "the same each time");
}
