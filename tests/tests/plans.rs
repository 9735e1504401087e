//! A plan is done as it was made, once, and only where the account still is as it was seen; a run is put back where
//! it still is as the run left it.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::pipeline::{Applied, Options, Plan};
use dean::store::Store;
use dean_sim::Params;
use dean_tests::account::TestAccount;
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn account() -> TestAccount {
    TestAccount::new(3, Params { ads: 60, ..Params::default() }, &[]).await.unwrap()
}

/// The plan of a dry run, as the file holds it.
async fn plan(account: &TestAccount) -> Value {
    let report = account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
    let kept = account.store.plan(&report.run_id).await.unwrap().unwrap();
    serde_json::from_str(&kept.body).unwrap()
}

async fn apply(account: &TestAccount, plan: &Value) -> Result<Applied, String> {
    let plan = Plan::parse(&plan.to_string()).map_err(|error| error.to_string())?;
    account.apply(&plan).await.map_err(|error| error.to_string())
}

/// Status and budget of every ad, ad set and campaign that is not put away.
async fn state(account: &TestAccount) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for ad in account.client.ads().await.unwrap().value {
        let (adset, campaign) = (ad.adset.unwrap(), ad.campaign.unwrap());
        state.insert(ad.id, format!("{:?}", ad.status));
        state.insert(adset.id, format!("{:?} {:?}", adset.status, adset.daily_budget));
        state.insert(campaign.id, format!("{:?} {:?}", campaign.status, campaign.daily_budget));
    }
    state
}

#[tokio::test]
async fn a_plan_does_what_the_run_would_have_done() {
    let (planned, run) = (account().await, account().await);
    let made = plan(&planned).await;
    assert!(made["actions"].as_array().unwrap().len() > 3 && !made["promotions"].as_array().unwrap().is_empty());
    let applied = apply(&planned, &made).await.unwrap();
    assert!(applied.complete(), "{:?}", applied.actions);
    run.run(&Options::default()).await.unwrap();
    let shape = |state: BTreeMap<String, String>| state.into_values().collect::<Vec<_>>();
    assert_eq!(shape(state(&planned).await), shape(state(&run).await));

    let said = apply(&planned, &made).await.unwrap_err();
    assert!(said.contains("was applied already, by run"), "{said}");
}

#[tokio::test]
async fn an_ad_that_another_run_copied_since_the_plan_is_not_copied_again() {
    let account = account().await;
    let made = plan(&account).await;
    account.run(&Options::default()).await.unwrap();
    let copies = made["promotions"].as_array().unwrap().len();
    let applied = apply(&account, &made).await.unwrap();
    assert_eq!(applied.left.len(), copies, "{:?}", applied.left);
    assert!(applied.left[0].ends_with("is copied by another run already"), "{:?}", applied.left);
    assert!(!applied.complete());
    let promotions = account.store.promotions(account.client.account_id()).await.unwrap();
    assert_eq!(promotions.len(), copies, "those of the run, and no other");
}

#[tokio::test]
async fn a_copy_whose_archiving_is_lost_when_it_is_undone_is_put_away_by_the_next_run() {
    let account = account().await;
    let run = account.run(&Options::default()).await.unwrap();
    let copies = run.actions.iter().filter(|action| action.kind == "copy-ad").count();
    // The way to the account breaks whenever a copy is put away.
    let account = account.refusing(|call| {
        let archives = call.params.iter().any(|(_, value)| value.contains("ARCHIVED"));
        archives.then(|| json!({"error": {"message": "An unexpected error", "code": 2, "is_transient": true}}))
    });
    let undone = account.undo(&run.run_id).await.unwrap();
    assert!(!undone.complete() && copies > 0);
    let made = account.store.promotions(account.client.account_id()).await.unwrap();
    let made: Vec<String> = made.into_iter().filter_map(|promotion| promotion.ad_id).collect();
    assert_eq!(made.len(), copies);
    assert!(made.iter().all(|copy| account.effective_status(copy) != "ARCHIVED"), "no write got through");
    let mut account = account;
    account.client = account.plain_client();
    for _ in 0..2 {
        account.advance(1);
        account.run(&Options::default()).await.unwrap();
    }
    for copy in &made {
        assert_eq!(account.effective_status(copy), "ARCHIVED", "{copy}");
    }
}

