//! What rules as text tell of themselves: never something else than what they decided.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_cel::{decide, prepare};
use dean_policy_sdk::bindings::types::{Answer, Check, Cohort, Plan, Setting, Texts, Value};
use proptest::prelude::*;

fn rules(rules: &[(&str, &str)]) -> Vec<Setting> {
    let text = |path: String, text: &str| Setting { path, value: Value::Text(text.into()) };
    let of = |(i, (when, then)): (usize, &(&str, &str))| {
        let mut keys = vec![("id", format!("rule-{i}")), ("when", (*when).into()), ("then", (*then).into())];
        if *then == "budget" {
            keys.push(("amount", "budget * a".into()));
        }
        keys.into_iter().map(move |(key, value)| text(format!("rules.{i}.{key}"), &value)).collect::<Vec<_>>()
    };
    rules.iter().enumerate().flat_map(of).collect()
}

/// Ads of which each column has one of a few values, or none.
fn cohort(plan: &Plan, numbers: &[Option<i8>], active: &[bool]) -> Cohort {
    let rows = active.len();
    let value = |i: usize| numbers[i % numbers.len()].map_or(f64::NAN, f64::from);
    Cohort {
        now: 0.0,
        seed: 0,
        rows: rows as u32,
        groups: rows as u32,
        trace: true,
        values: (0..rows * plan.columns.len()).map(value).collect(),
        texts: Texts {
            words: vec!["ACTIVE".into(), "PAUSED".into()],
            codes: (0..rows * plan.text_columns.len()).map(|i| u32::from(!active[i % rows])).collect(),
        },
        context: plan.context.iter().enumerate().map(|(i, _)| value(i + 3)).collect(),
        group_of: (0..rows as u32).collect(),
    }
}

/// Conditions over three columns and a number of the account, nested as they come.
fn condition() -> impl Strategy<Value = String> {
    let number =
        prop::sample::select(vec!["a", "b", "c", "hour", "1", "2", "a / b", "rank(a)", "-c", "greatest(a, b)"]);
    let sign = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let leaf = prop_oneof![
        4 => (number.clone(), sign, number).prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
        1 => prop::sample::select(vec!["known(a)", "known(b / c)", "a in [1, 2]", "a in [b, 2, c]", "abs(a - b) < 2", "true"]).prop_map(String::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

fn of(answer: &Answer, row: u32, rule: u32) -> Vec<&Check> {
    answer.checks.iter().filter(|check| check.row == row && check.rule == rule).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_rule_that_acts_has_no_unmet_check_and_one_that_does_not_has_some(
        when in prop::collection::vec(condition(), 1..3),
        numbers in prop::collection::vec(prop::option::weighted(0.8, -2i8..3), 29),
        active in prop::collection::vec(any::<bool>(), 1..6),
    ) {
        let verbs = ["pause", "budget"];
        let pairs: Vec<(&str, &str)> = when.iter().zip(verbs).map(|(when, then)| (when.as_str(), then)).collect();
        let settings = rules(&pairs);
        let plan = prepare(&settings).unwrap();
        let cohort = cohort(&plan, &numbers, &active);
        let answer = decide(&settings, &cohort).unwrap();
        for row in 0..cohort.rows {
            for rule in 0..when.len() as u32 {
                let acts = answer.ads.iter().any(|d| (d.row, d.rule) == (row, rule))
                    || answer.budgets.iter().any(|d| (d.group, d.rule) == (row, rule));
                let checks = of(&answer, row, rule);
                prop_assert!(checks.iter().all(|check| !check.threshold.is_nan()), "{:?}", checks);
                let unmet = checks.iter().any(|check| !check.met);
                prop_assert_eq!(acts, !unmet, "{}: {:?}", when[rule as usize], checks);
            }
        }
        let mut untraced = cohort;
        untraced.trace = false;
        prop_assert_eq!(decide(&settings, &untraced).unwrap().ads, answer.ads, "a trace changes no decision");
    }

    #[test]
    fn no_text_is_worse_than_a_problem(when in ".{0,60}") {
        if let Err(problems) = prepare(&rules(&[(&when, "pause")])) {
            prop_assert!(problems.iter().all(|problem| problem.path == "rules.0.when"), "{problems:?}");
        }
    }
}

#[test]
fn a_condition_nested_too_deep_is_refused_and_overflows_nothing() {
    for (open, close) in [("(", ")"), ("!(", ")"), ("-", ""), ("a ? b : ", ""), ("known(", ")")] {
        let when = format!("{}a{} > 1", open.repeat(900), close.repeat(900));
        let problems = prepare(&rules(&[(&when, "pause")])).unwrap_err();
        assert!(
            problems[0].message.contains("nested deeper") || problems[0].message.contains("longer"),
            "{problems:?}"
        );
    }
}

#[test]
fn what_would_ask_too_much_is_refused_with_the_rule_that_is_too_much() {
    // As many characters as an expression may have, of the shortest operations.
    let chain = format!("a{} > 1", "+a".repeat(1_900));
    let problems = prepare(&rules(&[("a > 1", "pause"), (&chain, "pause")])).unwrap_err();
    assert!(problems[0].path == "rules.1.when" && problems[0].message.contains("200 operations"), "{problems:?}");
    let many = format!("a > 0{}", " && a > 0".repeat(399));
    prepare(&rules(&[(&many, "pause")])).unwrap();
    let problems = prepare(&rules(&[(&many, "pause"), (&many, "pause"), ("a > 1", "pause")])).unwrap_err();
    assert!(problems.len() == 1 && problems[0].path == "rules.1.when", "{problems:?}");
    assert!(problems[0].message.contains("802 checks, and at most 512"), "{problems:?}");
}
