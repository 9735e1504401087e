//! Which policy decides for each stage and with which settings: checked whole before a run begins.

use crate::config::{ConfigError, Effective, Node, StageView};
use crate::features;
use dean_policy::types::{Param, Plan, Problem, Setting, Value};
use dean_policy::{Digest, Policy, PrepareError, Reference, Registry};
use std::collections::BTreeSet;
use std::path::Path;

/// A stage with its policy, ready to decide.
#[derive(Clone, Debug)]
pub struct StagePolicy {
    /// The stage.
    pub view: StageView,
    /// Who decides.
    pub decider: Decider,
}

/// Who decides for a stage.
#[derive(Clone, Debug)]
pub enum Decider {
    /// Nobody: its ads are only observed.
    Nobody,
    /// A policy that accepted its settings.
    Ready(Box<Ready>),
    /// A policy that cannot be asked, and why: its ads are held, and the other stages go on.
    Broken(String),
}

impl StagePolicy {
    /// What stands for the ads of no stage.
    pub(super) fn nowhere() -> Self {
        let view = StageView {
            name: String::new(),
            campaigns: Vec::new(),
            policy: None,
            policy_sha256: None,
            next: None,
            daily_cap: None,
            min_budget: 0.0,
            max_budget: 0.0,
            keep_ads_live: 0,
            max_active_ads: 0,
        };
        StagePolicy { view, decider: Decider::Nobody }
    }

    /// The policy, if there is one that can be asked.
    #[must_use]
    pub fn ready(&self) -> Option<&Ready> {
        match &self.decider {
            Decider::Ready(ready) => Some(ready),
            Decider::Nobody | Decider::Broken(_) => None,
        }
    }

    /// What keeps the policy from being asked.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        match &self.decider {
            Decider::Broken(reason) => Some(reason),
            Decider::Nobody | Decider::Ready(_) => None,
        }
    }
}

/// A policy with settings that it accepted.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The policy.
    pub policy: Policy,
    /// The client's settings.
    pub settings: Vec<Setting>,
    /// What it needs under them.
    pub plan: Plan,
    /// The cost per purchase aimed at, if a threshold of the stage says one.
    pub target_cpa: Option<f64>,
}

/// Loads the policy of every stage and has it check the client's settings.
///
/// # Errors
/// Every wrong setting with file, line and nearest known name. A policy that is not there, does not load,
/// differs from its pin, does not decide for the stage, fails, or asks for a column that does not exist
/// takes nothing but its own stage out: [`Decider::Broken`].
pub fn prepare(
    effective: &Effective,
    registry: &Registry,
    folder: &Path,
    scores: &BTreeSet<String>,
) -> anyhow::Result<Vec<StagePolicy>> {
    let mut stages = Vec::new();
    let mut errors = Vec::new();
    let mut claimed: Vec<String> = Vec::new();
    // Thresholds of a stage that has no policy are read by nobody yet, and no mistake.
    let mut unread: Vec<String> = Vec::new();
    for view in effective.config.stages() {
        let Some(name) = &view.policy else {
            unread.push(format!("{}_", view.name));
            stages.push(StagePolicy { view, decider: Decider::Nobody });
            continue;
        };
        let mut reference: Reference = name.parse().unwrap_or_else(|never| match never {});
        // A path in the configuration is meant from its folder, wherever the program is started.
        if let Reference::File(path) = &reference
            && path.is_relative()
            && !path.exists()
        {
            reference = Reference::File(folder.join(path));
        }
        let pin = view.policy_sha256.as_deref().and_then(Digest::parse);
        let resolved = registry.resolve(&reference, pin).map_err(|error| error.to_string()).and_then(|policy| {
            if policy.manifest().stages.contains(&view.name) {
                return Ok(policy);
            }
            let decides_for = policy.manifest().stages.join(", ");
            Err(format!("policy {name} does not decide for stage {}\n  hint: it decides for {decides_for}", view.name))
        });
        let policy = match resolved {
            Ok(policy) => policy,
            Err(reason) => {
                unread.push(format!("{}_", view.name));
                let origin = effective.tree.nearest(&format!("stages.{}.policy", view.name)).origin();
                let reason = format!("{origin}: {reason}");
                stages.push(StagePolicy { view, decider: Decider::Broken(reason) });
                continue;
            }
        };
        let params = &policy.manifest().params;
        claimed.extend(params.iter().map(|p| p.path.clone()));
        let settings = settings_of(&effective.tree, &view.name, params, &mut errors);
        match policy.prepare(&view.name, &settings) {
            Ok(plan) => {
                let decider = match check_plan(name, &plan, scores) {
                    Ok(()) => {
                        let target_cpa = target_cpa(&view.name, params, &settings);
                        Decider::Ready(Box::new(Ready { policy, settings, plan, target_cpa }))
                    }
                    Err(error) => Decider::Broken(error.to_string()),
                };
                stages.push(StagePolicy { view, decider });
            }
            Err(PrepareError::Settings(problems)) => {
                errors.extend(problems.into_iter().map(|p| located(&effective.tree, &view.name, p)));
            }
            Err(PrepareError::Fault(fault)) => {
                let reason = format!("policy {name} failed when it read its settings: {fault}");
                stages.push(StagePolicy { view, decider: Decider::Broken(reason) });
            }
        }
    }
    unknown_thresholds(&effective.tree, &claimed, &unread, &mut errors);
    unknown_stages(effective, &mut errors);
    match ConfigError::from_many(errors) {
        Some(error) => Err(error.into()),
        None => Ok(stages),
    }
}

