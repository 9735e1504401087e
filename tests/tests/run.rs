//! A run from observe to tell, on a simulated account over HTTP.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::Verb;
use dean::pipeline::{self, Options, RunReport};
use dean::store::{ActionState, Store};
use dean_sim::Params;
use dean_tests::account::{TestAccount, registry};
use serde_json::json;
use std::collections::BTreeSet;

fn params() -> Params {
    Params { ads: 20, history_days: 10, ..Params::default() }
}

/// Settings under which the testing stage pauses early: the run then has something to do.
fn strict() -> Vec<(&'static str, serde_json::Value)> {
    let tiers = ["two_add_to_carts", "one_add_to_cart", "high_ctr", "good_ctr", "decent_ctr", "poor"];
    let mut settings: Vec<_> = Vec::new();
    for tier in tiers {
        settings.push((tier, json!(10.0)));
    }
    let mut all = vec![("rules.testing.tiers.multi_add_to_cart", json!(10.0))];
    all.push(("rules.testing.fairness.spend", json!(0.0)));
    for (tier, value) in settings {
        all.push((
            match tier {
                "two_add_to_carts" => "rules.testing.tiers.two_add_to_carts",
                "one_add_to_cart" => "rules.testing.tiers.one_add_to_cart",
                "high_ctr" => "rules.testing.tiers.high_ctr",
                "good_ctr" => "rules.testing.tiers.good_ctr",
                "decent_ctr" => "rules.testing.tiers.decent_ctr",
                _ => "rules.testing.tiers.poor",
            },
            value,
        ));
    }
    all
}

async fn account() -> TestAccount {
    TestAccount::new(7, params(), &strict()).await.unwrap()
}

fn paused(report: &RunReport) -> Vec<&str> {
    report.decisions.iter().filter(|d| d.done.verb == Verb::Pause).map(|d| d.ad_id.as_str()).collect()
}

#[tokio::test]
async fn every_ad_is_decided_on_or_skipped_with_a_reason_and_none_twice() {
    let account = account().await;
    let report = account.run(&Options { dry_run: true, explain: true, ..Options::default() }).await.unwrap();
    let decided = report.decisions.iter().map(|d| d.ad_id.clone());
    let skipped = report.skipped.iter().map(|s| s.ad_id.clone());
    let all: Vec<String> = decided.chain(skipped).collect();
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (report.ads, report.ads));
    assert!(report.skipped.iter().all(|s| !s.reason.is_empty()));
    assert!(report.decisions.iter().all(|d| d.why.ends_with('.') && d.why.len() > 10), "each has its sentence");
    assert!(report.decisions.iter().all(|d| d.columns.is_some() && d.checks.is_some()));
    assert!(report.skipped.iter().all(|s| s.columns.is_some()));
}

#[tokio::test]
async fn a_kill_is_written_once_and_seen_in_the_account() {
    let account = account().await;
    let first = account.run(&Options::default()).await.unwrap();
    let killed = paused(&first);
    assert!(!killed.is_empty(), "the strict allowance pauses something");
    for ad in &killed {
        assert_eq!(account.effective_status(ad), "PAUSED");
    }
    let actions = account.store.actions_of(&first.run_id).await.unwrap();
    assert!(actions.iter().filter(|a| a.kind == "pause").all(|a| a.state == ActionState::Done));
    let second = account.run(&Options::default()).await.unwrap();
    assert!(paused(&second).iter().all(|ad| !killed.contains(ad)), "no action twice");
    let still: Vec<_> = second.decisions.iter().filter(|d| killed.contains(&d.ad_id.as_str())).collect();
    assert_eq!(still.len(), killed.len(), "what Dean paused stays in the cohort");
    assert!(still.iter().all(|d| d.why.starts_with("Paused by Dean")), "{}", still[0].why);
}

#[tokio::test]
async fn a_dry_run_plans_the_same_and_writes_nothing() {
    let account = account().await;
    let dry = account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
    assert_eq!(dry.api.writes, 0);
    assert!(dry.actions.iter().all(|a| a.state == "planned"));
    assert!(account.store.open_actions(account.client.account_id()).await.unwrap().is_empty());
    let wet = account.run(&Options::default()).await.unwrap();
    assert_eq!(paused(&dry), paused(&wet));
    assert!(wet.api.writes > 0);
}

