//! What is looked at in an ONNX file before anything is built from it.
//!
//! A file is somebody's input: it can claim tensors that it does not hold, name operators that nobody has,
//! and ask for more memory than there is. tract trusts more than that, and can panic. So only operators
//! that are known to stay within bounds come through, tensors have to hold what they claim, and constants
//! that would be multiplied into giants are refused.

use crate::GraphError;
use std::collections::BTreeMap;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};

/// Nodes of a graph; the largest export that was met (an isolation forest) has ten a tree.
const MOST_NODES: usize = 10_000;
/// Numbers that nodes may make of constants alone.
const MOST_FOLDED: usize = 1 << 22;
/// Columns of the input.
const MOST_FEATURES: i64 = 100_000;

/// Operators that run here: they make nothing whose size depends on a value, and hold no graph of their own.
const OPERATORS: [&str; 78] = [
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "Cos",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Flatten",
    "Floor",
    "Gather",
    "Gelu",
    "Gemm",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "IsInf",
    "IsNaN",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "MatMul",
    "Max",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "PRelu",
    "Pow",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "TopK",
    "Transpose",
    "Unsqueeze",
    "Where",
    "Xor",
];
/// Operators of ai.onnx.ml that run here: ours, and those of tract's that are right.
const ML_OPERATORS: [&str; 6] = [
    "TreeEnsemble",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
    "LinearClassifier",
    "LinearRegressor",
    "Normalizer",
];

/// What to export in place of what does not run.
const INSTEAD: [(&str, &str); 12] = [
    ("ZipMap", "convert with zipmap=False, so that probabilities are a tensor"),
    ("Scaler", "leave scaling out (trees do not need it), or write it as Sub and Div"),
    ("Imputer", "leave it out: a missing value is NaN, and trees route it"),
    ("LabelEncoder", "export the scores alone; labels are put on after the model"),
    ("OneHotEncoder", "encode before the model: its features are numbers"),
    ("FeatureVectorizer", "export with one input of all features, [N, F] of floats"),
    ("SVMClassifier", "train trees or a small network instead"),
    ("SVMRegressor", "train trees or a small network instead"),
    ("ArrayFeatureExtractor", "use Gather on axis 1"),
    ("CastMap", "export with one input of all features, [N, F] of floats"),
    ("If", "export a graph without branches: Where chooses between values"),
    ("Loop", "export a graph without loops: unroll it"),
];

/// The input of a graph: its name, width and whether it is of doubles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub features: usize,
    pub double: bool,
}

/// Looks at a file and says what its input is.
pub(crate) fn lint(model: &ModelProto) -> Result<Input, GraphError> {
    let graph = model.graph.as_ref().ok_or_else(|| GraphError::Unreadable("it holds no graph".into()))?;
    versions(model)?;
    if !model.functions.is_empty() || !graph.sparse_initializer.is_empty() {
        let what = "functions or sparse tensors of its own".into();
        return Err(GraphError::Shape { what, instead: "export a plain graph" });
    }
    if graph.node.len() > MOST_NODES {
        let what = format!("{} nodes, and at most {MOST_NODES} are run", graph.node.len());
        return Err(GraphError::Shape { what, instead: "export fewer" });
    }
    if graph.output.is_empty() {
        return Err(GraphError::Shape { what: "no output".into(), instead: "export the scores as an output" });
    }
    let mut constants: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for tensor in &graph.initializer {
        constants.insert(&tensor.name, Some(size(tensor)?));
    }
    let input = input(graph)?;
    for value in &graph.input {
        constants.entry(&value.name).or_insert(None);
    }
    for node in &graph.node {
        operator(node)?;
        let folded = folded(node, &constants)?;
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            if constants.insert(output, folded).is_some() {
                return Err(GraphError::Unreadable(format!("two nodes make {output:?}")));
            }
        }
    }
    match graph.output.iter().find(|o| !constants.contains_key(o.name.as_str())) {
        Some(output) => Err(GraphError::Unreadable(format!("no node makes the output {:?}", output.name))),
        None => Ok(input),
    }
}

fn versions(model: &ModelProto) -> Result<(), GraphError> {
    for import in &model.opset_import {
        let (name, known) = match import.domain.as_str() {
            "" | "ai.onnx" => ("ai.onnx", 7..=24),
            "ai.onnx.ml" => ("ai.onnx.ml", 1..=5),
            // Its operators, if any are used, are refused by name.
            _ => continue,
        };
        if !known.contains(&import.version) {
            let what =
                format!("operator set {} of {name}; known are {} to {}", import.version, known.start(), known.end());
            return Err(GraphError::Shape { what, instead: "export with target_opset={'': 18, 'ai.onnx.ml': 3}" });
        }
    }
    if model.opset_import.is_empty() {
        let what = "no operator set is named".into();
        return Err(GraphError::Shape { what, instead: "export with target_opset={'': 18, 'ai.onnx.ml': 3}" });
    }
    Ok(())
}

