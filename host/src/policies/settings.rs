//! From the configuration's tables to what a policy is told: its stage's own table, and of what stages share what it
//! declares.

use super::prepare::StagePolicy;
use crate::config::{ConfigError, Effective, Node, Origin, StageView};
use crate::features;
use dean_policy::types::{Kind, Param, Plan, Problem, Setting, Value};
use std::collections::BTreeSet;

/// For whom keys of a stage were written: the policy that the configuration names on their level. Where another
/// decides, because a more specific level or an activation says so, what it does not know is left unread; where that
/// very policy decides, it is a mistake.
pub(super) struct Meant<'a> {
    pub effective: &'a Effective,
    pub stage: &'a str,
    /// The name of the policy that decides.
    pub policy: &'a str,
    /// Whether it is on trial: then everything was written for the one that it is tried beside.
    pub tried: bool,
}

impl Meant<'_> {
    fn is_meant(&self, origin: &Origin) -> bool {
        if self.tried {
            return false;
        }
        let named = self.effective.policy_named(self.stage, self.effective.level(origin));
        // What a file is called says nothing about who is in it.
        named.is_none_or(|named| {
            let name = named.split('@').next().unwrap_or_default();
            name == self.policy || named.contains('/') || named.ends_with(".wasm")
        })
    }
}

/// What a stage's tables say to its policy.
#[derive(Default)]
pub(super) struct Read {
    pub settings: Vec<Setting>,
    pub unread: Vec<String>,
    pub errors: Vec<ConfigError>,
}

/// The settings of a stage: its own table of `rules.toml`, and of `thresholds` what it declares.
pub(super) fn of_stage(meant: &Meant<'_>, params: &[Param]) -> Read {
    let (tree, stage) = (&meant.effective.tree, meant.stage);
    let mut read = Read::default();
    let open = |path: &str| params.iter().any(|p| p.kind == Kind::Open && path.starts_with(&format!("{}.", p.path)));
    for (path, value, origin) in tree.at(&format!("rules.{stage}")).into_iter().flat_map(Node::leaves) {
        if params.iter().any(|p| p.path == path) || open(&path) {
            flatten(&path, value, &mut read.settings);
        } else if meant.is_meant(origin) {
            let near = nearest(&path, params.iter().map(|p| p.path.as_str()));
            read.errors.push(ConfigError::UnknownKey {
                origin: origin.clone(),
                key: format!("{stage}.{path}"),
                nearest: near.map(|p| format!("{stage}.{p}")),
            });
        } else {
            read.unread.push(format!("{stage}.{path} ({origin})"));
        }
    }
    // What all stages share.
    for (key, shared) in [("rules.thresholds", "thresholds"), ("ml", "ml")] {
        for (path, value, _) in tree.at(key).into_iter().flat_map(Node::leaves) {
            let path = format!("{shared}.{path}");
            if params.iter().any(|p| p.path == path) {
                flatten(&path, value, &mut read.settings);
            }
        }
    }
    read
}

/// Keys of `rules.toml` that no stage's policy reads and that were not written for another: nobody should rely on them
/// in vain.
pub(super) fn unread_by_all(effective: &Effective, stages: &[StagePolicy]) -> Vec<ConfigError> {
    let mut errors = unknown_stages(effective);
    let Some(table) = effective.tree.at("rules.thresholds") else { return errors };
    // Not what a policy on trial reads: when the trial ends, nothing else may become wrong.
    let ready = || stages.iter().filter_map(|stage| stage.ready());
    let params = || ready().flat_map(|ready| &ready.policy.manifest().params);
    for (path, _, origin) in table.leaves() {
        let name = path.rsplit('.').next().unwrap_or_default();
        let path = format!("thresholds.{path}");
        let all = effective.config.stages();
        let owner = all.iter().find(|stage| name.starts_with(&format!("{}_", stage.name)));
        let prepared = |stage: &StageView| stages.iter().find(|there| there.view.name == stage.name);
        // Of stages that are not prepared here nothing can be said.
        if owner.map_or(all.iter().any(|stage| prepared(stage).is_none()), |stage| prepared(stage).is_none()) {
            continue;
        }
        // Of one that nobody or another policy decides for it is no mistake.
        let unread = owner.and_then(prepared).is_some_and(|stage| {
            stage.ready().is_none_or(|ready| {
                let policy = &ready.policy.manifest().name;
                !Meant { effective, stage: &stage.view.name, policy, tried: false }.is_meant(origin)
            })
        });
        if !unread && !params().any(|param| param.path == path) {
            let known = params().map(|param| param.path.as_str()).filter(|path| path.starts_with("thresholds."));
            let nearest = nearest(&path, known).map(String::from);
            errors.push(ConfigError::UnknownKey { origin: origin.clone(), nearest, key: path });
        }
    }
    errors
}

