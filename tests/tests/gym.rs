//! The gym: worlds of a version stay what they are, any policy plays in them beside the shipped ones, and what every policy has
//! to stand is told of those that do not.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::gym::{GymReport, Question, SUITES, Suite, fingerprint_now, play};
use dean_policy::types::{Setting, Value};
use dean_policy::{Artifact, Identity, Package, Policy, conform, shipped};
use dean_tests::account::{models, registry};
use dean_tests::guest::guest;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn the_worlds_of_a_version_never_change() {
    for suite in SUITES {
        let worlds: BTreeSet<u64> = suite.seeds.iter().copied().collect();
        assert!(worlds.len() == suite.seeds.len() && worlds.len() >= 8, "{worlds:?}");
        let now = fingerprint_now(*suite).unwrap();
        assert_eq!(
            now, suite.fingerprint,
            "the simulator makes other worlds of suite {}: give the new ones a version of their own",
            suite.version
        );
    }
}

/// Rules as text, as a policy of its own.
fn rules(rules: &[[&str; 3]]) -> Artifact {
    let setting = |path: String, value: &str| Setting { path, value: Value::Text(value.into()) };
    let settings = rules.iter().enumerate().flat_map(|(i, [id, when, then])| {
        [("id", id), ("when", when), ("then", then)].map(|(key, value)| setting(format!("rules.{i}.{key}"), value))
    });
    let identity = Identity {
        name: "own".into(),
        version: "1.0.0".into(),
        doc: "A policy of this test.".into(),
        stages: vec!["testing".into()],
    };
    let package = Package { identity: Some(identity), settings: settings.collect(), ..Package::default() };
    Artifact::new("own.wasm", package.put_into(shipped::find("cel").unwrap().bytes).unwrap())
}

fn played(artifact: &Artifact, file: &str) -> GymReport {
    let policy = registry().load(artifact).unwrap();
    let question = Question {
        suite: Suite { days: 4, ..SUITES[0] },
        worlds: 2,
        policy: &policy,
        named: file,
        stages: &["testing".into()],
        models: models(),
        registry: registry(),
        progress: &|_| {},
    };
    play(question).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_policy_stands_in_one_table_with_the_shipped_ones_and_plays_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.wasm");
    let artifact = rules(&[["any", "spend_lifetime > 5.0", "pause"]]);
    std::fs::write(&file, artifact.bytes()).unwrap();
    let report = played(&artifact, file.to_str().unwrap());
    let of = |report: &GymReport, who: &str| report.rows.iter().find(|row| row.who == who).unwrap().clone();
    let (own, ours) = (of(&report, "own@1.0.0"), of(&report, "shipped"));
    // Whoever pauses all that has spent a little pauses more that earns.
    assert!(own.wrong_kills.unwrap().mean > ours.wrong_kills.unwrap().mean, "{own:?} {ours:?}");
    assert!(own.ns_an_ad.unwrap() > 0.0 && own.instructions_an_ad.unwrap() > 0.0 && own.failures == Some(0));
    assert_eq!(ours.beyond_shipped.mean.to_bits(), 0.0_f64.to_bits());
    let truth = of(&report, "the truth known");
    for (world, best) in own.worlds.iter().zip(&truth.worlds) {
        assert_eq!(world.seed, best.seed);
    }
    assert!((own.regret.mean - (truth.profit.mean - own.profit.mean)).abs() < 1e-6);
    assert!(report.rows.windows(2).all(|pair| pair[0].profit.mean >= pair[1].profit.mean));
    assert_eq!((report.rows.len(), report.fingerprint.is_none()), (5, true), "a part of a suite has no fingerprint");

    let again = played(&artifact, file.to_str().unwrap());
    let worlds = |report: &GymReport| -> Vec<(String, Vec<f64>, Option<f64>)> {
        let row =
            |r: &dean::gym::Row| (r.who.clone(), r.worlds.iter().map(|w| w.profit).collect(), r.instructions_an_ad);
        report.rows.iter().map(row).collect()
    };
    assert_eq!(worlds(&report), worlds(&again));
    // A shipped one stands there once.
    let shipped = played(&shipped::find("testing").unwrap().artifact(), "testing");
    assert_eq!(shipped.rows.len(), 4);
    assert_eq!(of(&shipped, "shipped").worlds[0].profit.to_bits(), ours.worlds[0].profit.to_bits());
}

/// The laws that a policy breaks.
fn broken(policy: &Policy) -> Vec<(String, String)> {
    conform::examine(policy).into_iter().filter_map(|finding| Some((finding.law, finding.broken?))).collect()
}

#[test]
fn the_shipped_policies_and_plain_rules_stand_what_every_policy_has_to() {
    let all = shipped::of_stages().map(|shipped| shipped.artifact());
    let rules = rules(&[
        ["dear", "purchases_7d >= 1 && cpa_7d > 2.0 * target_cpa", "pause"],
        ["none", "spend_7d > 60.0 && purchases_7d == 0", "pause"],
    ]);
    for artifact in all.chain([rules]) {
        let policy = registry().load(&artifact).unwrap();
        let findings = conform::examine(&policy);
        assert!(findings.len() >= 9, "{}: {findings:?}", artifact.origin());
        assert_eq!(broken(&policy), [], "{}", artifact.origin());
    }
}

#[test]
fn what_a_policy_does_not_stand_is_said_in_words() {
    let of = |artifact: &Artifact| broken(&registry().load(artifact).unwrap());
    let laws = |found: &[(String, String)]| found.iter().map(|(law, _)| law.clone()).collect::<Vec<_>>();
    // A guest that always pauses the first row: also of an ad of which nothing is known, and of none at all.
    let honest = of(&guest("honest").unwrap());
    assert!(honest.iter().any(|(law, why)| law.contains("nothing is known") && why == "pause by always"), "{honest:?}");
    assert!(laws(&honest).contains(&"the order of the ads changes nothing".to_string()), "{honest:?}");
    let panics = of(&guest("panic").unwrap());
    assert!(panics.len() > 5 && panics.iter().all(|(_, why)| why.contains("panic")), "{panics:?}");
    // One that cannot be set to anything says so, and is asked nothing more.
    let empty = of(&shipped::find("cel").unwrap().artifact());
    assert!(
        matches!(empty.as_slice(), [(law, why)] if law.contains("defaults") && why.contains("no rule")),
        "{empty:?}"
    );
}
