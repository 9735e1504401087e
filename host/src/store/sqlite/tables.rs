//! Statements of the product's tables, made from their lists of columns.

use crate::store::tables::{Cell, Table};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Cell::Real(number) => ToSqlOutput::Owned(Value::Real(*number)),
        })
    }
}

/// Writes rows, each in place of the one with its key; a row that says nothing new is not written.
pub(super) fn upsert(connection: &Connection, table: &Table, rows: &[Vec<Cell>]) -> rusqlite::Result<()> {
    let (key, others) = table.columns.split_at(table.key);
    let set: Vec<String> = others.iter().map(|c| format!("{c} = excluded.{c}")).collect();
    let new: Vec<String> = others.iter().map(|c| format!("{}.{c} IS NOT excluded.{c}", table.name)).collect();
    let marks = vec!["?"; table.columns.len()].join(", ");
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO {} ({}) VALUES ({marks}) ON CONFLICT ({}) DO UPDATE SET {} WHERE {}",
        table.name,
        table.columns.join(", "),
        key.join(", "),
        set.join(", "),
        new.join(" OR ")
    ))?;
    for row in rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

/// The rows of an account in the order of their keys.
pub(super) fn rows(connection: &Connection, table: &Table, account: &str) -> rusqlite::Result<Vec<Vec<Cell>>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM {} WHERE account_id = ?1 ORDER BY {}",
        table.columns.join(", "),
        table.name,
        table.columns[..table.key].join(", ")
    ))?;
    let cell = |value: ValueRef<'_>| match value {
        ValueRef::Null | ValueRef::Blob(_) => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
    };
    let columns = 0..table.columns.len();
    let row = |row: &rusqlite::Row<'_>| columns.clone().map(|i| Ok(cell(row.get_ref(i)?))).collect();
    statement.query_map([account], row)?.collect()
}
