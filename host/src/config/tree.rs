//! A configuration tree in which every value knows its origin.

use super::error::ConfigError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The program itself.
    Default,
    /// A file, with line and column from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A variable of the environment.
    Variable(&'static str),
    /// A flag on the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// A value or a table of values.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A table.
    Table(BTreeMap<String, Node>, Origin),
    /// Anything else: a number, a text, a flag, a list.
    Leaf(Value, Origin),
    /// A list of tables: set and replaced whole, as a leaf is, but each of its values has a place of its own.
    List {
        /// The list.
        value: Value,
        /// Its items with their origins.
        items: Vec<Node>,
        /// Where it begins.
        origin: Origin,
    },
}

impl Node {
    /// An empty table.
    #[must_use]
    pub fn empty() -> Self {
        Node::Table(BTreeMap::new(), Origin::Default)
    }

    /// Parses a file's text.
    ///
    /// # Errors
    /// When it is not TOML, with line and column.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let origin = |start: usize| {
            let before = &text[..start.min(text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Origin::File { path: path.to_path_buf(), line, column }
        };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            origin: origin(error.span().map_or(0, |span| span.start)),
            message: error.message().to_string(),
        })?;
        table_node(table.get_ref(), &origin, origin(0))
            .map_err(|(start, message)| ConfigError::Syntax { origin: origin(start), message })
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        match self {
            Node::Table(_, origin) | Node::Leaf(_, origin) | Node::List { origin, .. } => origin,
        }
    }

    /// Lays another tree over this one: tables are merged, anything else is replaced.
    pub fn overlay(&mut self, other: Node) {
        match (self, other) {
            (Node::Table(mine, _), Node::Table(theirs, _)) => {
                for (key, node) in theirs {
                    match mine.get_mut(&key) {
                        Some(below) => below.overlay(node),
                        None => {
                            mine.insert(key, node);
                        }
                    }
                }
            }
            (mine, other) => *mine = other,
        }
    }

    /// Sets a value at a dotted path, making tables on the way.
    pub fn set(&mut self, path: &str, value: Value, origin: Origin) {
        let mut node = Node::Leaf(value, origin.clone());
        for key in path.rsplit('.') {
            node = Node::Table(BTreeMap::from([(key.to_string(), node)]), origin.clone());
        }
        self.overlay(node);
    }

    /// The node at a dotted path.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').filter(|key| !key.is_empty()).try_fold(self, |node, key| match node {
            Node::Table(table, _) => table.get(key),
            Node::List { items, .. } => items.get(key.parse::<usize>().ok()?),
            Node::Leaf(..) => None,
        })
    }

    /// The node at a path or, where there is none, what is nearest above it.
    #[must_use]
    pub fn nearest(&self, path: &str) -> &Node {
        let mut node = self;
        for key in path.split('.') {
            match node {
                Node::Table(table, _) if table.contains_key(key) => node = &table[key],
                Node::List { items, .. } => match key.parse::<usize>().ok().and_then(|index| items.get(index)) {
                    Some(item) => node = item,
                    None => break,
                },
                _ => break,
            }
        }
        node
    }

    /// Every leaf with its dotted path, in order.
    #[must_use]
    pub fn leaves(&self) -> Vec<(String, &Value, &Origin)> {
        let mut leaves = Vec::new();
        self.walk("", &mut leaves);
        leaves
    }

    fn walk<'a>(&'a self, prefix: &str, leaves: &mut Vec<(String, &'a Value, &'a Origin)>) {
        match self {
            Node::Leaf(value, origin) | Node::List { value, origin, .. } => {
                leaves.push((prefix.to_string(), value, origin));
            }
            Node::Table(table, _) => {
                for (key, node) in table {
                    let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    node.walk(&path, leaves);
                }
            }
        }
    }

    /// The tree as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Node::Leaf(value, _) | Node::List { value, .. } => value.clone(),
            Node::Table(table, _) => {
                Value::Object(table.iter().map(|(k, n)| (k.clone(), n.to_json())).collect::<Map<_, _>>())
            }
        }
    }
}

type Wrong = (usize, String);

fn table_node(table: &DeTable<'_>, origin: &impl Fn(usize) -> Origin, at: Origin) -> Result<Node, Wrong> {
    let mut nodes = BTreeMap::new();
    for (key, value) in table {
        let at = origin(key.span().start);
        if key.get_ref().contains('.') {
            let spelt = "write it without the quotes, or as a table of its own";
            return Err((key.span().start, format!("the key {:?} has a dot in it: {spelt}", key.get_ref())));
        }
        let node = match value.get_ref() {
            DeValue::Table(inner) => table_node(inner, origin, at)?,
            DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                let place = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                    DeValue::Table(inner) => table_node(inner, origin, origin(item.span().start)),
                    other => Ok(Node::Leaf(leaf(other, item.span().start)?, origin(item.span().start))),
                };
                let items = items.iter().map(place).collect::<Result<Vec<_>, _>>()?;
                Node::List { value: leaf(value.get_ref(), value.span().start)?, items, origin: at }
            }
            other => Node::Leaf(leaf(other, value.span().start)?, at),
        };
        nodes.insert(key.get_ref().to_string(), node);
    }
    Ok(Node::Table(nodes, at))
}

fn leaf(value: &DeValue<'_>, start: usize) -> Result<Value, Wrong> {
    let number = |text: &str| -> Result<Value, Wrong> {
        let parsed = text.replace('_', "").parse::<f64>().ok().filter(|n| n.is_finite());
        let number = parsed.and_then(serde_json::Number::from_f64);
        number.map(Value::Number).ok_or_else(|| (start, format!("{text} is no number that can be used")))
    };
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()) {
            Ok(whole) => Value::from(whole),
            Err(_) => return Err((start, format!("{} is too large", integer.as_str()))),
        },
        DeValue::Float(float) => number(float.as_str())?,
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => {
            let each = items.iter().map(|item| leaf(item.get_ref(), item.span().start));
            Value::Array(each.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let each = table
                .iter()
                .map(|(key, item)| Ok((key.get_ref().to_string(), leaf(item.get_ref(), item.span().start)?)));
            Value::Object(each.collect::<Result<_, Wrong>>()?)
        }
    })
}
