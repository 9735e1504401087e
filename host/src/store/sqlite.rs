//! SQLite behind the store: one file, write-ahead log, migrations, a newer schema refused.

use super::rows::{
    ActionRow, ActionState, ArtifactRow, JournalRow, LifecycleRow, PromotionRow, PromotionState, RunRow,
};
use super::{AccountLock, Store, StoreError};
use crate::domain::{DayFacts, Facts, Lifetime, Money};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use rusqlite_migration::{M, Migrations};
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const MIGRATIONS: &[M<'static>] = &[M::up(include_str!("migrations/0001_first.sql"))];

/// Another process writes for milliseconds; longer than this it hangs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Mutex<Connection>,
    file: PathBuf,
    locks: Option<PathBuf>,
}

impl SqliteStore {
    /// Opens `dean.sqlite` in a folder, made if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// When the folder cannot be used, the file is damaged, or a newer program wrote it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|source| StoreError::File { path: folder.to_path_buf(), source })?;
        let file = folder.join("dean.sqlite");
        let connection = Connection::open(&file).map_err(|e| damaged(&file, &e))?;
        Self::prepare(connection, file, Some(folder.to_path_buf()))
    }

    /// A store in memory, for simulations and tests.
    ///
    /// # Errors
    /// When SQLite cannot start.
    pub fn in_memory() -> Result<Self, StoreError> {
        let file = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(|e| damaged(&file, &e))?;
        Self::prepare(connection, file, None)
    }

    fn prepare(mut connection: Connection, file: PathBuf, locks: Option<PathBuf>) -> Result<Self, StoreError> {
        let usable = |connection: &Connection| -> rusqlite::Result<i64> {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // A row of the ledger has to be on the disk before its write is sent: one that a power cut
            // took along could not be reconciled. A run makes few commits.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        };
        let found = usable(&connection).map_err(|e| damaged(&file, &e))?;
        let known = MIGRATIONS.len() as i64;
        if found > known {
            return Err(StoreError::Newer { file, found, known });
        }
        Migrations::from_slice(MIGRATIONS)
            .to_latest(&mut connection)
            .map_err(|error| StoreError::Damaged { file: file.clone(), reason: error.to_string() })?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(SqliteStore { connection: Mutex::new(connection), file, locks })
    }

    /// The database file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs statements in one transaction: all of them happen or none.
    fn write(
        &self,
        what: &'static str,
        statements: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let run = || {
            let transaction = connection.transaction()?;
            statements(&transaction)?;
            transaction.commit()
        };
        run().map_err(|error| self.failed(what, &error))
    }

    fn read<T>(
        &self,
        what: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        query(&self.connection()).map_err(|error| self.failed(what, &error))
    }

    fn failed(&self, what: &'static str, error: &rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(&self.file, error),
            _ => StoreError::Database { what, reason: error.to_string() },
        }
    }
}

fn damaged(file: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Damaged { file: file.to_path_buf(), reason: error.to_string() }
}

