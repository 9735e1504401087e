//! What is wrong with the configuration, where, and how to mend it.

use super::tree::Origin;
use std::path::PathBuf;
use thiserror::Error;

/// A configuration that cannot be used. Nothing runs with it.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{}: {source}\n  hint: check --config, --profile and --client", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("{}: this is not TOML: {message}", .origin)]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser said.
        message: String,
    },
    /// A key that nothing reads.
    #[error("{origin}: unknown key `{key}`{}", did_you_mean(.nearest))]
    UnknownKey {
        /// Where.
        origin: Origin,
        /// The dotted key.
        key: String,
        /// The nearest key that is known.
        nearest: Option<String>,
    },
    /// A value of the wrong type or out of its bounds.
    #[error("{origin}: `{key}` {message}{}", with_hint(.hint))]
    Value {
        /// Where.
        origin: Origin,
        /// The dotted key.
        key: String,
        /// What is wrong.
        message: String,
        /// How to mend it, or empty.
        hint: String,
    },
    /// A variable of the environment that is needed.
    #[error("{variable} is not set\n  hint: {hint}")]
    Missing {
        /// The variable.
        variable: &'static str,
        /// How to mend it.
        hint: &'static str,
    },
    /// A profile or client of that name has no file.
    #[error("there is no {kind} {name}: {} does not exist{}", .path.display(), listed(.known))]
    NoSuchFile {
        /// `profile` or `client`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
        /// The names that there are.
        known: Vec<String>,
    },
    /// Several things are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<ConfigError>),
}

impl ConfigError {
    /// One error of many.
    #[must_use]
    pub fn from_many(mut errors: Vec<ConfigError>) -> Option<ConfigError> {
        match errors.len() {
            0 => None,
            1 => errors.pop(),
            _ => Some(ConfigError::Several(errors)),
        }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(key) => format!("\n  hint: did you mean `{key}`?"),
        None => "\n  hint: `dean config show --all` lists every key".into(),
    }
}

fn with_hint(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("\n  hint: {text}") }
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("\n  hint: there are {}", known.join(", ")) }
}
