//! A hostile policy in a run: whatever it does, its ads are held with the reason, the other stages go
//! on, nothing is written on its word, and one that keeps failing is not asked for a while.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::pipeline::{Options, RunReport};
use dean_sim::{Params, Stage};
use dean_tests::account::TestAccount;
use dean_tests::guest::{core, guest, honest_but};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tempfile::NamedTempFile;

async fn account(bytes: &[u8]) -> (TestAccount, NamedTempFile) {
    account_with(bytes, &[]).await
}

async fn account_with(bytes: &[u8], settings: &[(&str, Value)]) -> (TestAccount, NamedTempFile) {
    let file = NamedTempFile::with_suffix(".wasm").unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let params = Params { ads: 20, history_days: 4, ..Params::default() };
    let mut all = vec![("stages.testing.policy", json!(file.path().to_str().unwrap()))];
    all.extend(settings.iter().cloned());
    (TestAccount::new(7, params, &all).await.unwrap(), file)
}

/// What every run with a hostile policy in testing promises.
fn holds(name: &str, says: &str, report: &RunReport) {
    let stage = |name: &str| report.stages.iter().find(|s| s.name == name).unwrap();
    let fault = stage("testing").fault.as_deref().unwrap_or_else(|| panic!("{name} is no fault"));
    assert!(fault.contains(says), "{name}: {fault}");
    let testing: Vec<_> = report.decisions.iter().filter(|d| d.stage == "testing").collect();
    assert!(testing.len() > 5);
    for decision in &testing {
        let held = decision.held.as_ref().unwrap_or_else(|| panic!("{name}: {} is not held", decision.ad_id));
        assert!(held.by == "policy" && held.reason.contains(says), "{name}: {held:?}");
        assert!(decision.why.contains(says), "{name}: {}", decision.why);
    }
    let ads: BTreeSet<&str> = testing.iter().map(|d| d.ad_id.as_str()).collect();
    assert!(report.actions.iter().all(|a| !ads.contains(a.target.as_str())), "{name}: something was written");
    assert!(report.budgets.iter().all(|b| b.stage != "testing"), "{name}");
    for other in ["validation", "scaling"] {
        assert!(stage(other).fault.is_none() && stage(other).ads > 0, "{name}: {other} goes on");
    }
    assert!(!report.complete(), "{name}: the run says that it was done in part");
}

#[tokio::test]
async fn guests_that_misbehave_are_held_and_the_run_goes_on() {
    for (name, says) in [
        ("endless", "did not answer within"),
        ("greedy", "MiB of memory"),
        ("recursive", "out of stack"),
        ("panic", "panicked: hostile"),
        ("nan", "confidence NaN"),
        ("infinite_amount", "amount inf"),
        ("row_out_of_range", "row 1000000"),
        ("group_out_of_range", "group 1000000"),
        ("rule_out_of_range", "rule 7"),
        ("unknown_holds", "check 0 holds of something that is not known"),
        ("traced", "panicked"),
        ("two_answers", "another one for row 0"),
        ("two_budgets", "another one for group 0"),
        ("huge", "cannot be taken"),
        ("beyond_memory", "cannot be taken"),
        ("unknown_verb", "cannot be taken"),
    ] {
        let (account, _file) = account(guest(name).unwrap().bytes()).await;
        let before = of_testing(&account).await;
        holds(name, says, &account.run(&Options::default()).await.unwrap());
        assert_eq!(of_testing(&account).await, before, "{name}: the account is as it was");
    }
}

/// Status and budget of every ad of the testing stage, as the account says.
async fn of_testing(account: &TestAccount) -> Vec<String> {
    let campaign = account.server.graph().world().campaign(Stage::Testing).to_string();
    let ads = account.client.ads().await.unwrap().value;
    let of_stage = ads.iter().filter(|ad| ad.campaign_id.as_ref() == Some(&campaign));
    of_stage.map(|ad| format!("{} {:?} {:?}", ad.id, ad.status, ad.budget_owner())).collect()
}

