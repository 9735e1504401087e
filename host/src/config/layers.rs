//! From files, environment and flags to one effective configuration.

use super::check;
use super::env::Environment;
use super::error::ConfigError;
use super::schema::Config;
use super::secrets::Secrets;
use super::tree::{Node, Origin};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The folder of `dean.toml`, `rules.toml`, `profiles/` and `clients/`. What is not there is not read.
    pub folder: PathBuf,
    /// A profile of `profiles/`.
    pub profile: Option<String>,
    /// A client of `clients/`.
    pub client: Option<String>,
    /// The environment.
    pub environment: Environment,
    /// Flags: dotted key, value, the flag's name.
    pub flags: Vec<(String, Value, &'static str)>,
}

/// The configuration that holds, with the origin of every value.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The typed values.
    pub config: Config,
    /// The secrets.
    pub secrets: Secrets,
    /// The values that some layer set, with their origins.
    pub tree: Node,
    /// The client's name: `default` when none was chosen.
    pub client: String,
    /// The profile's name, if one was chosen.
    pub profile: Option<String>,
    /// Which policy each level names for each stage.
    policies: BTreeMap<String, Vec<(Level, String)>>,
}

/// How specific the place is that a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The program's own default.
    Default,
    /// `dean.toml` or `rules.toml`.
    Base,
    /// A profile.
    Profile,
    /// A client.
    Client,
    /// The environment or a flag.
    Process,
}

/// A value with its origin.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The dotted key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub origin: String,
}

/// Loads the configuration.
///
/// # Errors
/// Every unknown key and wrong value, each with file, line and the nearest known key.
pub fn load(sources: &Sources) -> Result<Effective, ConfigError> {
    let mut tree = Node::empty();
    let folder = &sources.folder;
    let mut policies: BTreeMap<String, Vec<(Level, String)>> = BTreeMap::new();
    let mut note = |level: Level, node: &Node| {
        let Some(Node::Table(stages, _)) = node.at("stages") else { return };
        for (stage, node) in stages {
            if let Some(Node::Leaf(Value::String(policy), _)) = node.at("policy") {
                policies.entry(stage.clone()).or_default().push((level, policy.clone()));
            }
        }
    };
    if let Some(node) = read(&folder.join("dean.toml"))? {
        note(Level::Base, &node);
        tree.overlay(node);
    }
    if let Some(node) = read(&folder.join("rules.toml"))? {
        tree.overlay(Node::Table(BTreeMap::from([("rules".to_string(), node)]), Origin::Default));
    }
    let named =
        [(Level::Profile, "profile", PROFILES, &sources.profile), (Level::Client, "client", CLIENTS, &sources.client)];
    for (level, kind, place, name) in named {
        let Some(name) = name else { continue };
        let path = folder.join(place).join(format!("{name}.toml"));
        match read(&path)? {
            Some(node) => {
                note(level, &node);
                tree.overlay(node);
            }
            None => {
                let known = names(&folder.join(place));
                return Err(ConfigError::NoSuchFile { kind, name: name.clone(), path, known });
            }
        }
    }
    sources.environment.overlay(&mut tree)?;
    for (key, value, flag) in &sources.flags {
        tree.set(key, value.clone(), Origin::Flag(flag));
    }

    check::known_keys(&tree)?;
    let config: Config = serde_path_to_error::deserialize(tree.to_json()).map_err(|error| {
        let key = error.path().to_string();
        let origin = tree.nearest(&key).origin().clone();
        ConfigError::Value { origin, key, message: format!("cannot be read: {}", error.inner()), hint: String::new() }
    })?;
    check::values(&tree, &config)?;
    Ok(Effective {
        config,
        secrets: sources.environment.secrets(),
        tree,
        client: sources.client.clone().unwrap_or_else(|| "default".into()),
        profile: sources.profile.clone(),
        policies,
    })
}

const PROFILES: &str = "profiles";
const CLIENTS: &str = "clients";

/// The clients that a folder of configuration has.
#[must_use]
pub fn clients(folder: &Path) -> Vec<String> {
    names(&folder.join(CLIENTS))
}

