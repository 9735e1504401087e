//! The shipped policies on cases that are data: `plugins/NAME/cases/*.toml`, asked as components.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_policy::cases::{self, Report};
use dean_policy::shipped;
use dean_tests::account::registry;
use std::path::Path;

fn report(name: &str) -> Report {
    let policy = registry().resolve(&name.parse().unwrap()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name).join("cases");
    let cases: Vec<_> = cases::of_folder(&folder)
        .unwrap()
        .iter()
        .map(|(file, text)| cases::parse(&format!("plugins/{name}/cases/{file}"), text).unwrap())
        .collect();
    assert!(cases.iter().all(|case| case.doc.len() > 20), "each says what it promises");
    cases::run(&policy, &cases)
}

#[test]
fn the_shipped_policies_decide_as_their_cases_say() {
    for shipped in shipped::SHIPPED {
        let report = report(shipped.name);
        assert!(report.cases > 5, "{} has cases", shipped.name);
        assert!(report.passed(), "{:#?}", report.differences);
    }
}

#[test]
fn rules_as_text_know_every_number_of_the_account() {
    let names: Vec<&str> = dean::features::STAGE_CONTEXT.iter().map(|entry| entry.name).collect();
    assert_eq!(names, dean_cel::CONTEXT);
}

#[test]
fn every_rule_of_every_shipped_policy_has_a_case() {
    for shipped in shipped::SHIPPED {
        let report = report(shipped.name);
        assert!(report.untested().is_empty(), "{}: no case for {:?}", shipped.name, report.untested());
    }
}
