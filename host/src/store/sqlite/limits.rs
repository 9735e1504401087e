//! Statements about how much of Meta's limits is used up.

use crate::domain::{ApiLimit, Tier};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

pub(super) fn save(connection: &Connection, account: &str, limits: &[ApiLimit]) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO api_limits VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for limit in limits {
        statement.execute(params![
            account,
            limit.name,
            limit.percent,
            limit.heard_at.as_second(),
            limit.free_at.map(Timestamp::as_second),
            limit.resets_in_s,
            limit.tier.map(Tier::word),
        ])?;
    }
    Ok(())
}

pub(super) fn limits(connection: &Connection, account: &str) -> rusqlite::Result<Vec<ApiLimit>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, percent, heard_at, free_at, resets_in_s, tier FROM api_limits WHERE account_id = ?1 ORDER BY name",
    )?;
    let moment = |second: i64| Timestamp::from_second(second).unwrap_or_default();
    let row = |row: &Row<'_>| {
        Ok(ApiLimit {
            name: row.get(0)?,
            percent: row.get(1)?,
            heard_at: moment(row.get(2)?),
            free_at: row.get::<_, Option<i64>>(3)?.map(moment),
            resets_in_s: row.get(4)?,
            tier: row.get::<_, Option<String>>(5)?.as_deref().and_then(Tier::parse),
        })
    };
    statement.query_map([account], row)?.collect()
}
