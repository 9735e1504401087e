//! Statements about stages that only observe.

use super::read::{moment, optional_moment};
use crate::store::rows::{GhostIntentRow, StageModeRow};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

pub(super) fn stage_modes(connection: &Connection, account: &str) -> rusqlite::Result<Vec<StageModeRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT account_id, stage, observed_since, live_since FROM stage_modes WHERE account_id = ?1 ORDER BY stage",
    )?;
    let row = |row: &Row<'_>| {
        Ok(StageModeRow {
            account_id: row.get(0)?,
            stage: row.get(1)?,
            observed_since: moment(row, 2)?,
            live_since: optional_moment(row, 3)?,
        })
    };
    statement.query_map([account], row)?.collect()
}

pub(super) fn save_stage_mode(connection: &Connection, row: &StageModeRow) -> rusqlite::Result<()> {
    let live_since = row.live_since.map(Timestamp::as_second);
    connection
        .prepare_cached("INSERT OR REPLACE INTO stage_modes VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![row.account_id, row.stage, row.observed_since.as_second(), live_since])
        .map(|_| ())
}

pub(super) fn save_intents(connection: &Connection, rows: &[GhostIntentRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO ghost_intents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
    )?;
    for row in rows {
        statement.execute(params![
            row.account_id,
            row.ad_id,
            row.kind,
            row.ad_name,
            row.stage,
            row.rule,
            row.why,
            row.at.as_second(),
            row.run_id,
            row.today,
        ])?;
    }
    Ok(())
}

pub(super) fn intents(connection: &Connection, account: &str) -> rusqlite::Result<Vec<GhostIntentRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT account_id, ad_id, kind, ad_name, stage, rule, why, at, run_id, today
         FROM ghost_intents WHERE account_id = ?1 ORDER BY at, ad_id, kind",
    )?;
    let row = |row: &Row<'_>| {
        Ok(GhostIntentRow {
            account_id: row.get(0)?,
            ad_id: row.get(1)?,
            kind: row.get(2)?,
            ad_name: row.get(3)?,
            stage: row.get(4)?,
            rule: row.get(5)?,
            why: row.get(6)?,
            at: moment(row, 7)?,
            run_id: row.get(8)?,
            today: row.get(9)?,
        })
    };
    statement.query_map([account], row)?.collect()
}
