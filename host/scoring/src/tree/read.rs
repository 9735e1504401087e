//! Reads the tree operators of ONNX: `TreeEnsembleRegressor` and `TreeEnsembleClassifier` of
//! ai.onnx.ml 1 to 4, and the `TreeEnsemble` of 5 that replaced them.

use super::forest::{Forest, Mode, Node, TreeError};
use super::transform::{Aggregate, Transform};
use std::collections::BTreeMap;
use std::ops::Range;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

/// What a tree operator says.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub forest: Forest,
    pub aggregate: Aggregate,
    pub transform: Transform,
    /// What each target begins with; empty for zero.
    pub base: Vec<f64>,
    /// Whether thresholds and weights are doubles.
    pub double: bool,
    /// Whether scores have the type of the input; otherwise they are floats.
    pub keeps_type: bool,
    /// Of a classifier.
    pub classes: Option<Classes>,
}

/// What a classifier says beyond its trees.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Classes {
    pub labels: Labels,
    /// Two classes, of which only one has scores: the other's follow from them.
    pub one_of_two: bool,
    /// No weight is negative: scores are taken for probabilities.
    pub all_positive: bool,
}

/// The names of classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    Numbers(Vec<i64>),
    Texts(Vec<String>),
}

impl Labels {
    pub(super) fn len(&self) -> usize {
        match self {
            Labels::Numbers(list) => list.len(),
            Labels::Texts(list) => list.len(),
        }
    }
}

/// The attributes of one node by name.
pub(super) struct Attributes<'a>(pub &'a NodeProto);

impl<'a> Attributes<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|a| a.name == name)
    }

    pub(super) fn ints(&self, name: &'static str) -> Result<&'a [i64], TreeError> {
        Ok(&self.get(name).ok_or(TreeError::Missing(name))?.ints)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|a| String::from_utf8_lossy(&a.s).into_owned())
    }

    pub(super) fn tensor(&self, name: &'static str) -> Result<Option<Numbers>, TreeError> {
        self.get(name).and_then(|a| a.t.as_ref()).map(|t| Numbers::of(t, name)).transpose()
    }

    pub(super) fn bytes(&self, name: &'static str) -> Result<Vec<u8>, TreeError> {
        let tensor = self.get(name).and_then(|a| a.t.as_ref()).ok_or(TreeError::Missing(name))?;
        if tensor.data_type != DataType::Uint8 as i32 {
            let found = format!("a tensor of type {}", tensor.data_type);
            return Err(TreeError::Unsupported { what: name, found, hint: "a tensor of bytes" });
        }
        if !tensor.raw_data.is_empty() {
            return Ok(tensor.raw_data.to_vec());
        }
        let wrong = |_| TreeError::Unsupported { what: name, found: "no byte".into(), hint: "a tensor of bytes" };
        tensor.int32_data.iter().map(|byte| u8::try_from(*byte)).collect::<Result<_, _>>().map_err(wrong)
    }

    /// Numbers that are a list of floats or, by the name with `_as_tensor`, of doubles.
    fn numbers(&self, name: &'static str, as_tensor: &'static str) -> Result<Numbers, TreeError> {
        match self.tensor(as_tensor)? {
            Some(numbers) => Ok(numbers),
            None => {
                let floats = self.get(name).map(|a| a.floats.as_slice()).unwrap_or_default();
                Ok(Numbers { values: floats.iter().map(|f| f64::from(*f)).collect(), double: false })
            }
        }
    }
}

/// Numbers of either width.
pub(super) struct Numbers {
    pub values: Vec<f64>,
    pub double: bool,
}

impl Numbers {
    fn of(tensor: &TensorProto, name: &'static str) -> Result<Self, TreeError> {
        let raw = &tensor.raw_data;
        let wrong = |found: String| TreeError::Unsupported { what: name, found, hint: "a tensor of floats or doubles" };
        let values = match DataType::try_from(tensor.data_type) {
            Ok(DataType::Float) if raw.is_empty() => tensor.float_data.iter().map(|f| f64::from(*f)).collect(),
            Ok(DataType::Float) if raw.len().is_multiple_of(4) => {
                let four = raw.as_chunks::<4>().0.iter();
                four.map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
            }
            Ok(DataType::Double) if raw.is_empty() => tensor.double_data.clone(),
            Ok(DataType::Double) if raw.len().is_multiple_of(8) => {
                raw.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
            }
            Ok(other) => return Err(wrong(format!("{other:?} with {} bytes", raw.len()))),
            Err(_) => return Err(wrong(format!("of type {}", tensor.data_type))),
        };
        Ok(Numbers { values, double: tensor.data_type == DataType::Double as i32 })
    }
}

pub(super) fn length(list: &'static str, found: usize, expected: usize) -> Result<(), TreeError> {
    if found == expected { Ok(()) } else { Err(TreeError::Length { list, found, expected }) }
}