#[tokio::test]
async fn a_run_can_be_replayed_byte_for_byte_and_explained() {
    let account = account().await;
    let mut runs = Vec::new();
    for _ in 0..30 {
        runs.push(account.run(&Options::default()).await.unwrap());
        account.advance(1);
    }
    for run in [&runs[0], &runs[13], &runs[29]] {
        let replay = pipeline::replay(&account.store, registry(), None, &run.run_id, true).await.unwrap();
        assert!(replay.equal, "{replay:?}");
        let scores = replay.scores.unwrap();
        assert!(scores.problem.is_none() && scores.columns.iter().any(|column| column.known > 0), "{scores:?}");
        assert!(scores.columns.iter().all(|column| column.largest < 1e-12), "{scores:?}");
        let ads = run.stages.iter().map(|s| s.ads).sum::<usize>();
        assert_eq!(replay.stages.iter().map(|s| s.ads).sum::<usize>(), ads);
    }
    let decision = runs[29].decisions.iter().find(|d| account.effective_status(&d.ad_id) == "ACTIVE").unwrap();
    let explained = pipeline::explain(&account.store, registry(), account.client.account_id(), &decision.ad_name, None)
        .await
        .unwrap();
    assert_eq!(explained.decision.unwrap().why, decision.why);
    assert!(!explained.checks.is_empty(), "every rule that was looked at is shown");
}

#[tokio::test]
async fn two_accounts_of_one_seed_are_run_alike() {
    let (one, other) = (account().await, account().await);
    for _ in 0..6 {
        let (a, b) = (one.run(&Options::default()).await.unwrap(), other.run(&Options::default()).await.unwrap());
        let text = |mut report: RunReport| {
            report.timings_ms.clear();
            report.stages.iter_mut().filter_map(|stage| stage.cost.as_mut()).for_each(|cost| cost.ms = 0.0);
            serde_json::to_string(&report).unwrap()
        };
        assert_eq!(text(a), text(b));
        one.advance(3);
        other.advance(3);
    }
}

#[tokio::test]
async fn the_kill_switch_stops_every_write() {
    let account = account().await;
    std::fs::write(account.folder.path().join("STOP"), "").unwrap();
    let report = account.run(&Options::default()).await.unwrap();
    assert_eq!(report.api.writes, 0);
    assert!(report.decisions.iter().any(|d| d.verb == Verb::Pause), "the policy still decides");
    assert!(report.decisions.iter().all(|d| d.done.verb == Verb::Hold));
    assert!(report.health.iter().any(|h| h.level == "critical" && h.stops.as_deref() == Some("writes")));
    std::fs::remove_file(account.folder.path().join("STOP")).unwrap();
    assert!(account.run(&Options::default()).await.unwrap().api.writes > 0);
}

#[tokio::test]
async fn a_stage_keeps_its_last_live_ad() {
    let mut settings = strict();
    settings.push(("guard.min_live_ads", json!(5)));
    settings.push(("guard.last_ad_confidence", json!(1.1)));
    // A promotion takes its source out of the stage by design; here only kills are looked at.
    settings.push(("stages.testing.next", json!("")));
    settings.push(("guard.max_spend_share_per_run", json!(1.0)));
    let account = TestAccount::new(7, params(), &settings).await.unwrap();
    for _ in 0..10 {
        account.run(&Options::default()).await.unwrap();
        account.advance(24);
    }
    let report = account.run(&Options::default()).await.unwrap();
    assert_eq!(report.stages[0].live, 5);
    assert!(report.decisions.iter().any(|d| d.held.as_ref().is_some_and(|h| h.by == "last-live-ad")));
}

#[tokio::test]
async fn one_run_stops_only_its_share_of_the_spend() {
    let mut settings = strict();
    settings.push(("guard.max_spend_share_per_run", json!(0.05)));
    let account = TestAccount::new(7, params(), &settings).await.unwrap();
    let report = account.run(&Options::default()).await.unwrap();
    assert_eq!(paused(&report).len(), 1, "the first pause goes through, the others wait");
    assert!(report.decisions.iter().any(|d| d.held.as_ref().is_some_and(|h| h.by == "blast-radius")));
}

