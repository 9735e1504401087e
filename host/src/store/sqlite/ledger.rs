//! Statements of the ledger: actions, promotions, and the lives of ads that they make.

use super::read::{ACTION, action_row, moment, word};
use crate::store::rows::{ActionRow, CopyKind, LifecycleRow, PromotionRow, PromotionState};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn lifecycle(connection: &Connection, account: &str) -> rusqlite::Result<Vec<LifecycleRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT account_id, ad_id, stage, entered_at, before, source_ad_id
         FROM ad_lifecycle WHERE account_id = ?1 ORDER BY entered_at, ad_id",
    )?;
    let row = |row: &Row<'_>| {
        Ok(LifecycleRow {
            account_id: row.get(0)?,
            ad_id: row.get(1)?,
            stage: row.get(2)?,
            entered_at: moment(row, 3)?,
            before: row.get(4)?,
            source_ad_id: row.get(5)?,
        })
    };
    statement.query_map([account], row)?.collect()
}

pub(super) fn save_lifecycle(connection: &Connection, rows: &[LifecycleRow]) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO ad_lifecycle VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for row in rows {
        statement.execute(params![
            row.account_id,
            row.ad_id,
            row.stage,
            row.entered_at.as_second(),
            row.before,
            row.source_ad_id
        ])?;
    }
    Ok(())
}

pub(super) fn save_actions(connection: &Connection, actions: &[ActionRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO actions VALUES
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
    )?;
    for a in actions {
        statement.execute(params![
            a.action_id,
            a.run_id,
            a.account_id,
            a.seq,
            a.kind,
            a.target_id,
            a.ad_id,
            a.stage,
            a.rule,
            a.from_value,
            a.to_value,
            a.state.as_str(),
            a.planned_at.as_second(),
            a.sent_at.map(Timestamp::as_second),
            a.finished_at.map(Timestamp::as_second),
            a.answer,
            a.reason,
            a.lookups,
            a.looked_at.map(Timestamp::as_second),
            a.evidence,
        ])?;
    }
    Ok(())
}

pub(super) fn action(connection: &Connection, id: &str) -> rusqlite::Result<Option<ActionRow>> {
    connection
        .prepare_cached(&format!("SELECT {ACTION} FROM actions WHERE action_id = ?1"))?
        .query_row([id], action_row)
        .optional()
}

pub(super) fn actions_since(
    connection: &Connection,
    account: &str,
    since: Timestamp,
) -> rusqlite::Result<Vec<ActionRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ACTION} FROM actions WHERE account_id = ?1 AND planned_at >= ?2 ORDER BY planned_at, run_id, seq"
    ))?;
    statement.query_map(params![account, since.as_second()], action_row)?.collect()
}

pub(super) fn last_actions_before(
    connection: &Connection,
    account: &str,
    before: Timestamp,
) -> rusqlite::Result<Vec<ActionRow>> {
    // SQLite takes the other columns from the row that has the largest value.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ACTION}, MAX(planned_at) FROM actions
         WHERE account_id = ?1 AND planned_at < ?2 AND state = 'done' GROUP BY target_id, kind
         ORDER BY planned_at, run_id, seq"
    ))?;
    statement.query_map(params![account, before.as_second()], action_row)?.collect()
}

pub(super) fn open_actions(connection: &Connection, account: &str) -> rusqlite::Result<Vec<ActionRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ACTION} FROM actions WHERE account_id = ?1 AND state IN ('planned', 'sent', 'unknown')
         ORDER BY planned_at, run_id, seq"
    ))?;
    statement.query_map([account], action_row)?.collect()
}

pub(super) fn actions_of(connection: &Connection, run: &str) -> rusqlite::Result<Vec<ActionRow>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {ACTION} FROM actions WHERE run_id = ?1 ORDER BY seq"))?;
    statement.query_map([run], action_row)?.collect()
}

pub(super) fn save_promotions(connection: &Connection, promotions: &[PromotionRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO promotions VALUES
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    for p in promotions {
        statement.execute(params![
            p.promotion_id,
            p.account_id,
            p.source_ad_id,
            p.from_stage,
            p.to_stage,
            p.campaign_id,
            p.daily_budget,
            p.rule,
            p.state.as_str(),
            p.adset_id,
            p.ad_id,
            p.started_at.as_second(),
            p.step_at.as_second(),
            p.reason,
            p.kind.as_str(),
        ])?;
    }
    Ok(())
}

pub(super) fn promotions(connection: &Connection, account: &str) -> rusqlite::Result<Vec<PromotionRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT promotion_id, account_id, source_ad_id, from_stage, to_stage, campaign_id, daily_budget,
                rule, state, adset_id, ad_id, started_at, step_at, reason, kind
         FROM promotions WHERE account_id = ?1 ORDER BY started_at, promotion_id",
    )?;
    let row = |row: &Row<'_>| {
        Ok(PromotionRow {
            promotion_id: row.get(0)?,
            account_id: row.get(1)?,
            source_ad_id: row.get(2)?,
            from_stage: row.get(3)?,
            to_stage: row.get(4)?,
            campaign_id: row.get(5)?,
            daily_budget: row.get(6)?,
            rule: row.get(7)?,
            state: word(row, 8, PromotionState::parse)?,
            adset_id: row.get(9)?,
            ad_id: row.get(10)?,
            started_at: moment(row, 11)?,
            step_at: moment(row, 12)?,
            reason: row.get(13)?,
            kind: word(row, 14, CopyKind::parse)?,
        })
    };
    statement.query_map([account], row)?.collect()
}