/// Lists become numbered paths, tables dotted ones.
fn flatten(path: &str, value: &serde_json::Value, out: &mut Vec<Setting>) {
    use serde_json::Value as Json;
    let value = match value {
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::Text(text.clone()),
        Json::Null => return,
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| flatten(&format!("{path}.{i}"), item, out));
            return;
        }
        Json::Object(items) => {
            items.iter().for_each(|(key, item)| flatten(&format!("{path}.{key}"), item, out));
            return;
        }
    };
    out.push(Setting { path: path.to_string(), value });
}

/// A policy's problem at the place in the files that it is about.
pub(super) fn located(tree: &Node, stage: &str, problem: Problem) -> ConfigError {
    let shown = if problem.path.starts_with("thresholds.") {
        problem.path.clone()
    } else {
        format!("{stage}.{}", problem.path)
    };
    let origin = tree.nearest(&format!("rules.{shown}")).origin().clone();
    ConfigError::Value { origin, key: shown, message: problem.message, hint: problem.hint }
}

/// A table of `rules.toml` that belongs to no stage would be read by nobody.
fn unknown_stages(effective: &Effective) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let Some(Node::Table(tables, _)) = effective.tree.at("rules") else { return errors };
    let stages = effective.config.stages();
    for (name, node) in tables {
        if name != "thresholds" && !stages.iter().any(|s| &s.name == name) {
            let known = stages.iter().map(|s| s.name.as_str()).chain(["thresholds"]);
            errors.push(ConfigError::UnknownKey {
                origin: node.origin().clone(),
                key: name.clone(),
                nearest: nearest(name, known).map(String::from),
            });
        }
    }
    errors
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.map(|k| (strsim::osa_distance(name, k), k)).min()?;
    (best.0 <= 3.max(name.len() / 3)).then_some(best.1)
}

/// A name that a plan asks for and that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy {policy} asks for {kind} {name}, which does not exist\n  hint: {}", self.hint())]
pub struct UnknownName {
    policy: String,
    kind: &'static str,
    name: String,
    nearest: Option<String>,
}

impl UnknownName {
    /// The place in a client's own text that asks for the name: a rule's condition, say.
    #[must_use]
    pub fn in_text(&self, settings: &[Setting]) -> Option<Problem> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        settings.iter().find_map(|setting| {
            let Value::Text(text) = &setting.value else { return None };
            // What a person reads names no column.
            if setting.path.ends_with(".doc") || setting.path.ends_with(".title") || setting.path.ends_with(".id") {
                return None;
            }
            let whole = |at: usize| {
                let (before, after) = (&text[..at], &text[at + self.name.len()..]);
                !before.ends_with(is_part) && !after.starts_with(is_part)
            };
            let (at, _) = text.match_indices(&self.name).find(|(at, _)| whole(*at))?;
            let character = text[..at].chars().count() + 1;
            let message = format!("at character {character} of {text:?}: there is no {} {}", self.kind, self.name);
            Some(Problem { path: setting.path.clone(), message, hint: self.hint() })
        })
    }

    fn hint(&self) -> String {
        match &self.nearest {
            Some(near) => format!("did you mean {near}?"),
            None => "`dean metrics` lists every one".into(),
        }
    }
}

/// A plan may only name what the catalogue has, and what models tell.
///
/// # Errors
/// The first name that does not exist.
pub fn check_plan(policy: &str, plan: &Plan, scores: &BTreeSet<String>) -> Result<(), UnknownName> {
    let unknown = |kind: &'static str, name: &str, nearest: Option<String>| UnknownName {
        policy: policy.into(),
        kind,
        name: name.into(),
        nearest,
    };
    for name in &plan.columns {
        if name.starts_with("score.") {
            if !scores.contains(name) {
                let near = |known: &&String| strsim::osa_distance(name, known);
                return Err(unknown("column", name, scores.iter().min_by_key(near).cloned()));
            }
        } else if features::find(name).is_none_or(features::Column::is_text) {
            return Err(unknown("column", name, features::nearest(name)));
        }
    }
    for name in &plan.text_columns {
        if !features::find(name).is_some_and(features::Column::is_text) {
            return Err(unknown("text column", name, features::nearest(name)));
        }
    }
    for name in &plan.context {
        if !features::STAGE_CONTEXT.iter().any(|c| c.name == name) {
            return Err(unknown("context", name, features::nearest_context(name).map(String::from)));
        }
    }
    Ok(())
}

/// The stage's own threshold on the cost per purchase, as set or by default.
pub(super) fn target_cpa(stage: &str, params: &[Param], settings: &[Setting]) -> Option<f64> {
    let names = [format!("thresholds.cpa.{stage}_max"), format!("thresholds.cpa.{stage}_kill_max")];
    let param = params.iter().find(|p| names.contains(&p.path))?;
    let set = settings.iter().find(|s| s.path == param.path).map(|s| &s.value);
    match (set, &param.kind) {
        (Some(Value::Number(value)), _) => Some(*value),
        (_, Kind::Number(number)) => Some(number.default),
        _ => None,
    }
}
