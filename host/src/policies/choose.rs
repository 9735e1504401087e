//! Who says which policy decides: the most specific wins, and on one level an activation beats a name, but not an
//! exact version, a file or a pin.
//!
//! From the most to the least specific: an activation for the client; the client's TOML; the profile's; an activation
//! for all clients; `dean.toml`; what is shipped.

use super::shelf::{Offer, Shelf};
use crate::config::{Effective, Level, Origin, StageView};
use crate::store::PolicySwitchRow;
use dean_policy::{Digest, Reference, shipped};
use jiff::Timestamp;
use std::path::Path;

/// Who chose a stage's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Nobody: it is the shipped one.
    Shipped,
    /// The configuration, at a place.
    Configuration {
        /// The place.
        origin: String,
    },
    /// A file of the watched folder stands in for it.
    Watched {
        /// The file.
        file: String,
        /// The policy that it stands in for.
        policy: String,
    },
    /// Nobody: it decided last, and the chosen one cannot.
    Last {
        /// Since when it decides.
        since: Timestamp,
    },
    /// It is on trial.
    Trial {
        /// Since when.
        since: Timestamp,
    },
    /// An activation.
    Activation {
        /// For whom; nobody in particular: all clients.
        client: Option<String>,
        /// Since when.
        since: Timestamp,
    },
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Chosen::Shipped => f.write_str("shipped"),
            Chosen::Configuration { origin } => f.write_str(origin),
            Chosen::Watched { file, .. } => write!(f, "watched: {file}"),
            Chosen::Last { since } => write!(f, "decided last, since {since}"),
            Chosen::Trial { since } => write!(f, "on trial since {since}"),
            Chosen::Activation { client: None, since } => write!(f, "activated {since}"),
            Chosen::Activation { client: Some(client), since } => write!(f, "activated for {client} {since}"),
        }
    }
}

/// A choice for a stage: what it came to, and who made it.
pub(super) struct Choice {
    pub chosen: Chosen,
    pub offer: Result<Offer, String>,
    pub pin: Option<Digest>,
}

/// What a configuration says of a stage's policy.
struct Named<'a> {
    text: &'a str,
    /// The most specific place that says something.
    level: Level,
    origin: Origin,
    pin: Option<Digest>,
}

impl Named<'_> {
    /// Whether it leaves no choice: an exact version, a file, a pin, or that nobody decides.
    fn binds(&self) -> bool {
        self.pin.is_some() || self.text.is_empty() || self.text.contains('@') || is_path(self.text)
    }
}

fn is_path(text: &str) -> bool {
    matches!(text.parse(), Ok(Reference::File(_)))
}

/// The policy of a stage; `None` where nobody is to decide. A file of the watched folder stands in for it.
pub(super) fn choose(effective: &Effective, folder: &Path, view: &StageView, shelf: &Shelf) -> Option<Choice> {
    let (choice, name) = choose_name(effective, folder, view, shelf)?;
    let exact = matches!(choice.chosen, Chosen::Configuration { .. })
        && named(effective, view).is_some_and(|named| named.binds());
    let Some(file) = shelf.watched(&name).filter(|_| !exact) else { return Some(choice) };
    let chosen = Chosen::Watched { file: file.display().to_string(), policy: name };
    Some(Choice { chosen, offer: Offer::of_file(&file), pin: choice.pin })
}

/// The choice for a stage, and the name of the policy that is meant.
fn choose_name(effective: &Effective, folder: &Path, view: &StageView, shelf: &Shelf) -> Option<(Choice, String)> {
    let named = named(effective, view);
    let binds = |level: Level| named.as_ref().is_some_and(|named| named.level == level && named.binds());
    let above = |level: Level| named.as_ref().is_some_and(|named| named.level > level);
    let own = shelf.switch(&effective.client, &view.name).filter(|_| !above(Level::Client) && !binds(Level::Client));
    let all = shelf.switch("", &view.name).filter(|_| !above(Level::Base) && !binds(Level::Base));
    if let Some(switch) = own.or(all) {
        let client = (!switch.client.is_empty()).then(|| switch.client.clone());
        let chosen = Chosen::Activation { client, since: switch.switched_at };
        return Some((Choice { chosen, offer: shelf.of_digest(&switch.digest), pin: None }, switch.name.clone()));
    }
    match named {
        Some(named) if named.text.is_empty() => None,
        Some(named) => {
            let offer = by_name(shelf, effective, view, folder, &named);
            let chosen = Chosen::Configuration { origin: named.origin.to_string() };
            let name = named.text.split('@').next().unwrap_or_default().to_string();
            Some((Choice { chosen, offer, pin: named.pin }, name))
        }
        None => {
            let shipped = shipped::find(view.policy.as_deref()?)?;
            let offer = Offer { artifact: shipped.artifact(), signatures: Vec::new(), shipped: true, file: false };
            Some((Choice { chosen: Chosen::Shipped, offer: Ok(offer), pin: None }, shipped.name.into()))
        }
    }
}

