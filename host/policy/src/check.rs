//! Nothing that a policy says is trusted: what it says of itself is of a size that people read, answers have indices in
//! range, numbers that are finite, at most one decision a row and a group. Nor is it left to a policy alone to look at its
//! settings.

use crate::types::{ANY_STAGE, Answer, Cohort, Kind, Manifest, Param, Plan, Problem, Setting, Value, Verb};
use std::collections::BTreeSet;

/// Stages of an account: three, and what clients add.
const MOST_STAGES: usize = 64;
/// Names of one kind in a manifest or a plan: all columns together are some six hundred.
const MOST_NAMES: usize = 4_096;
/// Bytes of a setting's path or of a name.
const LONGEST_NAME: usize = 256;
/// Tables within tables of settings, as schemas for editors nest them.
const DEEPEST_PATH: usize = 16;

/// What is wrong with what a policy says of itself, if anything.
pub(crate) fn manifest(manifest: &Manifest) -> Option<String> {
    let word = |text: &str| {
        !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    if !word(&manifest.name) {
        return Some(format!("its name is {:?}, not a word of a-z, 0-9 and -", manifest.name));
    }
    let version = |b: u8| b.is_ascii_alphanumeric() || b"-.+".contains(&b);
    if manifest.version.is_empty() || manifest.version.len() > 64 || !manifest.version.bytes().all(version) {
        return Some(format!("its version is {:?}, not one like 1.0.0", manifest.version));
    }
    if manifest.stages.is_empty() {
        return Some("it decides for no stage".into());
    }
    if manifest.stages.len() > MOST_STAGES {
        return Some(format!("it names {} stages, where {MOST_STAGES} are the most", manifest.stages.len()));
    }
    let stage = manifest.stages.iter().find(|s| !word(s) && *s != ANY_STAGE);
    let stage = stage.map(|s| format!("its stage {s:?} is not a word"));
    let params = || names("setting", manifest.params.iter().map(|param| param.path.as_str()));
    stage.or_else(params).or_else(|| manifest.params.iter().find_map(param))
}

fn param(param: &Param) -> Option<String> {
    let path = &param.path;
    if path.split('.').count() > DEEPEST_PATH {
        return Some(format!("its setting {path} is nested deeper than {DEEPEST_PATH}"));
    }
    let Kind::Number(number) = &param.kind else { return None };
    let held = number.min.is_finite() && number.max.is_finite() && (number.min..=number.max).contains(&number.default);
    let (min, max, default) = (number.min, number.max, number.default);
    (!held).then(|| format!("its setting {path} is {default} by default, which is not within {min} to {max}"))
}

/// What is wrong with a plan, if anything.
pub(crate) fn plan(plan: &Plan) -> Option<String> {
    fn all(names: &[String]) -> impl Iterator<Item = &str> {
        names.iter().map(String::as_str)
    }
    names("rule", plan.rules.iter().map(|rule| rule.id.as_str()))
        .or_else(|| names("column", all(&plan.columns)))
        .or_else(|| names("text column", all(&plan.text_columns)))
        .or_else(|| names("context", all(&plan.context)))
        // What is computed is called by its expression: of any length, and written in two ways it is two facts.
        .or_else(|| (plan.derived.len() > MOST_NAMES).then(|| format!("it computes more than {MOST_NAMES} facts")))
}

/// What is wrong with a list of names, if anything.
fn names<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Some(format!("a {kind} of it is called {:?}", name.chars().take(64).collect::<String>()));
        }
        if !seen.insert(name) {
            return Some(format!("it names {kind} {name:?} twice"));
        }
        if seen.len() > MOST_NAMES {
            return Some(format!("it names more than {MOST_NAMES} of the kind {kind}"));
        }
    }
    None
}

