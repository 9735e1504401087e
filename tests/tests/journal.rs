//! The journal gives back exactly what it was given, whatever it was written against.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{Before, Currency, Facts, Lifetime, Money};
use dean::features::{self, Basis, ContextValues, DAYS, Fields, Frame, LagCurve, Marks, Moment, Row, Totals};
use dean::journal::{Entry, Measured, MeasuredStage, Outcome, Record, Scores};
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

const UNKNOWN: f64 = f64::NAN;

/// Not known, or whole seconds as hours, as every span between two moments is.
fn hours() -> impl Strategy<Value = f64> {
    prop_oneof![Just(UNKNOWN), (0u32..10_000_000).prop_map(|seconds| f64::from(seconds) / 3600.0)]
}

fn of_day() -> impl Strategy<Value = Facts> {
    (0i64..100_000, 0u32..5_000, 0u32..200, 0u32..5, any::<bool>()).prop_map(
        |(spend, impressions, clicks, purchases, valued)| Facts {
            spend: Money(spend),
            impressions: f64::from(impressions),
            clicks: f64::from(clicks),
            purchases: f64::from(purchases),
            revenue: (purchases == 0 || valued).then_some(Money(i64::from(purchases) * 4_999)),
            add_to_cart: f64::from(purchases) * 2.5,
            reach: f64::from(impressions / 2),
            ..Facts::default()
        },
    )
}

prop_compose! {
    fn row()(
        age in hours(), in_stage in hours(), changed in hours(), paused in hours(), stage_days in 0..DAYS + 9,
        budget in 0u32..50_000, name in 0..4, active in any::<bool>(),
    ) -> Row {
        Row {
            age_hours: age,
            hours_in_stage: in_stage,
            stage_days,
            status: if active { "ACTIVE" } else { "PAUSED" }.into(),
            ad_name: format!("Ad {name}"),
            budget: if budget == 0 { UNKNOWN } else { f64::from(budget) / 100.0 },
            hours_since_change: changed,
            hours_since_pause: paused,
            paused_by_dean: f64::from(!paused.is_nan()),
            ..Row::default()
        }
    }
}

prop_compose! {
    fn frame()(
        rows in prop::collection::vec((row(), prop::collection::vec(of_day(), 0..DAYS), of_day(), 0..DAYS), 0..6),
    ) -> Frame {
        let mut frame = Frame::new(rows.iter().map(|(row, ..)| row.clone()).collect(), &Currency::new("EUR"));
        for (ad, (_, days, before, born)) in rows.iter().enumerate() {
            days.iter().enumerate().for_each(|(ago, facts)| frame.set_day(ad, ago, facts));
            frame.set_before_stage(ad, &Before { life: *before, day: days.first().copied().unwrap_or_default() });
            frame.set_lifetime(ad, &Lifetime { ad_id: ad.to_string(), before: moment().today, facts: *before });
            frame.born(ad, *born);
        }
        frame
    }
}

fn moment() -> Moment {
    Moment { at: "2026-03-02T13:00:07Z".parse().unwrap(), today: "2026-03-02".parse().unwrap() }
}

/// Every column of the catalogue, to the bit, and every text.
fn columns(frame: &Frame) -> Vec<(String, Vec<u64>, Vec<Option<String>>)> {
    let basis = Basis::fit(
        &[Totals { spend: 90.0, settled_spend: 90.0, purchases: 2.0, ..Totals::default() }],
        &LagCurve::default(),
        0.5,
    );
    let marks = Marks { target_cpa: 36.0, breakeven_cpa: 45.0 };
    let of = |entry: features::Entry| {
        let values = entry.column.values(frame, &basis, marks).into_iter();
        let bits = values.map(|value| if value.is_nan() { UNKNOWN } else { value }.to_bits()).collect();
        let texts = frame.rows().iter().map(|row| entry.column.text(row).map(String::from)).collect();
        (entry.name, bits, texts)
    };
    features::catalogue().into_iter().map(of).collect()
}

fn measured(frames: &[Frame], first: usize) -> Measured {
    let fields = Fields::of(&frames.iter().collect::<Vec<_>>(), moment());
    let stages = frames.iter().enumerate().map(|(i, frame)| MeasuredStage {
        name: format!("stage{i}"),
        ads: frame.ads() as u32,
        context: ContextValues { live_ads: 3.0, ..ContextValues::unknown() },
    });
    Measured {
        today: "2026-03-02".into(),
        basis: Basis::fit(&[], &LagCurve::default(), 0.5),
        stages: stages.collect(),
        ads: (0..frames.iter().map(Frame::ads).sum()).map(|ad| format!("ad{}", ad + first)).collect(),
        fields,
    }
}

proptest! {
    #[test]
    fn whatever_was_measured_gives_every_column_again(frames in prop::collection::vec(frame(), 1..4), base in prop::collection::vec(frame(), 1..3), first in 0usize..3) {
        let (kept, base) = (measured(&frames, 0), measured(&base, first));
        for bytes in [kept.encode(None), kept.encode(Some(&base))].into_iter().zip([None, Some(base)]) {
            let back = Measured::decode(&bytes.0, bytes.1).unwrap();
            prop_assert_eq!(&back.ads, &kept.ads);
            let places = back.fields.places(moment());
            let mut from = 0;
            for frame in &frames {
                let ads = from..from + frame.ads();
                from = ads.end;
                let mut again = back.fields.frame(&places, ads.clone(), back.ads.len(), moment(), &Currency::new("EUR"));
                back.fields.set_texts(&mut again, &places, ads, back.ads.len());
                prop_assert_eq!(columns(&again), columns(frame));
            }
        }
    }

    #[test]
    fn a_record_comes_back_alone_and_against_any_other(record in record(), base in record()) {
        let alone = Record::decode(&record.encode(None), None).unwrap();
        prop_assert_eq!(bits(&alone), bits(&record));
        let against = Record::decode(&record.encode(Some(&base)), Some(base)).unwrap();
        prop_assert_eq!(bits(&against), bits(&record));
    }

    #[test]
    fn what_models_read_comes_back_alone_and_against_any_other(scores in scores(), base in scores()) {
        let alone = Scores::decode(&scores.encode(None), None).unwrap();
        prop_assert_eq!(bits_of_scores(&alone), bits_of_scores(&scores));
        let against = Scores::decode(&scores.encode(Some(&base)), Some(base)).unwrap();
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
