//! The tables that the product's users know are filled by what happens, none for show.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::pipeline::Options;
use dean::store::tables::{
    ACCOUNT_HEALTH, CREATIVE_INTELLIGENCE, DAILY_SUMMARIES, LEARNING_EVENTS, META_CREATIVES, ML_PREDICTIONS,
    PERFORMANCE_PATTERNS, SYSTEM_HEALTH, TABLES, TIME_SERIES_DATA,
};
use dean::store::{Cell, PromotionState, Store, Table};
use dean_sim::{Params, Stage};
use dean_tests::account::TestAccount;
use std::collections::BTreeMap;

/// An account after two days of hourly runs.
async fn lived() -> TestAccount {
    let account = TestAccount::new(7, Params { ads: 20, history_days: 10, ..Params::default() }, &[]).await.unwrap();
    for _ in 0..48 {
        account.run(&Options::default()).await.unwrap();
        account.advance(1);
    }
    account
}

type Row = BTreeMap<&'static str, Cell>;

async fn rows(account: &TestAccount, table: &'static Table) -> Vec<Row> {
    let rows = account.store.rows(table, account.client.account_id()).await.unwrap();
    rows.into_iter().map(|row| table.columns.iter().copied().zip(row).collect()).collect()
}

fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Integer(number) => *number as f64,
        Cell::Real(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

#[tokio::test]
async fn every_table_is_filled_and_says_something_in_every_column() {
    // These are not known of this account: it has no spending cap, and nothing stops it.
    const UNKNOWN: [&str; 3] = ["spend_cap", "stopped_by", "growth_stopped"];
    let account = lived().await;
    for table in TABLES {
        let rows = rows(&account, table).await;
        assert!(!rows.is_empty(), "{}", table.name);
        for column in table.columns.iter().filter(|c| !UNKNOWN.contains(c)) {
            assert!(rows.iter().any(|row| row[column] != Cell::Null), "{}.{column} is never known", table.name);
        }
    }
}

#[tokio::test]
async fn the_tables_agree_with_the_account_and_with_each_other() {
    let account = lived().await;
    let report = account.run(&Options { explain: true, dry_run: true, ..Options::default() }).await.unwrap();
    let creatives = rows(&account, &META_CREATIVES).await;
    let copies = creatives.iter().filter(|row| row["source_ad_id"] != Cell::Null).count();
    let promotions = account.store.promotions(account.client.account_id()).await.unwrap();
    let put_away = promotions.iter().filter(|p| p.state == PromotionState::Failed && p.ad_id.is_some()).count();
    assert_eq!(creatives.len(), report.ads + put_away, "every ad that is or was there has its row");
    assert_eq!(copies, promotions.iter().filter(|p| p.ad_id.is_some()).count());

    let series = rows(&account, &TIME_SERIES_DATA).await;
    assert_eq!(series.len(), 49 * 3, "a row a stage and run");
    let now = account.clock.now().as_second();
    let today = account.clock.now().to_zoned(jiff::tz::TimeZone::get(&report.timezone).unwrap()).date();
    for stage in ["testing", "validation", "scaling"] {
        let last =
            series.iter().find(|r| r["stage"] == stage.into() && r["observed_at"] == Cell::Integer(now)).unwrap();
        let kind = [("testing", Stage::Testing), ("validation", Stage::Validation), ("scaling", Stage::Scaling)];
        let kind = kind.into_iter().find(|(name, _)| *name == stage).unwrap().1;
        let spent = account.server.graph().world().spend_on(kind, today);
        assert!((number(&last["spend_today"]) - spent as f64).abs() < 0.5, "{stage}");
    }

    let days = rows(&account, &DAILY_SUMMARIES).await;
    let actions = account.store.actions_since(account.client.account_id(), jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    for (column, kind) in [("pauses", "pause"), ("copies", "copy-ad"), ("budget_changes", "set-budget")] {
        let summed: f64 = days.iter().map(|row| number(&row[column])).sum();
        let done = actions.iter().filter(|a| a.kind == kind && a.state == dean::store::ActionState::Done).count();
        assert!((summed - done as f64).abs() < 1e-9, "{column}: {summed} in the summaries, {done} in the ledger");
    }

    let ranked = rows(&account, &CREATIVE_INTELLIGENCE).await;
    let mut ranks: Vec<f64> = ranked.iter().map(|row| number(&row["rank"])).collect();
    ranks.sort_by(f64::total_cmp);
    assert_eq!(ranks, (1..=ranked.len()).map(|rank| rank as f64).collect::<Vec<_>>());

    let learned = rows(&account, &LEARNING_EVENTS).await;
    let of = |kind: &str| learned.iter().filter(|row| row["kind"] == kind.into()).count();
    let ended = promotions.iter().filter(|p| !p.state.is_open()).count();
    assert_eq!(of("promotion"), ended, "each promotion that ended is an event, once");
    assert!(of("prior") >= 4 && of("lag") >= 6, "two days, and two priors and three shares on each");
    let patterns = rows(&account, &PERFORMANCE_PATTERNS).await;
    for kind in ["ctr", "add_to_cart"] {
        let of_kind = || patterns.iter().filter(|row| row["kind"] == kind.into());
        let sum = |column: &str| of_kind().map(|row| number(&row[column])).sum::<f64>();
        assert!(sum("ads") <= report.ads as f64 && sum("ads") > 10.0, "{kind}");
        let total = ranked.iter().map(|row| number(&row["spend"])).sum::<f64>();
        assert!((sum("spend") - total).abs() < 0.5, "{kind}: {} and {total}", sum("spend"));
    }
    assert_eq!(rows(&account, &ACCOUNT_HEALTH).await.len(), 49, "a row a run");
    let health = rows(&account, &SYSTEM_HEALTH).await;
    assert!(health.iter().any(|row| row["component"] == "policy scaling".into() && row["status"] == "ok".into()));
}

#[tokio::test]
async fn what_models_said_is_kept_as_policies_saw_it_with_who_said_it() {
    let account = lived().await;
    account.advance(24);
    let report = account.run(&Options { explain: true, ..Options::default() }).await.unwrap();
    let today = account.clock.now().to_zoned(jiff::tz::TimeZone::get(&report.timezone).unwrap()).date().to_string();
    let told: BTreeMap<&str, _> = report.decisions.iter().map(|d| (d.ad_id.as_str(), d)).collect();
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    };
    let mut kept = 0;
    for row in rows(&account, &ML_PREDICTIONS).await.iter().filter(|row| text(&row["date"]) == today) {
        let (ad, score) = (text(&row["ad_id"]), text(&row["score"]));
        let columns = told[ad.as_str()].columns.as_ref().unwrap();
        for (cell, end) in [("value", ""), ("low", ".low"), ("high", ".high")] {
            let seen = columns.get(&format!("score.{score}{end}")).and_then(|v| v.as_ref()?.as_f64());
            match &row[cell] {
                Cell::Null => assert_eq!(seen, None, "{ad} {score}{end}"),
                kept => assert_eq!(Some(number(kept)), seen, "{ad} {score}{end}"),
            }
        }
        let by = report.models.iter().find(|m| m.model == text(&row["model"])).unwrap();
        assert_eq!((by.version.clone(), by.sha256.clone()), (Some(text(&row["version"])), Some(text(&row["sha256"]))));
        kept += 1;
    }
    let seen = |columns: &BTreeMap<String, Option<serde_json::Value>>| {
        let scores = columns.iter().filter(|(name, value)| name.starts_with("score.") && value.is_some());
        scores.filter(|(name, _)| !name.ends_with(".low") && !name.ends_with(".high")).count()
    };
    let told: usize = report.decisions.iter().map(|d| seen(d.columns.as_ref().unwrap())).sum();
    assert_eq!(kept, told, "every score that was told is kept once");
    assert!(kept > 40, "{kept}");
}
