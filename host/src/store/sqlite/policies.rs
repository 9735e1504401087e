//! Statements about installed policies and which of them decide.

use crate::store::policies::{PolicyCallsRow, PolicyRow, PolicySwitchRow, PolicyTrialRow, PolicyUseRow};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, Row, params};

pub(super) fn save(connection: &Connection, policy: &PolicyRow) -> rusqlite::Result<String> {
    connection
        .prepare_cached(
            "INSERT INTO policies (name, version, digest, origin, serial, installed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (name, version) DO UPDATE SET serial = coalesce(?5, serial) WHERE digest = ?3",
        )?
        .execute(params![
            policy.name,
            policy.version,
            policy.digest,
            policy.origin,
            policy.serial,
            policy.installed_at.as_second(),
        ])?;
    connection
        .prepare_cached("SELECT digest FROM policies WHERE name = ?1 AND version = ?2")?
        .query_row(params![policy.name, policy.version], |row| row.get(0))
}

pub(super) fn save_signature(connection: &Connection, digest: &str, signature: &str) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO policy_signatures VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![digest, signature]).map(drop)
}

pub(super) fn signatures(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached("SELECT digest, signature FROM policy_signatures ORDER BY rowid")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

pub(super) fn policies(connection: &Connection) -> rusqlite::Result<Vec<PolicyRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, version, digest, origin, serial, installed_at FROM policies ORDER BY name, installed_at, version",
    )?;
    let row = |row: &Row<'_>| {
        Ok(PolicyRow {
            name: row.get(0)?,
            version: row.get(1)?,
            digest: row.get(2)?,
            origin: row.get(3)?,
            serial: row.get(4)?,
            installed_at: Timestamp::from_second(row.get(5)?).unwrap_or_default(),
        })
    };
    statement.query_map([], row)?.collect()
}

pub(super) fn switch(connection: &Connection, switches: &[PolicySwitchRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO policy_switches (client, stage, name, version, digest, switched_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for s in switches {
        statement.execute(params![s.client, s.stage, s.name, s.version, s.digest, s.switched_at.as_second()])?;
    }
    Ok(())
}

/// Withdraws switches that hold and are the newest of their kind; whether all of them still are, and else none is.
pub(super) fn withdraw(connection: &Connection, switches: &[PolicySwitchRow], at: Timestamp) -> rusqlite::Result<bool> {
    let newest = "SELECT max(id) FROM policy_switches WHERE client = ?1 AND stage = ?2 AND withdrawn_at IS NULL";
    let mut is_it = connection.prepare_cached(&format!(
        "SELECT count(*) FROM policy_switches WHERE id = ({newest}) AND digest = ?3 AND switched_at = ?4"
    ))?;
    for s in switches {
        let found: i64 =
            is_it.query_row(params![s.client, s.stage, s.digest, s.switched_at.as_second()], |row| row.get(0))?;
        if found == 0 {
            return Ok(false);
        }
    }
    let mut statement =
        connection.prepare_cached(&format!("UPDATE policy_switches SET withdrawn_at = ?3 WHERE id = ({newest})"))?;
    for s in switches {
        statement.execute(params![s.client, s.stage, at.as_second()])?;
    }
    Ok(true)
}

pub(super) fn switches(connection: &Connection) -> rusqlite::Result<Vec<PolicySwitchRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT client, stage, name, version, digest, switched_at FROM policy_switches
         WHERE withdrawn_at IS NULL ORDER BY id",
    )?;
    let row = |row: &Row<'_>| {
        Ok(PolicySwitchRow {
            client: row.get(0)?,
            stage: row.get(1)?,
            name: row.get(2)?,
            version: row.get(3)?,
            digest: row.get(4)?,
            switched_at: Timestamp::from_second(row.get(5)?).unwrap_or_default(),
        })
    };
    statement.query_map([], row)?.collect()
}

pub(super) fn save_uses(connection: &Connection, rows: &[PolicyUseRow]) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO policy_uses VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for u in rows {
        let at = u.used_at.as_second();
        statement.execute(params![u.client, u.stage, u.name, u.version, u.digest, at])?;
    }
    Ok(())
}