#[async_trait]
impl Store for SqliteStore {
    async fn accounts(&self) -> Result<Vec<String>, StoreError> {
        self.read("reading accounts", |connection| {
            let mut statement = connection.prepare_cached("SELECT DISTINCT account_id FROM runs ORDER BY 1")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }

    async fn lock_account(&self, account: &str) -> Result<AccountLock, StoreError> {
        // A store in memory belongs to one process anyway.
        let Some(folder) = &self.locks else { return Ok(AccountLock { _file: None }) };
        let path = folder.join(format!("{account}.lock"));
        let failed = |source| StoreError::File { path: path.clone(), source };
        let mut options = File::options();
        let mut file = options.create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's name is a help, not a need.
                let _ = file.read_to_string(&mut holder);
                return Err(StoreError::Locked { account: account.into(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut name = || {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "process {}", std::process::id())
        };
        name().map_err(failed)?;
        Ok(AccountLock { _file: Some(file) })
    }

    async fn save_days(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        days: &[DayFacts],
    ) -> Result<(), StoreError> {
        self.write("saving days", |connection| {
            for day in days {
                save_facts(connection, account, attribution, at, "day", &day.ad_id, day.date, &day.facts)?;
            }
            Ok(())
        })
    }

    async fn days_since(&self, account: &str, attribution: &str, from: Date) -> Result<Vec<DayFacts>, StoreError> {
        self.read("reading days", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT ad_id, date_start, {FACTS} FROM performance_metrics
                 WHERE account_id = ?1 AND attribution = ?2 AND window_type = 'day' AND date_start >= ?3"
            ))?;
            let row = |row: &Row<'_>| Ok(DayFacts { ad_id: row.get(0)?, date: date(row, 1)?, facts: facts(row, 2)? });
            statement.query_map(params![account, attribution, from.to_string()], row)?.collect()
        })
    }

    async fn last_history(&self, account: &str, attribution: &str) -> Result<Option<Timestamp>, StoreError> {
        self.read("reading when history was read", |connection| {
            connection
                .prepare_cached("SELECT read_at FROM histories WHERE account_id = ?1 AND attribution = ?2")?
                .query_row([account, attribution], |row| moment(row, 0))
                .optional()
        })
    }

    async fn save_lifetimes(
        &self,
        account: &str,
        attribution: &str,
        at: Timestamp,
        lifetimes: &[Lifetime],
    ) -> Result<(), StoreError> {
        self.write("saving lifetimes", |connection| {
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
        })
    }

    async fn lifetimes(&self, account: &str, attribution: &str) -> Result<Vec<Lifetime>, StoreError> {
        self.read("reading lifetimes", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT ad_id, date_start, {FACTS} FROM performance_metrics
                 WHERE account_id = ?1 AND attribution = ?2 AND window_type = 'before'"
            ))?;
            let row = |row: &Row<'_>| Ok(Lifetime { ad_id: row.get(0)?, before: date(row, 1)?, facts: facts(row, 2)? });
            statement.query_map([account, attribution], row)?.collect()
        })
    }

    async fn lifecycle(&self, account: &str) -> Result<Vec<LifecycleRow>, StoreError> {
        self.read("reading lives of ads", |connection| {
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
        })
    }

    async fn add_lifecycle(&self, rows: &[LifecycleRow]) -> Result<(), StoreError> {
        self.write("saving lives of ads", |connection| {
            let mut statement = connection
                .prepare_cached("INSERT INTO ad_lifecycle VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING")?;
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
        })
    }

    async fn save_run(&self, run: &RunRow) -> Result<(), StoreError> {
        self.write("saving a run", |connection| {
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
        })
    }

    async fn run(&self, id: &str) -> Result<Option<RunRow>, StoreError> {
        self.read("reading a run", |connection| {
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
        })
    }

    async fn runs(&self, account: &str, most: u32) -> Result<Vec<RunRow>, StoreError> {
        self.read("reading runs", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {RUN} FROM runs WHERE account_id = ?1 ORDER BY as_of DESC, started_at DESC, run_id DESC LIMIT ?2"
            ))?;
            statement.query_map(params![account, most], run_row)?.collect()
        })
    }

    async fn save_actions(&self, actions: &[ActionRow]) -> Result<(), StoreError> {
        self.write("saving actions", |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT OR REPLACE INTO actions VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
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
                ])?;
            }
            Ok(())
        })
    }

    async fn action(&self, id: &str) -> Result<Option<ActionRow>, StoreError> {
        self.read("reading an action", |connection| {
            connection
                .prepare_cached(&format!("SELECT {ACTION} FROM actions WHERE action_id = ?1"))?
                .query_row([id], action_row)
                .optional()
        })
    }

    async fn actions_since(&self, account: &str, since: Timestamp) -> Result<Vec<ActionRow>, StoreError> {
        self.read("reading actions", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {ACTION} FROM actions WHERE account_id = ?1 AND planned_at >= ?2 ORDER BY planned_at, run_id, seq"
            ))?;
            statement.query_map(params![account, since.as_second()], action_row)?.collect()
        })
    }

    async fn open_actions(&self, account: &str) -> Result<Vec<ActionRow>, StoreError> {
        self.read("reading open actions", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {ACTION} FROM actions WHERE account_id = ?1 AND state IN ('planned', 'sent', 'unknown')
                 ORDER BY planned_at, run_id, seq"
            ))?;
            statement.query_map([account], action_row)?.collect()
        })
    }

    async fn actions_of(&self, run: &str) -> Result<Vec<ActionRow>, StoreError> {
        self.read("reading actions of a run", |connection| {
            let mut statement =
                connection.prepare_cached(&format!("SELECT {ACTION} FROM actions WHERE run_id = ?1 ORDER BY seq"))?;
            statement.query_map([run], action_row)?.collect()
        })
    }

    async fn save_promotions(&self, promotions: &[PromotionRow]) -> Result<(), StoreError> {
        self.write("saving promotions", |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT OR REPLACE INTO promotions VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
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
                ])?;
            }
            Ok(())
        })
    }

    async fn promotions(&self, account: &str) -> Result<Vec<PromotionRow>, StoreError> {
        self.read("reading promotions", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT promotion_id, account_id, source_ad_id, from_stage, to_stage, campaign_id, daily_budget,
                        rule, state, adset_id, ad_id, started_at, step_at, reason
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
                })
            };
            statement.query_map([account], row)?.collect()
        })
    }

    async fn save_artifact(&self, artifact: &ArtifactRow) -> Result<(), StoreError> {
        self.write("saving a policy", |connection| {
            connection
                .prepare_cached("INSERT INTO artifacts VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
                .execute(params![artifact.digest, artifact.name, artifact.version, artifact.bytes])
                .map(|_| ())
        })
    }

    async fn artifact(&self, digest: &str) -> Result<Option<ArtifactRow>, StoreError> {
        self.read("reading a policy", |connection| {
            let row = |row: &Row<'_>| {
                Ok(ArtifactRow { digest: row.get(0)?, name: row.get(1)?, version: row.get(2)?, bytes: row.get(3)? })
            };
            connection
                .prepare_cached("SELECT digest, name, version, bytes FROM artifacts WHERE digest = ?1")?
                .query_row([digest], row)
                .optional()
        })
    }

    async fn save_journal(&self, rows: &[JournalRow]) -> Result<(), StoreError> {
        self.write("saving the journal", |connection| {
            let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO journal VALUES (?1, ?2, ?3, ?4)")?;
            for row in rows {
                statement.execute(params![row.run_id, row.stage, row.base_run_id, row.bytes])?;
            }
            Ok(())
        })
    }

    async fn journal(&self, run: &str, stage: &str) -> Result<Option<JournalRow>, StoreError> {
        self.read("reading the journal", |connection| {
            let row = |row: &Row<'_>| {
                Ok(JournalRow { run_id: row.get(0)?, stage: row.get(1)?, base_run_id: row.get(2)?, bytes: row.get(3)? })
            };
            connection
                .prepare_cached(
                    "SELECT run_id, stage, base_run_id, bytes FROM journal WHERE run_id = ?1 AND stage = ?2",
                )?
                .query_row([run, stage], row)
                .optional()
        })
    }

    async fn journal_stages(&self, run: &str) -> Result<Vec<String>, StoreError> {
        self.read("reading the journal's stages", |connection| {
            let mut statement =
                connection.prepare_cached("SELECT stage FROM journal WHERE run_id = ?1 ORDER BY stage")?;
            statement.query_map([run], |row| row.get(0))?.collect()
        })
    }
}

