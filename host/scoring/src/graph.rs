//! An ONNX graph that is ready to run: rows of features in, scores out.

use crate::lint::{Input, lint};
use crate::{GraphError, tree};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tract_onnx::Onnx;
use tract_onnx::tract_hir::internal::*;

/// Bytes of a file; 500 trees of depth 8 take 7 MB.
const MOST_BYTES: usize = 128 << 20;
/// Rows of one call of tract: what lies between two operators stays small.
const BATCH: usize = 1024;
/// Numbers that lie between two operators, for a batch.
const MOST_NUMBERS: i64 = 1 << 25;

/// What one output says of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The output's name in the file.
    pub name: String,
    /// Numbers a row.
    pub width: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

/// A graph that is ready to run.
#[derive(Clone)]
pub struct Graph {
    plan: Arc<TypedRunnableModel>,
    input: Input,
    /// The outputs that are numbers, with their places.
    outputs: Vec<(usize, String)>,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("input", &self.input).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

impl Graph {
    /// Reads an ONNX file and makes it ready.
    ///
    /// # Errors
    /// When it is damaged, asks for what does not run here, or for more memory than a model of ads needs.
    pub fn load(file: &[u8]) -> Result<Self, GraphError> {
        if file.len() > MOST_BYTES {
            return Err(GraphError::TooLarge { found: file.len(), most: MOST_BYTES });
        }
        let model = guarded(|| tract_onnx::onnx().proto_model_for_read(&mut &*file)).map_err(GraphError::Unreadable)?;
        let input = lint(&model)?;
        guarded(|| build(&model, &input)).map_err(GraphError::Build)
    }

    /// How many features a row has.
    #[must_use]
    pub fn features(&self) -> usize {
        self.input.features
    }

    /// The names of the outputs that are numbers.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|(_, name)| name.as_str())
    }

    /// The scores of rows, which lie one behind the other; NaN is a missing value.
    ///
    /// # Errors
    /// When the rows are not whole, or the graph fails on them.
    pub fn run(&self, rows: &[f32]) -> Result<Vec<Scores>, GraphError> {
        let features = self.input.features;
        if !rows.len().is_multiple_of(features) {
            let problem = format!("{} numbers are no whole rows of {features} features", rows.len());
            return Err(GraphError::Run(problem));
        }
        let mut scores: Vec<Scores> =
            self.outputs.iter().map(|(_, name)| Scores { name: name.clone(), width: 0, values: Vec::new() }).collect();
        for batch in rows.chunks(BATCH * features) {
            let answer = guarded(|| self.batch(batch)).map_err(GraphError::Run)?;
            for (scores, (width, values)) in scores.iter_mut().zip(answer) {
                scores.width = width;
                scores.values.extend(values);
            }
        }
        Ok(scores)
    }

    /// Width and numbers of each output.
    fn batch(&self, rows: &[f32]) -> TractResult<Vec<(usize, Vec<f32>)>> {
        let count = rows.len() / self.input.features;
        let mut tensor = Tensor::from_shape(&[count, self.input.features], rows)?;
        if self.input.double {
            tensor = tensor.cast_to::<f64>()?.into_owned();
        }
        let answer = self.plan.run(tvec!(tensor.into_tvalue()))?;
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for (place, name) in &self.outputs {
            let of_output = answer.get(*place).with_context(|| format!("output {name:?} is missing"))?;
            let values = of_output.cast_to::<f32>()?;
            let values = values.to_plain_array_view::<f32>()?;
            let rows = values.shape().first().copied().unwrap_or(0);
            if rows != count {
                bail!("output {name:?} has {rows} rows for {count}");
            }
            outputs.push((values.len() / count, values.iter().copied().collect()));
        }
        Ok(outputs)
    }
}

fn build(model: &tract_onnx::pb::ModelProto, input: &Input) -> TractResult<Graph> {
    let mut onnx: Onnx = tract_onnx::onnx().with_ignore_value_info(true);
    tree::op::register(&mut onnx);
    let mut graph = onnx.model_for_proto_model(model)?;
    let rows = graph.symbols.sym("rows");
    let of = if input.double { f64::datum_type() } else { f32::datum_type() };
    graph.set_input_fact(0, of.fact(dims!(rows, input.features)).into())?;
    let graph = graph.into_typed()?;
    for node in graph.nodes() {
        for output in &node.outputs {
            let symbols = SymbolValues::default().with(&rows, BATCH as i64);
            let numbers = output.fact.shape.volume().eval(&symbols).to_i64();
            if !numbers.is_ok_and(|n| n <= MOST_NUMBERS) {
                bail!("node {:?} makes more than {MOST_NUMBERS} numbers of {BATCH} rows", node.name);
            }
        }
    }
    let mut outputs = Vec::new();
    for (place, outlet) in graph.output_outlets()?.iter().enumerate() {
        let fact = graph.outlet_fact(*outlet)?;
        if fact.datum_type.is_float() {
            let name = graph.outlet_label(*outlet).unwrap_or(&graph.node(outlet.node).name);
            outputs.push((place, name.to_string()));
        }
    }
    if outputs.is_empty() {
        bail!("no output holds numbers");
    }
    Ok(Graph { plan: graph.into_optimized()?.into_runnable()?, input: input.clone(), outputs })
}

/// Runs what may panic within tract, and answers its failure as a text.
fn guarded<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(answer) => answer.map_err(|error| format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(format!("tract panicked: {text}"))
        }
    }
}
