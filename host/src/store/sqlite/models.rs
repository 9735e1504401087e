//! Statements about imported models and which of them score.

use crate::store::rows::{ModelRow, SwitchRow};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn save(connection: &Connection, model: &ModelRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO ml_models VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING")?
        .execute(params![
            model.model,
            model.version,
            model.sha256,
            model.manifest,
            model.file,
            model.imported_at.as_second(),
        ])
        .map(|_| ())
}

pub(super) fn model(connection: &Connection, model: &str, version: &str) -> rusqlite::Result<Option<ModelRow>> {
    let mut statement = connection.prepare_cached("SELECT * FROM ml_models WHERE model = ?1 AND version = ?2")?;
    statement.query_row([model, version], row).optional()
}

pub(super) fn models(connection: &Connection) -> rusqlite::Result<Vec<ModelRow>> {
    let mut statement = connection.prepare_cached("SELECT * FROM ml_models ORDER BY model, imported_at, version")?;
    statement.query_map([], row)?.collect()
}

fn row(row: &Row<'_>) -> rusqlite::Result<ModelRow> {
    Ok(ModelRow {
        model: row.get(0)?,
        version: row.get(1)?,
        sha256: row.get(2)?,
        manifest: row.get(3)?,
        file: row.get(4)?,
        imported_at: Timestamp::from_second(row.get(5)?).unwrap_or_default(),
    })
}

pub(super) fn switch(
    connection: &Connection,
    client: &str,
    model: &str,
    version: &str,
    at: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO model_switches (client, model, version, switched_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![client, model, version, at.as_second()])
        .map(|_| ())
}

/// Withdraws the newest switch of a model that is not withdrawn; whether there was one.
pub(super) fn withdraw(connection: &Connection, client: &str, model: &str, at: Timestamp) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "UPDATE model_switches SET withdrawn_at = ?3 WHERE id = (SELECT max(id) FROM model_switches
             WHERE client = ?1 AND model = ?2 AND withdrawn_at IS NULL)",
        )?
        .execute(params![client, model, at.as_second()])
        .map(|changed| changed > 0)
}

pub(super) fn switches(connection: &Connection) -> rusqlite::Result<Vec<SwitchRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT client, model, version, switched_at FROM model_switches WHERE withdrawn_at IS NULL ORDER BY id",
    )?;
    let row = |row: &Row<'_>| {
        Ok(SwitchRow {
            client: row.get(0)?,
            model: row.get(1)?,
            version: row.get(2)?,
            switched_at: Timestamp::from_second(row.get(3)?).unwrap_or_default(),
        })
    };
    statement.query_map([], row)?.collect()
}
