//! What every store promises: the same suite for each implementation.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{DayFacts, DayLook, Facts, Lifetime, Money, Unusable};
use dean::store::tables::TABLES;
use dean::store::{
    ActionRow, ActionState, ArtifactRow, Cell, CopyKind, JournalRow, LifecycleRow, PolicyFaultRow, PromotionRow,
    PromotionState, RunRow, SqliteStore, Store, StoreError,
};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use tempfile::TempDir;

const ACCOUNT: &str = "act_1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

fn day(ad: &str, date: Date, spend: i64, revenue: Option<i64>) -> DayFacts {
    let facts = Facts { spend: Money(spend), purchases: 1.5, revenue: revenue.map(Money), ..Facts::default() };
    DayFacts { ad_id: ad.into(), date, facts }
}

fn action(id: &str, seq: i64, state: ActionState, planned: i64) -> ActionRow {
    ActionRow {
        action_id: id.into(),
        run_id: "r1".into(),
        account_id: ACCOUNT.into(),
        seq,
        kind: "pause".into(),
        target_id: "7".into(),
        ad_id: Some("7".into()),
        stage: "testing".into(),
        rule: "rule".into(),
        from_value: Some("ACTIVE".into()),
        to_value: "PAUSED".into(),
        state,
        planned_at: at(planned),
        sent_at: None,
        finished_at: None,
        answer: None,
        reason: None,
        lookups: 0,
        looked_at: None,
        evidence: Some("{}".into()),
    }
}

fn run(id: &str, as_of: i64) -> RunRow {
    RunRow {
        run_id: id.into(),
        account_id: ACCOUNT.into(),
        client: "default".into(),
        as_of: at(as_of),
        started_at: at(as_of),
        finished_at: None,
        dry_run: false,
        state: "running".into(),
        report: None,
    }
}

async fn conformance(store: &dyn Store) {
    days_replace_what_was_known(store).await;
    attributions_are_never_mixed(store).await;
    a_life_in_a_stage_is_its_last_one(store).await;
    the_morning_s_budgets_are_those_of_the_first_look(store).await;
    of_long_ago_the_last_action_of_each_kind_is_known(store).await;
    runs_are_found_by_their_beginning(store).await;
    actions_keep_their_state_and_order(store).await;
    what_is_kept_comes_back(store).await;
    account_days_keep_the_last_look_at_each_age(store).await;
    unusable_rows_stay_until_their_day_is_read_again(store).await;
    failures_of_policies_are_kept_until_they_are_cleared(store).await;
    the_products_tables_take_rows_and_replace_them_by_key(store).await;
}

async fn unusable_rows_stay_until_their_day_is_read_again(store: &dyn Store) {
    let (first, second) = (date(2026, 6, 1), date(2026, 6, 2));
    let row = |ad: &str, date: Option<Date>| Unusable { ad_id: ad.into(), date, reason: "spend is -1".into() };
    let of_days = [row("a", Some(first)), row("b", Some(second))];
    store.save_unusable(ACCOUNT, "x", at(0), Some((first, second)), &of_days).await.unwrap();
    store.save_unusable(ACCOUNT, "x", at(0), None, &[row("c", None)]).await.unwrap();
    let all = vec![row("c", None), row("a", Some(first)), row("b", Some(second))];
    assert_eq!(store.unusable(ACCOUNT, "x", first).await.unwrap(), all);
    assert_eq!(store.unusable(ACCOUNT, "x", second).await.unwrap(), [row("c", None), row("b", Some(second))]);
    assert_eq!(store.unusable(ACCOUNT, "y", first).await.unwrap(), [], "of another attribution");

    store.save_unusable(ACCOUNT, "x", at(1), Some((second, second)), &[]).await.unwrap();
    assert_eq!(store.unusable(ACCOUNT, "x", first).await.unwrap(), [row("c", None), row("a", Some(first))]);
    store.save_unusable(ACCOUNT, "x", at(1), None, &[]).await.unwrap();
    assert_eq!(store.unusable(ACCOUNT, "x", first).await.unwrap(), [row("a", Some(first))]);
}

