//! A policy of one's own made of rules as text: a folder with `policy.toml` and `cases/`, built into a package of the
//! shipped policy that reads such rules. No compiler is needed.

use crate::flat;
use crate::package::Identity;
use crate::types::{Problem, Setting};
use std::path::Path;
use thiserror::Error;
use toml_edit::{Document, Item};

/// The file that makes a folder one of rules as text.
pub const FILE: &str = "policy.toml";

/// A mistake in `policy.toml`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}:{line}: {message}{}", if .hint.is_empty() { String::new() } else { format!("\n  hint: {}", .hint) })]
pub struct TextError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it, or empty.
    pub hint: String,
}

/// What `policy.toml` says.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who the policy is.
    pub identity: Identity,
    /// Its rules and numbers.
    pub settings: Vec<Setting>,
    file: String,
    /// The line of each setting.
    lines: Vec<(String, usize)>,
}

/// Reads the `policy.toml` of a folder.
///
/// # Errors
/// When it is not there, is no TOML, or says too little.
pub fn read(folder: &Path) -> Result<Rules, TextError> {
    let path = folder.join(FILE);
    let file = path.display().to_string();
    let wrong =
        |line: usize, message: String, hint: &str| TextError { file: file.clone(), line, message, hint: hint.into() };
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(0, error.to_string(), ""))?;
    let document = Document::parse(text.clone()).map_err(|error| {
        wrong(flat::line(&text, error.span().map_or(0, |span| span.start)), error.message().to_string(), "")
    })?;
    let root = document.as_table();
    let line = |item: &Item| flat::line(&text, item.span().map_or(0, |span| span.start));
    for (key, item) in root.iter() {
        if !["name", "version", "doc", "stages", "params", "rules"].contains(&key) {
            let hint = "policy.toml has name, version, doc, stages, params and rules";
            return Err(wrong(line(item), format!("{key} is no key of it"), hint));
        }
    }
    let said = |key: &str, example: &str| {
        let said = root.get(key).and_then(Item::as_str).map(str::trim).filter(|said| !said.is_empty());
        said.map(String::from).ok_or_else(|| wrong(root.get(key).map_or(1, line), format!("it has no {key}"), example))
    };
    let stages = root
        .get("stages")
        .and_then(Item::as_array)
        .map(|stages| stages.iter().filter_map(|stage| stage.as_str().map(String::from)).collect::<Vec<_>>());
    let identity = Identity {
        name: said("name", "name = \"stop-loss\"")?,
        version: said("version", "version = \"1.0.0\"")?,
        doc: said("doc", "doc = \"what it does and for whom, in a sentence\"")?,
        stages: stages.filter(|stages| !stages.is_empty()).ok_or_else(|| {
            wrong(
                root.get("stages").map_or(1, line),
                "it names no stages".into(),
                "stages = [\"testing\"]; [\"*\"] is every one",
            )
        })?,
    };
    let mut placed = Vec::new();
    for key in ["params", "rules"] {
        let Some(item) = root.get(key) else { continue };
        flat::flatten(key, item, &mut placed)
            .map_err(|(path, at)| wrong(flat::line(&text, at), format!("{path} is no setting's value"), ""))?;
    }
    let lines = placed.iter().map(|(path, _, at)| (path.clone(), flat::line(&text, *at))).collect();
    let settings = placed.into_iter().map(|(path, value, _)| Setting { path, value }).collect();
    Ok(Rules { identity, settings, file, lines })
}

impl Rules {
    /// A policy's problem with the line that it is about.
    #[must_use]
    pub fn located(&self, problem: &Problem) -> TextError {
        let rule = problem.path.rsplit_once('.').map_or("", |(rule, _)| rule);
        let exact = self.lines.iter().find(|(path, _)| *path == problem.path);
        // What is missing has no line of its own: its rule has.
        let near = exact.or_else(|| self.lines.iter().find(|(path, _)| path.starts_with(&format!("{rule}."))));
        TextError {
            file: self.file.clone(),
            line: near.map_or(1, |(_, line)| *line),
            message: format!("{} {}", problem.path, problem.message),
            hint: problem.hint.clone(),
        }
    }
}
