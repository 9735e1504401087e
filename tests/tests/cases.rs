//! Cases as their author meets them: what differs and why, what is written anew, and mistakes with their line.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_policy::cases::{self, Report};
use dean_policy::{Package, Policy};
use dean_tests::account::registry;
use dean_tests::guest::guest;
use proptest::prelude::*;
use std::collections::BTreeMap;

const CASE: &str = r#"doc = "Without a purchase an ad ends at its allowance."
[settings]
"no_add_to_cart.spend" = 1e9
[ad]
status = "ACTIVE"
impressions_in_stage = 20_000
ctr_in_stage = 0.008
add_to_cart_in_stage = 0
purchases_in_stage = 0
# The last tier's allowance.
[[when]]
spend_in_stage = 90.0   # at it
then = "pause by no-purchase-in-allowance"
"#;

fn testing() -> Policy {
    registry().resolve(&"testing".parse().unwrap()).unwrap()
}

fn run(text: &str) -> Report {
    cases::run(&testing(), &[cases::parse("a.toml", text).unwrap()])
}

#[test]
fn a_difference_says_where_it_is_and_what_did_not_hold() {
    assert!(run(CASE).passed());
    let report = run(&CASE.replace("90.0", "89.0"));
    let [difference] = report.differences.as_slice() else { panic!("{report:?}") };
    assert_eq!((difference.line, difference.found.as_str()), (12, "hold"));
    assert_eq!(difference.because, ["spend_in_stage is 89, and has to be at least 90"]);
    let report = run(&CASE.replace("no-purchase-in-allowance", "no-such-rule"));
    assert_eq!(report.differences[0].because, ["there is no rule no-such-rule under these settings"]);
}

#[test]
fn an_update_writes_what_is_said_now_and_leaves_the_rest_as_it_was() {
    assert_eq!(cases::update(&testing(), "a.toml", CASE).unwrap(), CASE, "nothing differs");
    let wrong = CASE.replace("90.0 ", "89.0 ");
    let updated = cases::update(&testing(), "a.toml", &wrong).unwrap();
    assert_eq!(updated, wrong.replace("pause by no-purchase-in-allowance", "hold"));
    assert!(run(&updated).passed());
}

#[test]
fn what_a_policy_refuses_is_a_case_too() {
    let refused = CASE.replace("[[when]]", "[[when]]\n\"settings.tiers.poor\" = -1.0\nrefused = \"tiers.poor\"");
    assert!(run(&refused).passed(), "{:?}", run(&refused).differences);
    let accepted = CASE.replace("[[when]]", "[[when]]\nrefused = \"tiers.poor\"");
    assert_eq!(run(&accepted).differences[0].found, "accepted");
}

/// Runs ask for every check: a policy that fails only then would hold its stage for ever after it passed its cases.
#[test]
fn what_fails_only_when_every_check_is_asked_for_fails_its_cases() {
    let case = cases::parse("a.toml", "doc = \"x\"\n[ad]\n[[when]]\nthen = \"pause by always\"\n").unwrap();
    let run = |name: &str| cases::run(&registry().load(&guest(name).unwrap()).unwrap(), std::slice::from_ref(&case));
    assert!(run("honest").passed(), "{:?}", run("honest").differences);
    let report = run("traced");
    let [difference] = report.differences.as_slice() else { panic!("{report:?}") };
    assert!(difference.found.contains("the policy failed: it panicked"), "{difference:?}");
}

#[test]
fn mistakes_are_told_with_their_line() {
    let error = |text: &str| cases::parse("a.toml", text).unwrap_err().to_string();
    for (text, says) in [
        (CASE.replace("[[when]]", "[[whne]]"), "a.toml:11: whne is no key of a case"),
        (CASE.replace("then = ", "than = "), "a.toml:12: a [[when]] does not say what is expected"),
        (CASE.replace("90.0", "90.0.0"), "a.toml:12: "),
        (CASE.replace("doc = ", "group = 1 #"), "a.toml:1: group is no key of a case"),
        (CASE.replace("[ad]", "[ad]\ngroup = 4_000_000_000"), "4000000000 is no group"),
        (CASE.replace("[ad]", "[ad]\ngroup = -1"), "-1 is no group\n  hint: a whole number"),
        (CASE.replace("[[when]]", "[[when]]\ngroup = 1"), "1 is no group"),
        (CASE.replace("[[when]]", &format!("{}[[when]]", "[[others]]\n".repeat(10_000))), "more than 10000 ads"),
        (CASE.split("[[when]]").next().unwrap().into(), "it has no [[when]]"),
    ] {
        assert!(error(&text).contains(says), "{says}: {}", error(&text));
    }
    let unknown = run(&CASE.replace("ctr_in_stage", "ctr_in_stag"));
    let found = &unknown.differences[0].found;
    assert!(
        found.contains("ctr_in_stag is no column that the policy reads; the nearest that it reads is ctr_in_stage")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A package is read from files of others.
    #[test]
    fn a_damaged_package_is_refused_or_not_there_and_never_another(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let bare = Package::default().put_into(dean_policy::shipped::SHIPPED[0].bytes).unwrap();
        let package = Package { cases: BTreeMap::from([("a.toml".into(), CASE.into())]), ..Package::default() };
        let mut packed = package.put_into(&bare).unwrap();
        let at = bare.len() + at.index(packed.len() - bare.len());
        packed[at] ^= 1 << bit;
        prop_assert!(Package::of(&packed).map_or(true, |read| read == package || read == Package::default()));
    }
}
