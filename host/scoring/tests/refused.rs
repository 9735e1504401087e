//! Files that nobody should trust: each is refused by a name that says what is wrong and what to do, without
//! a crash and without taking memory. `corpus/` holds small models of every kind that runs.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_scoring::Graph;
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use prost::Message;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto, attribute_proto::AttributeType, tensor_shape_proto};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
/// What a small file may take while it is read and run.
const MOST_MB: f32 = 300.0;
/// Peaks are those of the process: tests that look at them take turns.
static ALONE: Mutex<()> = Mutex::new(());

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "the corpus is not there");
    let named = |file: PathBuf| (file.file_stem().unwrap().to_str().unwrap().to_string(), std::fs::read(file).unwrap());
    files.into_iter().map(named).collect()
}

fn named(name: &str) -> ModelProto {
    let (_, file) = corpus().into_iter().find(|(found, _)| found == name).unwrap();
    ModelProto::decode(file.as_slice()).unwrap()
}

/// Loads a file and, when it loads, runs it over rows with everything that a float can be.
fn try_out(file: &[u8]) -> Result<usize, String> {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage_as_mb();
    let outcome = Graph::load(file).map_err(|error| error.to_string()).and_then(|graph| {
        let values = [0.0, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30, f32::MIN_POSITIVE];
        let rows: Vec<f32> = values.iter().copied().cycle().take(graph.features() * 9).collect();
        let scores = graph.run(&rows).map_err(|error| error.to_string())?;
        assert!(scores.iter().all(|s| s.values.len() == 9 * s.width), "scores are not whole");
        Ok(scores.len())
    });
    let taken = MEMORY.peak_usage_as_mb() - before;
    assert!(taken < MOST_MB, "took {taken} MB: {outcome:?}");
    outcome
}

#[test]
fn every_model_of_the_corpus_runs() {
    let _alone = ALONE.lock();
    for (name, file) in corpus() {
        assert!(try_out(&file).is_ok_and(|outputs| outputs > 0), "{name}: {:?}", try_out(&file));
    }
}

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

/// Replaces one attribute of the first node that has it.
fn attribute(model: &mut ModelProto, name: &str, change: impl Fn(&mut tract_onnx::pb::AttributeProto)) {
    let nodes = graph(model).node.iter_mut();
    change(nodes.flat_map(|node| &mut node.attribute).find(|a| a.name == name).unwrap());
}

type Change = fn(&mut ModelProto);

/// Model, what is done to it, what has to be said of it.
const REFUSED: [(&str, Change, &str); 17] = [
    ("xgboost", |m| m.graph = None, "it holds no graph"),
    ("xgboost", |m| m.opset_import.clear(), "no operator set is named: export with target_opset"),
    ("xgboost", |m| m.opset_import[0].version = 99, "operator set 99 of ai.onnx"),
    (
        "xgboost",
        |m| graph(m).node[0].domain = "com.microsoft".into(),
        "com.microsoft.TreeEnsembleRegressor, which does not",
    ),
    ("xgboost", |m| graph(m).node[0].op_type = "ZipMap".into(), "convert with zipmap=False"),
    ("network", |m| graph(m).node[0].op_type = "Loop".into(), "export a graph without loops"),
    ("network", |m| graph(m).node[0].op_type = "RandomNormal".into(), "RandomNormal, which does not run here"),
    ("network", |m| graph(m).initializer[0].dims = vec![1 << 20, 1 << 20, 10], "it claims [1048576, 1048576, 10]"),
    ("network", |m| graph(m).initializer[0].dims = vec![-1], "it claims [-1]"),
    ("network", |m| graph(m).initializer[0].data_location = Some(1), "save the model with its data inside"),
    ("xgboost", |m| rows_of_input(m, Some(3)), "takes exactly 3 rows: export with one input"),
    ("xgboost", |m| features_of_input(m, 2), "a node compares feature"),
    ("xgboost", |m| features_of_input(m, i64::MAX), "has no fixed number of features"),
    ("xgboost", |m| graph(m).output.clear(), "no output: export the scores"),
    ("xgboost", |m| attribute(m, "nodes_truenodeids", |a| a.ints[0] = 0), "are no tree"),
    ("xgboost", |m| attribute(m, "nodes_falsenodeids", |a| a.ints[0] = 900), "leads to node 900, which is not there"),
    ("xgboost", |m| attribute(m, "n_targets", |a| a.i = 1 << 40), "base_values has 1 entries, and 1099511627776"),
];

fn shape(model: &mut ModelProto) -> &mut Vec<tensor_shape_proto::Dimension> {
    let of_input = graph(model).input[0].r#type.as_mut().unwrap().value.as_mut().unwrap();
    match of_input {
        tract_onnx::pb::type_proto::Value::TensorType(tensor) => &mut tensor.shape.as_mut().unwrap().dim,
    }
}

fn rows_of_input(model: &mut ModelProto, rows: Option<i64>) {
    shape(model)[0].value = rows.map(tensor_shape_proto::dimension::Value::DimValue);
}

fn features_of_input(model: &mut ModelProto, features: i64) {
    shape(model)[1].value = Some(tensor_shape_proto::dimension::Value::DimValue(features));
}

#[test]
fn what_does_not_run_is_refused_by_name() {
    let _alone = ALONE.lock();
    for (name, change, expected) in REFUSED {
        let mut model = named(name);
        change(&mut model);
        let said = try_out(&model.encode_to_vec()).expect_err(expected);
        assert!(said.contains(expected), "{name}: expected {expected:?}, was told {said:?}");
    }
}

