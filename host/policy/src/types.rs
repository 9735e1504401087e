//! The plain types of the WIT interface as the host uses them. The generated ones stay in
//! `runtime`; `convert` is the only door between the two. `wit/policy.wit` documents each item.

use serde::{Deserialize, Serialize};

/// A text code that means "not known".
pub const UNKNOWN_TEXT: u32 = u32::MAX;

/// One setting's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// True or false.
    Flag(bool),
    /// Any number.
    Number(f64),
    /// Text.
    Text(String),
}

/// One setting, flattened from TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// The dotted path.
    pub path: String,
    /// What was written.
    pub value: Value,
}

/// What a numeric parameter may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NumberKind {
    /// `currency`, `fraction`, `hours`, `days`, `count` or `ratio`.
    pub unit: String,
    /// The value when a client says nothing.
    pub default: f64,
    /// Smallest accepted value.
    pub min: f64,
    /// Largest accepted value.
    pub max: f64,
    /// Whether adaptive thresholds may move it.
    pub adaptive: bool,
}

/// The type of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A number.
    Number(NumberKind),
    /// A switch, with its default.
    Flag(bool),
    /// Text, with its default.
    Text(String),
    /// A subtree that the policy checks itself.
    Open,
}

/// One parameter of a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Param {
    /// The dotted path.
    pub path: String,
    /// One sentence.
    pub doc: String,
    /// Type, default, bounds.
    pub kind: Kind,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// A stable id.
    pub id: String,
    /// A few words.
    pub title: String,
    /// What it does and why.
    pub doc: String,
}

/// What a policy says about itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One paragraph.
    pub doc: String,
    /// The stages it can decide for.
    pub stages: Vec<String>,
    /// Its settings.
    pub params: Vec<Param>,
}

/// What stands in a manifest for every stage.
pub const ANY_STAGE: &str = "*";

/// The stage that a policy is asked for where nobody says: one that decides for any is asked for the first.
#[must_use]
pub fn stage_to_ask(stage: &str) -> &str {
    if stage == ANY_STAGE { "testing" } else { stage }
}

impl Manifest {
    /// `name@version`, as it is named everywhere.
    #[must_use]
    pub fn named(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Whether the policy can decide for a stage.
    #[must_use]
    pub fn decides_for(&self, stage: &str) -> bool {
        self.stages.iter().any(|known| known == stage || known == ANY_STAGE)
    }
}

/// What a policy needs and may answer under one client's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Numeric columns.
    pub columns: Vec<String>,
    /// Text columns.
    pub text_columns: Vec<String>,
    /// Numbers of the account and stage.
    pub context: Vec<String>,
    /// Facts that the policy computes.
    pub derived: Vec<String>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

impl Plan {
    /// The name of a fact: positions run through columns, then context, then derived.
    #[must_use]
    pub fn fact(&self, position: u32) -> Option<&str> {
        let all = self.columns.iter().chain(&self.context).chain(&self.derived);
        all.map(String::as_str).nth(position as usize)
    }

    /// How many facts there are.
    #[must_use]
    pub fn facts(&self) -> usize {
        self.columns.len() + self.context.len() + self.derived.len()
    }
}

/// A setting that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Which setting.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it, or empty.
    pub hint: String,
}

/// The ads of one stage at one moment, as columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cohort {
    /// Seconds since 1970-01-01 UTC.
    pub now: f64,
    /// A seed for whatever should look random.
    pub seed: u32,
    /// How many ads.
    pub rows: u32,
    /// How many budget owners.
    pub groups: u32,
    /// Whether every check is wanted.
    pub trace: bool,
    /// Column-major, rows x columns; NaN means not known.
    pub values: Vec<f64>,
    /// Every distinct text, once.
    pub words: Vec<String>,
    /// Column-major positions in `words`; [`UNKNOWN_TEXT`] means not known.
    pub codes: Vec<u32>,
    /// Values of the plan's context.
    pub context: Vec<f64>,
    /// The owner of each row's budget.
    pub group_of: Vec<u32>,
}

/// What to do with an ad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Leave it.
    Hold,
    /// Stop it.
    Pause,
    /// Bring back an ad that Dean paused.
    Resume,
    /// Copy it into the next stage.
    Promote,
    /// Copy it within its stage.
    Duplicate,
    /// Ask for a new creative.
    Refresh,
}

impl Verb {
    /// The verb as it is written everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Hold => "hold",
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Promote => "promote",
            Verb::Duplicate => "duplicate",
            Verb::Refresh => "refresh",
        }
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A decision on one ad.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdDecision {
    /// The ad.
    pub row: u32,
    /// What to do.
    pub verb: Verb,
    /// Money in major units where the verb needs it.
    pub amount: f64,
    /// The rule that decided.
    pub rule: u32,
    /// From 0 to 1.
    pub confidence: f64,
}

/// A new daily budget for one owner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetDecision {
    /// The owner.
    pub group: u32,
    /// Daily, in major units.
    pub amount: f64,
    /// The rule that decided.
    pub rule: u32,
    /// From 0 to 1.
    pub confidence: f64,
}

/// How a check compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// value < threshold
    Below,
    /// value <= threshold
    AtMost,
    /// value >= threshold
    AtLeast,
    /// value > threshold
    Above,
}

/// One comparison that a rule made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The ad.
    pub row: u32,
    /// The rule that looked.
    pub rule: u32,
    /// What was looked at.
    pub fact: u32,
    /// The value found; NaN when not known.
    pub value: f64,
    /// How it was compared.
    pub comparison: Comparison,
    /// With what.
    pub threshold: f64,
    /// Whether it held.
    pub met: bool,
}

/// All decisions on one cohort.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Decisions on ads.
    pub ads: Vec<AdDecision>,
    /// Decisions on budgets.
    pub budgets: Vec<BudgetDecision>,
    /// The evidence.
    pub checks: Vec<Check>,
}
