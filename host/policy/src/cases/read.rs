//! From the text of a case to its scene: every mistake with file and line.

use crate::flat::{self, number};
use crate::types::{Cohort, Plan, Setting, UNKNOWN_TEXT, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use thiserror::Error;
use toml_edit::{Document, Item, TableLike, Value as Toml};

/// The keys of a `when` that say what is expected.
const EXPECTED: [&str; 4] = ["then", "amount", "budget", "refused"];

/// Ads of one case: an account of that size is large, and what a case costs in memory grows with them.
const MOST_ADS: usize = 10_000;

/// A case that cannot be read or does not fit its policy.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}:{line}: {message}{}", if .hint.is_empty() { String::new() } else { format!("\n  hint: {}", .hint) })]
pub struct CaseError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it, or empty.
    pub hint: String,
}

/// A case: a file of cases' folder.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name.
    pub file: String,
    /// What it promises.
    pub doc: String,
    /// The stage, where the file names one.
    pub stage: Option<String>,
    base: Scene,
    pub(super) whens: Vec<When>,
}

impl Case {
    /// What a question is asked about: the base with what the question changes of it.
    pub(super) fn scene(&self, when: &When) -> Scene {
        let mut scene = self.base.clone();
        let Changes { settings, context, ad } = when.changes.clone();
        scene.settings.extend(settings);
        scene.context.extend(context);
        let asked = &mut scene.ads[0];
        asked.numbers.extend(ad.numbers);
        asked.texts.extend(ad.texts);
        asked.group = ad.group.or(asked.group);
        scene
    }
}

/// One question, with what is expected of the answer.
#[derive(Clone, Debug)]
pub(super) struct When {
    pub line: usize,
    changes: Changes,
    pub then: String,
    pub amount: Option<f64>,
    pub budget: Option<String>,
    pub refused: Option<String>,
}

/// What a question changes of its case.
#[derive(Clone, Debug, Default)]
struct Changes {
    settings: BTreeMap<String, Value>,
    context: BTreeMap<String, f64>,
    ad: Ad,
}

/// A cohort as a case describes it. The first ad is the one that is asked about.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub settings: BTreeMap<String, Value>,
    context: BTreeMap<String, f64>,
    ads: Vec<Ad>,
}

#[derive(Clone, Debug, Default)]
struct Ad {
    line: usize,
    numbers: BTreeMap<String, f64>,
    texts: BTreeMap<String, String>,
    group: Option<u32>,
}

impl Ad {
    fn group(&self) -> u32 {
        self.group.unwrap_or(0)
    }
}

/// Every name that a policy reads under some settings of a case.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub columns: BTreeSet<String>,
    pub text_columns: BTreeSet<String>,
    pub context: BTreeSet<String>,
}

/// The texts of a folder's cases by the names of their files, in order. A folder that is not there has none.
///
/// # Errors
/// The first file that cannot be read.
pub fn of_folder(folder: &Path) -> Result<Vec<(String, String)>, CaseError> {
    let failed = |file: &Path, error: std::io::Error| {
        let hint = String::new();
        CaseError { file: file.display().to_string(), line: 0, message: error.to_string(), hint }
    };
    let mut cases = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(cases),
        Err(error) => return Err(failed(folder, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            cases.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
        }
    }
    cases.sort();
    Ok(cases)
}

/// Reads a case. `file` is what errors call it.
///
/// # Errors
/// When it is not TOML, or no case.
pub fn parse(file: &str, text: &str) -> Result<Case, CaseError> {
    let lines = Lines { file, text };
    let document = Document::parse(text.to_string()).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        lines.error(at, error.message().to_string(), "")
    })?;
    let root = document.as_table();
    for (key, item) in root.iter() {
        if !["doc", "stage", "settings", "context", "ad", "others", "when"].contains(&key) {
            let hint = "a case has doc, stage, settings, context, ad, others and when";
            return Err(lines.error(start(item), format!("{key} is no key of a case"), hint));
        }
    }
    for key in ["settings", "context", "ad"] {
        if let Some(item) = root.get(key).filter(|item| !item.is_table_like()) {
            return Err(lines.error(start(item), format!("{key} is no table"), ""));
        }
    }
    for key in ["others", "when"] {
        let is_list = |item: &Item| {
            let inline = |items: &toml_edit::Array| items.iter().all(Toml::is_inline_table);
            item.is_array_of_tables() || item.as_array().is_some_and(inline)
        };
        if let Some(item) = root.get(key).filter(|item| !is_list(item)) {
            return Err(lines.error(start(item), format!("{key} is no list of tables"), &format!("[[{key}]]")));
        }
    }
    let text_of = |key: &str| lines.text(root, key);
    let (doc, stage) = (text_of("doc")?, text_of("stage")?);
    let doc = doc.filter(|doc| !doc.trim().is_empty());
    let doc = doc.ok_or_else(|| lines.error(0, "it says nothing about itself".into(), "doc = \"what it promises\""))?;

    let mut base = Scene::default();
    if let Some(settings) = table(root.get("settings")) {
        lines.settings(settings, &mut base.settings)?;
    }
    if let Some(context) = table(root.get("context")) {
        lines.numbers(context, &mut base.context)?;
    }
    let ad = table(root.get("ad")).ok_or_else(|| lines.error(0, "it has no [ad]".into(), "even an empty one"))?;
    base.ads.push(lines.ad(ad)?);
    for other in tables(root.get("others")) {
        if base.ads.len() == MOST_ADS {
            return Err(lines.error(0, format!("it has more than {MOST_ADS} ads"), ""));
        }
        base.ads.push(lines.ad(other)?);
    }
    let whens: Vec<When> = tables(root.get("when")).map(|item| lines.when(item)).collect::<Result<_, _>>()?;
    // A cohort of a few ads has as many budget owners at most.
    let changed = whens.iter().map(|when| (when.line, when.changes.ad.group()));
    let mut groups = base.ads.iter().map(|ad| (ad.line, ad.group())).chain(changed);
    if let Some((line, group)) = groups.find(|(_, group)| *group as usize >= base.ads.len()) {
        let hint = "groups are positions of budget owners, from 0, of which there are not more than ads";
        return Err(CaseError { line, ..lines.error(0, format!("{group} is no group"), hint) });
    }
    if whens.is_empty() {
        return Err(lines.error(0, "it has no [[when]]".into(), "at least one says what the policy answers"));
    }
    Ok(Case { file: file.into(), doc, stage, base, whens })
}

