//! A new account observes: decisions are made, nothing is written, and what would have been done is held against what
//! happened, before a person lets a stage act.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::Currency;
use dean::pipeline::{Economy, GhostReport, Options, ghost_report};
use dean::store::{StageModeRow, Store};
use dean_sim::Params;
use dean_tests::account::TestAccount;
use jiff::tz::TimeZone;
use serde_json::json;
use std::collections::BTreeMap;

fn observing() -> Options {
    Options { observes: true, ..Options::default() }
}

/// Minor units that an ad has spent, and what its purchases that are visible now number.
fn spent(account: &TestAccount) -> BTreeMap<String, i64> {
    account.server.graph().world().ads().iter().map(|ad| (ad.id.to_string(), ad.spend)).collect()
}

async fn report(account: &TestAccount, stage: &str) -> GhostReport {
    let economy = Economy {
        currency: Currency::new("EUR"),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        cogs: 15.0,
        enough: 36.0,
    };
    let key = account.effective.config.attribution.to_string();
    let id = account.client.account_id().to_string();
    ghost_report(&account.store, &id, &key, stage, &economy, account.clock.now()).await.unwrap()
}

#[tokio::test]
async fn a_new_account_is_observed_until_a_person_who_saw_how_it_turned_out_lets_a_stage_act() {
    let settings = [("economics.cogs_per_purchase", json!(15.0))];
    let account = TestAccount::new(3, Params { ads: 40, ..Params::default() }, &settings).await.unwrap();
    let mut at_intent: BTreeMap<String, i64> = BTreeMap::new();
    for hour in (0..=8 * 24).step_by(3) {
        let run = account.run(&observing()).await.unwrap();
        assert_eq!((run.api.writes, run.actions.len()), (0, 0), "nothing is written");
        let ghosts = run.health.iter().filter(|line| line.source == "ghost");
        assert_eq!(ghosts.count(), 3, "each stage says so");
        let now = spent(&account);
        for d in run.decisions.iter().filter(|d| d.held.as_ref().is_some_and(|held| held.by == "ghost")) {
            at_intent.entry(format!("{} {}", d.verb, d.ad_id)).or_insert(now[&d.ad_id]);
        }
        account.advance(if hour < 8 * 24 { 3 } else { 0 });
    }
    let now = spent(&account);
    let (mut kinds, mut right, mut wrong) = (BTreeMap::new(), 0, 0);
    for stage in ["testing", "validation", "scaling"] {
        let report = report(&account, stage).await;
        assert!((report.observed_days - 8.0).abs() < 1e-9, "{}", report.observed_days);
        for outcome in &report.intents {
            *kinds.entry(outcome.kind.clone()).or_insert(0) += 1;
            let since = now[&outcome.ad_id] - at_intent[&format!("{} {}", outcome.kind, outcome.ad_id)];
            assert!((outcome.since.spend - since as f64 / 100.0).abs() < 0.005, "{outcome:?}");
            assert_eq!(outcome.right.is_some(), outcome.since.spend >= 36.0, "{outcome:?}");
            right += usize::from(outcome.right == Some(true));
            wrong += usize::from(outcome.right == Some(false));
        }
        let losses = report.intents.iter().filter(|o| o.kind == "pause" && o.right == Some(true));
        let lost: f64 = losses.map(|o| -o.since.profit.unwrap()).sum();
        assert!((report.saved - lost).abs() < 1e-6);
    }
    println!("intents {kinds:?}, right {right}, wrong {wrong}");
    assert_eq!(kinds.values().sum::<usize>(), at_intent.len(), "each is told once");
    assert!(kinds["pause"] > 10 && kinds["promote"] > 3 && right > 2 * wrong, "{kinds:?} {right} {wrong}");

    // Testing acts from now on, and the others do not.
    let account_id = account.client.account_id().to_string();
    let row = StageModeRow {
        account_id,
        stage: "testing".into(),
        observed_since: account.clock.now(),
        live_since: Some(account.clock.now()),
    };
    account.store.save_stage_mode(&row).await.unwrap();
    account.advance(1);
    let run = account.run(&observing()).await.unwrap();
    let acted = run.decisions.iter().filter(|d| d.done.verb != dean::domain::Verb::Hold);
    assert!(run.api.writes > 0 && acted.clone().count() > 0 && acted.clone().all(|d| d.stage == "testing"));
    assert!(run.budget_changes().all(|b| b.stage == "testing"));
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_done_also_where_nobody_let_it() {
    let account = TestAccount::new(3, Params { ads: 40, ..Params::default() }, &[]).await.unwrap();
    let run = account.run(&Options { dry_run: true, ..observing() }).await.unwrap();
    assert!(run.actions.len() > 5 && run.health.iter().all(|line| line.source != "ghost"));
    assert!(account.store.ghost_intents(account.client.account_id()).await.unwrap().is_empty());
}
