//! Days with a clock change, campaigns that are not there, revenue without purchases: handled, or told
//! by name, never guessed.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{Currency, Facts, Money};
use dean::features::{self, Basis, Frame, LagCurve, Marks, Row, Totals};
use dean::meta::Call;
use dean::pipeline::{Options, RunReport};
use dean::store::Store;
use dean_sim::{Params, Stage};
use dean_tests::account::TestAccount;
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    assert!(told.message.contains("stage scaling") && told.message.contains("is not in this account"), "{told:?}");
    assert!(report.skipped.iter().any(|s| s.reason.contains("belongs to no stage")), "its ads are skipped by name");
}

#[tokio::test]
async fn nothing_is_promoted_into_a_campaign_that_the_account_does_not_have() {
    let settings = [("ids.scaling_campaign_id", json!("120210000000999999"))];
    let account = TestAccount::new(3, Params { ads: 40, ..Params::default() }, &settings).await.unwrap();
    let before = account.sizes();
    let mut held = 0;
    for _ in 0..72 {
        let report = account.run(&Options::default()).await.unwrap();
        for d in report.decisions.iter().filter(|d| d.stage == "validation" && d.verb.to_string() == "promote") {
            let by = d.held.as_ref().unwrap();
            assert!(by.by != "no-next-stage" || by.reason.contains("120210000000999999"), "{}", by.reason);
            held += usize::from(by.by == "no-next-stage");
        }
        assert!(report.actions.iter().all(|a| !a.to.contains("120210000000999999")), "nothing was sent");
        account.advance(1);
    }
    assert!(held > 0, "validation wanted to promote");
    let copies = account.store.promotions(account.client.account_id()).await.unwrap();
    assert!(account.sizes().1 <= before.1 + copies.len());
}

/// The insights of one ad, changed on their way by day.
fn of_ad<'a>(call: &Call, body: &'a mut Value, ad: &str) -> Vec<&'a mut Value> {
    if !call.path.ends_with("/insights") {
        return Vec::new();
    }
    let rows = body["data"].as_array_mut().unwrap();
    rows.iter_mut().filter(|row| row["ad_id"] == ad).collect()
}

fn skipped<'a>(report: &'a RunReport, ad: &str) -> Option<&'a str> {
    report.skipped.iter().find(|s| s.ad_id == ad).map(|s| s.reason.as_str())
}

#[tokio::test]
async fn a_day_that_makes_no_sense_holds_its_ad_until_a_usable_one_comes() {
    let account = TestAccount::new(7, Params { ads: 20, history_days: 14, ..Params::default() }, &[]).await.unwrap();
    let dry = Options { dry_run: true, explain: true, ..Options::default() };
    let report = account.run(&dry).await.unwrap();
    let spent = |d: &&dean::pipeline::Decision| {
        d.columns.as_ref().unwrap()["spend_d9"].as_ref().and_then(Value::as_f64).is_some_and(|spend| spend > 0.0)
    };
    let ad = report.decisions.iter().find(spent).unwrap().ad_id.clone();
    let today = account.clock.now().to_zoned(jiff::tz::TimeZone::get(&report.timezone).unwrap()).date();
    let ninth = (today - jiff::Span::new().days(9)).to_string();
    drop(account);

    // Only the first run of an account day reads as far back.
    let broken = Arc::new(AtomicBool::new(true));
    let (is_broken, of) = (Arc::clone(&broken), ad.clone());
    let account = TestAccount::new(7, Params { ads: 20, history_days: 14, ..Params::default() }, &[]).await.unwrap();
    let account = account.altering(move |call, body| {
        for row in of_ad(call, body, &of) {
            if is_broken.load(Ordering::Relaxed)
                && row["date_start"] == ninth.as_str()
                && row["date_stop"] == ninth.as_str()
            {
                row["spend"] = json!("-55.00");
            }
        }
    });
    let first = account.run(&dry).await.unwrap();
    assert!(skipped(&first, &ad).unwrap().contains("spend is -55"), "{:?}", skipped(&first, &ad));
    broken.store(false, Ordering::Relaxed);
    account.advance(1);
    let second = account.run(&dry).await.unwrap();
    assert!(skipped(&second, &ad).unwrap().contains("spend is -55"), "that day was not read again");
    account.advance(24);
    let next_day = account.run(&dry).await.unwrap();
    assert_eq!(skipped(&next_day, &ad), None, "Meta sends a usable row now");
    assert!(next_day.decisions.iter().any(|d| d.ad_id == ad));
}

