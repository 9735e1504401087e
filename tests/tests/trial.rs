//! A policy on trial is asked beside the one that decides: a shadow changes nothing and is told apart rule by rule, a canary
//! decides about its share and no more, and what fails or earns less is withdrawn.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::compare::{Comparison, Question, Tried, compare};
use dean::pipeline::{Options, RunReport, explain, replay};
use dean::policies::takes;
use dean::store::{PolicyTrialRow, Store};
use dean_policy::types::{Setting, Value};
use dean_policy::{Artifact, Identity, Package, shipped};
use dean_sim::Params;
use dean_tests::account::{TestAccount, registry};
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A client's rules as a policy of their own.
fn rules(name: &str, rules: &[[&str; 3]]) -> Artifact {
    let setting = |path: String, value: &str| Setting { path, value: Value::Text(value.into()) };
    let settings = rules.iter().enumerate().flat_map(|(i, [id, when, then])| {
        [("id", id), ("when", when), ("then", then)].map(|(key, value)| setting(format!("rules.{i}.{key}"), value))
    });
    package(shipped::find("cel").unwrap().bytes, name, settings.collect())
}

fn package(component: &[u8], name: &str, settings: Vec<Setting>) -> Artifact {
    let identity = Identity {
        name: name.into(),
        version: "1.0.0".into(),
        doc: "A policy of this test.".into(),
        stages: vec!["testing".into()],
    };
    let package = Package { identity: Some(identity), settings, ..Package::default() };
    Artifact::new(format!("{name}.wasm"), package.put_into(component).unwrap())
}

/// Pauses whatever spent a little.
fn harsh() -> Artifact {
    rules("harsh", &[["any", "spend_lifetime > 25.0", "pause"]])
}

/// An account of one world and one history.
async fn account(settings: &[(&str, serde_json::Value)]) -> TestAccount {
    TestAccount::new(7, Params { ads: 40, ..Params::default() }, settings).await.unwrap()
}

async fn lived(account: TestAccount, hours: u32, step: u32) -> (TestAccount, Vec<RunReport>) {
    let mut account = account;
    let mut reports = Vec::new();
    for _ in (0..hours).step_by(step as usize) {
        account = account.with_stored_policies().await.unwrap();
        reports.push(account.run(&Options::default()).await.unwrap());
        account.advance(step);
    }
    (account, reports)
}

async fn trials(account: &TestAccount) -> Vec<PolicyTrialRow> {
    account.store.policy_trials().await.unwrap()
}

async fn report(account: &TestAccount, trials: &[PolicyTrialRow]) -> Comparison {
    let question = Question {
        account: account.client.account_id(),
        client: "default",
        since: Timestamp::MIN,
        until: Timestamp::MAX,
        tried: Tried::Trials(trials),
        against: None,
        attribution: &account.effective.config.attribution.to_string(),
        cogs_per_purchase: 15.0,
        progress: &|_, _| {},
    };
    compare(&account.store, question).await.unwrap()
}

/// What is done, without ids of runs and what the clock of the machine says.
fn done(report: &RunReport) -> Vec<(String, String, String)> {
    report.actions.iter().map(|a| (a.kind.clone(), a.target.clone(), a.to.clone())).collect()
}

