//! The journal gives back exactly what it was given, whatever it was written against.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::journal::{Entry, Outcome, Record, Scores};
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

fn scores() -> impl Strategy<Value = Scores> {
    (0usize..6, 0usize..12, 0usize..4).prop_flat_map(|(inputs, rows, first)| {
        prop::collection::vec(number(), inputs * rows).prop_map(move |values| Scores {
            models: vec!["digest".into()],
            stages: vec![("testing".into(), (rows / 2) as u32), ("scaling".into(), (rows - rows / 2) as u32)],
            ads: (0..rows).map(|row| format!("ad{}", row + first)).collect(),
            creatives: (0..rows).map(|row| format!("creative{row}")).collect(),
            inputs: (0..inputs).map(|i| format!("input{i}")).collect(),
            values,
        })
    })
}

fn bits_of_scores(scores: &Scores) -> (Vec<u64>, String) {
    let values = scores.values.iter().map(|value| value.to_bits()).collect();
    (values, format!("{:?}", Scores { values: vec![], ..scores.clone() }))
}

proptest! {
    #[test]
    fn a_record_comes_back_alone_and_against_any_other(record in record(), base in record()) {
        let alone = Record::decode(&record.encode(None), None).unwrap();
        prop_assert_eq!(bits(&alone), bits(&record));
        let against = Record::decode(&record.encode(Some(&base)), Some(&base)).unwrap();
        prop_assert_eq!(bits(&against), bits(&record));
    }

    #[test]
    fn what_models_read_comes_back_alone_and_against_any_other(scores in scores(), base in scores()) {
        let alone = Scores::decode(&scores.encode(None), None).unwrap();
        prop_assert_eq!(bits_of_scores(&alone), bits_of_scores(&scores));
        let against = Scores::decode(&scores.encode(Some(&base)), Some(&base)).unwrap();
        prop_assert_eq!(bits_of_scores(&against), bits_of_scores(&scores));
    }

    #[test]
    fn what_models_read_never_crashes_when_it_is_damaged(scores in scores(), at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>()) {
        let mut bytes = scores.encode(None);
        let _ = Scores::decode(&bytes[..cut.index(bytes.len())], None);
        let i = at.index(bytes.len());
        bytes[i] ^= flip;
        let _ = Scores::decode(&bytes, None);
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_crash(record in record(), at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>()) {
        let mut bytes = record.encode(None);
        let _ = Record::decode(&bytes[..cut.index(bytes.len())], None);
        let i = at.index(bytes.len());
        bytes[i] ^= flip;
        let _ = Record::decode(&bytes, None);
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
    let (alone, against) = (record.encode(None).len(), record.encode(Some(&record)).len());
    assert!(against * 100 < alone, "{against} against {alone} bytes");
}
