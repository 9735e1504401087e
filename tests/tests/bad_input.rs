//! Days with a clock change, campaigns that are not there, revenue without purchases: handled, or told
//! by name, never guessed.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{Currency, Facts, Money};
use dean::features::{self, Basis, Frame, LagCurve, Marks, Row, Totals};
use dean::pipeline::{Options, RunReport};
use dean_sim::{Params, Stage};
use dean_tests::account::TestAccount;
use jiff::civil::{Date, date};
use serde_json::json;
use std::collections::BTreeSet;

fn sum(report: &RunReport, stage: &str, column: &str) -> f64 {
    let of_stage = report.decisions.iter().filter(|d| d.stage == stage).map(|d| d.columns.as_ref().unwrap());
    of_stage.map(|columns| columns[column].as_ref().and_then(serde_json::Value::as_f64).unwrap_or(0.0)).sum()
}

/// Runs hour by hour over a clock change in Berlin and holds every day against what the market spent.
async fn over(change: Date, hours_of_the_day: i64) {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let history = 6;
    let start = change.checked_sub(jiff::Span::new().days(history + 1)).unwrap().to_zoned(zone.clone()).unwrap();
    let params =
        Params { ads: 20, history_days: history as u32, start: start.timestamp().as_second(), ..Params::default() };
    let settings = [("stages.scaling.policy", json!("")), ("stages.validation.policy", json!(""))];
    let account = TestAccount::new(7, params, &settings).await.unwrap();
    let mut runs = BTreeSet::new();
    let mut of_the_day = 0;
    for _ in 0..72 {
        let options = Options { dry_run: true, explain: true, ..Options::default() };
        let report = account.run(&options).await.unwrap();
        assert!(runs.insert(report.run_id.clone()), "no two runs have one id, in a repeated hour neither");
        let today = account.clock.now().to_zoned(zone.clone()).date();
        of_the_day += i64::from(today == change);
        for (stage, name) in [(Stage::Validation, "validation"), (Stage::Scaling, "scaling")] {
            let on = |date: Date| account.server.graph().world().spend_on(stage, date) as f64 / 100.0;
            let yesterday = today.yesterday().unwrap();
            for (column, day) in [("spend_today", today), ("spend_d1", yesterday)] {
                let (found, spent) = (sum(&report, name, column), on(day));
                // Paused ads of the stage are skipped, and spent nothing lately.
                assert!((found - spent).abs() < 0.01, "{name} {column} on {today}: {found}, not {spent}");
            }
        }
        account.advance(1);
    }
    assert_eq!(of_the_day, hours_of_the_day, "{change} has so many hours");
}

#[tokio::test]
async fn a_day_of_23_hours_is_a_day() {
    over(date(2026, 3, 29), 23).await;
}

#[tokio::test]
async fn a_day_of_25_hours_is_a_day() {
    over(date(2026, 10, 25), 25).await;
}

#[tokio::test]
async fn a_campaign_that_the_account_does_not_have_is_told_by_its_id() {
    let settings = [("ids.scaling_campaign_id", json!("120210000000999999"))];
    let account = TestAccount::new(7, Params { ads: 20, ..Params::default() }, &settings).await.unwrap();
    let report = account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
    let told = report.health.iter().find(|h| h.message.contains("120210000000999999")).unwrap();
    assert!(told.message.contains("stage scaling"), "{}", told.message);
    assert!(report.skipped.iter().any(|s| s.reason.contains("belongs to no stage")), "its ads are skipped by name");
}

#[test]
fn revenue_without_purchases_and_absurd_days_make_no_number_that_is_none() {
    let never = f64::NAN;
    let row = Row {
        age_hours: never,
        hours_in_stage: never,
        stage_days: features::DAYS,
        status: "ACTIVE".into(),
        budget: never,
        in_learning: never,
        hours_since_change: never,
        changes_24h: 0.0,
        hours_since_budget_change: never,
        hours_since_budget_fall: never,
        budget_day_start: never,
        joined_budget: 0.0,
        paused_by_dean: 0.0,
        hours_since_pause: never,
        cpa_at_pause: never,
        purchases_at_pause: never,
        copies_today: 0.0,
        hours_since_copy: never,
        hours_since_refresh: never,
        reach_7d: never,
        inherited_purchases: 0.0,
        inherited_spend: 0.0,
        before_stage: Facts::default(),
    };
    let revenue = Facts { spend: Money(5_000), revenue: Some(Money(9_000)), impressions: 1.0, ..Facts::default() };
    let unvalued = Facts { spend: Money(5_000), revenue: None, purchases: 2.0, ..Facts::default() };
    let huge =
        Facts { spend: Money(i64::MAX / 64), impressions: 1e15, clicks: 1e15, purchases: 1e12, ..Facts::default() };
    for facts in [revenue, unvalued, huge, Facts::default()] {
        let mut frame = Frame::new(vec![row.clone()], &Currency::new("EUR"));
        (0..features::DAYS).for_each(|day| frame.set_day(0, day, &facts));
        let basis = Basis::fit(&[Totals::default()], &LagCurve::default(), 0.5);
        let marks = Marks { target_cpa: 36.0, breakeven_cpa: f64::NAN };
        for entry in features::catalogue() {
            let value = entry.column.values(&frame, &basis, marks)[0];
            assert!(value.is_nan() || value.is_finite(), "{} is {value} on {facts:?}", entry.name);
        }
        let column = |name: &str| features::find(name).unwrap().values(&frame, &basis, marks)[0];
        if facts == revenue {
            assert!(column("cpa_7d").is_nan() && column("aov_7d").is_nan());
            assert!((column("roas_7d") - 1.8).abs() < 1e-12);
        }
        if facts == unvalued {
            assert!(column("roas_7d").is_nan() && (column("cpa_7d") - 25.0).abs() < 1e-12);
        }
    }
}
