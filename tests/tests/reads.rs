//! Reads under every fault that a read can meet: what is decided is what would have been decided without it, and
//! Meta's limits are never reached.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::pipeline::{Options, RunReport};
use dean::store::Store;
use dean_sim::{Fault, Faults, Params, Tier};
use dean_tests::account::TestAccount;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

fn params() -> Params {
    // Three pages of ads.
    Params { ads: 450, history_days: 12, ..Params::default() }
}

async fn account() -> TestAccount {
    TestAccount::new(5, params(), &[]).await.unwrap()
}

/// What was decided, without what it cost.
fn decided(report: &RunReport) -> String {
    serde_json::to_string(&(&report.decisions, &report.budgets, &report.skipped)).unwrap()
}

fn dry() -> Options {
    Options { dry_run: true, explain: true, ..Options::default() }
}

/// A run in which the requests of some numbers go wrong, beside one in which none does.
async fn beside(at: &[(u64, Fault)]) -> (&'static RunReport, RunReport, BTreeMap<Fault, u64>) {
    static WHOLE: OnceCell<RunReport> = OnceCell::const_new();
    let whole = WHOLE.get_or_init(|| async { account().await.run(&dry()).await.unwrap() }).await;
    let faulty = account().await;
    faulty.server.graph().set_faults(Faults { at: at.iter().copied().collect(), ..Faults::default() });
    let report = faulty.run(&dry()).await.unwrap();
    let hits = faulty.server.graph().hits().clone();
    (whole, report, hits)
}

/// The numbers of a run's reads: the account, pages of ads, pages of days.
const SECOND_PAGE_OF_ADS: u64 = 3;
const FIRST_PAGE_OF_DAYS: u64 = 5;

#[tokio::test]
async fn reads_are_the_pages_that_there_are() {
    // Rows of every question, whatever page they came on.
    let asked: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let account = account().await.altering(move |call, answer| {
        let params = call
            .params
            .iter()
            .filter(|(name, _)| !["after", "access_token", "appsecret_proof"].contains(&name.as_str()));
        let question = format!("{} {:?}", call.path, params.collect::<Vec<_>>());
        *seen.lock().unwrap().entry(question).or_default() += answer["data"].as_array().map_or(0, Vec::len);
    });
    let report = account.run(&dry()).await.unwrap();
    let pages = |(question, rows): (&String, &usize)| {
        rows.div_ceil(if question.contains("/insights") { 500 } else { 200 }).max(1)
    };
    let formula: usize = asked.lock().unwrap().iter().map(pages).sum();
    println!("reads {}, sum of pages {formula}, of {} questions", report.api.reads, asked.lock().unwrap().len());
    assert_eq!(report.api.reads as usize, formula);
    assert!(asked.lock().unwrap().values().any(|rows| *rows > 1_000), "a question has several pages");
}

#[tokio::test]
async fn a_passing_fault_of_a_read_changes_nothing() {
    let faults = [
        Fault::Transient,
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::Cut,
        Fault::Html,
        Fault::Drip,
        Fault::Reset,
    ];
    for fault in faults {
        let (whole, faulty, hits) = beside(&[(SECOND_PAGE_OF_ADS, fault), (FIRST_PAGE_OF_DAYS + 2, fault)]).await;
        assert_eq!(hits[&fault], 2, "{fault:?}");
        assert_eq!(decided(whole), decided(&faulty), "{fault:?}");
        let again = if fault == Fault::Drip { 0 } else { 2 };
        assert_eq!(faulty.api.retries, again, "{fault:?}");
    }
}

#[tokio::test]
async fn pages_are_halved_when_meta_asks_for_less() {
    let at = [(SECOND_PAGE_OF_ADS, Fault::TooMuch), (SECOND_PAGE_OF_ADS + 1, Fault::TooMuch)];
    let (whole, faulty, hits) = beside(&at).await;
    assert_eq!(hits[&Fault::TooMuch], 2);
    assert_eq!(decided(whole), decided(&faulty));
    assert!(faulty.api.reads > whole.api.reads + 2, "the rest comes in pages of 50");
    assert_eq!(faulty.api.retries, 0, "the same page is not asked for again");
}

