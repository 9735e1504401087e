//! Rows out of SQLite: which columns are asked for, and what their values mean.

use crate::domain::{Facts, Money};
use crate::store::rows::{ActionRow, ActionState, RunRow};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::Row;
use rusqlite::types::Type;

pub(super) const FACTS: &str = "spend, impressions, clicks, link_clicks, purchases, revenue, add_to_cart, \
    initiate_checkout, video_3s, thruplay, watch_time, reach";
pub(super) const RUN: &str = "run_id, account_id, client, as_of, started_at, finished_at, dry_run, state, report";
pub(super) const ACTION: &str = "action_id, run_id, account_id, seq, kind, target_id, ad_id, stage, rule, from_value, \
    to_value, state, planned_at, sent_at, finished_at, answer, reason, lookups, looked_at, evidence";

pub(super) fn facts(row: &Row<'_>, at: usize) -> rusqlite::Result<Facts> {
    Ok(Facts {
        spend: Money(row.get(at)?),
        impressions: row.get(at + 1)?,
        clicks: row.get(at + 2)?,
        link_clicks: row.get(at + 3)?,
        purchases: row.get(at + 4)?,
        revenue: row.get::<_, Option<i64>>(at + 5)?.map(Money),
        add_to_cart: row.get(at + 6)?,
        initiate_checkout: row.get(at + 7)?,
        video_3s: row.get(at + 8)?,
        thruplay: row.get(at + 9)?,
        watch_time: row.get(at + 10)?,
        reach: row.get(at + 11)?,
    })
}

pub(super) fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        run_id: row.get(0)?,
        account_id: row.get(1)?,
        client: row.get(2)?,
        as_of: moment(row, 3)?,
        started_at: moment(row, 4)?,
        finished_at: optional_moment(row, 5)?,
        dry_run: row.get(6)?,
        state: row.get(7)?,
        report: row.get(8)?,
    })
}

pub(super) fn action_row(row: &Row<'_>) -> rusqlite::Result<ActionRow> {
    Ok(ActionRow {
        action_id: row.get(0)?,
        run_id: row.get(1)?,
        account_id: row.get(2)?,
        seq: row.get(3)?,
        kind: row.get(4)?,
        target_id: row.get(5)?,
        ad_id: row.get(6)?,
        stage: row.get(7)?,
        rule: row.get(8)?,
        from_value: row.get(9)?,
        to_value: row.get(10)?,
        state: word(row, 11, ActionState::parse)?,
        planned_at: moment(row, 12)?,
        sent_at: optional_moment(row, 13)?,
        finished_at: optional_moment(row, 14)?,
        answer: row.get(15)?,
        reason: row.get(16)?,
        lookups: row.get(17)?,
        looked_at: optional_moment(row, 18)?,
        evidence: row.get(19)?,
    })
}

pub(super) fn moment(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    let seconds: i64 = row.get(at)?;
    Timestamp::from_second(seconds)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, Box::new(error)))
}

pub(super) fn optional_moment(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Timestamp>> {
    let seconds: Option<i64> = row.get(at)?;
    seconds.map(|_| moment(row, at)).transpose()
}

pub(super) fn date(row: &Row<'_>, at: usize) -> rusqlite::Result<Date> {
    let text: String = row.get(at)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}

pub(super) fn word<T>(row: &Row<'_>, at: usize, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    let unknown = || format!("{text:?} is no known state");
    parse(&text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, unknown().into()))
}