#[tokio::test]
async fn a_promotion_is_a_saga_over_runs() {
    let account = TestAccount::new(7, params(), &eager(500.0)).await.unwrap();
    let first = account.run(&Options::default()).await.unwrap();
    let started = first.promotions.len();
    assert!(started > 0, "something is promoted");
    assert!(first.promotions.iter().all(|p| p.state == "copied" && p.copy_id.is_some()));
    let source = first.promotions[0].ad_id.clone();
    let copy = first.promotions[0].copy_id.clone().unwrap();
    assert_eq!(account.effective_status(&copy), "PAUSED", "a copy is made paused");
    assert_eq!(account.effective_status(&source), "ACTIVE", "the source runs on");

    account.advance(1);
    let second = account.run(&Options::default()).await.unwrap();
    assert_eq!(second.promotions[0].state, "activated");
    assert_ne!(account.effective_status(&copy), "PAUSED");
    assert_eq!(account.effective_status(&source), "ACTIVE");
    let again = second.decisions.iter().find(|d| d.ad_id == source).unwrap();
    assert_eq!(again.held.as_ref().map(|h| h.by.as_str()), Some("promotion"), "no second promotion meanwhile");

    let mut ended = Vec::new();
    for _ in 0..48 {
        account.advance(1);
        let report = account.run(&Options::default()).await.unwrap();
        ended.extend(report.promotions.into_iter().filter(|p| p.state == "done" || p.state == "failed"));
    }
    for p in ended.iter().filter(|p| p.state == "done") {
        assert_eq!(account.effective_status(&p.ad_id), "PAUSED", "the source is paused once the copy delivers");
        assert_eq!(account.effective_status(p.copy_id.as_ref().unwrap()), "ACTIVE");
    }
    assert!(ended.iter().any(|p| p.state == "done"));
    let caps = account.run(&Options::default()).await.unwrap();
    assert!(caps.decisions.iter().any(|d| d.held.as_ref().is_some_and(|h| h.by == "stage-cap")), "the cap holds");
}

/// Settings under which the later stages only observe.
fn only_testing_decides() -> [(&'static str, serde_json::Value); 2] {
    [("stages.validation.policy", json!("")), ("stages.scaling.policy", json!(""))]
}

/// Settings under which everything with an add-to-cart is promoted, and what comes of it is left alone.
fn eager(cap: f64) -> Vec<(&'static str, serde_json::Value)> {
    let mut settings = vec![
        ("rules.testing.promote.add_to_carts", json!(1)),
        ("rules.testing.promote.cost_per_add_to_cart", json!(1000.0)),
        ("rules.testing.promote.ctr", json!(0.0)),
        ("stages.validation.daily_cap", json!(cap)),
    ];
    settings.extend(only_testing_decides());
    settings
}

#[tokio::test]
async fn a_cap_counts_metas_overspend_and_copies_that_do_not_run_yet() {
    let cap = 700.0;
    let account = TestAccount::new(7, params(), &eager(cap)).await.unwrap();
    let mut most: f64 = 0.0;
    for _ in 0..60 {
        account.run(&Options::default()).await.unwrap();
        account.advance(1);
        let budgets = account.server.graph().world().budgets(dean_sim::Stage::Validation);
        most = most.max(budgets as f64 / 100.0);
    }
    assert!(most * 1.75 <= cap, "{most} a day may become {}", most * 1.75);
    assert!(most > 200.0, "the cap had something to hold: {most}");
}

#[tokio::test]
async fn a_rejected_copy_is_put_away_and_not_made_again() {
    let params = Params { rejected_share: 1.0, ..params() };
    let account = TestAccount::new(7, params, &eager(5_000.0)).await.unwrap();
    let mut failed = BTreeSet::new();
    for _ in 0..40 {
        let report = account.run(&Options::default()).await.unwrap();
        for p in report.promotions.into_iter().filter(|p| p.state == "failed") {
            assert_eq!(account.effective_status(p.copy_id.as_ref().unwrap()), "ARCHIVED");
            assert_eq!(account.effective_status(&p.ad_id), "ACTIVE", "the source goes on");
            assert!(p.note.contains("rejected"), "{}", p.note);
            assert!(failed.insert(p.ad_id), "promoted twice");
        }
        account.advance(1);
    }
    assert!(!failed.is_empty());
    let report = account.run(&Options::default()).await.unwrap();
    assert!(report.decisions.iter().any(|d| d.held.as_ref().is_some_and(|h| h.by == "promotion-failed")));
}

#[tokio::test]
async fn a_source_that_somebody_stopped_takes_its_copy_along() {
    let account = TestAccount::new(7, params(), &eager(5_000.0)).await.unwrap();
    let first = account.run(&Options::default()).await.unwrap();
    let promotion = &first.promotions[0];
    account.set_status(&promotion.ad_id, "PAUSED");
    account.advance(1);
    let second = account.run(&Options::default()).await.unwrap();
    let ended = second.promotions.iter().find(|p| p.ad_id == promotion.ad_id).unwrap();
    assert_eq!(ended.state, "failed");
    assert_eq!(account.effective_status(promotion.copy_id.as_ref().unwrap()), "ARCHIVED");
}