/// The settings of a stage: its own table of `rules.toml`, and of `thresholds` what it declares.
fn settings_of(tree: &Node, stage: &str, params: &[Param], errors: &mut Vec<ConfigError>) -> Vec<Setting> {
    let mut settings = Vec::new();
    let open = |path: &str| {
        params.iter().any(|p| p.kind == dean_policy::types::Kind::Open && path.starts_with(&format!("{}.", p.path)))
    };
    if let Some(table) = tree.at(&format!("rules.{stage}")) {
        for (path, value, origin) in table.leaves() {
            if params.iter().any(|p| p.path == path) || open(&path) {
                flatten(&path, value, &mut settings);
            } else {
                let near = nearest(&path, params.iter().map(|p| p.path.as_str()));
                errors.push(ConfigError::UnknownKey {
                    origin: origin.clone(),
                    key: format!("{stage}.{path}"),
                    nearest: near.map(|p| format!("{stage}.{p}")),
                });
            }
        }
    }
    // What all stages share.
    for (key, shared) in [("rules.thresholds", "thresholds"), ("ml", "ml")] {
        for (path, value, _) in tree.at(key).into_iter().flat_map(Node::leaves) {
            let path = format!("{shared}.{path}");
            if params.iter().any(|p| p.path == path) {
                flatten(&path, value, &mut settings);
            }
        }
    }
    settings
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
fn located(tree: &Node, stage: &str, problem: Problem) -> ConfigError {
    let shown = if problem.path.starts_with("thresholds.") {
        problem.path.clone()
    } else {
        format!("{stage}.{}", problem.path)
    };
    let origin = tree.nearest(&format!("rules.{shown}")).origin().clone();
    ConfigError::Value { origin, key: shown, message: problem.message, hint: problem.hint }
}

fn unknown_thresholds(tree: &Node, claimed: &[String], unread: &[String], errors: &mut Vec<ConfigError>) {
    let Some(table) = tree.at("rules.thresholds") else { return };
    for (path, _, origin) in table.leaves() {
        let name = path.rsplit('.').next().unwrap_or_default().to_string();
        let path = format!("thresholds.{path}");
        if !claimed.contains(&path) && !unread.iter().any(|stage| name.starts_with(stage)) {
            let known = claimed.iter().filter(|p| p.starts_with("thresholds.")).map(String::as_str);
            errors.push(ConfigError::UnknownKey {
                origin: origin.clone(),
                nearest: nearest(&path, known).map(String::from),
                key: path,
            });
        }
    }
}

/// A table of `rules.toml` that belongs to no stage would be read by nobody.
fn unknown_stages(effective: &Effective, errors: &mut Vec<ConfigError>) {
    let Some(Node::Table(tables, _)) = effective.tree.at("rules") else { return };
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
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.map(|k| (strsim::osa_distance(name, k), k)).min()?;
    (best.0 <= 3.max(name.len() / 3)).then_some(best.1)
}

/// A plan may only name what the catalogue has, and what models tell.
pub fn check_plan(policy: &str, plan: &Plan, scores: &BTreeSet<String>) -> anyhow::Result<()> {
    let unknown = |kind: &str, name: &str, near: Option<String>| {
        let hint = match near {
            Some(near) => format!("did you mean {near}?"),
            None => "`dean metrics` lists every one".into(),
        };
        anyhow::anyhow!("policy {policy} asks for {kind} {name}, which does not exist\n  hint: {hint}")
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
fn target_cpa(stage: &str, params: &[Param], settings: &[Setting]) -> Option<f64> {
    let names = [format!("thresholds.cpa.{stage}_max"), format!("thresholds.cpa.{stage}_kill_max")];
    let param = params.iter().find(|p| names.contains(&p.path))?;
    let set = settings.iter().find(|s| s.path == param.path).map(|s| &s.value);
    match (set, &param.kind) {
        (Some(Value::Number(value)), _) => Some(*value),
        (_, dean_policy::types::Kind::Number(number)) => Some(number.default),
        _ => None,
    }
}