/// Checks settings against what the manifest says of them: types, and bounds of numbers.
pub(crate) fn settings(manifest: &Manifest, settings: &[Setting]) -> Vec<Problem> {
    let problem = |setting: &Setting| {
        let param = manifest.params.iter().find(|param| param.path == setting.path)?;
        let (message, hint) = match (&param.kind, &setting.value) {
            (Kind::Number(number), Value::Number(value)) => {
                let within = (number.min..=number.max).contains(value);
                let unit = if number.unit.is_empty() { String::new() } else { format!(" {}", number.unit) };
                let hint = format!("it is {} to {}{unit}", number.min, number.max);
                (!within).then(|| (format!("{value} is out of bounds"), hint))?
            }
            (Kind::Number(_), _) => ("is not a number".into(), param.doc.clone()),
            (Kind::Flag(_), Value::Flag(_)) | (Kind::Text(_), Value::Text(_)) | (Kind::Open, _) => return None,
            (Kind::Flag(_), _) => ("is not true or false".into(), param.doc.clone()),
            (Kind::Text(_), _) => ("is not a text".into(), param.doc.clone()),
        };
        Some(Problem { path: setting.path.clone(), message, hint })
    };
    settings.iter().filter_map(problem).collect()
}

/// The most checks a traced answer may hold per ad; a policy with more rules than this is not meant
/// to be read by a person.
pub(crate) const MAX_CHECKS_PER_ROW: usize = 512;

/// Checks an answer against the plan and the cohort. The error says which item is wrong and how.
pub(crate) fn answer(plan: &Plan, cohort: &Cohort, answer: &Answer) -> Result<(), String> {
    let rules = plan.rules.len();
    let rule = |kind: &str, i: usize, rule: u32| {
        if (rule as usize) < rules {
            Ok(())
        } else {
            Err(format!("{kind} {i} names rule {rule}, but the plan has {rules}"))
        }
    };
    let number = |kind: &str, i: usize, name: &str, value: f64, max: f64| {
        if value.is_finite() && (0.0..=max).contains(&value) {
            Ok(())
        } else {
            Err(format!("{kind} {i} has {name} {value}, which is not within 0 to {max}"))
        }
    };

    let mut seen: Vec<(bool, Option<Verb>)> = vec![(false, None); cohort.rows as usize];
    for (i, d) in answer.ads.iter().enumerate() {
        let Some(row) = seen.get_mut(d.row as usize) else {
            return Err(format!("decision {i} names row {}, but there are {}", d.row, cohort.rows));
        };
        rule("decision", i, d.rule)?;
        number("decision", i, "amount", d.amount, MAX_AMOUNT)?;
        number("decision", i, "confidence", d.confidence, 1.0)?;
        let pair = |a, b| matches!((a, b), (Verb::Hold, Verb::Duplicate) | (Verb::Duplicate, Verb::Hold));
        match row {
            (false, first @ None) => *first = Some(d.verb),
            (second @ false, Some(first)) if pair(*first, d.verb) => *second = true,
            _ => return Err(format!("decision {i} is another one for row {}", d.row)),
        }
    }
    let mut owners = vec![false; cohort.groups as usize];
    for (i, d) in answer.budgets.iter().enumerate() {
        match owners.get_mut(d.group as usize) {
            None => {
                let (group, groups) = (d.group, cohort.groups);
                return Err(format!("budget {i} names group {group}, but there are {groups}"));
            }
            Some(true) => return Err(format!("budget {i} is another one for group {}", d.group)),
            Some(seen) => *seen = true,
        }
        rule("budget", i, d.rule)?;
        number("budget", i, "amount", d.amount, MAX_AMOUNT)?;
        number("budget", i, "confidence", d.confidence, 1.0)?;
    }
    if answer.checks.len() > cohort.rows as usize * MAX_CHECKS_PER_ROW {
        return Err(format!("{} checks are more than {MAX_CHECKS_PER_ROW} an ad", answer.checks.len()));
    }
    let facts = plan.facts();
    for (i, c) in answer.checks.iter().enumerate() {
        if c.row >= cohort.rows {
            return Err(format!("check {i} names row {}, but there are {}", c.row, cohort.rows));
        }
        rule("check", i, c.rule)?;
        if c.fact as usize >= facts {
            return Err(format!("check {i} names fact {}, but the plan has {facts}", c.fact));
        }
        if c.threshold.is_infinite() {
            return Err(format!("check {i} compares with {}", c.threshold));
        }
        if c.value.is_infinite() {
            return Err(format!("check {i} found {}", c.value));
        }
        if c.met && (c.value.is_nan() || c.threshold.is_nan()) {
            return Err(format!("check {i} holds of something that is not known"));
        }
    }
    Ok(())
}

/// No account has a daily budget of a trillion in any currency; beyond it integers of minor units
/// would lose cents on their way through `f64`.
const MAX_AMOUNT: f64 = 1e12;
