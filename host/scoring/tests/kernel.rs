//! The kernel against a walk down the trees as ONNX describes it: every comparison, missing values, several
//! targets, every way to put leaves together, whatever the number of rows.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_scoring::tree::{Aggregate, Ensemble, Forest, Mode, Node, TreeError};
use proptest::prelude::*;

const FEATURES: usize = 5;

/// A tree before it has positions.
#[derive(Clone, Debug)]
enum Plan {
    Leaf(Vec<(usize, i8)>),
    Branch { feature: usize, mode: Mode, threshold: f32, missing: bool, yes: Box<Plan>, no: Box<Plan> },
}

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::AtMost, Mode::Below, Mode::AtLeast, Mode::Above, Mode::Equal, Mode::Unequal])
}

/// Mostly small whole numbers, which values meet; and the ends of what a float can be.
fn threshold() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => (-3i8..4).prop_map(f32::from),
        1 => prop::sample::select(vec![-0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN, f32::MAX, f32::from_bits(1)]),
    ]
}

/// A tree whose leaves add to one target once, or to any of them any number of times.
fn plan(targets: usize, wide: bool) -> impl Strategy<Value = Plan> {
    let leaf = if wide {
        prop::collection::vec((0..targets, any::<i8>()), 0..4).prop_map(Plan::Leaf).boxed()
    } else {
        (0..targets, any::<i8>()).prop_map(|one| Plan::Leaf(vec![one])).boxed()
    };
    leaf.prop_recursive(7, 60, 2, |inner| {
        (0..FEATURES, mode(), threshold(), any::<bool>(), inner.clone(), inner).prop_map(
            |(feature, mode, threshold, missing, yes, no)| Plan::Branch {
                feature,
                mode,
                threshold,
                missing,
                yes: Box::new(yes),
                no: Box::new(no),
            },
        )
    })
}

fn forest(plans: &[Plan], targets: usize) -> Forest {
    fn place(plan: &Plan, forest: &mut Forest) -> usize {
        let node = match plan {
            Plan::Leaf(weights) => {
                let from = forest.weights.len();
                forest
                    .weights
                    .extend(weights.iter().map(|(target, weight)| (*target as i64, f64::from(*weight) / 8.0)));
                Node::Leaf(from..forest.weights.len())
            }
            Plan::Branch { feature, mode, threshold, missing, yes, no } => Node::Branch {
                feature: *feature as i64,
                mode: *mode,
                threshold: (*threshold).into(),
                yes: place(yes, forest),
                no: place(no, forest),
                missing_yes: *missing,
            },
        };
        forest.nodes.push(node);
        forest.nodes.len() - 1
    }
    let mut forest = Forest { targets, ..Forest::default() };
    for plan in plans {
        let root = place(plan, &mut forest);
        forest.roots.push(root);
    }
    forest
}

/// What ONNX says: the leaf of a row in a tree.
fn leaf<'a>(plan: &'a Plan, row: &[f32]) -> &'a [(usize, i8)] {
    match plan {
        Plan::Leaf(weights) => weights,
        Plan::Branch { feature, mode, threshold, missing, yes, no } => {
            let (x, t) = (row[*feature], *threshold);
            #[allow(clippy::float_cmp, reason = "equality is what the mode says")]
            let holds = match mode {
                Mode::AtMost => x <= t,
                Mode::Below => x < t,
                Mode::AtLeast => x >= t,
                Mode::Above => x > t,
                Mode::Equal => x == t,
                Mode::Unequal => x != t,
            };
            leaf(if holds || (x.is_nan() && *missing) { yes } else { no }, row)
        }
    }
}

fn expected(plans: &[Plan], row: &[f32], aggregate: Aggregate, base: &[f32]) -> Vec<f32> {
    let mut added: Vec<Vec<f32>> = vec![Vec::new(); base.len()];
    for plan in plans {
        for (target, weight) in leaf(plan, row) {
            added[*target].push(f32::from(*weight) / 8.0);
        }
    }
    let put = |(leaves, base): (&Vec<f32>, &f32)| match aggregate {
        Aggregate::Sum => leaves.iter().fold(*base, |sum, leaf| sum + leaf),
        Aggregate::Average => leaves.iter().sum::<f32>() / plans.len() as f32 + base,
        Aggregate::Min => leaves.iter().copied().reduce(f32::min).map_or(*base, |least| least + base),
        Aggregate::Max => leaves.iter().copied().reduce(f32::max).map_or(*base, |most| most + base),
    };
    added.iter().zip(base).map(put).collect()
}

/// Values on thresholds, beside them, beyond all of them, and missing.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-4i8..5).prop_map(f32::from),
        2 => (-4i8..5).prop_map(|v| f32::from(v).next_up()),
        2 => (-4i8..5).prop_map(|v| f32::from(v).next_down()),
        2 => Just(f32::NAN),
        1 => prop::sample::select(vec![f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MAX, f32::MIN, f32::from_bits(1)]),
    ]
}

fn aggregate() -> impl Strategy<Value = Aggregate> {
    prop::sample::select(vec![Aggregate::Sum, Aggregate::Average, Aggregate::Min, Aggregate::Max])
}