#[tokio::test]
async fn a_shadow_never_acts_and_its_report_tells_where_it_differs_and_how_that_turned_out() {
    let (_, alone) = lived(account(&[]).await, 8 * 24, 2).await;
    let beside = account(&[]).await;
    beside.install(&harsh()).await.unwrap();
    beside.put_on_trial(("harsh", "1.0.0"), 0.0).await.unwrap();
    let (beside, reports) = lived(beside, 8 * 24, 2).await;

    // The account is run to the last write as if nobody had been asked.
    let writes = |reports: &[RunReport]| reports.iter().map(done).collect::<Vec<_>>();
    assert_eq!(writes(&alone), writes(&reports));
    assert!(reports.iter().all(|r| r.decisions.iter().all(|d| d.canary.is_none())));
    let of_trial = reports[0].stages[0].trial.clone().unwrap();
    assert_eq!((of_trial.policy.as_str(), of_trial.share, of_trial.ads), ("harsh", 0.0, 0));

    // What it would have done is there again, byte for byte, and set beside what was.
    let last = &reports.last().unwrap().run_id;
    let again = replay(&beside.store, registry(), None, last, false).await.unwrap();
    assert!(again.equal && again.stages.iter().filter(|stage| stage.trial).count() == 1, "{again:#?}");
    let trials = trials(&beside).await;
    let found = report(&beside, &trials).await;
    assert_eq!((found.runs, found.stages[0].after.as_str()), (96, "harsh@1.0.0"));
    let new = |d: &&dean::compare::Difference| d.change == "new" && d.does == "pause";
    assert!(found.differences.iter().any(|d| new(&d) && d.outcome.is_some()), "{:#?}", found.differences);
    let line = found.rules.iter().find(|line| line.rule == "any").unwrap();
    assert!(line.before == 0 && line.after > 5, "{line:?}");
    assert!(found.kills.new + found.kills.earlier > 5 && found.budget.after.changes == 0, "{found:#?}");
}

#[tokio::test]
async fn a_shadow_finds_what_a_backtest_of_the_same_policy_finds() {
    // Both ask about the same cohorts; only that a backtest tells the policy what it did itself.
    let beside = account(&[]).await;
    let same = package(shipped::find("testing").unwrap().bytes, "same", Vec::new());
    beside.install(&same).await.unwrap();
    beside.put_on_trial(("same", "1.0.0"), 0.0).await.unwrap();
    let (beside, _) = lived(beside, 5 * 24, 3).await;
    let found = report(&beside, &trials(&beside).await).await;
    assert_eq!((found.runs, found.changed), (40, 0), "{:#?}", found.differences);
    assert!(found.decisions > 500, "{}", found.decisions);
}

#[tokio::test]
async fn a_canary_decides_about_its_share_and_no_more() {
    let beside = account(&[]).await;
    let artifact = harsh();
    beside.install(&artifact).await.unwrap();
    beside.put_on_trial(("harsh", "1.0.0"), 0.4).await.unwrap();
    let (beside, reports) = lived(beside, 4 * 24, 2).await;
    let digest = artifact.digest().to_string();
    let lives = beside.store.lifecycle(beside.client.account_id()).await.unwrap();
    let copies: BTreeMap<&str, &str> =
        lives.iter().filter_map(|life| Some((life.ad_id.as_str(), life.source_ad_id.as_deref()?))).collect();
    let source = |ad: &'_ str| {
        let mut at = ad.to_string();
        while let Some(source) = copies.get(at.as_str()) {
            at = (*source).to_string();
        }
        at
    };
    let (mut by_canary, mut by_own) = (BTreeSet::new(), BTreeSet::new());
    for decision in reports.iter().flat_map(|report| &report.decisions).filter(|d| d.stage == "testing") {
        assert_eq!(decision.canary.is_some(), takes(&digest, &source(&decision.ad_id), 0.4), "{decision:?}");
        match (&decision.canary, &decision.rule) {
            (Some(canary), Some(rule)) => {
                assert_eq!((canary.as_str(), rule.as_str()), ("harsh@1.0.0", "any"));
                by_canary.insert(decision.ad_id.clone());
            }
            (None, Some(rule)) => {
                assert_ne!(rule, "any");
                by_own.insert(decision.ad_id.clone());
            }
            _ => {}
        }
    }
    assert!(by_canary.len() > 3 && by_own.len() > 3, "{by_canary:?} {by_own:?}");
    let decided = || reports[0].decisions.iter().filter(|d| d.stage == "testing");
    assert_eq!(reports[0].stages[0].trial.as_ref().unwrap().ads, decided().filter(|d| d.canary.is_some()).count());

    // Why is told by the policy that decided, and both are made again.
    let paused = reports.iter().flat_map(|r| &r.decisions).find(|d| d.canary.is_some() && d.rule.is_some()).unwrap();
    assert!(paused.why.contains("lifetime spend") || paused.why.contains("25"), "{}", paused.why);
    let account_id = beside.client.account_id();
    let why = explain(&beside.store, registry(), account_id, &paused.ad_id, None).await.unwrap();
    assert!(why.rules.iter().all(|rule| rule.id == "any"), "{:?}", why.rules);
    let last = &reports.last().unwrap().run_id;
    assert!(replay(&beside.store, registry(), None, last, false).await.unwrap().equal);
    // A backtest of what decides knows that a part of the ads was decided about by another.
    let asked = Tried::Policies(&beside.policies[..1]);
    let question = Question {
        account: account_id,
        client: "default",
        since: Timestamp::MIN,
        until: Timestamp::MAX,
        tried: asked,
        against: None,
        attribution: &beside.effective.config.attribution.to_string(),
        cogs_per_purchase: 15.0,
        progress: &|_, _| {},
    };
    let found = compare(&beside.store, question).await.unwrap();
    assert_eq!(found.stages[0].before, ["harsh@1.0.0", "testing@0.1.0"]);
    assert!(found.rules.iter().any(|line| line.rule == "any" && line.before > 3 && line.after == 0), "{:?}", found.rules);
}

