//! What editors are told of settings is what the program takes: the shipped files are right by it, and a mistake is one in
//! both.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use boon::{Compiler, Schemas};
use dean::config::{self, Sources};
use dean::policies::{self, Shelf, StagePolicy};
use dean::scoring::shipped_columns;
use dean_tests::account::registry;
use serde_json::{Value, json};
use std::path::Path;

fn stages() -> Vec<StagePolicy> {
    let effective = config::load(&Sources::default()).unwrap();
    policies::prepare(&effective, registry(), &Shelf::default(), Path::new("."), shipped_columns()).unwrap()
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
    let stages = stages();
    let settings = policies::settings_schema(&stages);
    for name in ["dean.toml", "profiles/production.toml", "clients/example.toml"] {
        assert_eq!(wrong(&settings, &file(name)), None, "{name}");
    }
    assert_eq!(wrong(&policies::rules_schema(&stages), &file("rules.toml")), None);
}

#[test]
fn what_the_program_refuses_an_editor_underlines() {
    let stages = stages();
    let (settings, rules) = (policies::settings_schema(&stages), policies::rules_schema(&stages));
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