/// The one input `[N, F]`: rows may be many, features are fixed.
fn input(graph: &GraphProto) -> Result<Input, GraphError> {
    const INSTEAD: &str = "export with one input of floats [None, number of features]";
    let wrong = |what: String| GraphError::Shape { what, instead: INSTEAD };
    let is_open = |value: &&ValueInfoProto| !graph.initializer.iter().any(|tensor| tensor.name == value.name);
    let inputs: Vec<_> = graph.input.iter().filter(is_open).collect();
    let [input] = inputs.as_slice() else {
        return Err(wrong(format!("{} inputs", inputs.len())));
    };
    let of_tensor = input.r#type.as_ref().and_then(|t| t.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = of_tensor else {
        return Err(wrong(format!("input {:?} is no tensor", input.name)));
    };
    let double = match DataType::try_from(tensor.elem_type) {
        Ok(DataType::Float) => false,
        Ok(DataType::Double) => true,
        other => return Err(wrong(format!("input {:?} is of {other:?}", input.name))),
    };
    let dims = tensor.shape.as_ref().map(|s| s.dim.as_slice()).unwrap_or_default();
    let [rows, features] = dims else {
        return Err(wrong(format!("input {:?} has {} dimensions", input.name, dims.len())));
    };
    if let Some(dimension::Value::DimValue(rows @ 1..)) = rows.value {
        return Err(wrong(format!("input {:?} takes exactly {rows} rows", input.name)));
    }
    match features.value {
        Some(dimension::Value::DimValue(f @ 1..=MOST_FEATURES)) => Ok(Input { features: f as usize, double }),
        _ => Err(wrong(format!("input {:?} has no fixed number of features", input.name))),
    }
}

fn named(node: &NodeProto) -> String {
    let output = node.output.first().cloned().unwrap_or_default();
    if node.name.is_empty() { output } else { node.name.clone() }
}

fn operator(node: &NodeProto) -> Result<(), GraphError> {
    let operator = node.op_type.as_str();
    let known = match node.domain.as_str() {
        "" | "ai.onnx" => OPERATORS.contains(&operator),
        "ai.onnx.ml" => ML_OPERATORS.contains(&operator),
        _ => false,
    };
    let has_graph = node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
    if known && !has_graph {
        return node.attribute.iter().filter_map(|a| a.t.as_ref()).try_for_each(|tensor| size(tensor).map(|_| ()));
    }
    let instead = INSTEAD.iter().find(|(name, _)| *name == operator).map_or_else(
        || "export trees, or a network of plain arithmetic, matrix products and activations".to_string(),
        |(_, instead)| (*instead).to_string(),
    );
    let domain = if node.domain.is_empty() { String::new() } else { format!("{}.", node.domain) };
    Err(GraphError::Operator { node: named(node), operator: format!("{domain}{operator}"), instead })
}

/// How many numbers a node makes at most of constants alone; `None` when it depends on the input.
fn folded(node: &NodeProto, constants: &BTreeMap<&str, Option<usize>>) -> Result<Option<usize>, GraphError> {
    let mut sizes = Vec::new();
    for name in node.input.iter().filter(|i| !i.is_empty()) {
        match constants.get(name.as_str()) {
            None => {
                let problem = format!("node {:?} reads {name:?}, which no node before it makes", named(node));
                return Err(GraphError::Unreadable(problem));
            }
            Some(None) => return Ok(None),
            Some(Some(size)) => sizes.push(*size),
        }
    }
    if node.op_type == "Constant" {
        return Ok(Some(node.attribute.iter().map(constant_size).max().unwrap_or(0)));
    }
    // Broadcasting and matrix products make at most the product, concatenation at most the sum.
    let product = sizes.iter().try_fold(1usize, |all, size| all.checked_mul((*size).max(1)));
    let most = product.unwrap_or(usize::MAX).max(sizes.iter().sum());
    if most > MOST_FOLDED {
        let what = format!("node {:?} may make {most} numbers of constants", named(node));
        return Err(GraphError::Shape { what, instead: "export what it makes, not how" });
    }
    Ok(Some(most))
}

fn constant_size(attribute: &tract_onnx::pb::AttributeProto) -> usize {
    let of_tensor = attribute.t.as_ref().map_or(1, |t| size(t).unwrap_or(0));
    of_tensor.max(attribute.floats.len()).max(attribute.ints.len()).max(attribute.strings.len())
}

/// How many numbers a tensor holds, which has to be how many it claims.
fn size(tensor: &TensorProto) -> Result<usize, GraphError> {
    let wrong = |problem: String| GraphError::Tensor { name: tensor.name.clone(), problem };
    if !tensor.external_data.is_empty() || tensor.data_location == Some(1) {
        return Err(wrong("its data lie in another file: save the model with its data inside".into()));
    }
    let claimed = tensor.dims.iter().try_fold(1u64, |all, dim| all.checked_mul(u64::try_from(*dim).ok()?));
    let (bytes, typed) = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => (4, tensor.float_data.len()),
        Ok(DataType::Double) => (8, tensor.double_data.len()),
        Ok(DataType::Int64) => (8, tensor.int64_data.len()),
        Ok(DataType::Int32) => (4, tensor.int32_data.len()),
        Ok(DataType::Uint8 | DataType::Int8 | DataType::Bool) => (1, tensor.int32_data.len()),
        Ok(DataType::String) => (usize::MAX, tensor.string_data.len()),
        Ok(other) => return Err(wrong(format!("it holds {other:?}; floats, doubles, integers and texts are read"))),
        Err(_) => return Err(wrong(format!("its type {} is not known", tensor.data_type))),
    };
    let held = if tensor.raw_data.is_empty() {
        typed
    } else if tensor.raw_data.len().is_multiple_of(bytes) {
        tensor.raw_data.len() / bytes
    } else {
        return Err(wrong(format!("it has {} bytes, which are no whole numbers", tensor.raw_data.len())));
    };
    if claimed == Some(held as u64) {
        Ok(held)
    } else {
        Err(wrong(format!("it claims {:?} and holds {held} numbers: the file is damaged", tensor.dims)))
    }
}
