//! Writes: what somebody changed between the look and the write is theirs, whatever fails is told and done once.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::meta::Method;
use dean::pipeline::{Action, Options, RunReport};
use dean_sim::Params;
use dean_tests::account::TestAccount;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn params() -> Params {
    Params { ads: 60, ..Params::default() }
}

async fn account() -> TestAccount {
    TestAccount::new(3, params(), &[]).await.unwrap()
}

/// An account of which somebody changes something while a run is under way, after it has looked.
async fn changed_meanwhile(change: impl Fn(&TestAccount) + Send + Sync + 'static) -> RunReport {
    let hands = Arc::new(account().await);
    let (server, done) = (hands.server.clone(), AtomicBool::new(false));
    let mut account = account().await;
    account.server = server;
    account.client = hands.plain_client();
    let of_hands = Arc::clone(&hands);
    let account = account.refusing(move |call| {
        // The last thing that a run reads before it decides is the week.
        if call.method == Method::Get && call.path.ends_with("/insights") && !done.load(Ordering::Relaxed) {
            let week = call.params.iter().any(|(name, _)| name == "time_increment");
            if !week && call.params.iter().any(|(_, value)| value.contains("since")) {
                done.store(true, Ordering::Relaxed);
                change(&of_hands);
            }
        }
        None
    });
    account.run(&Options::default()).await.unwrap()
}

fn action<'a>(report: &'a RunReport, kind: &str) -> &'a Action {
    report.actions.iter().find(|action| action.kind == kind).unwrap()
}

#[tokio::test]
async fn what_somebody_changed_after_the_look_is_left_to_them() {
    let planned = account().await.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
    let (pause, budget) = (action(&planned, "pause").target.clone(), action(&planned, "set-budget").target.clone());
    let (ad, owner) = (pause.clone(), budget.clone());
    let report = changed_meanwhile(move |hands| {
        hands.set_status(&ad, "PAUSED");
        hands.set_daily_budget(&owner, 77_700);
    })
    .await;
    let of = |target: &str| report.actions.iter().find(|action| action.target == target).unwrap();
    assert_eq!(of(&pause).state, "dropped");
    assert_eq!(of(&pause).reason.as_deref(), Some("somebody did it meanwhile: its status is PAUSED already"));
    assert_eq!(of(&budget).state, "dropped");
    let reason = of(&budget).reason.clone().unwrap();
    assert!(reason.starts_with("somebody changed it meanwhile: its daily budget was "), "{reason}");
    assert!(reason.ends_with(" when this was planned and is 77700"), "{reason}");
    let others = report.actions.iter().filter(|a| a.kind == "pause" && a.target != pause);
    assert!(others.clone().count() > 0 && others.clone().all(|a| a.state == "done"), "nobody touched the others");
}

#[tokio::test]
async fn without_a_change_everything_that_was_planned_is_done() {
    let report = changed_meanwhile(|_| {}).await;
    assert!(report.actions.len() > 3 && report.actions.iter().all(|action| action.state == "done"), "{report:?}");
}
