//! What editors are told of settings is what the program takes: the shipped files are right by it, and a mistake is one in
//! both.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use boon::{Compiler, Schemas};
use dean::config::{self, Effective, Sources};
use dean::policies::{self, Shelf, StagePolicy};
use dean::scoring::shipped_columns;
use dean_tests::account::registry;
use serde_json::{Value, json};
use std::path::Path;

fn stages_of(effective: &Effective) -> Vec<StagePolicy> {
    policies::prepare(effective, registry(), &Shelf::default(), Path::new("."), shipped_columns()).unwrap()
}

/// The schemas of settings and of rules, with something set.
fn schemas(set: &[(&str, Value)]) -> (Value, Value) {
    let flags = set.iter().map(|(key, value)| (key.to_string(), value.clone(), "test")).collect();
    let effective = config::load(&Sources { flags, ..Sources::default() }).unwrap();
    let stages = stages_of(&effective);
    (policies::settings_schema(&effective, &stages), policies::rules_schema(&effective, &stages))
}

/// What is wrong with a document by a schema, in words; nothing where it is right.
fn wrong(schema: &Value, document: &Value) -> Option<String> {
    let mut compiler = Compiler::new();
    compiler.add_resource("file:///schema.json", schema.clone()).unwrap();
    let mut schemas = Schemas::new();
    let index = compiler.compile("file:///schema.json", &mut schemas).unwrap();
    schemas.validate(document, index).err().map(|error| error.to_string())
}

fn file(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::to_value(toml::from_str::<toml::Table>(&text).unwrap()).unwrap()
}

#[test]
fn the_shipped_files_are_right_by_the_schema() {
    let (settings, rules) = schemas(&[]);
    for name in ["dean.toml", "profiles/production.toml", "clients/example.toml"] {
        assert_eq!(wrong(&settings, &file(name)), None, "{name}");
    }
    assert_eq!(wrong(&rules, &file("rules.toml")), None);
}

#[test]
fn what_the_program_refuses_an_editor_underlines() {
    let (settings, rules) = schemas(&[]);
    let mistakes = [
        ("an unknown key", "testing.tiers.por", json!(60.0), "por"),
        ("an unknown stage", "testin.tiers.poor", json!(60.0), "testin"),
        ("out of bounds", "testing.promote.ctr", json!(1.5), "must be <=1"),
        ("another type", "testing.tiers.poor", json!("much"), "number"),
        ("an unknown threshold", "thresholds.cpa.testing_mx", json!(30.0), "testing_mx"),
    ];
    for (what, path, value, said) in mistakes {
        let mut document = value.clone();
        for key in path.rsplit('.') {
            document = json!({ key: document });
        }
        let found = wrong(&rules, &document).unwrap_or_else(|| panic!("{what} is right by the schema"));
        assert!(found.contains(said), "{what}: {found}");
        assert!(wrong(&settings, &json!({ "rules": document })).is_some(), "{what}, in a client's file");
        // The program says the same.
        let flags = vec![(format!("rules.{path}"), value, "test")];
        let refused = config::load(&Sources { flags, ..Sources::default() }).and_then(|effective| {
            policies::prepare(&effective, registry(), &Shelf::default(), Path::new("."), shipped_columns())
        });
        assert!(refused.is_err(), "{what} is taken by the program");
    }
    assert!(wrong(&settings, &json!({ "guard": { "cooldown_hour": 3.0 } })).is_some());
}

/// Whatever decides for a stage, the files that were written for another are right where the program takes them.
#[test]
fn what_is_left_unread_is_no_mistake_in_an_editor() {
    let rules = json!([{ "id": "none", "when": "spend_7d > 60.0", "then": "pause" }]);
    let of_cel = [("stages.testing.policy", json!("cel")), ("rules.testing.rules", rules)];
    for set in [of_cel.to_vec(), vec![("stages.testing.policy", json!(""))]] {
        let (_, rules) = schemas(&set);
        assert_eq!(wrong(&rules, &file("rules.toml")), None, "{set:?}");
        assert!(wrong(&rules, &json!({ "scaling": { "nonsense": 1.0 } })).is_some());
    }
}

#[test]
fn values_that_make_no_sense_are_underlined_as_they_are_refused() {
    let (settings, _) = schemas(&[]);
    for (key, value) in [
        ("guard.max_spend_share_per_run", json!(5.0)),
        ("guard.max_spend_share_per_day", json!(0.0)),
        ("guard.cooldown_hours", json!(-1.0)),
        ("guard.stop_days_without_purchase", json!(31)),
        ("stages.testing.policy_sha256", json!("abc")),
        ("stages.testing.daily_cap", json!(-4.0)),
        ("stages.testing.campaigns", json!(["abc"])),
        ("attribution.report_time", json!("x")),
        ("attribution.windows", json!(["1d_clik"])),
        ("attribution.windows", json!([])),
        ("limits.deadline_ms", json!(1)),
        ("ml.confidence_threshold", json!(7.0)),
        ("api.version", json!("26")),
        ("api.url", json!("graph.facebook.com")),
        ("account.id", json!("act_x")),
        ("ids.testing_campaign_id", json!("x1")),
        ("policies.canary.steps", json!([])),
        ("policies.canary.steps", json!([1.5])),
        ("policies.canary.withdraw_above", json!(1.5)),
        ("economics.breakeven_cpa", json!(0.0)),
    ] {
        let mut document = value.clone();
        for part in key.rsplit('.') {
            document = json!({ part: document });
        }
        assert!(wrong(&settings, &document).is_some(), "{key} = {value} is right by the schema");
        let flags = vec![(key.to_string(), value, "test")];
        assert!(config::load(&Sources { flags, ..Sources::default() }).is_err(), "{key} is taken by the program");
    }
}
