//! A graph that makes no number of a row: in its golden rows it is refused, among an account's ads it says nothing
//! of any of them, and names the row.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean_scoring::{FORMAT, Graph, Model, Score, schema_of, sha256_of};
use prost::Message;
use serde_json::{Value, json};
use tract_onnx::pb::{ModelProto, NodeProto};

/// The trees of the corpus, and the square root of what they say: no number where they say less than nothing.
fn root_of_trees() -> Vec<u8> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/xgboost.onnx");
    let mut model = ModelProto::decode(std::fs::read(file).unwrap().as_slice()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let sums = graph.output[0].name.clone();
    graph.output[0].name = "root".into();
    let (input, output) = (vec![sums], vec!["root".into()]);
    graph.node.push(NodeProto { op_type: "Sqrt".into(), input, output, ..NodeProto::default() });
    model.encode_to_vec()
}

fn manifest(file: &[u8], rows: &[Vec<f32>], sums: &[Value]) -> Vec<u8> {
    let names: Vec<String> = (0..rows[0].len()).map(|i| format!("feature_{i}")).collect();
    let plain = |v: &f32| if v.is_nan() { Value::Null } else { json!(v) };
    let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(plain).collect()).collect();
    let feature = |name: &String| {
        json!({"name": name, "unit": "ratio", "dtype": "f32", "missing": "nan", "min": null, "max": null, "known": 1.0,
            "quantiles": []})
    };
    let manifest = json!({
        "format": FORMAT, "model": "root", "version": "1", "sha256": sha256_of(file), "opsets": {},
        "schema": schema_of(&names), "drift_quantiles": [], "doc": "a root",
        "features": names.iter().map(feature).collect::<Vec<_>>(),
        "outputs": [{"score": "root", "unit": "ratio", "doc": "a root", "kind": "probability", "sum": 0,
            "knots": [[0.0, 0.1], [9.0, 0.9]]}],
        "training": {"simulated": true, "accounts": 1, "from": "2026-01-01", "to": "2026-01-02", "split": "none",
            "rows": {}, "attribution_lag_days": 7, "producer": "a test"},
        "figures": {},
        "golden": {"tolerance": 1e-5, "rows": rows, "sums": sums},
    });
    serde_json::to_vec(&manifest).unwrap()
}

/// A row and its sum.
type Summed = (Vec<f32>, f32);

/// Rows with what the graph makes of them: those that get a number, and the others.
fn rows(file: &[u8]) -> (Vec<Summed>, Vec<Vec<f32>>) {
    let graph = Graph::load(file).unwrap();
    let value =
        |i: usize| if i.is_multiple_of(7) { f32::NAN } else { ((i * 2_654_435_761) % 1_000) as f32 / 250.0 - 2.0 };
    let rows: Vec<f32> = (0..200 * graph.features()).map(value).collect();
    let sums = graph.run(&rows).unwrap().pop().unwrap().values;
    let rows = rows.chunks(graph.features()).map(<[f32]>::to_vec).zip(sums);
    let (known, not): (Vec<_>, Vec<_>) = rows.partition(|(_, sum)| sum.is_finite());
    (known, not.into_iter().map(|(row, _)| row).collect())
}

fn columns(rows: &[Vec<f32>]) -> Vec<(String, Vec<f64>)> {
    let column = |i: usize| (format!("feature_{i}"), rows.iter().map(|row| f64::from(row[i])).collect());
    (0..rows[0].len()).map(column).collect()
}

fn scores(model: &Model, rows: &[Vec<f32>]) -> Result<Vec<Score>, String> {
    let columns = columns(rows);
    let columns: Vec<(&str, &[f64])> =
        columns.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect();
    model.score(&columns).map_err(|error| error.to_string())
}

#[test]
fn what_is_no_number_is_refused_in_golden_rows_and_among_ads() {
    let file = root_of_trees();
    let (known, not) = rows(&file);
    assert!(known.len() > 20 && !not.is_empty(), "{} rows get a number, {} none", known.len(), not.len());
    let (golden, sums): (Vec<Vec<f32>>, Vec<Value>) =
        known.iter().take(16).map(|(row, sum)| (row.clone(), json!([sum]))).unzip();

    // Golden rows hold it back, whether they say so or claim a number.
    let (mut odd, mut none) = (golden.clone(), sums.clone());
    odd[3] = not[0].clone();
    none[3] = json!([null]);
    let said = Model::load(&file, &manifest(&file, &odd, &none)).unwrap_err().to_string();
    assert!(said.contains("invalid type: null, expected f64"), "{said}");
    let said = Model::load(&file, &manifest(&file, &odd, &sums)).unwrap_err().to_string();
    assert!(said.starts_with("golden row 3 gets NaN as sum 0, in training it got"), "{said}");

    // Golden rows that get numbers do not make it a model that can be trusted with every ad.
    let model = Model::load(&file, &manifest(&file, &golden, &sums)).unwrap();
    let ads: Vec<Vec<f32>> = known.iter().skip(16).map(|(row, _)| row.clone()).collect();
    let Score::Chance(chances) = &scores(&model, &ads).unwrap()[0] else { panic!("a chance") };
    assert!(chances.iter().all(|chance| (0.1..=0.9).contains(chance)));
    let mut ads = ads;
    ads.insert(2, not[0].clone());
    let said = scores(&model, &ads).unwrap_err();
    assert!(said.starts_with("row 2 gets NaN as sum 0, which is no number"), "{said}");
}
