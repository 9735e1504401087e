//! Two versions of the contract stand side by side: a policy of either answers the same three questions, and whoever asks
//! need not know which it was built against. Run with `--features next`; what is shipped knows one.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_policy::types::{Cohort, Plan, Rule, Verb};
use dean_policy::{Artifact, Fault, Limits, Policy, Runtime};
use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// The guests of the end-to-end tests, built for a version of the contract.
fn guest(name: &str, version: &str) -> Artifact {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |name: &str| std::fs::read_to_string(root.join(format!("../../tests/guests/{name}.wat"))).unwrap();
    let text = format!("(module {}\n{})", text("common"), text(name));
    let wit = std::fs::read_to_string(root.join("../../wit/policy.wit")).unwrap();
    let mut resolve = Resolve::default();
    if version.starts_with("0.1.") {
        // A patch of 0.1 is the same in all but its number.
        let wit = wit.replace("dean:policy@0.1.0", &format!("dean:policy@{version}"));
        let package = resolve.push_str("policy.wit", &wit).unwrap();
        return of(&text.replace("@0.1.0", &format!("@{version}")), &resolve, package);
    }
    resolve.push_str("policy.wit", &wit).unwrap();
    let (package, _) = resolve.push_path(root.join("tests/next")).unwrap();
    let text = text.replace("dean:policy/policy@0.1.0", &format!("dean:policy/policy@{version}"));
    of(&text, &resolve, package)
}

fn of(text: &str, resolve: &Resolve, package: PackageId) -> Artifact {
    let world = resolve.select_world(&[package], Some("stage-policy")).unwrap();
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
    let component = ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap();
    Artifact::new("guest.wasm", component)
}

fn plan() -> Plan {
    let rule = Rule { id: "always".into(), title: "always".into(), doc: "always".into() };
    Plan { columns: vec!["spend_today".into()], rules: vec![rule], ..Plan::default() }
}

fn ask(policy: &Policy) -> Result<Vec<Verb>, Fault> {
    let mut cohort = Cohort { rows: 3, groups: 1, values: vec![1.0; 3], group_of: vec![0; 3], ..Cohort::default() };
    let answer = policy.decide("testing", &[], &plan(), &mut cohort).answer;
    answer.map(|answer| answer.ads.iter().map(|decision| decision.verb).collect())
}

#[test]
fn policies_of_two_versions_answer_the_same_questions() {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    for (version, contract) in
        [("0.1.0", "dean:policy@0.1.0"), ("0.1.7", "dean:policy@0.1.7"), ("0.2.0", "dean:policy@0.2.0")]
    {
        let policy = runtime.load(&guest("honest", version)).unwrap();
        assert_eq!(policy.inspection().wit.as_deref(), Some(contract));
        assert_eq!((policy.manifest().name.as_str(), policy.prepare("testing", &[]).unwrap()), ("hostile", plan()));
        assert_eq!(ask(&policy), Ok(vec![Verb::Pause]));
        // Limits and faults are those of every policy.
        let panics = runtime.load(&guest("panic", version)).unwrap();
        assert!(matches!(ask(&panics), Err(Fault::Panic(_))));
    }
}

#[test]
fn a_version_that_nobody_knows_is_refused_before_anything_of_it_runs() {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let text = r#"(component (instance $i) (export "dean:policy/policy@0.3.0" (instance $i)))"#;
    let error = runtime.load(&Artifact::new("guest.wasm", wat::parse_str(text).unwrap())).unwrap_err().to_string();
    assert!(error.contains("built for dean:policy@0.3.0") && error.contains("hint:"), "{error}");
}
