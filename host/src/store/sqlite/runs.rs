//! Statements about runs: the accounts that have some, the policies that they ran, and the journal of
//! what they saw.

use super::read::{RUN, moment, run_row};
use crate::store::rows::{ArtifactRow, JournalRow, JournalledRun, PlanRow, PolicyFaultRow, RunRow};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn accounts(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT account_id FROM runs ORDER BY 1")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

pub(super) fn save_run(connection: &Connection, run: &RunRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            run.run_id,
            run.account_id,
            run.client,
            run.as_of.as_second(),
            run.started_at.as_second(),
            run.finished_at.map(Timestamp::as_second),
            run.dry_run,
            run.state,
            run.report,
        ])
        .map(|_| ())
}

pub(super) fn run(connection: &Connection, id: &str) -> rusqlite::Result<Option<RunRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {RUN} FROM runs WHERE run_id = ?1 OR substr(run_id, 1, length(?1)) = ?1 ORDER BY run_id LIMIT 2"
    ))?;
    let found: Vec<RunRow> = statement.query_map([id], run_row)?.collect::<rusqlite::Result<_>>()?;
    let exact = found.iter().position(|run| run.run_id == id);
    Ok(match (exact, found.len()) {
        (Some(at), _) => found.into_iter().nth(at),
        (None, 1) => found.into_iter().next(),
        _ => None,
    })
}

pub(super) fn runs(connection: &Connection, account: &str, most: u32) -> rusqlite::Result<Vec<RunRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {RUN} FROM runs WHERE account_id = ?1 ORDER BY as_of DESC, started_at DESC, run_id DESC LIMIT ?2"
    ))?;
    statement.query_map(params![account, most], run_row)?.collect()
}

pub(super) fn save_plan(connection: &Connection, plan: &PlanRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO plans VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![plan.run_id, plan.account_id, plan.body, plan.applied_by])
        .map(|_| ())
}

pub(super) fn plan(connection: &Connection, run: &str) -> rusqlite::Result<Option<PlanRow>> {
    let row = |row: &Row<'_>| {
        Ok(PlanRow { run_id: row.get(0)?, account_id: row.get(1)?, body: row.get(2)?, applied_by: row.get(3)? })
    };
    let mut statement = connection.prepare_cached("SELECT * FROM plans WHERE run_id = ?1")?;
    statement.query_row([run], row).optional()
}

pub(super) fn save_artifact(connection: &Connection, artifact: &ArtifactRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO artifacts VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
        .execute(params![artifact.digest, artifact.name, artifact.version, artifact.bytes])
        .map(|_| ())
}

pub(super) fn artifact(connection: &Connection, digest: &str) -> rusqlite::Result<Option<ArtifactRow>> {
    let row = |row: &Row<'_>| {
        Ok(ArtifactRow { digest: row.get(0)?, name: row.get(1)?, version: row.get(2)?, bytes: row.get(3)? })
    };
    connection
        .prepare_cached("SELECT digest, name, version, bytes FROM artifacts WHERE digest = ?1")?
        .query_row([digest], row)
        .optional()
}

pub(super) fn save_journal(connection: &Connection, rows: &[JournalRow]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO journal VALUES (?1, ?2, ?3, ?4)")?;
    for row in rows {
        statement.execute(params![row.run_id, row.stage, row.base_run_id, row.bytes])?;
    }
    Ok(())
}

fn journal_row(row: &Row<'_>) -> rusqlite::Result<JournalRow> {
    Ok(JournalRow { run_id: row.get(0)?, stage: row.get(1)?, base_run_id: row.get(2)?, bytes: row.get(3)? })
}

pub(super) fn journalled_runs(
    connection: &Connection,
    account: &str,
    since: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<Vec<JournalledRun>> {
    let mut statement = connection.prepare_cached(
        "SELECT run_id, as_of, dry_run FROM runs WHERE account_id = ?1 AND as_of >= ?2 AND as_of < ?3
         AND EXISTS (SELECT 1 FROM journal WHERE journal.run_id = runs.run_id) ORDER BY as_of, started_at, run_id",
    )?;
    let row = |row: &Row<'_>| Ok(JournalledRun { run_id: row.get(0)?, as_of: moment(row, 1)?, dry_run: row.get(2)? });
    statement.query_map(rusqlite::params![account, since.as_second(), until.as_second()], row)?.collect()
}

pub(super) fn journal_of(connection: &Connection, run: &str) -> rusqlite::Result<Vec<JournalRow>> {
    let mut statement = connection
        .prepare_cached("SELECT run_id, stage, base_run_id, bytes FROM journal WHERE run_id = ?1 ORDER BY stage")?;
    statement.query_map([run], journal_row)?.collect()
}

pub(super) fn journal(connection: &Connection, run: &str, stage: &str) -> rusqlite::Result<Option<JournalRow>> {
    connection
        .prepare_cached("SELECT run_id, stage, base_run_id, bytes FROM journal WHERE run_id = ?1 AND stage = ?2")?
        .query_row([run, stage], journal_row)
        .optional()
}

pub(super) fn journal_stages(connection: &Connection, run: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT stage FROM journal WHERE run_id = ?1 ORDER BY stage")?;
    statement.query_map([run], |row| row.get(0))?.collect()
}

pub(super) fn policy_faults(connection: &Connection, account: &str) -> rusqlite::Result<Vec<PolicyFaultRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT account_id, stage, digest, failures, suspended_until, reason, failed_at
         FROM policy_faults WHERE account_id = ?1 ORDER BY stage",
    )?;
    let row = |row: &Row<'_>| {
        Ok(PolicyFaultRow {
            account_id: row.get(0)?,
            stage: row.get(1)?,
            digest: row.get(2)?,
            failures: row.get(3)?,
            suspended_until: moment(row, 4)?,
            reason: row.get(5)?,
            failed_at: moment(row, 6)?,
        })
    };
    statement.query_map([account], row)?.collect()
}

pub(super) fn save_policy_fault(connection: &Connection, fault: &PolicyFaultRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO policy_faults VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            fault.account_id,
            fault.stage,
            fault.digest,
            fault.failures,
            fault.suspended_until.as_second(),
            fault.reason,
            fault.failed_at.as_second(),
        ])
        .map(|_| ())
}

pub(super) fn clear_policy_fault(connection: &Connection, account: &str, stage: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM policy_faults WHERE account_id = ?1 AND stage = ?2")?
        .execute([account, stage])
        .map(|_| ())
}