/// Why an activation would change nothing for a client, if its configuration says otherwise.
pub(super) fn overruled(effective: &Effective, view: &StageView, shelf: &Shelf, client: &str) -> Option<String> {
    let named = named(effective, view);
    let level = if client.is_empty() { Level::Base } else { Level::Client };
    if let Some(named) = named.filter(|named| named.level > level || (named.level == level && named.binds())) {
        let what = match named.text {
            "" => "says that nobody decides".into(),
            text if named.pin.is_some() => format!("pins {text}"),
            text => format!("names {text}"),
        };
        return Some(format!("{} {what}", named.origin));
    }
    let own = shelf.switch(&effective.client, &view.name).filter(|_| client.is_empty())?;
    Some(format!("{}@{} is activated for {}", own.name, own.version, own.client))
}

/// A pin holds of what is named on its level or below it: who names another policy on a more specific level is not held
/// by it, and who pins there what is named below is.
fn named<'a>(effective: &'a Effective, view: &'a StageView) -> Option<Named<'a>> {
    let origin = |key: &str| Some(effective.tree.at(&format!("stages.{}.{key}", view.name))?.origin().clone());
    let level = |origin: &Origin| effective.level(origin);
    let (name, pinned) = (origin("policy"), origin("policy_sha256"));
    let text = view.policy.as_deref().unwrap_or_default();
    let pin = view.policy_sha256.as_deref().and_then(Digest::parse);
    match (name, pinned) {
        (Some(name), Some(pinned)) if level(&pinned) < level(&name) => {
            Some(Named { text, level: level(&name), origin: name, pin: None })
        }
        (Some(name), None) => Some(Named { text, level: level(&name), origin: name, pin }),
        (_, Some(pinned)) => Some(Named { text, level: level(&pinned), origin: pinned, pin }),
        (None, None) => None,
    }
}

/// The policy that a configuration names.
fn by_name(
    shelf: &Shelf,
    effective: &Effective,
    view: &StageView,
    folder: &Path,
    named: &Named<'_>,
) -> Result<Offer, String> {
    if let Some((name, version)) = named.text.split_once('@').filter(|_| !is_path(named.text)) {
        return shelf.of_version(name, version);
    }
    if is_path(named.text) {
        // A path in the configuration is meant from its folder, wherever the program is started.
        return Offer::of_file(&folder.join(named.text));
    }
    // A name alone is the version of it that was activated, or the shipped one.
    let of_name = |switch: &&PolicySwitchRow| switch.name == named.text;
    let active = shelf.switch(&effective.client, &view.name).filter(of_name);
    if let Some(switch) = active.or_else(|| shelf.switch("", &view.name).filter(of_name)) {
        return shelf.of_digest(&switch.digest);
    }
    if let Some(shipped) = shipped::find(named.text) {
        return Ok(Offer { artifact: shipped.artifact(), signatures: Vec::new(), shipped: true, file: false });
    }
    let versions: Vec<&str> =
        shelf.installed.iter().filter(|row| row.name == named.text).map(|row| row.version.as_str()).collect();
    Err(match versions.last() {
        Some(newest) => format!(
            "{0} is installed ({1}), but no version of it is active\n  hint: `dean policy activate {0}@{newest}`, or write \
             {0}@{newest} here",
            named.text,
            versions.join(", ")
        ),
        None => format!("no policy is called {}\n  hint: {}", named.text, shelf.known(named.text)),
    })
}
