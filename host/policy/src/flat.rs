//! TOML flattened into settings, as a policy is told them: tables and lists become dotted paths.

use crate::types::Value;
use toml_edit::{Item, TableLike, Value as Toml};

/// A setting with the byte of the text that its value begins at.
pub(crate) type Placed = (String, Value, usize);

/// Flattens an item. The error is the path and the place of a value that no setting can have.
pub(crate) fn flatten(path: &str, item: &Item, out: &mut Vec<Placed>) -> Result<(), (String, usize)> {
    if let Some(list) = item.as_array_of_tables() {
        return list.iter().enumerate().try_for_each(|(i, table)| of_table(&format!("{path}.{i}"), table, out));
    }
    match (item.as_table_like(), item.as_value()) {
        (Some(table), _) => of_table(path, table, out),
        (None, Some(value)) => of_value(path, value, out),
        (None, None) => Ok(()),
    }
}

fn of_table(path: &str, table: &dyn TableLike, out: &mut Vec<Placed>) -> Result<(), (String, usize)> {
    table.iter().try_for_each(|(key, item)| flatten(&format!("{path}.{key}"), item, out))
}

fn of_value(path: &str, value: &Toml, out: &mut Vec<Placed>) -> Result<(), (String, usize)> {
    let start = value.span().map_or(0, |span| span.start);
    let known = match value {
        Toml::Array(items) => {
            return items.iter().enumerate().try_for_each(|(i, item)| of_value(&format!("{path}.{i}"), item, out));
        }
        Toml::InlineTable(table) => return of_table(path, table, out),
        Toml::Boolean(flag) => Value::Flag(*flag.value()),
        Toml::String(text) => Value::Text(text.value().clone()),
        number => match self::number(number) {
            Some(number) => Value::Number(number),
            None => return Err((path.into(), start)),
        },
    };
    out.push((path.into(), known, start));
    Ok(())
}

/// A whole or broken number.
pub(crate) fn number(value: &Toml) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

/// The line that a byte of a text stands on, from 1.
pub(crate) fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}
