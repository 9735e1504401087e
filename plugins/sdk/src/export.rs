//! From a [`StagePolicy`] to the three exports of the WIT world.

use crate::bindings::types::{Answer, Cohort, Manifest, Plan, Problem, Rule, Setting};
use crate::declare::RuleInfo;
use crate::evaluate::Evaluation;
use crate::settings::Settings;
use crate::table::Table;
use alloc::{string::String, string::ToString, vec, vec::Vec};

/// The names that a policy uses, in the order of its constants.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// Numeric columns.
    pub columns: &'static [&'static str],
    /// Text columns.
    pub text_columns: &'static [&'static str],
    /// Numbers of the account and stage.
    pub context: &'static [&'static str],
    /// Facts that the policy computes.
    pub derived: &'static [&'static str],
    /// Rules.
    pub rules: &'static [RuleInfo],
}

/// A stage policy: pure, deterministic, stateless.
pub trait StagePolicy {
    /// Its settings.
    type Settings: Settings;
    /// Its name, lower case with hyphens.
    const NAME: &'static str;
    /// Its version, as semver text.
    const VERSION: &'static str;
    /// One paragraph for a person.
    const DOC: &'static str;
    /// The stages it decides for.
    const STAGES: &'static [&'static str];
    /// Its columns, context, facts and rules.
    const VOCABULARY: Vocabulary;

    /// What the bounds of single settings cannot say: relations between them.
    fn check(_settings: &Self::Settings) -> Vec<Problem> {
        Vec::new()
    }

    /// Decides on every row that deserves it.
    fn decide(settings: &Self::Settings, evaluation: &mut Evaluation<'_>);
}

/// The manifest of a policy.
#[must_use]
pub fn describe<P: StagePolicy>() -> Manifest {
    Manifest {
        name: P::NAME.to_string(),
        version: P::VERSION.to_string(),
        doc: P::DOC.to_string(),
        stages: owned(P::STAGES),
        params: P::Settings::params(),
    }
}

/// The plan of a policy under settings, or what is wrong with them.
pub fn prepare<P: StagePolicy>(stage: &str, settings: &[Setting]) -> Result<Plan, Vec<Problem>> {
    if !P::STAGES.contains(&stage) {
        return Err(vec![Problem {
            path: "stage".to_string(),
            message: alloc::format!("{} does not decide for stage {stage}", P::NAME),
            hint: alloc::format!("it decides for {}", P::STAGES.join(", ")),
        }]);
    }
    let read = P::Settings::read(settings)?;
    let problems = P::check(&read);
    if !problems.is_empty() {
        return Err(problems);
    }
    let vocabulary = P::VOCABULARY;
    let rule = |r: &RuleInfo| Rule { id: r.id.to_string(), title: r.title.to_string(), doc: r.doc.to_string() };
    Ok(Plan {
        columns: owned(vocabulary.columns),
        text_columns: owned(vocabulary.text_columns),
        context: owned(vocabulary.context),
        derived: owned(vocabulary.derived),
        rules: vocabulary.rules.iter().map(rule).collect(),
    })
}

/// The decisions of a policy.
pub fn decide<P: StagePolicy>(settings: &[Setting], cohort: &Cohort) -> Result<Answer, String> {
    let read = P::Settings::read(settings)
        .map_err(|problems| alloc::format!("settings: {} {}", problems[0].path, problems[0].message))?;
    let names = P::VOCABULARY;
    let table = Table::new(cohort, names.columns.len(), names.text_columns.len(), names.context.len())?;
    let mut evaluation = Evaluation::new(table);
    P::decide(&read, &mut evaluation);
    Ok(evaluation.finish())
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| n.to_string()).collect()
}

/// Exports a [`StagePolicy`] from the component: `dean_policy_sdk::policy!(Testing);`
#[macro_export]
macro_rules! policy {
    ($policy:ty) => {
        #[cfg(target_arch = "wasm32")]
        mod __component {
            use super::*;
            use $crate::bindings::types::{Answer, Cohort, Manifest, Plan, Problem, Setting};
            use $crate::{__String as String, __Vec as Vec};

            struct Component;

            impl $crate::bindings::Guest for Component {
                fn describe() -> Manifest {
                    $crate::describe::<$policy>()
                }
                fn prepare(stage: String, settings: Vec<Setting>) -> Result<Plan, Vec<Problem>> {
                    $crate::prepare::<$policy>(&stage, &settings)
                }
                fn decide(
                    _stage: String,
                    settings: Vec<Setting>,
                    cohort: Cohort,
                ) -> Result<Answer, String> {
                    $crate::decide::<$policy>(&settings, &cohort)
                }
            }

            $crate::bindings::export!(Component with_types_in $crate::bindings);
        }
    };
}
