//! Writes: what somebody changed between the look and the write is theirs, whatever fails is told and done once.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::meta::Method;
use dean::pipeline::{Action, Options, RunReport};
use dean::store::{ActionRow, Store};
use dean_sim::Params;
use dean_tests::account::TestAccount;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
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

/// The most ad sets of one campaign that actions write to: each copy of an ad set makes another.
async fn widest(account: &TestAccount, actions: &[ActionRow]) -> usize {
    let ads = account.client.ads().await.unwrap().value;
    let mut adsets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for action in actions {
        let is = |id: &Option<String>| id.as_ref() == Some(&action.target_id);
        let place = match action.kind.as_str() {
            "copy-adset" => Some((action.to_value.clone(), action.action_id.clone())),
            "copy-ad" => {
                let campaign = ads.iter().find(|ad| ad.adset_id.as_ref() == Some(&action.to_value));
                campaign.and_then(|ad| ad.campaign_id.clone()).map(|campaign| (campaign, action.to_value.clone()))
            }
            _ => ads.iter().find(|ad| ad.id == action.target_id || is(&ad.adset_id)).and_then(|ad| {
                let adset = if is(&ad.adset_id) { Some(action.target_id.clone()) } else { ad.adset_id.clone() };
                ad.campaign_id.clone().zip(adset)
            }),
        };
        if let Some((campaign, adset)) = place {
            adsets.entry(campaign).or_default().insert(adset);
        }
    }
    adsets.values().map(BTreeSet::len).max().unwrap_or(0)
}

/// Every testing ad with an add-to-cart is promoted: many copies begin at once.
#[tokio::test]
async fn posts_are_as_few_as_the_writes_allow_and_one_more() {
    let eager = [
        ("rules.testing.promote.add_to_carts", json!(1)),
        ("rules.testing.promote.cost_per_add_to_cart", json!(1000.0)),
        ("rules.testing.promote.ctr", json!(0.0)),
        ("stages.validation.daily_cap", json!(100_000.0)),
        ("guard.min_live_ads", json!(0)),
    ];
    let account = TestAccount::new(7, Params { ads: 120, history_days: 8, ..Params::default() }, &eager).await.unwrap();
    let (mut most, mut copies) = (0, 0);
    for hour in 0..6 {
        let report = account.run(&Options::default()).await.unwrap();
        let actions = account.store.actions_of(&report.run_id).await.unwrap();
        let (posts, writes) = (report.api.posts as usize, report.api.writes as usize);
        let widest = widest(&account, &actions).await;
        let bound = writes.div_ceil(50).max(widest) + 1;
        println!("hour {hour}: {writes} writes, posts {posts} <= max({writes} / 50, {widest}) + 1 = {bound}");
        assert!(posts <= bound && report.complete(), "hour {hour}");
        most = most.max(writes);
        copies += actions.iter().filter(|a| a.kind == "copy-ad").count();
        account.advance(1);
    }
    assert!(most > 50 && copies > 10, "{most} {copies}");
}

#[tokio::test]
async fn a_token_that_may_change_nothing_stops_writes_and_one_object_that_is_not_ours_does_not() {
    let refusal = || json!({"error": {"message": "Permissions error", "type": "OAuthException", "code": 200}});
    let account = account().await.refusing(move |call| (call.method == Method::Post).then(refusal));
    let report = account.run(&Options::default()).await.unwrap();
    assert_eq!(report.api.posts, 1, "the first batch says it of all");
    let line = report.health.iter().find(|line| line.source == "meta").unwrap();
    assert!(line.message.contains("error 200"), "{}", line.message);

    let first = Arc::new(AtomicBool::new(false));
    let account = self::account().await.altering(move |call, body| {
        // One entry of one batch is refused.
        if call.params.iter().any(|(name, _)| name == "batch") && !first.swap(true, Ordering::Relaxed) {
            body[0] = json!({"code": 403, "headers": [], "body": refusal().to_string()});
        }
    });
    let report = account.run(&Options::default()).await.unwrap();
    let failed = report.actions.iter().filter(|a| a.state == "failed").count();
    assert!(failed == 1 && report.actions.iter().all(|a| a.state != "dropped"), "{:?}", report.actions);
}

#[tokio::test]
async fn a_token_that_ends_midway_stops_writes_and_somebody_is_told() {
    let account = account().await.refusing(|call| {
        let ended = json!({"error": {"message": "Session has expired", "type": "OAuthException", "code": 190, "error_subcode": 463}});
        (call.method == Method::Post).then_some(ended)
    });
    let report = account.run(&Options::default()).await.unwrap();
    assert!(!report.complete() && report.api.posts == 1, "the first one says it: {:?}", report.api);
    assert!(report.actions.iter().all(|a| a.state == "failed" || a.state == "dropped"), "{:?}", report.actions);
    let line = report.health.iter().find(|line| line.source == "meta").unwrap();
    assert_eq!((line.level.as_str(), line.stops.as_deref()), ("critical", Some("writes")));
    assert!(line.message.contains("error 190/463"), "{}", line.message);
}