async fn days_replace_what_was_known(store: &dyn Store) {
    let (first, second) = (date(2026, 6, 1), date(2026, 6, 2));
    let days = [day("a", first, 100, Some(5)), day("a", second, 200, None), day("b", second, 300, Some(0))];
    store.save_days(ACCOUNT, "x", at(0), &days).await.unwrap();
    store.save_days(ACCOUNT, "x", at(9), &[day("a", second, 250, Some(7))]).await.unwrap();
    let mut found = store.days_since(ACCOUNT, "x", second).await.unwrap();
    found.sort_by(|a, b| a.ad_id.cmp(&b.ad_id));
    assert_eq!(found, [day("a", second, 250, Some(7)), day("b", second, 300, Some(0))]);
    assert_eq!(store.days_since(ACCOUNT, "x", first).await.unwrap().len(), 3);
    assert!(store.days_since("act_2", "x", first).await.unwrap().is_empty());
}

async fn attributions_are_never_mixed(store: &dyn Store) {
    let first = date(2026, 6, 1);
    store.save_days(ACCOUNT, "y", at(0), &[day("a", first, 1, None)]).await.unwrap();
    assert_eq!(store.days_since(ACCOUNT, "y", first).await.unwrap(), [day("a", first, 1, None)]);
    assert_eq!(store.last_history(ACCOUNT, "y").await.unwrap(), None);
    let life =
        |spend| Lifetime { ad_id: "a".into(), before: first, facts: Facts { spend: Money(spend), ..Facts::default() } };
    store.save_lifetimes(ACCOUNT, "y", at(3), &[life(10)]).await.unwrap();
    store.save_lifetimes(ACCOUNT, "y", at(4), &[life(11)]).await.unwrap();
    assert_eq!(store.lifetimes(ACCOUNT, "y").await.unwrap(), [life(11)]);
    assert_eq!(store.last_history(ACCOUNT, "y").await.unwrap(), Some(at(4)));
    assert!(store.lifetimes(ACCOUNT, "x").await.unwrap().is_empty());
}

async fn a_life_in_a_stage_is_its_last_one(store: &dyn Store) {
    let row = |stage: &str, entered| LifecycleRow {
        account_id: ACCOUNT.into(),
        ad_id: "a".into(),
        stage: stage.into(),
        entered_at: at(entered),
        before: None,
        source_ad_id: None,
    };
    store.save_lifecycle(&[row("testing", 1), row("validation", 2)]).await.unwrap();
    store.save_lifecycle(&[row("testing", 3)]).await.unwrap();
    assert_eq!(store.lifecycle(ACCOUNT).await.unwrap(), [row("validation", 2), row("testing", 3)], "the newest last");
}

async fn the_morning_s_budgets_are_those_of_the_first_look(store: &dyn Store) {
    let (first, second) = (date(2026, 6, 1), date(2026, 6, 2));
    let budgets = |pairs: &[(&str, i64)]| pairs.iter().map(|(o, m)| ((*o).to_string(), Money(*m))).collect();
    store.save_morning_budgets(ACCOUNT, first, &budgets(&[("a", 100), ("b", 200)])).await.unwrap();
    store.save_morning_budgets(ACCOUNT, first, &budgets(&[("a", 150)])).await.unwrap();
    assert_eq!(store.morning_budgets(ACCOUNT, first).await.unwrap(), budgets(&[("a", 100), ("b", 200)]));
    assert_eq!(store.morning_budgets(ACCOUNT, second).await.unwrap(), budgets(&[]));
    store.save_morning_budgets(ACCOUNT, second, &budgets(&[("a", 150)])).await.unwrap();
    assert_eq!(store.morning_budgets(ACCOUNT, second).await.unwrap(), budgets(&[("a", 150)]));
    assert_eq!(store.morning_budgets(ACCOUNT, first).await.unwrap(), budgets(&[]), "earlier days are forgotten");
}

async fn of_long_ago_the_last_action_of_each_kind_is_known(store: &dyn Store) {
    let of = |id: &str, seq: i64, kind: &str, target: &str, state, planned| {
        let (kind, target_id) = (kind.into(), target.into());
        ActionRow {
            kind,
            target_id,
            run_id: "old".into(),
            account_id: "act_old".into(),
            ..action(id, seq, state, planned)
        }
    };
    let done = ActionState::Done;
    let rows = [
        of("o1", 1, "pause", "7", done, 10),
        of("o2", 2, "pause", "7", done, 20),
        of("o3", 3, "resume", "7", done, 15),
        of("o4", 4, "pause", "8", done, 12),
        of("o5", 5, "pause", "8", ActionState::Failed, 30),
        of("o6", 6, "pause", "8", done, 50),
    ];
    store.save_actions(&rows).await.unwrap();
    let ids: Vec<String> =
        store.last_actions_before("act_old", at(40)).await.unwrap().into_iter().map(|a| a.action_id).collect();
    assert_eq!(ids, ["o4", "o3", "o2"], "what failed did nothing, and what came later is not long ago");
}

