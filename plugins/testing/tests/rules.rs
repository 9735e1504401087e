//! What no case can say of the testing policy: what a trace holds, and how settings are refused. Its
//! rules are in `cases/`.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_policy_sdk::testkit::{Case, Row};
use dean_testing::Testing;

/// An active ad with nothing but impressions and no purchase.
fn ad() -> Row {
    Row::default()
        .word("status", "ACTIVE")
        .set("impressions_in_stage", 20_000.0)
        .set("spend_in_stage", 0.0)
        .set("ctr_in_stage", 0.008)
        .set("add_to_cart_in_stage", 0.0)
        .set("purchases_in_stage", 0.0)
}

#[test]
fn a_trace_keeps_every_check_and_its_absence_only_those_of_fired_rules() {
    let case = Case::new().row(ad().set("spend_in_stage", 90.0));
    let fired = case.answer::<Testing>();
    assert!(fired.checks.iter().all(|c| c.met), "without a trace only what fired stays");
    let traced = case.trace().answer::<Testing>();
    assert_eq!(fired.ads, traced.ads, "a trace changes no decision");
    let rules: std::collections::BTreeSet<u32> = traced.checks.iter().map(|c| c.rule).collect();
    // The others are about paused ads and about owners.
    let of_live_ads = dean_testing::rule::RULES.len() - 2;
    assert_eq!(rules.len(), of_live_ads, "a trace shows every rule");
}

#[test]
fn settings_are_refused_with_their_path() {
    use dean_policy_sdk::bindings::types::{Setting, Value};
    let refuse = |path: &str, value: Value| {
        let settings = [Setting { path: path.into(), value }];
        let problems = dean_policy_sdk::prepare::<Testing>("testing", &settings).unwrap_err();
        problems.iter().map(|p| format!("{}: {}", p.path, p.message)).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(refuse("tiers.poor", Value::Number(-1.0)), "tiers.poor: -1 is outside of 1 to 1000000000 (currency)");
    assert_eq!(
        refuse("tiers.poor", Value::Number(170.0)),
        "tiers.decent_ctr: 160 is less than tiers.poor, which is 170"
    );
    assert_eq!(refuse("tiers.por", Value::Number(1.0)), "tiers.por: is not a setting of this policy");
    assert_eq!(refuse("tiers.poor", Value::Text("90".into())), "tiers.poor: is not a number (currency)");
    assert_eq!(
        refuse("tiers.poor", Value::Number(f64::NAN)),
        "tiers.poor: NaN is outside of 1 to 1000000000 (currency)"
    );
}