#[test]
fn a_file_cut_short_is_refused_or_whole() {
    let _alone = ALONE.lock();
    for (name, file) in corpus() {
        let mut refused = 0;
        for length in 0..file.len() {
            refused += usize::from(try_out(&file[..length]).is_err());
        }
        assert!(refused as f64 > 0.97 * file.len() as f64, "{name}: {refused} of {} were refused", file.len());
    }
}

#[test]
fn constants_that_would_become_giants_are_refused() {
    let _alone = ALONE.lock();
    let mut model = named("network");
    let ones = |name: &str, dims: [i64; 2]| TensorProto {
        name: name.into(),
        dims: dims.into(),
        data_type: 1,
        float_data: vec![1.0; 40_000],
        ..TensorProto::default()
    };
    graph(&mut model).initializer.extend([ones("tall", [40_000, 1]), ones("wide", [1, 40_000])]);
    let mut node = graph(&mut model).node[0].clone();
    (node.op_type, node.domain, node.name) = ("MatMul".into(), String::new(), "giant".into());
    node.attribute.clear();
    (node.input, node.output) = (vec!["tall".into(), "wide".into()], vec!["giant".into()]);
    graph(&mut model).node.insert(0, node);
    let said = try_out(&model.encode_to_vec()).unwrap_err();
    assert!(said.contains("\"giant\" may make 1600000000 numbers of constants"), "{said}");
}

/// One change of the bytes of a file.
#[derive(Clone, Debug)]
enum Blow {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    /// A number of nine bytes where something else was.
    Giant(prop::sample::Index),
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        6 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Blow::Set(at, byte)),
        1 => (any::<prop::sample::Index>(), 1usize..40).prop_map(|(at, count)| Blow::Cut(at, count)),
        1 => (any::<prop::sample::Index>(), 1usize..40).prop_map(|(at, count)| Blow::Repeat(at, count)),
        1 => any::<prop::sample::Index>().prop_map(Blow::Giant),
    ]
}

fn struck(mut file: Vec<u8>, blows: &[Blow]) -> Vec<u8> {
    for blow in blows {
        if file.is_empty() {
            break;
        }
        match blow {
            Blow::Set(at, byte) => {
                let at = at.index(file.len());
                file[at] = *byte;
            }
            Blow::Cut(at, count) => {
                let at = at.index(file.len());
                file.drain(at..(at + count).min(file.len()));
            }
            Blow::Repeat(at, count) => {
                let at = at.index(file.len());
                let again = file[at..(at + count).min(file.len())].to_vec();
                file.splice(at..at, again);
            }
            Blow::Giant(at) => {
                let at = at.index(file.len());
                let to = (at + 9).min(file.len());
                file.splice(at..to, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
            }
        }
    }
    file
}

/// A number that a list of positions, sizes or kinds should not hold.
fn odd_number() -> impl Strategy<Value = i64> {
    prop_oneof![
        -2i64..20,
        prop::sample::select(vec![i64::MIN, i64::MAX, i64::from(i32::MAX), i64::from(u32::MAX), 1 << 40, 1 << 62]),
    ]
}

fn odd_float() -> impl Strategy<Value = f32> {
    prop::sample::select(vec![0.0, -0.0, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN])
}

/// One number of a model put in the place of another: where among all numbers, and what.
type Swap = (prop::sample::Index, i64, f32);

/// Changes what the file says and leaves it a file.
fn swapped(file: &[u8], swaps: &[Swap]) -> Vec<u8> {
    let mut model = ModelProto::decode(file).unwrap();
    for (at, number, float) in swaps {
        let graph = model.graph.as_mut().unwrap();
        let mut ints: Vec<&mut i64> = Vec::new();
        let mut floats: Vec<&mut f32> = Vec::new();
        for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
            ints.extend(&mut attribute.ints);
            floats.extend(&mut attribute.floats);
            if attribute.r#type == AttributeType::Int as i32 {
                ints.push(&mut attribute.i);
            }
            if let Some(tensor) = &mut attribute.t {
                ints.extend(&mut tensor.dims);
                ints.extend(&mut tensor.int64_data);
            }
        }
        for tensor in &mut graph.initializer {
            ints.extend(&mut tensor.dims);
            ints.extend(&mut tensor.int64_data);
            floats.extend(&mut tensor.float_data);
        }
        let at = at.index((ints.len() + floats.len()).max(1));
        if at < ints.len() {
            *ints[at] = *number;
        } else if let Some(value) = floats.get_mut(at - ints.len()) {
            **value = *float;
        }
    }
    model.encode_to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn bytes_that_were_changed_neither_crash_nor_take_memory(
        which in any::<prop::sample::Index>(),
        blows in prop::collection::vec(blow(), 1..6),
    ) {
        let _alone = ALONE.lock();
        let files = corpus();
        let (_, file) = &files[which.index(files.len())];
        drop(try_out(&struck(file.clone(), &blows)));
    }

    #[test]
    fn numbers_that_were_changed_neither_crash_nor_take_memory(
        which in any::<prop::sample::Index>(),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), odd_number(), odd_float()), 1..4),
    ) {
        let _alone = ALONE.lock();
        let files = corpus();
        let (_, file) = &files[which.index(files.len())];
        drop(try_out(&swapped(file, &swaps)));
    }
}