type Case = (Vec<Plan>, Vec<f32>, Aggregate, Vec<f32>);

fn case() -> impl Strategy<Value = Case> {
    (1usize..4, any::<bool>()).prop_flat_map(|(targets, wide)| {
        let rows = (1usize..150).prop_flat_map(|count| prop::collection::vec(value(), count * FEATURES));
        let base = prop::collection::vec((-8i8..8).prop_map(|b| f32::from(b) / 4.0), targets);
        (prop::collection::vec(plan(targets, wide), 1..20), rows, aggregate(), base)
    })
}

fn scores(ensemble: &Ensemble<f32>, rows: &[f32], aggregate: Aggregate, base: &[f32]) -> Vec<f32> {
    let mut scores = vec![0.0; rows.len() / FEATURES * base.len()];
    ensemble.evaluate(rows, aggregate, base, &mut scores);
    scores
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_row_takes_the_path_that_onnx_says((plans, rows, aggregate, base) in case()) {
        let forest = forest(&plans, base.len());
        let single: Ensemble<f32> = Ensemble::new(&forest, FEATURES).unwrap();
        let found = scores(&single, &rows, aggregate, &base);
        let double: Ensemble<f64> = Ensemble::new(&forest, FEATURES).unwrap();
        let wide: Vec<f64> = rows.iter().map(|v| f64::from(*v)).collect();
        let mut in_double = vec![0.0; found.len()];
        double.evaluate(&wide, aggregate, &base.iter().map(|b| f64::from(*b)).collect::<Vec<_>>(), &mut in_double);
        for (i, row) in rows.chunks(FEATURES).enumerate() {
            let expected = expected(&plans, row, aggregate, &base);
            let at = i * base.len()..(i + 1) * base.len();
            // Weights are eighths, so that sums are exact; a mean is divided once.
            prop_assert_eq!(&found[at.clone()], expected.as_slice());
            for (found, expected) in in_double[at].iter().zip(&expected) {
                prop_assert!((found - f64::from(*expected)).abs() < 1e-4, "{} {}", found, expected);
            }
        }
    }

    #[test]
    fn a_row_alone_scores_as_among_others((plans, rows, aggregate, base) in case()) {
        let ensemble: Ensemble<f32> = Ensemble::new(&forest(&plans, base.len()), FEATURES).unwrap();
        let together = scores(&ensemble, &rows, aggregate, &base);
        for (row, expected) in rows.chunks(FEATURES).zip(together.chunks(base.len())) {
            prop_assert_eq!(scores(&ensemble, row, aggregate, &base), expected);
        }
    }

    #[test]
    fn nodes_that_are_no_trees_are_refused_and_never_walked(
        (plans, _, _, base) in case(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 1..4),
    ) {
        let mut forest = forest(&plans, base.len());
        for (node, to, of_yes) in changes {
            let to = to.index(forest.nodes.len() + 2);
            let at = node.index(forest.nodes.len());
            if let Node::Branch { yes, no, .. } = &mut forest.nodes[at] {
                *(if of_yes { yes } else { no }) = to;
            }
        }
        // Either it is still a forest, and then every walk ends, or it is refused.
        match Ensemble::<f32>::new(&forest, FEATURES) {
            Ok(ensemble) => drop(scores(&ensemble, &[0.0; FEATURES], Aggregate::Sum, &base)),
            Err(error) => prop_assert!(matches!(error, TreeError::NoTree { .. }), "{}", error),
        }
    }
}

fn one_branch(feature: i64, threshold: f64, target: i64) -> Forest {
    let branch = Node::Branch { feature, mode: Mode::AtMost, threshold, yes: 1, no: 2, missing_yes: false };
    Forest {
        nodes: vec![branch, Node::Leaf(0..1), Node::Leaf(1..2)],
        roots: vec![0],
        weights: vec![(0, 1.0), (target, 2.0)],
        targets: 1,
    }
}

#[test]
fn what_a_forest_may_not_say_is_refused_by_name() {
    let said = |forest: Forest| Ensemble::<f32>::new(&forest, FEATURES).unwrap_err().to_string();
    assert!(Ensemble::<f32>::new(&one_branch(4, 0.5, 0), FEATURES).is_ok());
    assert_eq!(said(one_branch(5, 0.5, 0)), "a node compares feature 5; the input has 5");
    assert_eq!(said(one_branch(-1, 0.5, 0)), "a node compares feature -1; the input has 5");
    assert_eq!(said(one_branch(0, f64::NAN, 0)), "a node's threshold is not a number");
    assert_eq!(said(one_branch(0, 0.5, 1)), "a leaf adds to target 1; there are 1");
    let nothing = Forest { targets: 0, weights: Vec::new(), ..one_branch(0, 0.5, 0) };
    assert!(Ensemble::<f32>::new(&nothing, FEATURES).is_err());
    let many = Forest { targets: 1 << 40, ..one_branch(0, 0.5, 0) };
    assert!(said(many).contains("targets"));
}
