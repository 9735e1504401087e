//! Statements about performance: the days that are kept, what ads did before them, and when history
//! was read.

use super::read::{FACTS, date, facts, moment};
use crate::domain::{DayFacts, DayLook, Facts, Lifetime, Money, Unusable};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

pub(super) fn save_days(
    connection: &Connection,
    account: &str,
    attribution: &str,
    at: Timestamp,
    days: &[DayFacts],
) -> rusqlite::Result<()> {
    for day in days {
        save_facts(connection, account, attribution, at, "day", &day.ad_id, day.date, &day.facts)?;
    }
    Ok(())
}

pub(super) fn days_since(
    connection: &Connection,
    account: &str,
    attribution: &str,
    from: Date,
) -> rusqlite::Result<Vec<DayFacts>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT ad_id, date_start, {FACTS} FROM performance_metrics
         WHERE account_id = ?1 AND attribution = ?2 AND window_type = 'day' AND date_start >= ?3"
    ))?;
    let row = |row: &Row<'_>| Ok(DayFacts { ad_id: row.get(0)?, date: date(row, 1)?, facts: facts(row, 2)? });
    statement.query_map(params![account, attribution, from.to_string()], row)?.collect()
}

pub(super) fn last_history(
    connection: &Connection,
    account: &str,
    attribution: &str,
) -> rusqlite::Result<Option<Timestamp>> {
    connection
        .prepare_cached("SELECT read_at FROM histories WHERE account_id = ?1 AND attribution = ?2")?
        .query_row([account, attribution], |row| moment(row, 0))
        .optional()
}

pub(super) fn save_lifetimes(
    connection: &Connection,
    account: &str,
    attribution: &str,
    at: Timestamp,
    lifetimes: &[Lifetime],
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM performance_metrics
             WHERE account_id = ?1 AND attribution = ?2 AND window_type = 'before'",
        )?
        .execute([account, attribution])?;
    for life in lifetimes {
        save_facts(connection, account, attribution, at, "before", &life.ad_id, life.before, &life.facts)?;
    }
    connection.prepare_cached("INSERT OR REPLACE INTO histories VALUES (?1, ?2, ?3)")?.execute(params![
        account,
        attribution,
        at.as_second()
    ])?;
    Ok(())
}

pub(super) fn lifetimes(connection: &Connection, account: &str, attribution: &str) -> rusqlite::Result<Vec<Lifetime>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT ad_id, date_start, {FACTS} FROM performance_metrics
         WHERE account_id = ?1 AND attribution = ?2 AND window_type = 'before'"
    ))?;
    let row = |row: &Row<'_>| Ok(Lifetime { ad_id: row.get(0)?, before: date(row, 1)?, facts: facts(row, 2)? });
    statement.query_map([account, attribution], row)?.collect()
}

#[allow(clippy::too_many_arguments)]
fn save_facts(
    connection: &Connection,
    account: &str,
    attribution: &str,
    at: Timestamp,
    window: &str,
    ad: &str,
    date: Date,
    f: &Facts,
) -> rusqlite::Result<()> {
    // Most days do not change from hour to hour, and what is not written need not reach the disk.
    // A day that is written again with other conversions or spend after it was first complete was
    // restated by Meta.
    let sql = "INSERT INTO performance_metrics VALUES
        (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?18, 0)
        ON CONFLICT DO UPDATE SET
          restated = restated + (spend <> excluded.spend OR purchases <> excluded.purchases
                                 OR revenue IS NOT excluded.revenue),
          spend = excluded.spend, impressions = excluded.impressions, clicks = excluded.clicks,
          link_clicks = excluded.link_clicks, purchases = excluded.purchases, revenue = excluded.revenue,
          add_to_cart = excluded.add_to_cart, initiate_checkout = excluded.initiate_checkout,
          video_3s = excluded.video_3s, thruplay = excluded.thruplay, watch_time = excluded.watch_time,
          reach = excluded.reach, observed_at = excluded.observed_at
        WHERE (spend, impressions, clicks, link_clicks, purchases, revenue, add_to_cart, initiate_checkout,
               video_3s, thruplay, watch_time, reach)
          IS NOT (excluded.spend, excluded.impressions, excluded.clicks, excluded.link_clicks,
                  excluded.purchases, excluded.revenue, excluded.add_to_cart, excluded.initiate_checkout,
                  excluded.video_3s, excluded.thruplay, excluded.watch_time, excluded.reach)";
    connection
        .prepare_cached(sql)?
        .execute(params![
            account,
            ad,
            window,
            date.to_string(),
            attribution,
            f.spend.0,
            f.impressions,
            f.clicks,
            f.link_clicks,
            f.purchases,
            f.revenue.map(|r| r.0),
            f.add_to_cart,
            f.initiate_checkout,
            f.video_3s,
            f.thruplay,
            f.watch_time,
            f.reach,
            at.as_second(),
        ])
        .map(|_| ())
}