#[tokio::test]
async fn a_canary_that_earns_less_is_withdrawn_and_one_that_does_not_is_widened() {
    let settings = [
        ("economics.cogs_per_purchase", json!(15.0)),
        ("policies.canary.step_days", json!(2)),
        ("guard.blast_radius", json!(1.0)),
    ];
    let params = || Params { ads: 120, ..Params::default() };
    // Whoever pauses everything earns nothing.
    let beside = TestAccount::new(3, params(), &settings[..2]).await.unwrap();
    let none = rules("none", &[["any", "spend_lifetime > 0.0", "pause"]]);
    beside.install(&none).await.unwrap();
    let (beside, _) = lived(beside, 2 * 24, 6).await;
    beside.put_on_trial(("none", "1.0.0"), 0.5).await.unwrap();
    let (beside, reports) = lived(beside, 16 * 24, 6).await;
    let told: Vec<&str> =
        reports.iter().flat_map(|r| &r.health).filter(|h| h.source == "policy").map(|h| h.message.as_str()).collect();
    println!("{told:#?}");
    let row = trials(&beside).await.pop().unwrap();
    println!("{row:?}");
}

#[tokio::test]
async fn a_policy_on_trial_that_fails_takes_nothing_with_it_and_is_withdrawn() {
    let beside = account(&[]).await;
    let broken = dean_tests::guest::guest("panic").unwrap();
    let broken = package(broken.bytes(), "broken", Vec::new());
    beside.install(&broken).await.unwrap();
    beside.put_on_trial(("broken", "1.0.0"), 0.5).await.unwrap();
    let (_, alone) = lived(account(&[]).await, 12, 2).await;
    let (beside, reports) = lived(beside, 12, 2).await;
    // Its share is decided about by the one that it is tried beside.
    assert_eq!(alone.iter().map(done).collect::<Vec<_>>(), reports.iter().map(done).collect::<Vec<_>>());
    assert!(reports.iter().all(RunReport::complete));
    let faults = reports.iter().filter(|r| r.stages[0].trial.as_ref().is_some_and(|t| t.fault.is_some())).count();
    assert_eq!(faults, 3, "the third failure in a row ends it");
    let row = trials(&beside).await.pop().unwrap();
    assert!(row.ended_at.is_some() && row.reason.unwrap().contains("failed 3 times in a row"));
}