async fn runs_are_found_by_their_beginning(store: &dyn Store) {
    store.save_run(&run("20260601-aa", 1)).await.unwrap();
    store.save_run(&run("20260601-ab", 2)).await.unwrap();
    let mut done = run("20260602-aa", 3);
    store.save_run(&done).await.unwrap();
    done.state = "done".into();
    done.report = Some(vec![0, 255, 7]);
    store.save_run(&done).await.unwrap();
    assert_eq!(store.run("20260602").await.unwrap(), Some(done.clone()));
    assert_eq!(store.run("20260601-a").await.unwrap(), None, "two begin so");
    assert_eq!(store.run("20260601-ab").await.unwrap(), Some(run("20260601-ab", 2)));
    assert_eq!(store.run("%").await.unwrap(), None, "an id is no pattern");
    let newest = store.runs(ACCOUNT, 2).await.unwrap();
    assert_eq!(newest.iter().map(|r| r.run_id.as_str()).collect::<Vec<_>>(), ["20260602-aa", "20260601-ab"]);
    assert_eq!(store.accounts().await.unwrap(), [ACCOUNT]);
}

async fn actions_keep_their_state_and_order(store: &dyn Store) {
    let rows = [
        action("r1.0", 0, ActionState::Planned, 10),
        action("r1.1", 1, ActionState::Done, 10),
        action("r1.2", 2, ActionState::Unknown, 10),
    ];
    store.save_actions(&rows).await.unwrap();
    assert_eq!(store.actions_of("r1").await.unwrap(), rows);
    let open: Vec<_> = store.open_actions(ACCOUNT).await.unwrap().into_iter().map(|a| a.seq).collect();
    assert_eq!(open, [0, 2]);
    let sent = ActionRow { state: ActionState::Sent, sent_at: Some(at(11)), ..rows[0].clone() };
    store.save_actions(std::slice::from_ref(&sent)).await.unwrap();
    assert_eq!(store.action("r1.0").await.unwrap(), Some(sent));
    assert_eq!(store.actions_since(ACCOUNT, at(10)).await.unwrap().len(), 3);
    assert!(store.actions_since(ACCOUNT, at(11)).await.unwrap().is_empty());
}

async fn what_is_kept_comes_back(store: &dyn Store) {
    let artifact = ArtifactRow { digest: "d".into(), name: "n".into(), version: "1".into(), bytes: vec![0, 1, 2, 255] };
    store.save_artifact(&artifact).await.unwrap();
    store.save_artifact(&artifact).await.unwrap();
    assert_eq!(store.artifact("d").await.unwrap(), Some(artifact));
    let journal = |stage: &str| JournalRow {
        run_id: "r1".into(),
        stage: stage.into(),
        base_run_id: Some("r0".into()),
        bytes: vec![9; 10_000],
    };
    store.save_journal(&[journal("testing"), journal("@guard")]).await.unwrap();
    assert_eq!(store.journal("r1", "testing").await.unwrap(), Some(journal("testing")));
    assert_eq!(store.journal_stages("r1").await.unwrap(), ["@guard", "testing"]);
    let mut promotion = PromotionRow {
        promotion_id: "p1".into(),
        kind: CopyKind::Duplicate,
        account_id: ACCOUNT.into(),
        source_ad_id: "a".into(),
        from_stage: "testing".into(),
        to_stage: "validation".into(),
        campaign_id: "c".into(),
        daily_budget: 5_000,
        rule: "rule".into(),
        state: PromotionState::Copying,
        adset_id: None,
        ad_id: None,
        started_at: at(0),
        step_at: at(0),
        reason: None,
    };
    store.save_promotions(std::slice::from_ref(&promotion)).await.unwrap();
    promotion.state = PromotionState::Activated;
    promotion.ad_id = Some("copy".into());
    store.save_promotions(std::slice::from_ref(&promotion)).await.unwrap();
    assert_eq!(store.promotions(ACCOUNT).await.unwrap(), [promotion]);
}