pub(super) fn save_unusable(
    connection: &Connection,
    account: &str,
    attribution: &str,
    at: Timestamp,
    days: Option<(Date, Date)>,
    rows: &[Unusable],
) -> rusqlite::Result<()> {
    // Dates as texts are in order, and the empty one lies before all of them.
    let (from, to) = days.map(|(from, to)| (from.to_string(), to.to_string())).unwrap_or_default();
    connection
        .prepare_cached(
            "DELETE FROM unusable_rows
             WHERE account_id = ?1 AND attribution = ?2 AND date_start BETWEEN ?3 AND ?4",
        )?
        .execute(params![account, attribution, from, to])?;
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO unusable_rows VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for row in rows {
        let date = row.date.map(|date| date.to_string()).unwrap_or_default();
        statement.execute(params![account, attribution, row.ad_id, date, row.reason, at.as_second()])?;
    }
    Ok(())
}

pub(super) fn unusable(
    connection: &Connection,
    account: &str,
    attribution: &str,
    from: Date,
) -> rusqlite::Result<Vec<Unusable>> {
    let mut statement = connection.prepare_cached(
        "SELECT ad_id, date_start, reason FROM unusable_rows
         WHERE account_id = ?1 AND attribution = ?2 AND (date_start = '' OR date_start >= ?3) ORDER BY date_start",
    )?;
    let row = |row: &Row<'_>| {
        let whole = row.get_ref(1)?.as_str()?.is_empty();
        let date = if whole { None } else { Some(date(row, 1)?) };
        Ok(Unusable { ad_id: row.get(0)?, date, reason: row.get(2)? })
    };
    statement.query_map(params![account, attribution, from.to_string()], row)?.collect()
}

pub(super) fn save_morning_budgets(
    connection: &Connection,
    account: &str,
    date: Date,
    budgets: &BTreeMap<String, Money>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM morning_budgets WHERE account_id = ?1 AND date <> ?2")?
        .execute(params![account, date.to_string()])?;
    let mut statement =
        connection.prepare_cached("INSERT INTO morning_budgets VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?;
    for (owner, budget) in budgets {
        statement.execute(params![account, owner, date.to_string(), budget.0])?;
    }
    Ok(())
}

pub(super) fn morning_budgets(
    connection: &Connection,
    account: &str,
    date: Date,
) -> rusqlite::Result<BTreeMap<String, Money>> {
    let mut statement = connection
        .prepare_cached("SELECT owner_id, daily_budget FROM morning_budgets WHERE account_id = ?1 AND date = ?2")?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, Money(row.get(1)?)));
    statement.query_map(params![account, date.to_string()], row)?.collect()
}

pub(super) fn save_looks(
    connection: &Connection,
    account: &str,
    attribution: &str,
    at: Timestamp,
    looks: &[DayLook],
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO account_days VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for look in looks {
        statement.execute(params![
            account,
            attribution,
            look.date.to_string(),
            look.age_days,
            look.spend.0,
            look.purchases,
            look.revenue.map(|m| m.0),
            at.as_second(),
        ])?;
    }
    Ok(())
}

pub(super) fn looks(
    connection: &Connection,
    account: &str,
    attribution: &str,
    from: Date,
) -> rusqlite::Result<Vec<DayLook>> {
    let mut statement = connection.prepare_cached(
        "SELECT date_start, age_days, spend, purchases, revenue FROM account_days
         WHERE account_id = ?1 AND attribution = ?2 AND date_start >= ?3 ORDER BY date_start, age_days",
    )?;
    let row = |row: &Row<'_>| {
        Ok(DayLook {
            date: date(row, 0)?,
            age_days: row.get(1)?,
            spend: Money(row.get(2)?),
            purchases: row.get(3)?,
            revenue: row.get::<_, Option<i64>>(4)?.map(Money),
        })
    };
    statement.query_map(params![account, attribution, from.to_string()], row)?.collect()
}
