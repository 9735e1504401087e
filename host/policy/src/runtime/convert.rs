//! The only door between generated types and the host's own.

use super::bindings::dean::policy::types as wit;
use crate::types;

pub(super) fn settings(settings: &[types::Setting]) -> Vec<wit::Setting> {
    let value = |value: &types::Value| match value {
        types::Value::Flag(v) => wit::Value::Flag(*v),
        types::Value::Number(v) => wit::Value::Number(*v),
        types::Value::Text(v) => wit::Value::Text(v.clone()),
    };
    settings.iter().map(|s| wit::Setting { path: s.path.clone(), value: value(&s.value) }).collect()
}

/// Moves the cohort: its columns are not copied on the host's side.
pub(super) fn cohort(cohort: types::Cohort) -> wit::Cohort {
    let types::Cohort { now, seed, rows, groups, trace, values, words, codes, context, group_of } = cohort;
    let texts = wit::Texts { words, codes };
    wit::Cohort { now, seed, rows, groups, trace, values, texts, context, group_of }
}

/// Takes the cohort back after a call.
pub(super) fn cohort_back(cohort: wit::Cohort) -> types::Cohort {
    let wit::Cohort { now, seed, rows, groups, trace, values, texts, context, group_of } = cohort;
    let wit::Texts { words, codes } = texts;
    types::Cohort { now, seed, rows, groups, trace, values, words, codes, context, group_of }
}

/// A text for people, without what would steer a terminal.
pub(super) fn text(text: String) -> String {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(steers) { text.replace(steers, " ") } else { text }
}

pub(super) fn manifest(manifest: wit::Manifest) -> types::Manifest {
    let kind = |kind| match kind {
        wit::Kind::Number(wit::NumberKind { unit, default, min, max, adaptive }) => {
            types::Kind::Number(types::NumberKind { unit: text(unit), default, min, max, adaptive })
        }
        wit::Kind::Flag(v) => types::Kind::Flag(v),
        wit::Kind::Text(v) => types::Kind::Text(v),
        wit::Kind::Open => types::Kind::Open,
    };
    let param = |p: wit::Param| types::Param { path: p.path, doc: text(p.doc), kind: kind(p.kind) };
    types::Manifest {
        name: manifest.name,
        version: manifest.version,
        doc: text(manifest.doc),
        stages: manifest.stages,
        params: manifest.params.into_iter().map(param).collect(),
    }
}

pub(super) fn plan(plan: wit::Plan) -> types::Plan {
    let rule = |r: wit::Rule| types::Rule { id: r.id, title: text(r.title), doc: text(r.doc) };
    types::Plan {
        columns: plan.columns,
        text_columns: plan.text_columns,
        context: plan.context,
        // Named by the expressions that make them, which may stand on several lines.
        derived: plan.derived.into_iter().map(|name| name.split_whitespace().collect::<Vec<_>>().join(" ")).collect(),
        rules: plan.rules.into_iter().map(rule).collect(),
    }
}

pub(super) fn problems(problems: Vec<wit::Problem>) -> Vec<types::Problem> {
    let own = |p: wit::Problem| types::Problem { path: text(p.path), message: text(p.message), hint: text(p.hint) };
    problems.into_iter().map(own).collect()
}

pub(super) fn answer(answer: wit::Answer) -> types::Answer {
    let verb = |verb| match verb {
        wit::Verb::Hold => types::Verb::Hold,
        wit::Verb::Pause => types::Verb::Pause,
        wit::Verb::Resume => types::Verb::Resume,
        wit::Verb::Promote => types::Verb::Promote,
        wit::Verb::Duplicate => types::Verb::Duplicate,
        wit::Verb::Refresh => types::Verb::Refresh,
    };
    let ad = |d: wit::AdDecision| types::AdDecision {
        row: d.row,
        verb: verb(d.verb),
        amount: d.amount,
        rule: d.rule,
        confidence: d.confidence,
    };
    let budget = |d: wit::BudgetDecision| types::BudgetDecision {
        group: d.group,
        amount: d.amount,
        rule: d.rule,
        confidence: d.confidence,
    };
    let comparison = |c| match c {
        wit::Comparison::Below => types::Comparison::Below,
        wit::Comparison::AtMost => types::Comparison::AtMost,
        wit::Comparison::AtLeast => types::Comparison::AtLeast,
        wit::Comparison::Above => types::Comparison::Above,
    };
    let check = |c: wit::Check| types::Check {
        row: c.row,
        rule: c.rule,
        fact: c.fact,
        value: c.value,
        comparison: comparison(c.comparison),
        threshold: c.threshold,
        met: c.met,
    };
    types::Answer {
        ads: answer.ads.into_iter().map(ad).collect(),
        budgets: answer.budgets.into_iter().map(budget).collect(),
        checks: answer.checks.into_iter().map(check).collect(),
    }
}
