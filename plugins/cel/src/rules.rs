//! From flattened settings to rules: every mistake with the setting that it is in.

use crate::names::Names;
use crate::parse;
use crate::token::SyntaxError;
use crate::tree::{Bool, Num};
use alloc::{collections::BTreeMap, format, string::String, string::ToString, vec::Vec};
use dean_policy_sdk::bindings::types::{Problem, Setting, Value, Verb};

/// Nobody keeps more in their head.
const MOST_RULES: usize = 200;

/// What a rule does with an ad on which its condition holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Ad(Verb),
    /// Sets the daily budget of the ad's owner.
    Budget,
}

/// A rule of a client.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub id: String,
    pub title: String,
    pub doc: String,
    pub when: Bool,
    pub action: Action,
    /// Money in major units, where the action needs it.
    pub amount: Num,
    pub amount_min: f64,
    pub amount_max: f64,
    pub confidence: Num,
    /// Ads that it acts on in one run at most.
    pub most: usize,
    /// Whom it acts on first where more would: the highest.
    pub first: Option<Num>,
    /// What is told of an ad of which the condition holds, and that the rule passes by: its place behind `most` others.
    pub place: usize,
}

/// Rules with the names that they use.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub names: Names,
    pub rules: Vec<Rule>,
}

/// The text column that says whether an ad is active.
pub(crate) const STATUS: usize = 0;
/// The column that says whether Dean paused an ad.
pub(crate) const PAUSED_BY_DEAN: usize = 0;
/// Derived facts that say why a rule passes an ad by of which its condition holds.
pub(crate) const PASSED_BY: [&str; 3] =
    ["active, or paused by Dean where it is to come back", "left by the rules before", "known amount"];
/// Their positions among derived facts.
pub(crate) const MAY_ACT: usize = 0;
pub(crate) const LEFT: usize = 1;
pub(crate) const AMOUNT_KNOWN: usize = 2;

/// The most checks that the host reads of an ad; every rule adds one that says why it passes an ad by.
const MOST_CHECKS: usize = 512;
/// No account has more money than this, in any currency; the host takes no larger amount.
const MOST_MONEY: f64 = 1e12;
/// More ads than any account has.
const MOST_ADS: f64 = 1e9;

const KEYS: [&str; 11] =
    ["id", "title", "doc", "when", "then", "amount", "amount_min", "amount_max", "confidence", "most", "first"];
const VERBS: [(&str, Action); 7] = [
    ("hold", Action::Ad(Verb::Hold)),
    ("pause", Action::Ad(Verb::Pause)),
    ("resume", Action::Ad(Verb::Resume)),
    ("promote", Action::Ad(Verb::Promote)),
    ("duplicate", Action::Ad(Verb::Duplicate)),
    ("refresh", Action::Ad(Verb::Refresh)),
    ("budget", Action::Budget),
];

type Table<'a> = BTreeMap<&'a str, &'a Value>;

/// Reads rules.
pub(crate) fn read(settings: &[Setting]) -> Result<Rules, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut problem = |path: &str, message: &str, hint: &str| {
        problems.push(Problem { path: path.into(), message: message.into(), hint: hint.into() });
    };
    let mut params = BTreeMap::new();
    let mut tables: BTreeMap<usize, Table<'_>> = BTreeMap::new();
    for Setting { path, value } in settings {
        if let Some(name) = path.strip_prefix("params.") {
            match value {
                Value::Number(number) if number.is_finite() => drop(params.insert(name.to_string(), *number)),
                _ => problem(path, "is not a number", ""),
            }
            continue;
        }
        let place = path.strip_prefix("rules.").and_then(|rest| rest.split_once('.'));
        match place.and_then(|(index, key)| Some((index.parse::<usize>().ok()?, key))) {
            Some((index, key)) => drop(tables.entry(index).or_default().insert(key, value)),
            None => problem(path, "is not a setting of this policy", "write rules as [[rules.STAGE.rules]] tables"),
        }
    }
    if tables.is_empty() {
        problem(
            "rules",
            "has no rule, so nothing would ever be decided",
            "[[rules.STAGE.rules]] with id, when and then",
        );
    }
    if tables.len() > MOST_RULES {
        problem("rules", &format!("has {} rules, and at most {MOST_RULES} are read", tables.len()), "");
    }
    let mut names = Names::default();
    names.text("status");
    names.column("paused_by_dean");
    for fact in PASSED_BY {
        names.derived(fact);
    }
    let mut rules: Vec<Rule> = Vec::new();
    let mut checks = 0;
    for (index, table) in &tables {
        let mut reader = Reader { index: *index, table, params: &params, names: &mut names, problems: Vec::new() };
        let rule = reader.rule();
        if rules.iter().any(|known| known.id == rule.id) && !rule.id.is_empty() {
            reader.problem("id", format!("is {:?} twice", rule.id), "each rule has an id of its own");
        }
        let before = checks;
        checks += rule.when.most_checks() + 1;
        if before <= MOST_CHECKS && checks > MOST_CHECKS {
            let message =
                format!("asks so much that an ad may take {checks} checks, and at most {MOST_CHECKS} are read");
            reader.problem("when", message, "ask less in this rule or in those before it");
        }
        problems.extend(reader.problems);
        rules.push(rule);
    }
    // What nobody reads may be left from rules that were replaced; what is nearly called like something that is read is a
    // mistake, and would be set in vain.
    let used = &names.params;
    for set in params.keys().filter(|set| !used.contains(set)) {
        if let Some(near) = used.iter().find(|near| is_near(set, near)) {
            let hint = format!("did you mean params.{near}?");
            problems.push(Problem { path: format!("params.{set}"), message: "is read by no rule".into(), hint });
        }
    }
    if problems.is_empty() { Ok(Rules { names, rules }) } else { Err(problems) }
}