#[tokio::test]
async fn a_row_that_comes_on_two_pages_counts_once() {
    let (whole, faulty, hits) =
        beside(&[(SECOND_PAGE_OF_ADS - 1, Fault::Duplicates), (FIRST_PAGE_OF_DAYS, Fault::Duplicates)]).await;
    assert_eq!(hits[&Fault::Duplicates], 2);
    assert_eq!(decided(whole), decided(&faulty));
}

#[tokio::test]
async fn what_takes_too_long_is_read_as_a_report_asked_again_and_split() {
    let first = FIRST_PAGE_OF_DAYS;
    let (whole, faulty, _) = beside(&[(first, Fault::TooLong)]).await;
    assert_eq!(decided(whole), decided(&faulty));
    assert_eq!((faulty.api.reports, faulty.api.looks), (1, 2));

    // The report itself is the next request, then two looks; then it is asked for again.
    for end in [Fault::ReportFailed, Fault::ReportSkipped] {
        let (_, faulty, hits) = beside(&[(first, Fault::TooLong), (first + 1, end)]).await;
        assert_eq!((faulty.api.reports, hits[&end]), (2, 1), "{end:?}");
        assert_eq!(decided(whole), decided(&faulty), "{end:?}");
        let (_, faulty, hits) = beside(&[(first, Fault::TooLong), (first + 1, end), (first + 4, end)]).await;
        assert_eq!((faulty.api.reports, hits[&end]), (4, 2), "{end:?}: twice whole, then its halves");
        assert_eq!(decided(whole), decided(&faulty), "{end:?}");
    }
}

#[tokio::test]
async fn over_a_week_at_the_standard_tier_nothing_is_refused() {
    let account = TestAccount::new(6, Params { ads: 60, ..Params::default() }, &[]).await.unwrap();
    for _ in 0..7 * 24 {
        let report = account.run(&Options::default()).await.unwrap();
        assert_eq!((report.api.throttled, report.api.rested_s), (0, 0));
        account.advance(1);
    }
    assert_eq!(account.server.graph().refused(), 0);
}

#[tokio::test]
async fn in_development_a_run_slows_down_before_it_is_refused() {
    let account = TestAccount::new(5, Params { ads: 450, ..Params::default() }, &[]).await.unwrap();
    account.server.graph().set_tier(Tier::Development);
    let (mut rested, mut writes) = (0, 0);
    for _ in 0..24 {
        let report = account.run(&Options::default()).await.unwrap();
        assert_eq!(report.api.throttled, 0);
        rested += report.api.rested_s;
        writes += report.api.writes;
        account.advance(1);
    }
    assert_eq!(account.server.graph().refused(), 0);
    println!("24 runs of 450 ads, {writes} writes, rested {rested} s");
    assert!(rested > 0 && writes > 20, "{rested} {writes}");
}

#[tokio::test]
async fn the_next_process_knows_how_much_is_used_up() {
    let account = account().await;
    account.run(&dry()).await.unwrap();
    account.server.graph().fill_limits(97.0);
    let report = account.run(&dry()).await.unwrap();
    assert!(report.api.rested_s >= 600, "the first answer says so");
    // Filled again by others after the last answer, which this process heard.
    account.server.graph().fill_limits(99.0);
    account.client.learn_limits(Vec::new());
    let account = account.reopen().unwrap();
    let limits = account.store.limits(account.client.account_id()).await.unwrap();
    assert!(limits.iter().any(|limit| limit.name == "account" && limit.tier.is_some()), "{limits:?}");
    assert!(limits.iter().any(|limit| limit.name.starts_with("business")), "{limits:?}");
}

#[tokio::test]
async fn a_refusal_is_rested_out_and_read_again() {
    let (whole, faulty, hits) = beside(&[(SECOND_PAGE_OF_ADS, Fault::Throttled)]).await;
    assert_eq!(hits[&Fault::Throttled], 1);
    assert_eq!(decided(whole), decided(&faulty));
    assert_eq!((faulty.api.throttled, faulty.api.retries), (1, 1));
    assert!(faulty.api.rested_s > 290, "{}", faulty.api.rested_s);
}
