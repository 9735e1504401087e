//! Statements about what keeps an account going, what its shop sold, and what a person was asked to approve.

use super::read::{moment, optional_moment};
use crate::domain::{Money, Vitals};
use crate::store::rows::{ApprovalRow, OrderRow};
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn save_vitals(
    connection: &Connection,
    account: &str,
    at: Timestamp,
    vitals: &Vitals,
) -> rusqlite::Result<()> {
    // Plain data always has a JSON form.
    let body = serde_json::to_string(vitals).unwrap_or_default();
    connection
        .prepare_cached("INSERT OR REPLACE INTO vitals VALUES (?1, ?2, ?3)")?
        .execute(params![account, at.as_second(), body])
        .map(|_| ())
}

pub(super) fn vitals(connection: &Connection, account: &str) -> rusqlite::Result<Option<(Timestamp, Vitals)>> {
    let row = |row: &Row<'_>| {
        let body: String = row.get(1)?;
        let vitals = serde_json::from_str(&body);
        let vitals = vitals.map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error)));
        Ok((moment(row, 0)?, vitals?))
    };
    let mut statement = connection.prepare_cached("SELECT read_at, body FROM vitals WHERE account_id = ?1")?;
    statement.query_row([account], row).optional()
}

pub(super) fn save_orders(connection: &Connection, account: &str, orders: &[OrderRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO orders VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for order in orders {
        statement.execute(params![
            account,
            order.order_id,
            order.placed_at.as_second(),
            order.value.0,
            order.cancelled
        ])?;
    }
    Ok(())
}

pub(super) fn orders_since(
    connection: &Connection,
    account: &str,
    since: Timestamp,
) -> rusqlite::Result<Vec<OrderRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT order_id, placed_at, value, cancelled FROM orders WHERE account_id = ?1 AND placed_at >= ?2
         ORDER BY placed_at, order_id",
    )?;
    let row = |row: &Row<'_>| {
        let (order_id, cancelled) = (row.get(0)?, row.get(3)?);
        Ok(OrderRow { order_id, placed_at: moment(row, 1)?, value: Money(row.get(2)?), cancelled })
    };
    statement.query_map(params![account, since.as_second()], row)?.collect()
}

pub(super) fn ask_approvals(connection: &Connection, asked: &[ApprovalRow]) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO approvals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for row in asked {
        statement.execute(params![
            row.account_id,
            row.target_id,
            row.kind,
            row.stage,
            row.amount,
            row.why,
            row.asked_at.as_second(),
            row.approved_at.map(Timestamp::as_second),
        ])?;
    }
    Ok(())
}

pub(super) fn approvals(connection: &Connection, account: &str) -> rusqlite::Result<Vec<ApprovalRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT account_id, target_id, kind, stage, amount, why, asked_at, approved_at
         FROM approvals WHERE account_id = ?1 ORDER BY asked_at, target_id, kind",
    )?;
    let row = |row: &Row<'_>| {
        Ok(ApprovalRow {
            account_id: row.get(0)?,
            target_id: row.get(1)?,
            kind: row.get(2)?,
            stage: row.get(3)?,
            amount: row.get(4)?,
            why: row.get(5)?,
            asked_at: moment(row, 6)?,
            approved_at: optional_moment(row, 7)?,
        })
    };
    statement.query_map([account], row)?.collect()
}

pub(super) fn approve(connection: &Connection, question: &ApprovalRow, at: Timestamp) -> rusqlite::Result<bool> {
    let ApprovalRow { account_id, target_id, kind, amount, asked_at, .. } = question;
    let changed = connection
        .prepare_cached(
            "UPDATE approvals SET approved_at = ?6
             WHERE account_id = ?1 AND target_id = ?2 AND kind = ?3 AND amount = ?4 AND asked_at = ?5",
        )?
        .execute(params![account_id, target_id, kind, amount, asked_at.as_second(), at.as_second()])?;
    Ok(changed > 0)
}
