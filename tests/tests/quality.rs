//! Data quality: late conversions land on the day that they belong to, and what Meta's answers lack, repeat or change
//! is counted.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::DayFacts;
use dean::pipeline::{Options, RunReport};
use dean::store::Store;
use dean_sim::{Fault, Faults, Params};
use dean_tests::account::TestAccount;
use jiff::ToSpan;
use std::collections::BTreeMap;

fn params() -> Params {
    Params { ads: 60, history_days: 20, ..Params::default() }
}

async fn account() -> TestAccount {
    TestAccount::new(3, params(), &[]).await.unwrap()
}

async fn run(account: &TestAccount) -> RunReport {
    account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap()
}

/// Purchases by ad and day, as they are stored.
async fn purchases(account: &TestAccount) -> BTreeMap<(String, jiff::civil::Date), f64> {
    let key = account.effective.config.attribution.to_string();
    let since = (account.clock.now() - (60 * 24).hours()).to_zoned(jiff::tz::TimeZone::UTC).date();
    let days: Vec<DayFacts> = account.store.days_since(account.client.account_id(), &key, since).await.unwrap();
    days.into_iter().map(|day| ((day.ad_id, day.date), day.facts.purchases)).collect()
}

#[tokio::test]
async fn late_conversions_land_on_their_day_and_are_counted() {
    let account = account().await;
    let first = run(&account).await;
    assert_eq!((first.data.restated, first.data.gaps.len(), first.data.vanished), (0, 0, 0), "nothing was known");
    let before = purchases(&account).await;
    let today = account.clock.now().to_zoned(jiff::tz::TimeZone::get("Europe/Berlin").unwrap()).date();
    account.advance(24);
    let next = run(&account).await;
    let after = purchases(&account).await;
    let changed: Vec<f64> = before
        .iter()
        .filter(|((_, date), _)| *date <= today)
        .map(|(key, then)| after[key] - then)
        .filter(|by| by.abs() > 1e-9)
        .collect();
    assert!(changed.len() > 3, "purchases of earlier days arrived: {changed:?}");
    assert!(next.data.restated >= changed.len(), "{:?}", next.data);
    assert!((next.data.restated_purchases - changed.iter().sum::<f64>()).abs() < 1e-9, "{:?} {changed:?}", next.data);
    let days = account.clock.now().as_second() / 86_400;
    let from: jiff::civil::Date = next.data.from.parse().unwrap();
    let read = days - from.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second() / 86_400;
    assert!(read >= 28, "on a new day everything is read that Meta may restate: {read} days");
}

#[tokio::test]
async fn rows_that_come_twice_are_counted_once() {
    let plain = run(&account().await).await;
    let account = account().await;
    account.server.graph().set_faults(Faults { share: 1.0, kinds: vec![Fault::Duplicates], ..Faults::default() });
    let twice = run(&account).await;
    assert_eq!(plain.data.duplicates, 0);
    assert!(twice.data.duplicates > 0 && twice.data.rows == plain.data.rows, "{:?}", twice.data);
    assert_eq!(serde_json::to_value(&twice.decisions).unwrap(), serde_json::to_value(&plain.decisions).unwrap());
}

#[tokio::test]
async fn a_day_that_is_missing_between_others_is_said() {
    let account = account().await;
    let gap = (account.clock.now() - (4 * 24).hours()).to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let lacks = gap.clone();
    let account = account.altering(move |call, body| {
        if call.path.ends_with("/insights") && call.params.iter().any(|(name, _)| name == "time_increment") {
            body["data"].as_array_mut().unwrap().retain(|row| row["date_start"] != lacks.as_str());
        }
    });
    let report = run(&account).await;
    assert_eq!(report.data.gaps, std::slice::from_ref(&gap));
    let line = report.health.iter().find(|line| line.source == "data").unwrap();
    assert!(line.message.contains(&gap) && line.level == "warning", "{}", line.message);
}
