//! Statements about creatives that wait to be launched.

use super::read::{moment, word};
use crate::store::queue::{QueueRow, QueueState};
use rusqlite::{Connection, Row, params};

pub(super) fn save(connection: &Connection, rows: &[QueueRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO creative_queue VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    for row in rows {
        statement.execute(params![
            row.queue_id,
            row.account_id,
            row.name,
            row.spec,
            row.state.as_str(),
            row.added_at.as_second(),
            row.step_at.as_second(),
            row.image_hash,
            row.video_id,
            row.creative_id,
            row.ad_id,
            row.reason,
            row.seq,
        ])?;
    }
    Ok(())
}

pub(super) fn queue(connection: &Connection, account: &str) -> rusqlite::Result<Vec<QueueRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT queue_id, account_id, name, spec, state, added_at, step_at, image_hash, video_id, creative_id, ad_id,
                reason, seq
         FROM creative_queue WHERE account_id = ?1 ORDER BY added_at, seq",
    )?;
    let row = |row: &Row<'_>| {
        Ok(QueueRow {
            queue_id: row.get(0)?,
            account_id: row.get(1)?,
            name: row.get(2)?,
            spec: row.get(3)?,
            state: word(row, 4, QueueState::parse)?,
            added_at: moment(row, 5)?,
            step_at: moment(row, 6)?,
            image_hash: row.get(7)?,
            video_id: row.get(8)?,
            creative_id: row.get(9)?,
            ad_id: row.get(10)?,
            reason: row.get(11)?,
            seq: row.get(12)?,
        })
    };
    statement.query_map([account], row)?.collect()
}
