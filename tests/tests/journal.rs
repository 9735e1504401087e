//! The journal gives back exactly what it was given, whatever it was written against.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::journal::{Outcome, Record, decode, encode};
use dean_policy::types::{Cohort, Plan, Rule, Setting, Value};
use proptest::prelude::*;

/// Any bits: every NaN, every zero, every rounding.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        Just(f64::NAN),
        Just(0.0),
        (0i32..100_000).prop_map(|n| f64::from(n) / 100.0)
    ]
}

fn record() -> impl Strategy<Value = Record> {
    (1usize..6, 0usize..12, any::<u32>(), 0usize..4).prop_flat_map(|(columns, rows, seed, first)| {
        prop::collection::vec(number(), columns * rows).prop_map(move |values| Record {
            policy: "digest".into(),
            policy_name: "testing@1".into(),
            stage: "testing".into(),
            settings: vec![Setting { path: "a.b".into(), value: Value::Number(1.5) }],
            plan: Plan {
                columns: (0..columns).map(|c| format!("column{c}")).collect(),
                rules: vec![Rule { id: "r".into(), title: "t".into(), doc: "d".into() }],
                ..Plan::default()
            },
            // Ads come and go between two runs.
            ads: (0..rows).map(|r| format!("ad{}", r + first)).collect(),
            owners: vec!["owner".into()],
            cohort: Cohort {
                now: 1.78e9,
                seed,
                rows: rows as u32,
                groups: 1,
                trace: true,
                values,
                words: vec!["ACTIVE".into()],
                codes: vec![0; rows],
                context: vec![],
                group_of: vec![0; rows],
            },
            outcome: Outcome::Answered { ads: vec![], budgets: vec![], checks: [7; 32] },
        })
    })
}

/// Equality to the bit: two NaNs of one kind are equal, two of different kinds are not.
fn bits(record: &Record) -> (Vec<u64>, String) {
    let values = record.cohort.values.iter().map(|v| v.to_bits()).collect();
    let rest = Record { cohort: Cohort { values: vec![], ..record.cohort.clone() }, ..record.clone() };
    (values, format!("{rest:?}"))
}

proptest! {
    #[test]
    fn a_record_comes_back_alone_and_against_any_other(record in record(), base in record()) {
        let alone = decode(&encode(&record, None), None).unwrap();
        prop_assert_eq!(bits(&alone), bits(&record));
        let against = decode(&encode(&record, Some(&base)), Some(&base)).unwrap();
        prop_assert_eq!(bits(&against), bits(&record));
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_crash(record in record(), at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>()) {
        let mut bytes = encode(&record, None);
        let _ = decode(&bytes[..cut.index(bytes.len())], None);
        let i = at.index(bytes.len());
        bytes[i] ^= flip;
        let _ = decode(&bytes, None);
    }
}

#[test]
fn what_does_not_change_costs_almost_nothing() {
    let rows = 1_000;
    let values: Vec<f64> = (0..rows * 40).map(|i| (i as f64).sqrt()).collect();
    let record = Record {
        policy: "d".into(),
        policy_name: "n".into(),
        stage: "testing".into(),
        settings: vec![],
        plan: Plan { columns: (0..40).map(|c| format!("c{c}")).collect(), ..Plan::default() },
        ads: (0..rows).map(|r| format!("1202100000003{r:05}")).collect(),
        owners: vec![],
        cohort: Cohort { rows: rows as u32, values, ..Cohort::default() },
        outcome: Outcome::Failed("nothing".into()),
    };
    let (alone, against) = (encode(&record, None).len(), encode(&record, Some(&record)).len());
    assert!(against * 100 < alone, "{against} against {alone} bytes");
}