async fn account_days_keep_the_last_look_at_each_age(store: &dyn Store) {
    let look = |age_days, purchases| DayLook {
        date: date(2026, 6, 1),
        age_days,
        spend: Money(5_000),
        purchases,
        revenue: None,
    };
    store.save_looks(ACCOUNT, "a", at(0), &[look(0, 3.0)]).await.unwrap();
    store.save_looks(ACCOUNT, "a", at(3_600), &[look(0, 4.0), look(1, 5.0)]).await.unwrap();
    store.save_looks(ACCOUNT, "b", at(0), &[look(0, 9.0)]).await.unwrap();
    assert_eq!(store.looks(ACCOUNT, "a", date(2026, 6, 1)).await.unwrap(), [look(0, 4.0), look(1, 5.0)]);
    assert!(store.looks(ACCOUNT, "a", date(2026, 6, 2)).await.unwrap().is_empty());
}

async fn the_products_tables_take_rows_and_replace_them_by_key(store: &dyn Store) {
    for table in TABLES {
        let row = |text: &str| -> Vec<Cell> {
            let key = (0..table.columns.len()).map(|i| if i == 0 { ACCOUNT.into() } else { Cell::Integer(i as i64) });
            let mut row: Vec<Cell> = key.collect();
            *row.last_mut().unwrap() = text.into();
            row
        };
        store.upsert(table, &[row("1")]).await.unwrap();
        store.upsert(table, &[row("2"), row("3")]).await.unwrap();
        let rows = store.rows(table, ACCOUNT).await.unwrap();
        assert_eq!(rows.len(), 1, "{}", table.name);
        assert_eq!(rows[0].len(), table.columns.len());
        assert!(store.rows(table, "act_other").await.unwrap().is_empty(), "{}", table.name);
    }
}

async fn failures_of_policies_are_kept_until_they_are_cleared(store: &dyn Store) {
    let fault = |failures| PolicyFaultRow {
        account_id: ACCOUNT.into(),
        stage: "testing".into(),
        digest: "d".into(),
        failures,
        suspended_until: at(7_200),
        reason: "it panicked".into(),
        failed_at: at(0),
    };
    store.save_policy_fault(&fault(1)).await.unwrap();
    store.save_policy_fault(&fault(2)).await.unwrap();
    assert_eq!(store.policy_faults(ACCOUNT).await.unwrap(), [fault(2)]);
    store.clear_policy_fault(ACCOUNT, "testing").await.unwrap();
    assert!(store.policy_faults(ACCOUNT).await.unwrap().is_empty());
}

#[tokio::test]
async fn sqlite_in_memory_conforms() {
    conformance(&SqliteStore::in_memory().unwrap()).await;
}

#[tokio::test]
async fn sqlite_in_a_file_conforms_and_survives_being_opened_again() {
    let folder = TempDir::new().unwrap();
    conformance(&SqliteStore::open(folder.path()).unwrap()).await;
    let again = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(again.actions_of("r1").await.unwrap().len(), 3);
}

#[tokio::test]
async fn one_process_at_a_time_has_an_account() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (SqliteStore::open(folder.path()).unwrap(), SqliteStore::open(folder.path()).unwrap());
    let held = one.lock_account(ACCOUNT).await.unwrap();
    let refused = other.lock_account(ACCOUNT).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Locked { holder, .. } if holder.contains("process")), "{refused}");
    other.lock_account("act_2").await.unwrap();
    drop(held);
    other.lock_account(ACCOUNT).await.unwrap();
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let file = folder.path().join("dean.sqlite");
    let mut bytes = std::fs::read(&file).unwrap();
    // user_version stands at offset 60 of the header, big-endian.
    bytes[60..64].copy_from_slice(&999u32.to_be_bytes());
    std::fs::write(&file, &bytes).unwrap();
    let refused = SqliteStore::open(folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 999, .. }), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_truncated_database_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let file = folder.path().join("dean.sqlite");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let store = SqliteStore::open(folder.path());
    let refused = match store {
        Err(error) => error,
        Ok(store) => tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(store.actions_of("r1"))
            .map(|_| ())
            .unwrap_err(),
    };
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}