/// The profiles that a folder of configuration has.
#[must_use]
pub fn profiles(folder: &Path) -> Vec<String> {
    names(&folder.join(PROFILES))
}

/// A file as a tree; `None` when there is none.
fn read(path: &Path) -> Result<Option<Node>, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_path_buf(), source };
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Node::parse(path, &text).map(Some),
            Err(_) => Err(failed(std::io::Error::other("it is not UTF-8 text"))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| {
        let path = entry.path();
        let toml = path.extension().is_some_and(|e| e == "toml");
        toml.then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
    };
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}

impl Effective {
    /// Every value with its origin: those that some layer set, or with `all` the defaults too.
    #[must_use]
    pub fn entries(&self, all: bool) -> Vec<Entry> {
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        let mut add = |key: String, value: &Value, origin: &Origin| {
            let entry = Entry { key: key.clone(), value: value.clone(), origin: origin.to_string() };
            entries.insert(key, entry);
        };
        if all && let Ok(defaults) = serde_json::to_value(Config::default()) {
            let mut flat = Vec::new();
            flatten("", &defaults, &mut flat);
            flat.into_iter().for_each(|(key, value)| add(key, &value, &Origin::Default));
        }
        for (key, value, origin) in self.tree.leaves() {
            add(key, value, origin);
        }
        entries.into_values().collect()
    }

    /// How specific a place is.
    #[must_use]
    pub fn level(&self, origin: &Origin) -> Level {
        let Origin::File { path, .. } = origin else {
            return if *origin == Origin::Default { Level::Default } else { Level::Process };
        };
        match path.parent().and_then(Path::file_name).and_then(|name| name.to_str()) {
            Some(CLIENTS) if self.client_file(path) => Level::Client,
            Some(PROFILES) if self.profile_file(path) => Level::Profile,
            _ => Level::Base,
        }
    }

    fn client_file(&self, path: &Path) -> bool {
        path.file_stem().and_then(|stem| stem.to_str()) == Some(&self.client)
    }

    fn profile_file(&self, path: &Path) -> bool {
        path.file_stem().and_then(|stem| stem.to_str()) == self.profile.as_deref()
    }

    /// The policy that the configuration names for a stage up to a level: whom keys on that level are written for.
    #[must_use]
    pub fn policy_named(&self, stage: &str, level: Level) -> Option<String> {
        let named = self.policies.get(stage).and_then(|named| named.iter().rfind(|(at, _)| *at <= level));
        let shipped = || Config::default().stages().into_iter().find(|s| s.name == stage)?.policy;
        named.map(|(_, policy)| policy.clone()).or_else(shipped)
    }

    /// What is set and has no effect yet, a sentence each: nobody should rely on it in vain.
    #[must_use]
    pub fn without_effect(&self) -> Vec<&'static str> {
        let Secrets { database_url, slack_webhook, supabase_key, .. } = &self.secrets;
        let set = [
            (
                database_url.is_some(),
                "DATABASE_URL is set, but everything is kept in the SQLite file of the data folder: a job that loses its disk forgets",
            ),
            (slack_webhook.is_some(), "SLACK_WEBHOOK_URL is set, but nothing is sent to Slack yet"),
            (
                supabase_key.is_some() || self.config.supabase.url.is_some(),
                "Supabase is configured, but nothing is mirrored to it yet",
            ),
        ];
        set.into_iter().filter(|(set, _)| *set).map(|(_, sentence)| sentence).collect()
    }

    /// The account's id, which nothing but the demo works without.
    ///
    /// # Errors
    /// When it is not set.
    pub fn account_id(&self) -> Result<&str, ConfigError> {
        self.config.account.id.as_deref().ok_or(ConfigError::Missing {
            variable: "FB_AD_ACCOUNT_ID",
            hint: "put it into the environment or .env, or set account.id; `dean demo` needs none, and \
                   `--data-dir data/demo` asks about the runs that it left",
        })
    }
}

fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&path, value, out);
            }
        }
        Value::Object(_) => {}
        other => out.push((prefix.to_string(), other.clone())),
    }
}