/// Reads `TreeEnsembleRegressor`.
pub(super) fn regressor(node: &NodeProto) -> Result<Spec, TreeError> {
    let attributes = Attributes(node);
    let targets = attributes.get("n_targets").ok_or(TreeError::Missing("n_targets"))?.i;
    let targets = usize::try_from(targets).map_err(|_| TreeError::Missing("n_targets"))?;
    let names = ["target_treeids", "target_nodeids", "target_ids", "target_weights", "target_weights_as_tensor"];
    let (forest, double) = forest(&attributes, names, targets)?;
    let base = attributes.numbers("base_values", "base_values_as_tensor")?.values;
    if !base.is_empty() {
        length("base_values", base.len(), targets)?;
    }
    Ok(Spec {
        forest,
        aggregate: aggregate(&attributes)?,
        transform: transform(&attributes)?,
        base,
        double,
        keeps_type: false,
        classes: None,
    })
}

/// Reads `TreeEnsembleClassifier`.
pub(super) fn classifier(node: &NodeProto) -> Result<Spec, TreeError> {
    let attributes = Attributes(node);
    let texts = attributes.get("classlabels_strings").map(|a| a.strings.as_slice()).unwrap_or_default();
    let labels = if texts.is_empty() {
        Labels::Numbers(attributes.ints("classlabels_int64s")?.to_vec())
    } else {
        Labels::Texts(texts.iter().map(|t| String::from_utf8_lossy(t).into_owned()).collect())
    };
    let names = ["class_treeids", "class_nodeids", "class_ids", "class_weights", "class_weights_as_tensor"];
    let (mut forest, double) = forest(&attributes, names, labels.len())?;
    let first = forest.weights.first().map(|(class, _)| *class);
    let one_of_two = labels.len() == 2 && forest.weights.iter().all(|(class, _)| Some(*class) == first);
    let mut base = attributes.numbers("base_values", "base_values_as_tensor")?.values;
    if one_of_two {
        forest.weights.iter_mut().for_each(|(class, _)| *class = 0);
        forest.targets = 1;
        if base.len() == 2 {
            base.remove(0);
        }
    } else if base.len() == 1 && labels.len() == 2 {
        // The format is silent on one value for two classes; onnxruntime gives it to the first.
        base.push(0.0);
    }
    if !base.is_empty() {
        length("base_values", base.len(), forest.targets)?;
    }
    let all_positive = forest.weights.iter().all(|(_, weight)| *weight >= 0.0);
    let classes = Some(Classes { labels, one_of_two, all_positive });
    Ok(Spec {
        forest,
        aggregate: Aggregate::Sum,
        transform: transform(&attributes)?,
        base,
        double,
        keeps_type: false,
        classes,
    })
}

fn aggregate(attributes: &Attributes<'_>) -> Result<Aggregate, TreeError> {
    match attributes.text("aggregate_function").as_deref() {
        None | Some("SUM") => Ok(Aggregate::Sum),
        Some("AVERAGE") => Ok(Aggregate::Average),
        Some("MIN") => Ok(Aggregate::Min),
        Some("MAX") => Ok(Aggregate::Max),
        Some(other) => Err(TreeError::Unsupported {
            what: "aggregate_function",
            found: other.into(),
            hint: "SUM, AVERAGE, MIN or MAX",
        }),
    }
}

fn transform(attributes: &Attributes<'_>) -> Result<Transform, TreeError> {
    match attributes.text("post_transform").as_deref() {
        None | Some("NONE") => Ok(Transform::None),
        Some("LOGISTIC") => Ok(Transform::Logistic),
        Some("SOFTMAX") => Ok(Transform::Softmax),
        Some("SOFTMAX_ZERO") => Ok(Transform::SoftmaxZero),
        Some("PROBIT") => Ok(Transform::Probit),
        Some(other) => Err(TreeError::Unsupported {
            what: "post_transform",
            found: other.into(),
            hint: "NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO or PROBIT",
        }),
    }
}

/// Where nodes stand by their tree's id and their own.
struct Positions<'a> {
    node_ids: &'a [i64],
    /// Positions of nodes, by tree and node id.
    order: Vec<usize>,
    /// Each tree's part of the order.
    trees: BTreeMap<i64, Range<usize>>,
}

impl<'a> Positions<'a> {
    fn new(tree_ids: &[i64], node_ids: &'a [i64]) -> Result<Self, TreeError> {
        let key = |i: &usize| (tree_ids[*i], node_ids[*i]);
        let mut order: Vec<usize> = (0..node_ids.len()).collect();
        order.sort_by_key(key);
        if let Some(pair) = order.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
            let (tree, node) = key(&pair[0]);
            return Err(TreeError::Twice { tree, node });
        }
        let mut trees: BTreeMap<i64, Range<usize>> = BTreeMap::new();
        for (at, position) in order.iter().enumerate() {
            trees.entry(tree_ids[*position]).or_insert(at..at).end = at + 1;
        }
        Ok(Positions { node_ids, order, trees })
    }

    fn find(&self, tree: i64, node: i64) -> Option<usize> {
        let of_tree = &self.order[self.trees.get(&tree)?.clone()];
        // Ids nearly always count from zero without a gap.
        let guess = usize::try_from(node).ok().and_then(|n| of_tree.get(n)).copied();
        guess.filter(|position| self.node_ids[*position] == node).or_else(|| {
            of_tree.binary_search_by_key(&node, |position| self.node_ids[*position]).ok().map(|at| of_tree[at])
        })
    }
}