/// Whether two names differ by one or two letters that are missing, other or too many (Levenshtein's distance).
fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = core::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let least = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = core::mem::replace(&mut row[j + 1], least);
        }
    }
    row[b.len()] <= 2 && a.len().min(b.len()) > 2
}

/// One rule being read.
struct Reader<'a> {
    index: usize,
    table: &'a Table<'a>,
    params: &'a BTreeMap<String, f64>,
    names: &'a mut Names,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, key: &str, message: String, hint: &str) {
        let path = format!("rules.{}.{key}", self.index);
        self.problems.push(Problem { path, message, hint: hint.into() });
    }

    fn wrong(&mut self, key: &str, error: SyntaxError) {
        let SyntaxError { at, message, hint } = error;
        let text = match self.table.get(key) {
            Some(Value::Text(text)) => format!(" of {text:?}"),
            _ => String::new(),
        };
        self.problem(key, format!("at character {at}{text}: {message}"), &hint);
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.table.get(key) {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(_) => {
                self.problem(key, "is not a text".into(), "put it in quotes");
                None
            }
            None => None,
        }
    }

    /// A number, or an expression that is one.
    fn number(&mut self, key: &str) -> Option<Num> {
        match self.table.get(key)? {
            Value::Number(number) if number.is_finite() => Some(Num::Const(*number)),
            Value::Number(_) => {
                self.problem(key, "is no number to reckon with".into(), "");
                None
            }
            Value::Text(text) => match parse::number(text, self.params, self.names) {
                Ok(number) => Some(number),
                Err(error) => {
                    self.wrong(key, error);
                    None
                }
            },
            Value::Flag(_) => {
                self.problem(key, "is neither a number nor an expression".into(), "");
                None
            }
        }
    }

    fn limit(&mut self, key: &str, default: f64) -> f64 {
        match self.table.get(key) {
            None => default,
            Some(Value::Number(number)) if (0.0..=MOST_MONEY).contains(number) => *number,
            Some(_) => {
                self.problem(key, "is not an amount of money".into(), "a number from 0 to a trillion");
                default
            }
        }
    }

    /// Ads in one run.
    fn most(&mut self) -> usize {
        let is_count = |number: f64| (0.0..=MOST_ADS).contains(&number) && number % 1.0 == 0.0;
        match self.table.get("most") {
            None => MOST_ADS as usize,
            Some(Value::Number(number)) if is_count(*number) => *number as usize,
            Some(_) => {
                self.problem("most", "is not a number of ads".into(), "a whole number, such as 3");
                MOST_ADS as usize
            }
        }
    }

    fn rule(&mut self) -> Rule {
        let unknown: Vec<&str> = self.table.keys().copied().filter(|key| !KEYS.contains(key)).collect();
        for key in unknown {
            self.problem(key, "is no key of a rule".into(), &format!("a rule has {}", KEYS.join(", ")));
        }
        let id = self.text("id").unwrap_or_default();
        let is_word = |id: &str| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if id.is_empty() || id.len() > 64 || !is_word(&id) {
            self.problem("id", format!("is {id:?}"), "a word of a-z, 0-9 and -, such as stop-loss");
        }
        let written = self.text("when");
        let when = match &written {
            None => {
                self.problem("when", "is missing".into(), "when = \"spend_7d > 100 && purchases_7d == 0\"");
                None
            }
            Some(text) => {
                parse::condition(text, self.params, self.names).map_err(|error| self.wrong("when", error)).ok()
            }
        };
        let then = self.text("then").unwrap_or_default();
        let action = VERBS.iter().find(|(verb, _)| *verb == then).map(|(_, action)| action.clone());
        if action.is_none() {
            let verbs: Vec<&str> = VERBS.iter().map(|(verb, _)| *verb).collect();
            self.problem("then", format!("is {then:?}"), &format!("it is one of {}", verbs.join(", ")));
        }
        let action = action.unwrap_or(Action::Ad(Verb::Hold));
        let needs = matches!(action, Action::Budget | Action::Ad(Verb::Promote | Verb::Duplicate));
        let amount = self.number("amount");
        match (&amount, needs) {
            (None, true) if !self.table.contains_key("amount") => {
                self.problem(
                    "amount",
                    format!("is missing: {then} needs one"),
                    "amount = \"budget * 1.2\", or a number",
                );
            }
            (Some(_), false) => {
                self.problem("amount", format!("has no meaning for {then}"), "promote, duplicate and budget have one");
            }
            _ => {}
        }
        let (amount_min, amount_max) = (self.limit("amount_min", 0.0), self.limit("amount_max", MOST_MONEY));
        if amount_min > amount_max {
            self.problem("amount_min", "is above amount_max".into(), "");
        }
        let confidence = self.number("confidence").unwrap_or(Num::Const(1.0));
        let most = self.most();
        let first = self.number("first");
        let place = format!("place among those of {id}");
        let title = self.text("title").unwrap_or_else(|| id.replace('-', " "));
        let doc = self.text("doc").or(written).unwrap_or_default();
        Rule {
            id,
            title,
            doc,
            // A rule with a problem is never asked.
            when: when.unwrap_or(Bool::All(Vec::new())),
            action,
            amount: amount.unwrap_or(Num::Const(0.0)),
            amount_min,
            amount_max,
            confidence,
            most,
            first,
            place: self.names.derived(&place),
        }
    }
}
