//! The settings of policies as JSON Schema: what an editor needs to complete a key, show what it is and underline what
//! is out of bounds.

use super::prepare::{Ready, StagePolicy};
use crate::config::{Config, Effective, Level};
use dean_policy::types::{Kind, Param};
use serde_json::{Map, Value, json};

/// The dialect that editors of TOML read.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of `dean.toml`, of a profile and of a client: settings of the program, and `rules` with what the stages'
/// policies declare.
#[must_use]
pub fn settings_schema(effective: &Effective, stages: &[StagePolicy]) -> Value {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    let mut schema = serde_json::to_value(generator.into_root_schema_for::<Config>()).unwrap_or_default();
    schema["title"] = "Dean: dean.toml, profiles and clients".into();
    schema["properties"]["rules"] = rules(effective, stages);
    schema
}

/// The schema of `rules.toml`: a table for each stage, and `thresholds` that stages share.
#[must_use]
pub fn rules_schema(effective: &Effective, stages: &[StagePolicy]) -> Value {
    let mut schema = rules(effective, stages);
    schema["$schema"] = DIALECT.into();
    schema["title"] = "Dean: rules.toml".into();
    schema
}

fn rules(effective: &Effective, stages: &[StagePolicy]) -> Value {
    let mut tables = table("What each stage's policy is told.");
    for (stage, ready) in stages.iter().filter_map(|stage| Some((stage, stage.ready()?))) {
        let manifest = ready.policy.manifest();
        let doc = format!("{}@{}: {}", manifest.name, manifest.version, manifest.doc);
        let name = stage.view.name.as_str();
        tables["properties"][name] = table(&doc);
        for param in &manifest.params {
            // What all stages share stands beside their tables, and `ml` is a setting of the program.
            let path = match param.path.split_once('.') {
                Some(("ml", _)) => continue,
                Some(("thresholds", _)) => param.path.clone(),
                _ => format!("{name}.{}", param.path),
            };
            set(&mut tables, &path, of_param(param));
        }
    }
    // Of a stage that nobody decides for nothing is known; and where another policy decides than the one that the base
    // files were written for, what it does not know in them is left unread and no mistake.
    for stage in stages {
        let name = &stage.view.name;
        let base = effective.policy_named(name, Level::Base).unwrap_or_default();
        let is_meant = |ready: &Ready| base.split('@').next() == Some(ready.policy.manifest().name.as_str());
        match stage.ready() {
            None => tables["properties"][name] = json!({ "type": "object" }),
            Some(ready) if !is_meant(ready) => opened(&mut tables["properties"][name]),
            Some(_) => continue,
        }
        opened(&mut tables["properties"]["thresholds"]);
    }
    tables
}

/// Lets a table and those in it have keys that are not known.
fn opened(table: &mut Value) {
    let Some(table) = table.as_object_mut() else { return };
    table.remove("additionalProperties");
    table
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
        .for_each(|(_, inner)| opened(inner));
}

fn table(doc: &str) -> Value {
    json!({ "type": "object", "description": doc, "properties": Map::new(), "additionalProperties": false })
}

/// Puts a schema at a dotted path of tables.
fn set(at: &mut Value, path: &str, schema: Value) {
    match path.split_once('.') {
        None => at["properties"][path] = schema,
        Some((first, rest)) => {
            let inner = &mut at["properties"][first];
            if inner.is_null() {
                *inner = json!({ "type": "object", "properties": Map::new(), "additionalProperties": false });
            }
            set(inner, rest, schema);
        }
    }
}

fn of_param(param: &Param) -> Value {
    let doc = &param.doc;
    match &param.kind {
        Kind::Flag(default) => json!({ "type": "boolean", "default": default, "description": doc }),
        Kind::Text(default) => json!({ "type": "string", "default": default, "description": doc }),
        Kind::Open => json!({ "description": doc }),
        Kind::Number(number) => {
            let mut schema = json!({ "type": "number", "description": format!("{doc} ({})", number.unit) });
            let finite = |value: f64| value.is_finite().then_some(value);
            for (key, value) in [("default", number.default), ("minimum", number.min), ("maximum", number.max)] {
                if let Some(value) = finite(value) {
                    schema[key] = value.into();
                }
            }
            schema
        }
    }
}
