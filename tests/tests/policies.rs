//! The shipped policies on cases that are data: `plugins/NAME/cases/*.toml`, asked as components.
//!
//! A case has a base ad and what changes of it; `then` is what the policy says of that ad, `budget`
//! what it says of its owner. What a case does not set is not known to the policy.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_policy::types::{Answer, Cohort, Plan, Setting, UNKNOWN_TEXT, Value};
use dean_policy::{Policy, shipped};
use dean_tests::account::registry;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value as Toml};

/// The keys of a `when` that are not about the ad.
const EXPECTED: [&str; 3] = ["then", "amount", "budget"];

fn number(value: &Toml) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

/// A cohort as a case describes it.
#[derive(Clone, Default)]
struct Scene {
    settings: BTreeMap<String, f64>,
    context: BTreeMap<String, f64>,
    ads: Vec<Table>,
}

impl Scene {
    fn new(case: &Table) -> Self {
        let mut scene = Scene::default();
        for (name, value) in case.get("settings").and_then(Toml::as_table).into_iter().flatten() {
            scene.settings.insert(name.clone(), number(value).unwrap());
        }
        for (name, value) in case.get("context").and_then(Toml::as_table).into_iter().flatten() {
            scene.context.insert(name.clone(), number(value).unwrap());
        }
        scene.ads.push(case["ad"].as_table().unwrap().clone());
        let others = case.get("others").and_then(Toml::as_array).into_iter().flatten();
        scene.ads.extend(others.map(|other| other.as_table().unwrap().clone()));
        scene
    }

    fn change(mut self, when: &Table) -> Self {
        for (key, value) in when.iter().filter(|(key, _)| !EXPECTED.contains(&key.as_str())) {
            if let Some(setting) = key.strip_prefix("settings.") {
                self.settings.insert(setting.into(), number(value).unwrap());
            } else if let Some(name) = key.strip_prefix("context.") {
                self.context.insert(name.into(), number(value).unwrap());
            } else {
                self.ads[0].insert(key.clone(), value.clone());
            }
        }
        self
    }

    fn ask(&self, policy: &Policy, stage: &str) -> (Plan, Answer) {
        let settings: Vec<Setting> = self
            .settings
            .iter()
            .map(|(path, value)| Setting { path: path.clone(), value: Value::Number(*value) })
            .collect();
        let plan = policy.prepare(stage, &settings).unwrap();
        for ad in &self.ads {
            for name in ad.keys().filter(|name| *name != "group") {
                let known = plan.columns.contains(name) || plan.text_columns.contains(name);
                assert!(known, "{name} is no column of the {stage} policy");
            }
        }
        for name in self.context.keys() {
            assert!(plan.context.contains(name), "{name} is no context of the {stage} policy");
        }
        let mut words: Vec<String> = Vec::new();
        let mut codes = Vec::new();
        for name in &plan.text_columns {
            for ad in &self.ads {
                let Some(word) = ad.get(name).and_then(Toml::as_str) else {
                    codes.push(UNKNOWN_TEXT);
                    continue;
                };
                let known = words.iter().position(|w| w == word);
                codes.push(known.unwrap_or(words.len()) as u32);
                words.extend(known.is_none().then(|| word.to_string()));
            }
        }
        let group = |ad: &Table| ad.get("group").and_then(number).unwrap_or(0.0) as u32;
        let value = |name: &String, ad: &Table| ad.get(name).and_then(number).unwrap_or(f64::NAN);
        let mut cohort = Cohort {
            rows: self.ads.len() as u32,
            groups: self.ads.iter().map(|ad| group(ad) + 1).max().unwrap(),
            values: plan.columns.iter().flat_map(|name| self.ads.iter().map(move |ad| value(name, ad))).collect(),
            words,
            codes,
            context: plan.context.iter().map(|n| self.context.get(n).copied().unwrap_or(f64::NAN)).collect(),
            group_of: self.ads.iter().map(group).collect(),
            ..Cohort::default()
        };
        let answer = policy.decide(stage, &settings, &plan, &mut cohort).unwrap().answer;
        (plan, answer)
    }
}

/// What an answer says of the case's ad and of its owner.
fn said(plan: &Plan, answer: &Answer, group: u32) -> (String, Option<f64>, Option<String>) {
    let rule = |rule: u32| &plan.rules[rule as usize].id;
    let ad = answer.ads.iter().find(|d| d.row == 0);
    let then = ad.map_or("hold".into(), |d| format!("{} by {}", d.verb, rule(d.rule)));
    let budget = answer.budgets.iter().find(|d| d.group == group);
    (then, ad.map(|d| d.amount), budget.map(|d| format!("{} by {}", (d.amount * 100.0).round() / 100.0, rule(d.rule))))
}

fn check(policy: &Policy, stage: &str, file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let case: Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(case["doc"].as_str().is_some_and(|doc| doc.len() > 20), "{} says what it promises", file.display());
    let group = case["ad"].get("group").and_then(number).unwrap_or(0.0) as u32;
    let mut wrong = Vec::new();
    for (i, when) in case["when"].as_array().unwrap().iter().enumerate() {
        let when = when.as_table().unwrap();
        let (plan, answer) = Scene::new(&case).change(when).ask(policy, stage);
        let (then, amount, budget) = said(&plan, &answer, group);
        let mut differs = |what: &str, expected: String, found: String| {
            if expected != found {
                let at = format!("{}, when {} ({what})", file.display(), i + 1);
                wrong.push(format!("{at}: expected {expected}, found {found}"));
            }
        };
        differs("then", when["then"].as_str().unwrap().into(), then);
        if let Some(expected) = when.get("amount").and_then(number) {
            differs("amount", expected.to_string(), amount.map_or("none".into(), |a| a.to_string()));
        }
        let expected = when.get("budget").and_then(Toml::as_str);
        differs("budget", expected.unwrap_or("stays").into(), budget.unwrap_or("stays".into()));
    }
    wrong
}

#[test]
fn the_shipped_policies_decide_as_their_cases_say() {
    let mut wrong = Vec::new();
    for shipped in shipped::SHIPPED {
        let policy = registry().resolve(&shipped.name.parse().unwrap(), None).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(shipped.name).join("cases");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} has cases", shipped.name);
        for file in files {
            wrong.extend(check(&policy, shipped.name, &file));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_of_every_shipped_policy_has_a_case() {
    for shipped in shipped::SHIPPED {
        let policy = registry().resolve(&shipped.name.parse().unwrap(), None).unwrap();
        let plan = policy.prepare(shipped.name, &[]).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(shipped.name).join("cases");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let all: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
        for rule in &plan.rules {
            assert!(all.contains(&format!("by {}\"", rule.id)), "{}: no case for {}", shipped.name, rule.id);
        }
    }
}
