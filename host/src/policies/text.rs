//! Rules as text, checked with the line of their file before anything is built of them.

use super::activate::Refusal;
use super::settings::check_plan;
use crate::scoring;
use dean_policy::types::stage_to_ask;
use dean_policy::{Policy, PrepareError, text};
use std::path::Path;

/// Whether the rules of a folder make sense, and ask for what there is. A folder of another kind has none.
///
/// # Errors
/// Every mistake with file, line and character.
pub fn check_text(folder: &Path, policy: &Policy) -> anyhow::Result<()> {
    if !folder.join(text::FILE).is_file() {
        return Ok(());
    }
    let rules = text::read(folder)?;
    let (settings, manifest) = (policy.settings(&[]), policy.manifest());
    let stage = manifest.stages.first().map_or("", |stage| stage_to_ask(stage));
    let problems = match policy.prepare(stage, &settings) {
        Err(PrepareError::Settings(problems)) => problems,
        Err(error) => return Err(error.into()),
        Ok(plan) => match check_plan(&manifest.name, &plan, scoring::shipped_columns()) {
            Ok(()) => Vec::new(),
            Err(unknown) => match unknown.in_text(&settings) {
                Some(problem) => vec![problem],
                None => return Err(unknown.into()),
            },
        },
    };
    let told: Vec<String> = problems.iter().map(|problem| rules.located(problem).to_string()).collect();
    if told.is_empty() { Ok(()) } else { Err(Refusal(told.join("\n")).into()) }
}