/// A table, however it is written.
fn table(item: Option<&Item>) -> Option<&dyn TableLike> {
    item.and_then(Item::as_table_like)
}

/// The tables of `[[name]]`, each as an item.
fn tables(item: Option<&Item>) -> impl Iterator<Item = &dyn TableLike> {
    let headed = item.and_then(Item::as_array_of_tables).into_iter().flatten().map(|t| t as &dyn TableLike);
    let inline = item.and_then(Item::as_array).into_iter().flatten();
    headed.chain(inline.filter_map(|value| value.as_inline_table().map(|t| t as &dyn TableLike)))
}

fn start(item: &Item) -> usize {
    item.span().map_or(0, |span| span.start)
}

/// The text of a case, to say where something is wrong.
struct Lines<'a> {
    file: &'a str,
    text: &'a str,
}

impl Lines<'_> {
    fn error(&self, at: usize, message: String, hint: &str) -> CaseError {
        CaseError { file: self.file.into(), line: flat::line(self.text, at), message, hint: hint.into() }
    }

    /// A text, where there is one.
    fn text(&self, table: &dyn TableLike, key: &str) -> Result<Option<String>, CaseError> {
        let Some(item) = table.get(key) else { return Ok(None) };
        let hint = match key {
            "budget" => "budget = \"120 by scale-up\"; a column `budget` belongs into [ad]",
            _ => "put it in quotes",
        };
        let error = || self.error(start(item), format!("{key} is not a text"), hint);
        item.as_str().map(|text| Some(text.to_string())).ok_or_else(error)
    }

    fn numbers(&self, from: &dyn TableLike, into: &mut BTreeMap<String, f64>) -> Result<(), CaseError> {
        for (name, item) in from.iter() {
            let value = item.as_value().and_then(number);
            let value = value.ok_or_else(|| self.error(start(item), format!("{name} is not a number"), ""))?;
            into.insert(name.into(), value);
        }
        Ok(())
    }

    fn settings(&self, from: &dyn TableLike, into: &mut BTreeMap<String, Value>) -> Result<(), CaseError> {
        for (name, item) in from.iter() {
            self.setting(name, item, into)?;
        }
        Ok(())
    }

    /// A setting; tables and lists become dotted paths, as they do in a client's TOML.
    fn setting(&self, path: &str, item: &Item, into: &mut BTreeMap<String, Value>) -> Result<(), CaseError> {
        let mut placed = Vec::new();
        flat::flatten(path, item, &mut placed)
            .map_err(|(path, at)| self.error(at, format!("{path} is no setting's value"), ""))?;
        into.extend(placed.into_iter().map(|(path, value, _)| (path, value)));
        Ok(())
    }

    fn ad(&self, columns: &dyn TableLike) -> Result<Ad, CaseError> {
        let mut ad = Ad::default();
        for (name, item) in columns.iter() {
            self.column(&mut ad, name, item)?;
        }
        let first = columns.iter().next().map_or(0, |(_, item)| start(item));
        ad.line = flat::line(self.text, first);
        Ok(ad)
    }

    fn column(&self, ad: &mut Ad, name: &str, item: &Item) -> Result<(), CaseError> {
        let value = item.as_value();
        match (value.and_then(number), value.and_then(Toml::as_str)) {
            (Some(group), _) if name == "group" => {
                let whole = group >= 0.0 && group <= f64::from(u32::MAX) && group.fract() == 0.0;
                let error = || self.error(start(item), format!("{group} is no group"), "a whole number from 0");
                ad.group = Some(whole.then_some(group as u32).ok_or_else(error)?);
            }
            (Some(value), _) => drop(ad.numbers.insert(name.into(), value)),
            (_, Some(text)) => drop(ad.texts.insert(name.into(), text.into())),
            _ => return Err(self.error(start(item), format!("{name} is neither a number nor a text"), "")),
        }
        Ok(())
    }

    fn when(&self, table: &dyn TableLike) -> Result<When, CaseError> {
        let mut changes = Changes::default();
        for (key, item) in table.iter().filter(|(key, _)| !EXPECTED.contains(key)) {
            match (key, item.as_table_like()) {
                ("settings", Some(settings)) => self.settings(settings, &mut changes.settings)?,
                ("context", Some(context)) => self.numbers(context, &mut changes.context)?,
                _ => {
                    if let Some(path) = key.strip_prefix("settings.") {
                        self.setting(path, item, &mut changes.settings)?;
                    } else if let Some(name) = key.strip_prefix("context.") {
                        let value = item.as_value().and_then(number);
                        let value =
                            value.ok_or_else(|| self.error(start(item), format!("{key} is not a number"), ""))?;
                        changes.context.insert(name.into(), value);
                    } else {
                        self.column(&mut changes.ad, key, item)?;
                    }
                }
            }
        }
        let at = table.iter().map(|(_, item)| start(item)).min().unwrap_or(0);
        let text = |key: &str| self.text(table, key);
        let (refused, budget) = (text("refused")?, text("budget")?);
        let then = match (text("then")?, &refused) {
            (Some(then), _) => then,
            (None, Some(_)) => String::new(),
            (None, None) => {
                let hint = "then = \"hold\", or \"pause by RULE\"; refused = \"SETTING\"";
                return Err(self.error(at, "a [[when]] does not say what is expected".into(), hint));
            }
        };
        let amount = match table.get("amount") {
            None => None,
            Some(item) => Some(
                item.as_value()
                    .and_then(number)
                    .ok_or_else(|| self.error(start(item), "amount is not a number".into(), "amount = 120.0"))?,
            ),
        };
        Ok(When { line: flat::line(self.text, at), changes, then, amount, budget, refused })
    }
}

