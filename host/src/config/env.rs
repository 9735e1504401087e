//! The environment: every variable of the product page under its name, and a few of our own.

use super::error::ConfigError;
use super::secrets::Secrets;
use super::tree::{Node, Origin};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What a variable sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A text of the configuration.
    Text(&'static str),
    /// A number of the configuration.
    Number(&'static str),
    /// A switch of the configuration.
    Flag(&'static str),
    /// A secret, or something that is read before the configuration.
    Outside,
}

/// A variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it sets.
    pub target: Target,
    /// What it is for.
    pub doc: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

const fn variable(name: &'static str, target: Target, doc: &'static str) -> Variable {
    Variable { name, target, doc, secret: false }
}

const fn secret(name: &'static str, doc: &'static str) -> Variable {
    Variable { name, target: Target::Outside, doc, secret: true }
}

/// All variables.
pub const VARIABLES: &[Variable] = &[
    variable("FB_APP_ID", Target::Text("api.app_id"), "the Meta app's id"),
    secret("FB_APP_SECRET", "the Meta app's secret; with it every call is signed (appsecret_proof)"),
    secret("FB_ACCESS_TOKEN", "the access token: needed for a real account"),
    variable(
        "FB_AD_ACCOUNT_ID",
        Target::Text("account.id"),
        "the ad account, with or without act_: needed for a real account",
    ),
    variable("FB_PIXEL_ID", Target::Text("account.pixel_id"), "the pixel that reports purchases"),
    variable("FB_PAGE_ID", Target::Text("account.page_id"), "the page that new ads speak for"),
    variable("IG_ACTOR_ID", Target::Text("account.instagram_user_id"), "the Instagram account that new ads speak for"),
    variable("STORE_URL", Target::Text("account.store_url"), "where new ads lead"),
    variable("SUPABASE_URL", Target::Text("supabase.url"), "the Supabase project"),
    secret("SUPABASE_SERVICE_ROLE_KEY", "the Supabase service role key"),
    variable("SUPABASE_TABLE", Target::Text("supabase.table"), "the table of creatives"),
    secret("SLACK_WEBHOOK_URL", "where Slack messages go"),
    variable(
        "BREAKEVEN_CPA",
        Target::Number("economics.breakeven_cpa"),
        "cost per purchase at which nothing is earned",
    ),
    variable("COGS_PER_PURCHASE", Target::Number("economics.cogs_per_purchase"), "cost of goods of a purchase"),
    variable("ML_MODE", Target::Flag("ml.mode"), "whether models score ads"),
    variable("ML_LEARNING_RATE", Target::Number("ml.learning_rate"), "how fast adaptive thresholds move"),
    variable("ML_CONFIDENCE_THRESHOLD", Target::Number("ml.confidence_threshold"), "how sure a prediction has to be"),
    variable("META_GRAPH_URL", Target::Text("api.url"), "another server than Meta's: a simulation or a recording"),
    variable("META_API_VERSION", Target::Text("api.version"), "the Graph API version"),
    variable("DEAN_REGISTRY_HOST", Target::Outside, "the registry of containers that is told who asks"),
    variable("DEAN_REGISTRY_USER", Target::Outside, "who asks it for policies"),
    secret("DEAN_REGISTRY_PASSWORD", "their password or token"),
    secret("DEAN_KEY_PASSWORD", "the password of the key that `dean policy sign` uses"),
    secret("DATABASE_URL", "a Postgres database instead of the SQLite file"),
    variable("DEAN_DATA_DIR", Target::Outside, "the data folder, like --data-dir"),
    variable("DEBUG", Target::Outside, "true is -v"),
];

/// The variables that are set, the process's own before those of a `.env` file.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    values: BTreeMap<&'static str, SecretString>,
}

impl Environment {
    /// Reads the process's environment and a `.env` file, if there is one.
    ///
    /// # Errors
    /// When the `.env` file is there and cannot be read.
    pub fn read(dotenv: &Path) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        if dotenv.is_file() {
            let wrong = |error: dotenvy::Error| ConfigError::Read {
                path: dotenv.to_path_buf(),
                source: std::io::Error::other(dotenv_problem(&error)),
            };
            for pair in dotenvy::from_path_iter(dotenv).map_err(wrong)? {
                let (name, value) = pair.map_err(wrong)?;
                values.insert(name, value);
            }
        }
        // An empty variable is one that a shell script meant to leave out.
        values.extend(std::env::vars().filter(|(_, value)| !value.is_empty()));
        Ok(Self::from_pairs(values))
    }

    /// An environment of given variables; those that mean nothing here are left out.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if let Some(known) = VARIABLES.iter().find(|v| v.name == name)
                && !value.trim().is_empty()
            {
                values.insert(known.name, SecretString::from(value.trim().to_string()));
            }
        }
        Environment { values }
    }

    /// A variable that is no secret.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        use secrecy::ExposeSecret;
        let known = VARIABLES.iter().find(|v| v.name == name && !v.secret)?;
        self.values.get(known.name).map(ExposeSecret::expose_secret)
    }

    /// Whether a variable is set.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The secrets.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        let secret = |name: &str| self.values.get(name).cloned();
        Secrets {
            access_token: secret("FB_ACCESS_TOKEN"),
            app_secret: secret("FB_APP_SECRET"),
            key_password: secret("DEAN_KEY_PASSWORD"),
            registry_password: secret("DEAN_REGISTRY_PASSWORD"),
            supabase_key: secret("SUPABASE_SERVICE_ROLE_KEY"),
            slack_webhook: secret("SLACK_WEBHOOK_URL"),
            database_url: secret("DATABASE_URL"),
        }
    }

    /// Lays the variables over a configuration.
    ///
    /// # Errors
    /// When a number is none, or a switch is neither true nor false.
    pub(super) fn overlay(&self, tree: &mut Node) -> Result<(), ConfigError> {
        for variable in VARIABLES {
            let Some(text) = self.get(variable.name) else { continue };
            let wrong = |message: &str, key: &str| ConfigError::Value {
                origin: Origin::Variable(variable.name),
                key: key.into(),
                message: format!("{message}, got {text:?}"),
                hint: String::new(),
            };
            let (key, value) = match variable.target {
                Target::Outside => continue,
                Target::Text(key) => (key, Value::from(text)),
                Target::Number(key) => {
                    let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
                    (key, Value::from(number.ok_or_else(|| wrong("has to be a number", key))?))
                }
                Target::Flag(key) => match text.to_ascii_lowercase().as_str() {
                    "true" | "1" | "yes" | "on" => (key, Value::from(true)),
                    "false" | "0" | "no" | "off" => (key, Value::from(false)),
                    _ => return Err(wrong("has to be true or false", key)),
                },
            };
            tree.set(key, value, Origin::Variable(variable.name));
        }
        Ok(())
    }
}

/// The error without the line's text, which may hold a secret.
fn dotenv_problem(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(_, at) => format!("a line is not NAME=VALUE (at character {at})"),
        dotenvy::Error::Io(error) => error.to_string(),
        _ => "it cannot be read".into(),
    }
}