#[tokio::test]
async fn what_changed_since_the_plan_is_left_alone_and_said() {
    let account = account().await;
    let made = plan(&account).await;
    let of_kind = |kind: &str| {
        let actions = made["actions"].as_array().unwrap().iter();
        actions.filter(|a| a["kind"] == kind).map(|a| a["target"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    let (paused, raised) = (of_kind("pause")[0].clone(), of_kind("set-budget")[0].clone());
    account.set_status(&paused, "PAUSED");
    account.set_daily_budget(&raised, 77_700);
    let applied = apply(&account, &made).await.unwrap();
    assert!(!applied.complete());
    for target in [&paused, &raised] {
        let action = applied.actions.iter().find(|action| action.target == **target).unwrap();
        assert_eq!(action.state, "dropped");
        assert!(action.reason.as_ref().unwrap().starts_with("somebody "), "{action:?}");
    }
    assert!(state(&account).await[&raised].contains("77700"));
    assert_eq!(applied.actions.iter().filter(|action| action.state != "done").count(), 2);
}

type Change = fn(&mut Value);

#[tokio::test]
async fn a_plan_that_is_not_what_was_made_is_refused_and_nothing_is_sent() {
    let (account, other) = (account().await, account().await);
    let made = plan(&account).await;
    let before = state(&account).await;
    let edit = |change: Change| {
        let mut plan = made.clone();
        change(&mut plan);
        plan
    };
    let cases: [(Change, &str); 6] = [
        (|p| p["actions"][0]["to"] = json!("ARCHIVED"), "is not the plan that run"),
        (|p| p["actions"][0]["surprise"] = json!(1), "the plan cannot be read: unknown field `surprise`"),
        (|p| drop(p["promotions"].as_array_mut().unwrap().pop()), "is not the plan that run"),
        (|p| p["run_id"] = json!("20200101T000000Z-0000"), "no dry run 20200101T000000Z-0000 is known here"),
        (|p| p["account"] = json!("act_7"), "the plan is for act_7, and this is act_"),
        (|p| p["version"] = json!(2), "it has version 2"),
    ];
    for (change, expected) in cases {
        let said = apply(&account, &edit(change)).await.unwrap_err();
        assert!(said.contains(expected), "expected {expected:?}, was told {said:?}");
    }
    let said = apply(&other, &made).await.unwrap_err();
    assert!(said.contains("is known here that made this plan"), "{said}");
    std::fs::write(account.folder.path().join("STOP"), "").unwrap();
    let said = apply(&account, &made).await.unwrap_err();
    assert!(said.contains("nothing is written: the kill-switch file"), "{said}");
    std::fs::remove_file(account.folder.path().join("STOP")).unwrap();
    account.advance(25);
    let said = apply(&account, &made).await.unwrap_err();
    assert!(said.contains("more than 24 h ago"), "{said}");
    assert_eq!(account.client.usage().writes, 0);
    assert_eq!(before.len(), state(&account).await.len());
}

#[tokio::test]
async fn a_run_is_put_back_where_it_still_is_as_the_run_left_it() {
    let account = account().await;
    let before = state(&account).await;
    let run = account.run(&Options::default()).await.unwrap();
    let paused: Vec<&str> = run.actions.iter().filter(|a| a.kind == "pause").map(|a| a.target.as_str()).collect();
    assert!(paused.len() > 1 && run.actions.iter().any(|a| a.kind == "copy-adset") && run.api.writes > 4);
    account.advance(1);
    // Somebody brought one back, and paused it again with its ad set: theirs now is the archived one.
    account.set_status(paused[0], "ARCHIVED");
    let undone = account.undo(&run.run_id).await.unwrap();
    let theirs = undone.actions.iter().find(|action| action.target == paused[0]).unwrap();
    assert_eq!((theirs.state.as_str(), undone.complete()), ("dropped", false));
    assert_eq!(undone.actions.iter().filter(|action| action.state != "done").count(), 1, "{:?}", undone.actions);
    let mut expected = before;
    expected.remove(paused[0]);
    assert_eq!(state(&account).await, expected, "copies are put away, the rest is as it was");
    let promotions = account.store.promotions(account.client.account_id()).await.unwrap();
    assert!(promotions.iter().all(|p| !p.state.is_open()), "{promotions:?}");

    // A second time there is nothing left to put back.
    let again = account.undo(&run.run_id).await.unwrap();
    assert!(!again.actions.is_empty() && again.actions.iter().all(|a| a.state == "dropped"), "{:?}", again.actions);

    // What was put back is left in peace for a while.
    account.advance(1);
    let next = account.run(&Options::default()).await.unwrap();
    assert!(next.actions.iter().all(|action| !paused[1..].contains(&action.target.as_str())), "{:?}", next.actions);
    let said = account.undo("20200101T000000Z-0000").await.unwrap_err().to_string();
    assert!(said.contains("there is no run 20200101T000000Z-0000"), "{said}");
}