impl Scene {
    /// What differs from the defaults, as the policy is told.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let setting = |(path, value): (&String, &Value)| Setting { path: path.clone(), value: value.clone() };
        self.settings.iter().map(setting).collect()
    }

    /// The budget owner of the ad that is asked about.
    pub(super) fn group(&self) -> u32 {
        self.ads[0].group()
    }

    /// A name that is not among those that the policy reads.
    pub(super) fn stranger(&self, names: &Names) -> Option<String> {
        let nearest = |name: &str, known: &BTreeSet<String>| {
            let near = known.iter().min_by_key(|known| strsim::osa_distance(name, known));
            near.map(|near| format!("; the nearest that it reads is {near}")).unwrap_or_default()
        };
        for ad in &self.ads {
            if let Some(name) = ad.numbers.keys().find(|name| !names.columns.contains(*name)) {
                let near = nearest(name, &names.columns);
                return Some(format!("{name} is no column that the policy reads{near}"));
            }
            if let Some(name) = ad.texts.keys().find(|name| !names.text_columns.contains(*name)) {
                let near = nearest(name, &names.text_columns);
                return Some(format!("{name} is no text column that the policy reads{near}"));
            }
        }
        let name = self.context.keys().find(|name| !names.context.contains(*name))?;
        let near = nearest(name, &names.context);
        Some(format!("{name} is no context that the policy reads{near}"))
    }

    /// The cohort in the shape of a plan.
    pub(super) fn cohort(&self, plan: &Plan) -> Cohort {
        let mut words: Vec<String> = Vec::new();
        let mut codes = Vec::new();
        for name in &plan.text_columns {
            for ad in &self.ads {
                codes.push(match ad.texts.get(name) {
                    None => UNKNOWN_TEXT,
                    Some(word) => words.iter().position(|w| w == word).unwrap_or_else(|| {
                        words.push(word.clone());
                        words.len() - 1
                    }) as u32,
                });
            }
        }
        let value = |name: &String, ad: &Ad| ad.numbers.get(name).copied().unwrap_or(f64::NAN);
        Cohort {
            rows: self.ads.len() as u32,
            groups: self.ads.iter().map(|ad| ad.group() + 1).max().unwrap_or(0),
            values: plan.columns.iter().flat_map(|name| self.ads.iter().map(move |ad| value(name, ad))).collect(),
            words,
            codes,
            context: plan.context.iter().map(|name| self.context.get(name).copied().unwrap_or(f64::NAN)).collect(),
            group_of: self.ads.iter().map(Ad::group).collect(),
            ..Cohort::default()
        }
    }
}