const FACTS: &str = "spend, impressions, clicks, link_clicks, purchases, revenue, add_to_cart, \
    initiate_checkout, video_3s, thruplay, watch_time, reach";
const RUN: &str = "run_id, account_id, client, as_of, started_at, finished_at, dry_run, state, report";
const ACTION: &str = "action_id, run_id, account_id, seq, kind, target_id, ad_id, stage, rule, from_value, \
    to_value, state, planned_at, sent_at, finished_at, answer, reason, lookups, looked_at";

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

fn facts(row: &Row<'_>, at: usize) -> rusqlite::Result<Facts> {
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

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
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

fn action_row(row: &Row<'_>) -> rusqlite::Result<ActionRow> {
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
    })
}

fn moment(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    let seconds: i64 = row.get(at)?;
    Timestamp::from_second(seconds)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, Box::new(error)))
}

fn optional_moment(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Timestamp>> {
    let seconds: Option<i64> = row.get(at)?;
    seconds.map(|_| moment(row, at)).transpose()
}

fn date(row: &Row<'_>, at: usize) -> rusqlite::Result<Date> {
    let text: String = row.get(at)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}

fn word<T>(row: &Row<'_>, at: usize, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    let unknown = || format!("{text:?} is no known state");
    parse(&text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, unknown().into()))
}
