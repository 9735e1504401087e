//! No guest harms: each fails in its own way, is told by its kind, and takes nothing with it.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_policy::types::{Cohort, Plan, Rule};
use dean_policy::{Artifact, Fault, Limits, LoadError, Policy, PrepareError, Runtime};
use dean_tests::guest::{core, guest, honest_but};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_millis(300);
/// Room for an answer of a hundred megabytes.
const MEMORY: usize = 128 << 20;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let limits = Limits { deadline: DEADLINE, memory_bytes: MEMORY, ..Limits::default() };
        Runtime::new(limits, None).unwrap()
    })
}

fn load(name: &str) -> Policy {
    runtime().load(&guest(name).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn plan() -> Plan {
    let rule = Rule { id: "always".into(), title: "always".into(), doc: "always".into() };
    Plan { columns: vec!["spend_today".into()], rules: vec![rule], ..Plan::default() }
}

fn cohort() -> Cohort {
    Cohort { rows: 3, groups: 1, values: vec![1.0; 3], group_of: vec![0; 3], ..Cohort::default() }
}

fn fault(name: &str) -> Fault {
    let mut lent = cohort();
    let started = Instant::now();
    let fault = load(name).decide("testing", &[], &plan(), &mut lent).answer.unwrap_err();
    // Not a measurement: a guest that hangs past its deadline would hang for ever.
    assert!(started.elapsed() < DEADLINE * 20, "{name} hung");
    assert_eq!(lent, cohort(), "the cohort comes back whatever the guest does");
    fault
}

#[test]
fn the_honest_guest_is_understood() {
    let policy = load("honest");
    assert_eq!(policy.prepare("testing", &[]).unwrap(), plan());
    let answer = policy.decide("testing", &[], &plan(), &mut cohort()).answer.unwrap();
    assert_eq!(answer.ads.len(), 1);
    assert_eq!(answer.ads[0].verb, dean_policy::types::Verb::Pause);
}

#[test]
fn a_guest_that_never_answers_is_stopped_at_its_deadline() {
    assert_eq!(fault("endless"), Fault::Deadline(DEADLINE));
}

#[test]
fn a_guest_that_takes_all_memory_is_stopped() {
    assert_eq!(fault("greedy"), Fault::Memory(MEMORY));
}

#[test]
fn runaway_recursion_is_stopped() {
    assert_eq!(fault("recursive"), Fault::Stack);
}

#[test]
fn a_panic_carries_what_the_guest_said_last() {
    assert_eq!(fault("panic"), Fault::Panic(Some("hostile".into())));
}

#[test]
fn answers_that_make_no_sense_are_refused_whole() {
    for (name, says) in [
        ("nan", "confidence NaN"),
        ("infinite_amount", "amount inf"),
        ("row_out_of_range", "row 1000000"),
        ("group_out_of_range", "group 1000000"),
        ("rule_out_of_range", "rule 7"),
        ("two_answers", "another one for row 0"),
        ("two_budgets", "another one for group 0"),
    ] {
        match fault(name) {
            Fault::Nonsense(reason) => assert!(reason.contains(says), "{name}: {reason}"),
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn answers_that_cannot_be_taken_are_refused_before_they_cost_memory() {
    for name in ["huge", "beyond_memory", "unknown_verb"] {
        let fault = fault(name);
        assert!(matches!(fault, Fault::Unreadable(_)), "{name}: {fault}");
    }
}

#[test]
fn a_million_log_lines_are_kept_to_a_hundred() {
    let limits = Limits { deadline: Duration::from_secs(20), ..Limits::default() };
    let policy = Runtime::new(limits, None).unwrap().load(&guest("chatty").unwrap()).unwrap();
    let called = policy.decide("testing", &[], &plan(), &mut cohort());
    assert!(called.answer.is_ok());
    assert_eq!(called.log.len(), 100);
}

#[test]
fn instructions_are_counted_the_same_each_time_and_end_a_call_where_they_run_out() {
    let count = || load("honest").decide("testing", &[], &plan(), &mut cohort()).cost;
    let (first, second) = (count(), count());
    assert!(first.instructions > 0 && first.instructions == second.instructions, "{first:?} {second:?}");
    assert!(first.memory_bytes > 0 && first.time > Duration::ZERO, "{first:?}");
    let limits = Limits { instructions: 1_000_000, deadline: Duration::from_secs(60), ..Limits::default() };
    let policy = Runtime::new(limits, None).unwrap().load(&guest("endless").unwrap()).unwrap();
    let called = policy.decide("testing", &[], &plan(), &mut cohort());
    assert_eq!((called.answer, called.cost.instructions), (Err(Fault::Instructions(1_000_000)), 1_000_000));
}

#[test]
fn a_policy_that_failed_answers_the_next_call_afresh() {
    let policy = load("panic");
    for _ in 0..3 {
        assert!(matches!(policy.decide("testing", &[], &plan(), &mut cohort()).answer, Err(Fault::Panic(_))));
    }
    assert!(load("honest").decide("testing", &[], &plan(), &mut cohort()).answer.is_ok());
}

fn refuse(bytes: Vec<u8>) -> LoadError {
    runtime().load(&Artifact::new("guest.wasm", bytes)).unwrap_err()
}

#[test]
fn what_is_no_policy_is_refused_by_what_it_is() {
    let honest = guest("honest").unwrap().bytes().to_vec();
    let module = core("", "").unwrap();
    for (bytes, says) in [
        (Vec::new(), "the file is empty"),
        (b"#!/bin/sh\necho no policy\n".to_vec(), "it is not WebAssembly at all"),
        (module, "it is a core WebAssembly module, not a component"),
        (honest[..honest.len() / 2].to_vec(), "it cannot be compiled"),
        (wat::parse_str("(component)").unwrap(), "does not export dean:policy/policy@0.1."),
    ] {
        let error = refuse(bytes).to_string();
        assert!(error.contains(says), "{error}");
        assert!(error.contains("hint:"), "every refusal says how to mend it: {error}");
    }
}

#[test]
fn a_component_that_wants_wasi_is_refused_by_the_import() {
    let text = r#"(component
        (import "wasi:cli/environment@0.2.0" (instance))
        (instance $i) (export "dean:policy/policy@0.1.0" (instance $i)))"#;
    let error = refuse(wat::parse_str(text).unwrap()).to_string();
    assert!(error.contains("imports wasi:cli/environment@0.2.0"), "{error}");
}

#[test]
fn another_version_of_the_contract_is_refused_by_its_name() {
    let text = r#"(component (instance $i) (export "dean:policy/policy@0.2.0" (instance $i)))"#;
    let error = refuse(wat::parse_str(text).unwrap()).to_string();
    assert!(error.contains("built for dean:policy@0.2.0"), "{error}");
}

#[test]
fn a_component_without_the_functions_is_refused_at_load() {
    let text = r#"(component (instance $i) (export "dean:policy/policy@0.1.0" (instance $i)))"#;
    assert!(matches!(refuse(wat::parse_str(text).unwrap()), LoadError::Link { .. }));
}

#[test]
fn a_shipped_policy_refuses_a_cohort_of_another_shape() {
    let testing = dean_policy::shipped::find("testing").unwrap().artifact();
    let policy = runtime().load(&testing).unwrap();
    let plan = policy.prepare("testing", &[]).unwrap();
    let fault = policy.decide("testing", &[], &plan, &mut cohort()).answer.unwrap_err();
    assert_eq!(fault, Fault::Refused("the cohort's values are not rows x columns of the plan".into()));
}

const NEVER: &str = "(loop $on (br $on)) (i32.const 256)";
const PANIC: &str = "(unreachable)";
const NOWHERE: &str = "(i32.const 2147483632)";

#[test]
fn a_policy_that_misbehaves_when_it_describes_itself_is_refused_at_load() {
    for body in [NEVER, PANIC, NOWHERE] {
        let refused = runtime().load(&honest_but("describe", body).unwrap());
        assert!(refused.is_err(), "describe {body}");
    }
    assert!(runtime().load(&honest_but("describe", "(i32.const 256)").unwrap()).is_ok(), "the honest one is taken");
}

#[test]
fn a_policy_that_misbehaves_when_it_reads_settings_is_a_fault() {
    for body in [NEVER, PANIC, NOWHERE] {
        let policy = runtime().load(&honest_but("prepare", body).unwrap()).unwrap();
        let failed = policy.prepare("testing", &[]);
        assert!(matches!(failed, Err(PrepareError::Fault(_))), "prepare {body}: {failed:?}");
    }
}

#[test]
fn a_manifest_or_a_plan_that_nobody_could_read_is_refused() {
    // Texts of no length at 20,000, and there a plan that asks twice for spend_today.
    let stages =
        "(i32.store (i32.const 280) (i32.const 20000)) (i32.store (i32.const 284) (i32.const 65)) (i32.const 256)";
    let refused = runtime().load(&honest_but("describe", stages).unwrap()).unwrap_err().to_string();
    assert!(refused.contains("it names 65 stages, where 64 are the most"), "{refused}");

    let columns = |count: usize| {
        let name = |at: usize| {
            format!("(i32.store (i32.const {at}) (i32.const 64)) (i32.store (i32.const {}) (i32.const 11))", at + 4)
        };
        let names: Vec<String> = (0..2).map(|i| name(20_000 + 8 * i)).collect();
        format!(
            "{} (i32.store (i32.const 324) (i32.const 20000)) (i32.store (i32.const 328) (i32.const {count})) (i32.const 320)",
            names.join(" ")
        )
    };
    let prepared = |count: usize| {
        let policy = runtime().load(&honest_but("prepare", &columns(count)).unwrap()).unwrap();
        policy.prepare("testing", &[]).map_err(|error| error.to_string())
    };
    assert_eq!(prepared(1), Ok(plan()));
    let twice = prepared(2).unwrap_err();
    assert!(twice.contains("it names column \"spend_today\" twice"), "{twice}");
}

#[test]
fn bytes_changed_in_ten_thousand_ways_do_no_harm() {
    let limits = Limits { deadline: Duration::from_millis(50), memory_bytes: 16 << 20, ..Limits::default() };
    let runtime = Runtime::new(limits, None).unwrap();
    let honest = guest("honest").unwrap().bytes().to_vec();
    // A sequence of its own (Knuth's linear congruence), so that each run changes the same bytes.
    let mut state = 20_260_601u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut refused, mut failed, mut answered) = (0, 0, 0);
    for _ in 0..10_000 {
        let mut bytes = honest.clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            bytes[at] ^= 1 << next(8);
        }
        let mut lent = cohort();
        match runtime.load(&Artifact::new("changed.wasm", bytes)) {
            Err(_) => refused += 1,
            Ok(policy) => match policy.prepare("testing", &[]) {
                Ok(_) => match policy.decide("testing", &[], &plan(), &mut lent).answer {
                    Ok(_) => answered += 1,
                    Err(_) => failed += 1,
                },
                Err(_) => failed += 1,
            },
        }
        assert_eq!(lent, cohort(), "the cohort comes back whatever the guest does");
    }
    assert!(
        refused > 1_000 && failed > 20 && answered > 100,
        "{refused} refused, {failed} failed, {answered} answered"
    );
}