/// Reads nodes and leaves; the names are those of the leaves' lists. True when numbers are doubles.
fn forest(attributes: &Attributes<'_>, names: [&'static str; 5], targets: usize) -> Result<(Forest, bool), TreeError> {
    let tree_ids = attributes.ints("nodes_treeids")?;
    let count = tree_ids.len();
    let ints = |name| attributes.ints(name).and_then(|list| length(name, list.len(), count).map(|()| list));
    let node_ids = ints("nodes_nodeids")?;
    let features = ints("nodes_featureids")?;
    let (yes, no) = (ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let modes = &attributes.get("nodes_modes").ok_or(TreeError::Missing("nodes_modes"))?.strings;
    length("nodes_modes", modes.len(), count)?;
    let thresholds = attributes.numbers("nodes_values", "nodes_values_as_tensor")?;
    length("nodes_values", thresholds.values.len(), count)?;
    let missing = attributes.get("nodes_missing_value_tracks_true").map(|a| a.ints.as_slice()).unwrap_or_default();
    if !missing.is_empty() {
        length("nodes_missing_value_tracks_true", missing.len(), count)?;
    }

    let positions = Positions::new(tree_ids, node_ids)?;
    let Weights { leaves, ordered: weights, double } = weights(attributes, names, &positions, count)?;
    let mut nodes = Vec::with_capacity(count);
    let mut is_child = vec![false; count];
    for i in 0..count {
        let Some(mode) = mode(&modes[i])? else {
            nodes.push(Node::Leaf(leaves[i].clone()));
            continue;
        };
        if !leaves[i].is_empty() {
            return Err(TreeError::NoLeaf { tree: tree_ids[i], node: node_ids[i] });
        }
        let mut child = |to: i64| {
            let found = positions.find(tree_ids[i], to);
            let found = found.ok_or(TreeError::NoNode { tree: tree_ids[i], node: node_ids[i], to })?;
            is_child[found] = true;
            Ok::<usize, TreeError>(found)
        };
        nodes.push(Node::Branch {
            feature: features[i],
            mode,
            threshold: thresholds.values[i],
            yes: child(yes[i])?,
            no: child(no[i])?,
            missing_yes: missing.get(i).is_some_and(|m| *m != 0),
        });
    }
    // A tree's root is the node that no other leads to; trees are added up in the order of the file.
    let roots = (0..count).filter(|i| !is_child[*i]).collect::<Vec<_>>();
    Ok((Forest { nodes, roots, weights, targets }, thresholds.double || double))
}

/// What the leaves add.
struct Weights {
    /// Each node's part of the list.
    leaves: Vec<Range<usize>>,
    /// Targets and weights, so ordered that those of one leaf lie together.
    ordered: Vec<(i64, f64)>,
    /// Whether they came as doubles.
    double: bool,
}

/// Reads what the leaves add.
fn weights(
    attributes: &Attributes<'_>,
    [tree_ids, node_ids, target_ids, weights, as_tensor]: [&'static str; 5],
    positions: &Positions<'_>,
    nodes: usize,
) -> Result<Weights, TreeError> {
    let (trees, ids, targets) = (attributes.ints(tree_ids)?, attributes.ints(node_ids)?, attributes.ints(target_ids)?);
    let values = attributes.numbers(weights, as_tensor)?;
    length(node_ids, ids.len(), trees.len())?;
    length(target_ids, targets.len(), trees.len())?;
    length(weights, values.values.len(), trees.len())?;
    let mut of_node = Vec::with_capacity(trees.len());
    for (i, (tree, node)) in trees.iter().zip(ids).enumerate() {
        let position = positions.find(*tree, *node).ok_or(TreeError::NoLeaf { tree: *tree, node: *node })?;
        of_node.push((position, i));
    }
    of_node.sort_by_key(|(position, _)| *position);
    let mut leaves = vec![0..0; nodes];
    let mut ordered = Vec::with_capacity(trees.len());
    for (position, i) in of_node {
        let leaf: &mut Range<usize> = &mut leaves[position];
        if Range::is_empty(leaf) {
            *leaf = ordered.len()..ordered.len();
        }
        ordered.push((targets[i], values.values[i]));
        leaf.end = ordered.len();
    }
    Ok(Weights { leaves, ordered, double: values.double })
}

/// The comparison of a node; `None` for a leaf.
fn mode(text: &[u8]) -> Result<Option<Mode>, TreeError> {
    Ok(Some(match text {
        b"LEAF" => return Ok(None),
        b"BRANCH_LEQ" => Mode::AtMost,
        b"BRANCH_LT" => Mode::Below,
        b"BRANCH_GTE" => Mode::AtLeast,
        b"BRANCH_GT" => Mode::Above,
        b"BRANCH_EQ" => Mode::Equal,
        b"BRANCH_NEQ" => Mode::Unequal,
        other => {
            return Err(TreeError::Unsupported {
                what: "a node's mode",
                found: String::from_utf8_lossy(other).into_owned(),
                hint: "export branches that compare with a threshold",
            });
        }
    }))
}