#[tokio::test]
async fn numbers_that_no_ad_can_have_hold_it_by_name() {
    let purchases = json!([{"action_type": "purchase", "value": "1000000000"}]);
    let cases = [
        ("spend", json!("-55.00"), "spend is -55"),
        ("spend", json!("many"), "spend is \"many\", not a number"),
        ("spend", json!("1000000000000"), "beyond"),
        ("spend", Value::Null, "spend is missing"),
        ("impressions", Value::Null, "impressions is missing"),
        ("clicks", json!("90000000"), "clicks are 90000000 on"),
        ("clicks", json!("NaN"), "clicks is \"NaN\", not a number"),
        ("actions", purchases, "purchases are 1000000000 on"),
    ];
    for (field, value, said) in cases {
        let account = TestAccount::new(7, Params { ads: 20, ..Params::default() }, &[]).await.unwrap();
        let dry = Options { dry_run: true, ..Options::default() };
        let ad = account.run(&dry).await.unwrap().decisions[0].ad_id.clone();
        account.advance(1);
        let of = ad.clone();
        let account = account.altering(move |call, body| {
            for row in of_ad(call, body, &of) {
                match &value {
                    Value::Null => drop(row.as_object_mut().unwrap().remove(field)),
                    value => row[field] = value.clone(),
                }
            }
        });
        let report = account.run(&dry).await.unwrap();
        let reason = skipped(&report, &ad).unwrap_or_default();
        assert!(reason.contains(said), "{field}: {reason:?} does not say {said:?}");
        assert_eq!(report.decisions.len() + report.skipped.len(), report.ads, "the others are decided on");
    }
}

#[tokio::test]
async fn a_budget_that_is_no_amount_is_told_and_not_changed() {
    for wrong in [json!("lots"), json!("-5000")] {
        let account = TestAccount::new(3, Params { ads: 20, ..Params::default() }, &[]).await.unwrap();
        let shown = wrong.as_str().unwrap().to_string();
        let account = account.altering(move |call, body| {
            if call.path.ends_with("/ads") {
                for ad in body["data"].as_array_mut().unwrap() {
                    ad["adset"]["daily_budget"] = wrong.clone();
                    ad["campaign"]["daily_budget"] = wrong.clone();
                }
            }
        });
        let report = account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
        assert!(report.health.iter().any(|h| h.message.contains(&shown) && h.message.contains("is no amount")));
        assert!(report.actions.iter().all(|a| a.kind != "set-budget"), "{:?}", report.actions);
    }
}

#[tokio::test]
async fn an_account_that_never_sold_stops_growing_without_a_breakeven_of_its_own() {
    let account = TestAccount::new(7, Params { ads: 40, ..Params::default() }, &[]).await.unwrap();
    let account = account.altering(|call, body| {
        if call.path.ends_with("/insights") {
            for row in body["data"].as_array_mut().unwrap() {
                let bought = |action: &Value| action["action_type"].as_str().unwrap_or_default().contains("purchase");
                if let Some(actions) = row["actions"].as_array_mut() {
                    actions.retain(|action| !bought(action));
                }
                row.as_object_mut().unwrap().remove("action_values");
            }
        }
    });
    let report = account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
    let told = report.health.iter().find(|h| h.stops.as_deref() == Some("growth")).unwrap();
    assert!(told.message.contains("without a purchase"), "{}", told.message);
    let grows = |d: &&dean::pipeline::Decision| matches!(d.verb.to_string().as_str(), "promote" | "duplicate");
    let wanted: Vec<_> = report.decisions.iter().filter(grows).collect();
    assert!(!wanted.is_empty() && wanted.iter().all(|d| d.held.is_some()), "{wanted:?}");
}

#[test]
fn revenue_without_purchases_and_absurd_days_make_no_number_that_is_none() {
    let row = Row { status: "ACTIVE".into(), ..Row::default() };
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
