//! Reads the `TreeEnsemble` of ai.onnx.ml 5, which replaced the two older operators: branches and leaves
//! are lists of their own, and numbers are tensors.

use super::forest::{Forest, Mode, Node, TreeError};
use super::read::{Attributes, Spec, length};
use super::transform::{Aggregate, Transform};

/// Reads `TreeEnsemble`.
pub(super) fn ensemble(node: &tract_onnx::pb::NodeProto) -> Result<Spec, TreeError> {
    let attributes = Attributes(node);
    let number = |name: &str, or: i64| attributes.get(name).map_or(or, |a| a.i);
    let targets = usize::try_from(number("n_targets", 0)).map_err(|_| TreeError::Missing("n_targets"))?;
    let features = attributes.ints("nodes_featureids")?;
    let count = features.len();
    let ints = |name| attributes.ints(name).and_then(|list| length(name, list.len(), count).map(|()| list));
    let (yes, no) = (ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let (yes_leaf, no_leaf) = (ints("nodes_trueleafs")?, ints("nodes_falseleafs")?);
    let splits = attributes.tensor("nodes_splits")?.ok_or(TreeError::Missing("nodes_splits"))?;
    length("nodes_splits", splits.values.len(), count)?;
    let modes = attributes.bytes("nodes_modes")?;
    length("nodes_modes", modes.len(), count)?;
    let missing = attributes.get("nodes_missing_value_tracks_true").map(|a| a.ints.as_slice()).unwrap_or_default();
    if !missing.is_empty() {
        length("nodes_missing_value_tracks_true", missing.len(), count)?;
    }
    let leaf_targets = attributes.ints("leaf_targetids")?;
    let weights = attributes.tensor("leaf_weights")?.ok_or(TreeError::Missing("leaf_weights"))?;
    length("leaf_weights", weights.values.len(), leaf_targets.len())?;

    // Leaves stand behind the branches; a tree whose root is a leaf is a branch with that leaf on both sides.
    let mut forest =
        Forest { targets, weights: leaf_targets.iter().copied().zip(weights.values).collect(), ..Forest::default() };
    let position = |i: usize, to: i64, is_leaf: i64| {
        let (from, of) = if is_leaf != 0 { (count, leaf_targets.len()) } else { (0, count) };
        let to_position = usize::try_from(to).ok().filter(|to| *to < of);
        to_position.map(|to| from + to).ok_or(TreeError::NoNode { tree: 0, node: i as i64, to })
    };
    for i in 0..count {
        let (yes, no) = (position(i, yes[i], yes_leaf[i])?, position(i, no[i], no_leaf[i])?);
        if yes == no && yes_leaf[i] != 0 {
            forest.nodes.push(Node::Leaf(yes - count..yes - count + 1));
            continue;
        }
        forest.nodes.push(Node::Branch {
            feature: features[i],
            mode: mode(modes[i])?,
            threshold: splits.values[i],
            yes,
            no,
            missing_yes: missing.get(i).is_some_and(|m| *m != 0),
        });
    }
    forest.nodes.extend((0..leaf_targets.len()).map(|leaf| Node::Leaf(leaf..leaf + 1)));
    for root in attributes.ints("tree_roots")? {
        let inside = usize::try_from(*root).ok().filter(|r| *r < count);
        forest.roots.push(inside.ok_or(TreeError::NoNode { tree: 0, node: -1, to: *root })?);
    }
    Ok(Spec {
        forest: forest.without_unreached(),
        aggregate: aggregate(number("aggregate_function", 1))?,
        transform: transform(number("post_transform", 0))?,
        base: Vec::new(),
        double: splits.double || weights.double,
        keeps_type: true,
        classes: None,
    })
}

fn mode(code: u8) -> Result<Mode, TreeError> {
    Ok(match code {
        0 => Mode::AtMost,
        1 => Mode::Below,
        2 => Mode::AtLeast,
        3 => Mode::Above,
        4 => Mode::Equal,
        5 => Mode::Unequal,
        other => {
            return Err(TreeError::Unsupported {
                what: "a node's mode",
                found: if other == 6 { "BRANCH_MEMBER".into() } else { other.to_string() },
                hint: "export branches that compare with a threshold, not with a set",
            });
        }
    })
}

fn aggregate(code: i64) -> Result<Aggregate, TreeError> {
    match code {
        0 => Ok(Aggregate::Average),
        1 => Ok(Aggregate::Sum),
        2 => Ok(Aggregate::Min),
        3 => Ok(Aggregate::Max),
        other => Err(TreeError::Unsupported {
            what: "aggregate_function",
            found: other.to_string(),
            hint: "0 to 3: average, sum, min, max",
        }),
    }
}

fn transform(code: i64) -> Result<Transform, TreeError> {
    match code {
        0 => Ok(Transform::None),
        1 => Ok(Transform::Softmax),
        2 => Ok(Transform::Logistic),
        3 => Ok(Transform::SoftmaxZero),
        4 => Ok(Transform::Probit),
        other => Err(TreeError::Unsupported {
            what: "post_transform",
            found: other.to_string(),
            hint: "0 to 4: none, softmax, logistic, softmax-zero, probit",
        }),
    }
}