pub(super) fn uses(connection: &Connection, client: &str) -> rusqlite::Result<Vec<PolicyUseRow>> {
    let mut statement = connection.prepare_cached("SELECT * FROM policy_uses WHERE client = ?1 ORDER BY stage")?;
    let row = |row: &Row<'_>| {
        Ok(PolicyUseRow {
            client: row.get(0)?,
            stage: row.get(1)?,
            name: row.get(2)?,
            version: row.get(3)?,
            digest: row.get(4)?,
            used_at: Timestamp::from_second(row.get(5)?).unwrap_or_default(),
        })
    };
    statement.query_map([client], row)?.collect()
}

pub(super) fn save_trials(connection: &Connection, rows: &[PolicyTrialRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO policy_trials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (client, stage, began_at, digest) DO UPDATE SET share = ?7, stepped_at = ?8, failures = ?9,
         ended_at = ?10, reason = ?11, steered_on = ?12, told = ?13, evidence = ?14",
    )?;
    for t in rows {
        statement.execute(params![
            t.client,
            t.stage,
            t.began_at.as_second(),
            t.name,
            t.version,
            t.digest,
            t.share,
            t.stepped_at.as_second(),
            t.failures,
            t.ended_at.map(|at| at.as_second()),
            t.reason,
            t.steered_on.map(|day| day.to_string()),
            t.told,
            t.evidence,
        ])?;
    }
    Ok(())
}

pub(super) fn trials(connection: &Connection) -> rusqlite::Result<Vec<PolicyTrialRow>> {
    let mut statement = connection.prepare_cached("SELECT * FROM policy_trials ORDER BY began_at, rowid")?;
    let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
    let row = |row: &Row<'_>| {
        Ok(PolicyTrialRow {
            client: row.get(0)?,
            stage: row.get(1)?,
            began_at: at(row.get(2)?),
            name: row.get(3)?,
            version: row.get(4)?,
            digest: row.get(5)?,
            share: row.get(6)?,
            stepped_at: at(row.get(7)?),
            failures: row.get(8)?,
            ended_at: row.get::<_, Option<i64>>(9)?.map(at),
            reason: row.get(10)?,
            steered_on: row.get::<_, Option<String>>(11)?.and_then(|day| day.parse().ok()),
            told: row.get(12)?,
            evidence: row.get(13)?,
        })
    };
    statement.query_map([], row)?.collect()
}

/// Adds calls to those of the same day.
pub(super) fn add_calls(connection: &Connection, rows: &[PolicyCallsRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO policy_calls VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (account_id, date, stage, digest, trial) DO UPDATE SET calls = calls + ?8, ads = ads + ?9,
         failures = failures + ?10, held = held + ?11, micros = micros + ?12, instructions = instructions + ?13,
         memory_bytes = max(memory_bytes, ?14)",
    )?;
    for c in rows {
        statement.execute(params![
            c.account_id,
            c.date.to_string(),
            c.stage,
            c.digest,
            c.name,
            c.version,
            c.trial,
            c.calls,
            c.ads,
            c.failures,
            c.held,
            c.micros,
            c.instructions,
            c.memory_bytes,
        ])?;
    }
    Ok(())
}

pub(super) fn calls(connection: &Connection, account: &str, from: Date) -> rusqlite::Result<Vec<PolicyCallsRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM policy_calls WHERE account_id = ?1 AND date >= ?2 ORDER BY date, stage, trial, digest",
    )?;
    let row = |row: &Row<'_>| {
        Ok(PolicyCallsRow {
            account_id: row.get(0)?,
            date: row.get::<_, String>(1)?.parse().unwrap_or_default(),
            stage: row.get(2)?,
            digest: row.get(3)?,
            name: row.get(4)?,
            version: row.get(5)?,
            trial: row.get(6)?,
            calls: row.get(7)?,
            ads: row.get(8)?,
            failures: row.get(9)?,
            held: row.get(10)?,
            micros: row.get(11)?,
            instructions: row.get(12)?,
            memory_bytes: row.get(13)?,
        })
    };
    statement.query_map(params![account, from.to_string()], row)?.collect()
}
