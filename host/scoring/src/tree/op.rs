//! The tree operators as tract runs them, in place of its own.

use super::layout::Ensemble;
use super::read::{self, Classes, Labels, Spec};
use super::scalar::Scalar;
use super::transform::{Aggregate, Transform, logistic};
use std::sync::Arc;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

/// Makes tract know the tree operators.
pub(crate) fn register(onnx: &mut tract_onnx::Onnx) {
    onnx.op_register.insert("TreeEnsembleRegressor", |_: &ParsingContext<'_>, node| build(node, read::regressor));
    onnx.op_register.insert("TreeEnsembleClassifier", |_: &ParsingContext<'_>, node| build(node, read::classifier));
    onnx.op_register.insert("TreeEnsemble", |_: &ParsingContext<'_>, node| build(node, super::ensemble::ensemble));
}

type Reader = fn(&NodeProto) -> Result<Spec, super::TreeError>;

fn build(node: &NodeProto, read: Reader) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(Trees(Arc::new(read(node)?))), vec![]))
}

/// An operator as the file has it, before the width of its input is known.
#[derive(Clone, Debug)]
struct Trees(Arc<Spec>);

/// An operator that is ready to run.
#[derive(Clone, Debug)]
struct Evaluate(Arc<Ready>);

macro_rules! same_when_shared {
    ($t:ty) => {
        impl PartialEq for $t {
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0)
            }
        }
        impl Eq for $t {}
    };
}
same_when_shared!(Trees);
same_when_shared!(Evaluate);

#[derive(Debug)]
struct Ready {
    kernel: Kernel,
    aggregate: Aggregate,
    transform: Transform,
    classes: Option<Classes>,
    /// Columns of the scores.
    columns: usize,
    /// The type of the scores, which only the newest operator has from its input.
    scores: DatumType,
}

/// Features and thresholds are compared as they come: doubles as soon as either is.
#[derive(Debug)]
enum Kernel {
    Single(Ensemble<f32>, Vec<f32>),
    Double(Ensemble<f64>, Vec<f64>),
}

impl Spec {
    fn columns(&self) -> usize {
        let one_of_two = self.classes.as_ref().is_some_and(|c| c.one_of_two);
        if one_of_two { 2 } else { self.forest.targets }
    }

    /// What each target begins with.
    fn base(&self, targets: usize) -> Vec<f64> {
        if self.base.is_empty() { vec![0.0; targets] } else { self.base.clone() }
    }
}

impl Expansion for Trees {
    fn name(&self) -> StaticName {
        "DeanTrees".into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(if self.0.classes.is_some() { 2 } else { 1 })
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, self.nboutputs()?)?;
        s.equals(&inputs[0].rank, 2)?;
        if let Some(classes) = &self.0.classes {
            let labels = match classes.labels {
                Labels::Numbers(_) => i64::datum_type(),
                Labels::Texts(_) => String::datum_type(),
            };
            s.equals(&outputs[0].datum_type, labels)?;
            s.equals(&outputs[0].rank, 1)?;
            s.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        }
        let scores = &outputs[outputs.len() - 1];
        if self.0.keeps_type {
            s.equals(&scores.datum_type, &inputs[0].datum_type)?;
        } else {
            s.equals(&scores.datum_type, f32::datum_type())?;
        }
        s.equals(&scores.rank, 2)?;
        s.equals(&scores.shape[0], &inputs[0].shape[0])?;
        s.equals(&scores.shape[1], self.0.columns().to_dim())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let spec = &self.0;
        let fact = model.outlet_fact(inputs[0])?;
        let features = fact.shape[1].to_usize().context("the number of features has to be fixed")?;
        let kernel = if spec.double || ![f32::datum_type(), f16::datum_type()].contains(&fact.datum_type) {
            let ensemble = Ensemble::new(&spec.forest, features)?;
            let base = spec.base(ensemble.targets());
            Kernel::Double(ensemble, base)
        } else {
            let ensemble = Ensemble::new(&spec.forest, features)?;
            let base = spec.base(ensemble.targets());
            Kernel::Single(ensemble, base.into_iter().map(|b| b as f32).collect())
        };
        let scores = if spec.keeps_type { fact.datum_type } else { f32::datum_type() };
        let ready = Ready {
            kernel,
            aggregate: spec.aggregate,
            transform: spec.transform,
            classes: spec.classes.clone(),
            columns: spec.columns(),
            scores,
        };
        model.wire_node(prefix, Evaluate(Arc::new(ready)), inputs)
    }
}

