//! All three stages on simulated accounts: copies of winners, ads that come back, limits on growth,
//! lifetime budgets.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::Verb;
use dean::pipeline::Options;
use dean::store::tables::ACCOUNT_HEALTH;
use dean::store::{ActionState, Cell, CopyKind, Store};
use dean_sim::{Params, Stage, World};
use dean_tests::account::TestAccount;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn params() -> Params {
    Params { ads: 24, history_days: 8, ..Params::default() }
}

/// Settings under which the ad sets of the validation campaign, each with a budget of its own, are in
/// scaling, and every ad that sells is copied.
fn copying() -> Vec<(&'static str, Value)> {
    let campaigns = World::new(7, params());
    let (own, shared) = (campaigns.campaign(Stage::Validation), campaigns.campaign(Stage::Scaling));
    vec![
        ("ids.scaling_campaign_id", json!(own.to_string())),
        ("ids.validation_campaign_id", json!(shared.to_string())),
        ("stages.validation.policy", json!("")),
        ("stages.scaling.daily_cap", json!(20_000.0)),
        ("rules.scaling.duplicate.purchases", json!(1)),
        ("rules.scaling.duplicate.cpa_max", json!(1_000.0)),
        ("rules.scaling.scale_up.good_roas", json!(1.7)),
        ("rules.scaling.duplicate.days_between", json!(30)),
    ]
}

#[tokio::test]
async fn winners_are_copied_beside_themselves_a_few_a_day() {
    let account = TestAccount::new(7, params(), &copying()).await.unwrap();
    let mut by_day: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..4 * 24 {
        let report = account.run(&Options::default()).await.unwrap();
        let copied = report.decisions.iter().filter(|d| d.done.verb == Verb::Duplicate).count();
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        *by_day.entry(account.clock.now().to_zoned(zone).date().to_string()).or_default() += copied;
        account.advance(1);
    }
    assert!(by_day.values().all(|n| *n <= 3), "three copies a day: {by_day:?}");
    let copies = account.store.promotions(account.client.account_id()).await.unwrap();
    let copies: Vec<_> = copies.into_iter().filter(|p| p.kind == CopyKind::Duplicate).collect();
    let done: Vec<_> = copies.iter().filter(|p| p.state.as_str() == "done").collect();
    assert!(!done.is_empty(), "{by_day:?} {copies:?}");
    let paused = account.store.actions_since(account.client.account_id(), jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    let paused = |ad: &str| paused.iter().any(|a| a.kind == "pause" && a.target_id == ad);
    for copy in done {
        assert_eq!((copy.from_stage.as_str(), copy.to_stage.as_str()), ("scaling", "scaling"));
        if !paused(&copy.source_ad_id) {
            assert_eq!(account.effective_status(&copy.source_ad_id), "ACTIVE", "the source goes on");
        }
    }
}

#[tokio::test]
async fn an_ad_comes_back_once_on_late_conversions_and_not_within_a_day() {
    // Allowances so small that ads are paused before their first purchase is reported.
    let mut settings =
        vec![("rules.testing.fairness.spend", json!(0.0)), ("rules.testing.no_add_to_cart.spend", json!(1e6))];
    for tier in [
        "rules.testing.tiers.multi_add_to_cart",
        "rules.testing.tiers.two_add_to_carts",
        "rules.testing.tiers.one_add_to_cart",
        "rules.testing.tiers.high_ctr",
        "rules.testing.tiers.good_ctr",
        "rules.testing.tiers.decent_ctr",
        "rules.testing.tiers.poor",
    ] {
        settings.push((tier, json!(20.0)));
    }
    settings.push(("rules.testing.promote.add_to_carts", json!(1_000)));
    settings.push(("guard.max_spend_share_per_run", json!(1.0)));
    settings.push(("stages.testing.daily_cap", json!(5_000.0)));
    let account =
        TestAccount::new(7, Params { ads: 40, history_days: 1, ..Params::default() }, &settings).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..5 * 24 {
        let report = account.run(&Options::default()).await.unwrap();
        told.extend(report.decisions.into_iter().filter(|d| d.done.verb == Verb::Resume).map(|d| d.why));
        account.advance(1);
    }
    let actions = account.store.actions_since(account.client.account_id(), jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    let done = |kind: &str| {
        let of_kind = actions.iter().filter(|a| a.kind == kind && a.state == ActionState::Done && a.stage == "testing");
        of_kind.map(|a| (a.target_id.clone(), a.planned_at)).collect::<Vec<_>>()
    };
    let (paused, resumed) = (done("pause"), done("resume"));
    assert!(!resumed.is_empty(), "late conversions brought one back of {} paused", paused.len());
    assert!(told.iter().all(|why| why.starts_with("Brought back: Late conversions")), "{told:?}");
    for (ad, at) in &resumed {
        assert_eq!(resumed.iter().filter(|(other, _)| other == ad).count(), 1, "{ad} came back once");
        let before = paused.iter().filter(|(other, _)| other == ad).map(|(_, when)| at.as_second() - when.as_second());
        assert!(before.filter(|s| *s > 0).all(|seconds| seconds >= 24 * 3_600), "{ad} flipped within a day");
    }
}

#[tokio::test]
async fn an_account_that_only_loses_is_not_made_to_spend_more() {
    // Nobody can break even at one euro a purchase.
    let settings = [("economics.breakeven_cpa", json!(1.0)), ("stages.testing.daily_cap", json!(1_000.0))];
    let account = TestAccount::new(7, params(), &settings).await.unwrap();
    let mut held = 0;
    for _ in 0..48 {
        let report = account.run(&Options::default()).await.unwrap();
        for d in &report.decisions {
            assert!(!matches!(d.done.verb, Verb::Promote | Verb::Duplicate | Verb::Resume), "{}", d.why);
            held += usize::from(d.held.as_ref().is_some_and(|h| h.by == "account-guard"));
        }
        for b in &report.budgets {
            assert!(b.done.is_none_or(|to| b.from.is_some_and(|from| to < from)), "{}", b.why);
        }
        account.advance(1);
    }
    assert!(held > 0, "it had something to hold");
}

/// The account's cost per purchase over three days, and whether growth is stopped, at a break-even.
async fn growth_at(breakeven: f64, min_purchases: f64) -> (f64, bool) {
    let settings = [("economics.breakeven_cpa", json!(breakeven)), ("guard.stop_min_purchases", json!(min_purchases))];
    let account = TestAccount::new(7, params(), &settings).await.unwrap();
    let report = account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
    let rows = account.store.rows(&ACCOUNT_HEALTH, account.client.account_id()).await.unwrap();
    let column = ACCOUNT_HEALTH.columns.iter().position(|name| *name == "cpa_3d").unwrap();
    let Cell::Real(cpa) = rows[0][column] else { panic!("{:?}", rows[0]) };
    (cpa, report.health.iter().any(|h| h.stops.as_deref() == Some("growth")))
}

#[tokio::test]
async fn growth_stops_at_half_above_breakeven_and_not_before_enough_was_spent() {
    let (cpa, _) = growth_at(1_000.0, 3.0).await;
    assert!(growth_at(cpa / 1.5 * 0.999, 3.0).await.1, "beyond 1.5 times break-even");
    assert!(!growth_at(cpa / 1.5 * 1.001, 3.0).await.1, "short of it");
    assert!(!growth_at(cpa / 1.5 * 0.999, 1e6).await.1, "little was spent");
}