#[tokio::test]
async fn hostile_from_the_first_call_on() {
    let never = "(loop $on (br $on)) (i32.const 256)";
    for (function, body, says) in [
        ("describe", never, "did not answer within"),
        ("describe", "(unreachable)", "panicked"),
        ("prepare", never, "did not answer within"),
        ("prepare", "(unreachable)", "panicked"),
    ] {
        let (account, _file) = account(honest_but(function, body).unwrap().bytes()).await;
        let before = of_testing(&account).await;
        holds(function, says, &account.run(&Options::default()).await.unwrap());
        assert_eq!(of_testing(&account).await, before, "{function}: the account is as it was");
    }
}

#[tokio::test]
async fn changed_bytes_do_no_harm_to_an_account() {
    let honest = guest("honest").unwrap().bytes().to_vec();
    let (mut held, mut decided) = (0, 0);
    for way in 0..60 {
        let mut bytes = honest.clone();
        let at = way * 7_919 % bytes.len();
        bytes[at] ^= 1 << (way % 8);
        let (account, _file) = account(&bytes).await;
        let report = account.run(&Options::default()).await.unwrap();
        let testing = || report.decisions.iter().filter(|d| d.stage == "testing");
        if report.stages[0].fault.is_some() {
            assert!(testing().all(|d| d.held.is_some()), "way {way}");
            held += 1;
        } else {
            decided += 1;
        }
        assert!(report.stages.iter().skip(1).all(|s| s.fault.is_none() && s.ads > 0), "way {way}: the others go on");
    }
    assert!(held > 10 && decided > 5, "{held} held, {decided} decided");
}

#[tokio::test]
async fn files_that_are_no_policies_are_held_and_the_run_goes_on() {
    let honest = guest("honest").unwrap().bytes().to_vec();
    let text = |text: &str| wat::parse_str(text).unwrap();
    for (name, bytes, says) in [
        ("an empty file", Vec::new(), "the file is empty"),
        ("a script", b"#!/bin/sh\n".to_vec(), "not WebAssembly at all"),
        ("a core module", core("", "").unwrap(), "a core WebAssembly module"),
        ("a truncated file", honest[..honest.len() / 2].to_vec(), "cannot be compiled"),
        ("a missing export", text("(component)"), "does not export dean:policy/policy@0.1."),
        (
            "a WASI import",
            text(
                r#"(component (import "wasi:cli/environment@0.2.0" (instance))
                   (instance $i) (export "dean:policy/policy@0.1.0" (instance $i)))"#,
            ),
            "imports wasi:cli/environment@0.2.0",
        ),
        (
            "another version of the contract",
            text(r#"(component (instance $i) (export "dean:policy/policy@0.2.0" (instance $i)))"#),
            "built for dean:policy@0.2.0",
        ),
    ] {
        let (account, _file) = account(&bytes).await;
        holds(name, says, &account.run(&Options::default()).await.unwrap());
    }
}

#[tokio::test]
async fn a_policy_that_keeps_failing_is_suspended_with_backoff_and_asked_again() {
    for (name, says) in [("panic", "panicked: hostile"), ("nan", "confidence NaN"), ("huge", "cannot be taken")] {
        let (account, _file) = account(guest(name).unwrap().bytes()).await;
        let mut said = Vec::new();
        for _ in 0..10 {
            let report = account.run(&Options::default()).await.unwrap();
            let fault = report.stages[0].fault.clone().unwrap();
            said.push(if fault.contains("suspended") { 's' } else { 'f' });
            holds(name, says, &report);
            account.advance(1);
        }
        // Three failures, two hours of rest, one more failure, four hours of rest.
        assert_eq!(said.iter().collect::<String>(), "fffsfsssfs", "{name}");
    }
}

#[tokio::test]
async fn a_million_log_lines_keep_nobody_from_answering() {
    // With time enough for a million calls of the host, on a machine that is busy too.
    let (account, _file) =
        account_with(guest("chatty").unwrap().bytes(), &[("limits.deadline_ms", json!(60_000))]).await;
    let report = account.run(&Options::default()).await.unwrap();
    assert_eq!(report.stages[0].fault, None);
    assert!(report.decisions.iter().all(|d| d.stage != "testing" || d.held.is_none()));
}