impl Op for Evaluate {
    fn name(&self) -> StaticName {
        "DeanTrees".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Evaluate {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let ready = &self.0;
        let raw = match &ready.kernel {
            Kernel::Single(ensemble, base) => ready.raw(ensemble, base, &input)?,
            Kernel::Double(ensemble, base) => ready.raw(ensemble, base, &input)?,
        };
        let mut outputs = tvec!();
        let rows = input.shape()[0];
        let scores = match &ready.classes {
            Some(classes) => {
                let (labels, scores) = classify(classes, ready.transform, raw, ready.columns);
                outputs.push(labels.into_tvalue());
                scores
            }
            None => {
                let mut scores = raw;
                scores.chunks_exact_mut(ready.columns.max(1)).for_each(|row| ready.transform.apply(row));
                scores
            }
        };
        let scores = Tensor::from_shape(&[rows, ready.columns], &scores)?;
        outputs.push(scores.cast_to_dt(ready.scores)?.into_owned().into_tvalue());
        Ok(outputs)
    }
}

impl TypedOp for Evaluate {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = inputs[0].shape[0].clone();
        let scores = self.0.scores.fact(&[rows.clone(), self.0.columns.into()]);
        Ok(match self.0.classes.as_ref().map(|c| &c.labels) {
            None => tvec!(scores),
            Some(Labels::Numbers(_)) => tvec!(i64::fact(&[rows]), scores),
            Some(Labels::Texts(_)) => tvec!(String::fact(&[rows]), scores),
        })
    }

    as_op!();
}

impl Ready {
    fn raw<T: Scalar + Datum>(&self, ensemble: &Ensemble<T>, base: &[T], input: &Tensor) -> TractResult<Vec<f32>> {
        let rows = input.cast_to::<T>()?;
        let rows = rows.try_as_plain_ram()?.as_slice::<T>()?;
        let count = input.shape()[0];
        let mut scores = vec![T::default(); count * ensemble.targets()];
        ensemble.evaluate(rows, self.aggregate, base, &mut scores);
        Ok(scores.into_iter().map(|score| score.wide() as f32).collect())
    }
}

/// Labels and scores of rows, as onnxruntime makes them.
fn classify(classes: &Classes, transform: Transform, raw: Vec<f32>, columns: usize) -> (Tensor, Vec<f32>) {
    let mut scores = Vec::with_capacity(raw.len() * 2);
    let winners: Vec<usize> = if classes.one_of_two {
        // Weights that are all positive are probabilities of the second class; others are margins.
        let edge = if classes.all_positive { 0.5 } else { 0.0 };
        for score in &raw {
            scores.extend(match (transform, classes.all_positive) {
                (Transform::Logistic, _) => [logistic(-score), logistic(*score)],
                (_, true) => [1.0 - score, *score],
                (_, false) => [-score, *score],
            });
        }
        raw.iter().map(|score| usize::from(*score > edge)).collect()
    } else {
        let rows = raw.chunks_exact(columns.max(1));
        let winner = |row: &[f32]| (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        let winners = rows.map(winner).collect();
        scores.extend(&raw);
        scores.chunks_exact_mut(columns.max(1)).for_each(|row| transform.apply(row));
        winners
    };
    let labels = match &classes.labels {
        Labels::Numbers(labels) => tensor1(&winners.iter().map(|w| labels[*w]).collect::<Vec<_>>()),
        Labels::Texts(labels) => tensor1(&winners.iter().map(|w| labels[*w].clone()).collect::<Vec<_>>()),
    };
    (labels, scores)
}
