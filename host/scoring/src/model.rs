//! A model: a graph and its manifest, checked against each other, that turns columns into scores.

use crate::manifest::{FORMAT, Feature, Kind, Manifest, Transform, schema_of, sha256_of};
use crate::{Graph, GraphError};
use thiserror::Error;

/// Golden rows that a manifest holds at least.
const LEAST_GOLDEN: usize = 8;
/// Knots of a calibration.
const MOST_KNOTS: usize = 32;
/// A purchase for less than a thousandth of the scale is none: its cost is not known.
const LEAST_RATE: f64 = 1e-3;
/// Bytes of a manifest.
const MOST_MANIFEST: usize = 4 << 20;

/// Why a model is left out.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The manifest cannot be read.
    #[error("the manifest cannot be read: {0}\n  hint: write it with models/train")]
    Manifest(String),
    /// A manifest of another form.
    #[error("the manifest has format {found}; this program reads {FORMAT}\n  hint: train or export the model again")]
    Format {
        /// The form it says.
        found: u32,
    },
    /// The manifest belongs to another file.
    #[error(
        "the manifest is of another file: it names sha256 {named}, the file has {found}\n  hint: keep the two files of one training together"
    )]
    OtherFile {
        /// What the manifest names.
        named: String,
        /// What the file has.
        found: String,
    },
    /// The names are not those that the schema was made of.
    #[error(
        "the features are not those that the model was trained on: their schema is {found}, the manifest says {named}\n  hint: do not edit manifests; train again"
    )]
    Schema {
        /// What the manifest says.
        named: String,
        /// What its names give.
        found: String,
    },
    /// Something in the manifest contradicts the file or itself.
    #[error("{0}")]
    Unfit(String),
    /// The graph is refused.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A golden row gets other sums than it got in training.
    #[error(
        "golden row {row} gets {found} as sum {sum}, in training it got {expected} (tolerance {tolerance})\n  hint: the file or the program that runs it is not what it was; train again"
    )]
    Golden {
        /// Which row.
        row: usize,
        /// Which sum.
        sum: usize,
        /// What it gets here.
        found: f64,
        /// What it got there.
        expected: f64,
        /// How far apart they may be.
        tolerance: f64,
    },
    /// A row gets a sum that is no number.
    #[error(
        "row {row} gets {found} as sum {sum}, which is no number\n  hint: export a graph that makes a number of every row"
    )]
    NoNumber {
        /// Which row.
        row: usize,
        /// Which sum.
        sum: usize,
        /// What it gets.
        found: f32,
    },
    /// Columns that are not those of the features.
    #[error("expects {expected} at {position}, got {found}")]
    Feature {
        /// The feature's place.
        position: usize,
        /// Its name.
        expected: String,
        /// What was given.
        found: String,
    },
}

/// What a score says of rows; NaN where it says nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Score {
    /// A chance.
    Chance(Vec<f64>),
    /// A cost; before [`Kind::Cost`]'s scale.
    Cost(Vec<f64>),
    /// A quantile below, the median, one above; before [`Kind::Quantiles`]' scale.
    Interval {
        /// Below.
        low: Vec<f64>,
        /// The median.
        middle: Vec<f64>,
        /// Above.
        high: Vec<f64>,
    },
    /// A point for each row, of length one; NaN in all places where there is none.
    Points {
        /// Numbers of a point.
        width: usize,
        /// Row by row.
        values: Vec<f32>,
    },
}

/// A model that is ready to run.
#[derive(Clone, Debug)]
pub struct Model {
    manifest: Manifest,
    graph: Graph,
    sums: usize,
}

impl Model {
    /// Reads a model and checks everything that it says of itself.
    ///
    /// # Errors
    /// When the two files do not belong together, the graph is refused, or golden rows differ.
    pub fn load(file: &[u8], manifest: &[u8]) -> Result<Self, ModelError> {
        if manifest.len() > MOST_MANIFEST {
            let problem = format!("it has {} bytes, and at most {MOST_MANIFEST} are read", manifest.len());
            return Err(ModelError::Manifest(problem));
        }
        let manifest = read(manifest)?;
        let found = sha256_of(file);
        if found != manifest.sha256 {
            return Err(ModelError::OtherFile { named: manifest.sha256, found });
        }
        let found = schema_of(&manifest.feature_names().collect::<Vec<_>>());
        if found != manifest.schema {
            return Err(ModelError::Schema { named: manifest.schema, found });
        }
        let graph = Graph::load(file)?;
        if graph.features() != manifest.features.len() {
            let (wide, named) = (graph.features(), manifest.features.len());
            return Err(ModelError::Unfit(format!("the graph reads {wide} features, the manifest names {named}")));
        }
        let mut model = Model { manifest, graph, sums: 0 };
        model.check_golden()?;
        model.check_outputs()?;
        Ok(model)
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The scores of rows, in the order of the manifest's outputs. `columns` are the features' values by row,
    /// each with its name; NaN is missing.
    ///
    /// # Errors
    /// When the columns are not those of the features, or the graph fails or answers nonsense.
    pub fn score(&self, columns: &[(&str, &[f64])]) -> Result<Vec<Score>, ModelError> {
        let features = &self.manifest.features;
        for (position, feature) in features.iter().enumerate() {
            let found = columns.get(position).map_or("nothing", |(name, _)| *name);
            if found != feature.name {
                let (expected, found) = (feature.name.clone(), found.to_string());
                return Err(ModelError::Feature { position, expected, found });
            }
        }
        let count = columns.first().map_or(0, |(_, values)| values.len());
        let mut rows = vec![0f32; count * features.len()];
        for (position, (_, values)) in columns.iter().take(features.len()).enumerate() {
            for (row, value) in values.iter().enumerate().take(count) {
                rows[row * features.len() + position] = *value as f32;
            }
        }
        let within = |row: usize| features.iter().zip(columns).all(|(f, (_, values))| holds(f, values[row]));
        let said: Vec<bool> = (0..count).map(within).collect();
        let sums = self.sums(&rows)?;
        for (row, sums) in sums.chunks(self.sums).enumerate().filter(|(row, _)| said[*row]) {
            if let Some((sum, found)) = sums.iter().enumerate().find(|(_, sum)| !sum.is_finite()) {
                return Err(ModelError::NoNumber { row, sum, found: *found });
            }
        }
        let of = |sum: usize| {
            (0..count).map(|row| if said[row] { f64::from(sums[row * self.sums + sum]) } else { f64::NAN }).collect()
        };
        Ok(self.manifest.outputs.iter().map(|output| make(&output.kind, of)).collect())
    }

    /// Raw sums of rows.
    fn sums(&self, rows: &[f32]) -> Result<Vec<f32>, ModelError> {
        let mut scores = self.graph.run(rows)?;
        match (scores.pop(), scores.is_empty()) {
            (Some(only), true) => Ok(only.values),
            _ => Err(ModelError::Unfit("the graph has several outputs of numbers: export the sums alone".into())),
        }
    }

    fn check_golden(&mut self) -> Result<(), ModelError> {
        let golden = &self.manifest.golden;
        let unfit = |problem: String| Err(ModelError::Unfit(format!("golden rows: {problem}")));
        if golden.rows.len() < LEAST_GOLDEN || golden.rows.len() != golden.sums.len() {
            return unfit(format!("there are {} with {} sums", golden.rows.len(), golden.sums.len()));
        }
        if let Some(row) = golden.rows.iter().position(|row| row.len() != self.manifest.features.len()) {
            return unfit(format!("row {row} has {} features", golden.rows[row].len()));
        }
        if !golden.rows.iter().flatten().any(Option::is_none) {
            return unfit("none has a missing value".into());
        }
        if golden.tolerance.is_nan() || !(0.0..=1e-3).contains(&golden.tolerance) {
            return unfit(format!("a tolerance of {} holds nothing", golden.tolerance));
        }
        let rows: Vec<f32> = golden.rows.iter().flatten().map(|v| v.map_or(f32::NAN, |v| v as f32)).collect();
        let sums = self.sums(&rows)?;
        let wide = sums.len() / golden.rows.len();
        for (row, expected) in golden.sums.iter().enumerate() {
            if expected.len() != wide {
                return unfit(format!("row {row} has {} sums, the graph makes {wide}", expected.len()));
            }
            for (sum, expected) in expected.iter().enumerate() {
                let (found, expected) = (f64::from(sums[row * wide + sum]), *expected);
                let apart = (found - expected).abs();
                if apart.is_nan() || apart > golden.tolerance * expected.abs().max(1.0) {
                    return Err(ModelError::Golden { row, sum, found, expected, tolerance: golden.tolerance });
                }
            }
        }
        self.sums = wide;
        Ok(())
    }

    fn check_outputs(&self) -> Result<(), ModelError> {
        let outputs = &self.manifest.outputs;
        if outputs.is_empty() {
            return Err(ModelError::Unfit("the manifest names no output".into()));
        }
        for (i, output) in outputs.iter().enumerate() {
            let unfit = |problem: String| Err(ModelError::Unfit(format!("score {:?}: {problem}", output.score)));
            if outputs[..i].iter().any(|other| other.score == output.score) {
                return unfit("it is there twice".into());
            }
            if !is_name(&output.score) {
                return unfit("a name is of small letters, digits and _".into());
            }
            let sums = match &output.kind {
                Kind::Probability { sum, knots } | Kind::Cost { sum, knots, .. } => {
                    if knots.is_empty() || knots.len() > MOST_KNOTS {
                        return unfit(format!("it has {} knots; 1 to {MOST_KNOTS} are read", knots.len()));
                    }
                    let rises = |pair: &[[f64; 2]]| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1];
                    let chances = knots.iter().all(|[sum, chance]| sum.is_finite() && (0.0..=1.0).contains(chance));
                    if !chances || !knots.windows(2).all(rises) {
                        return unfit("its knots have to rise, with chances from 0 to 1".into());
                    }
                    std::slice::from_ref(sum)
                }
                Kind::Quantiles { sums, widen, .. } => {
                    if !widen.is_finite() {
                        return unfit("its interval is widened by no number".into());
                    }
                    sums.as_slice()
                }
                Kind::Neighbours { sums, neighbours } => {
                    if sums.is_empty() || *neighbours == 0 {
                        return unfit("it needs sums and neighbours".into());
                    }
                    sums.as_slice()
                }
            };
            if let Some(sum) = sums.iter().find(|sum| **sum >= self.sums) {
                return unfit(format!("it is made of sum {sum}; the graph makes {}", self.sums));
            }
        }
        Ok(())
    }
}

fn read(manifest: &[u8]) -> Result<Manifest, ModelError> {
    // The form first: of another one nothing else can be expected.
    #[derive(serde::Deserialize)]
    struct Form {
        format: u32,
    }
    let wrong = |error: serde_json::Error| ModelError::Manifest(error.to_string());
    let form: Form = serde_json::from_slice(manifest).map_err(wrong)?;
    if form.format != FORMAT {
        return Err(ModelError::Format { found: form.format });
    }
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(wrong)?;
    if !is_name(&manifest.model) {
        let problem = format!("the model's name {:?} is not of small letters, digits and _", manifest.model);
        return Err(ModelError::Unfit(problem));
    }
    Ok(manifest)
}

/// Whether a text may name a model or a score.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=40).contains(&text.len()) && text.chars().all(fits)
}

/// Whether a value lies where the model was trained to say anything.
fn holds(feature: &Feature, value: f64) -> bool {
    let Some([low, high]) = feature.domain else { return true };
    value.is_finite() && low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high)
}

fn make(kind: &Kind, of: impl Fn(usize) -> Vec<f64>) -> Score {
    match kind {
        Kind::Probability { sum, knots } => {
            Score::Chance(of(*sum).into_iter().map(|sum| between(knots, sum)).collect())
        }
        Kind::Cost { sum, knots, .. } => {
            let cost = |sum: f64| -1.0 / (-between(knots, sum)).ln_1p();
            let known = |cost: f64| if cost.is_finite() { cost } else { f64::NAN };
            Score::Cost(of(*sum).into_iter().map(cost).map(known).collect())
        }
        Kind::Quantiles { sums, widen, transform, reciprocal, .. } => {
            let [mut low, mut middle, mut high] = sums.map(&of);
            for ((low, middle), high) in low.iter_mut().zip(&mut middle).zip(&mut high) {
                let mut ordered = [*low, *middle, *high];
                ordered.sort_by(f64::total_cmp);
                let [below, median, above] = ordered;
                // Narrowed too far, the ends meet in the median.
                let natural = [(below - widen).min(median), median, (above + widen).max(median)];
                let natural = natural.map(|value| metric(*transform, *reciprocal, value));
                [*low, *middle, *high] = natural;
                if *reciprocal {
                    (*low, *high) = (natural[2], natural[0]);
                }
            }
            Score::Interval { low, middle, high }
        }
        Kind::Neighbours { sums, .. } => {
            let columns: Vec<Vec<f64>> = sums.iter().map(|sum| of(*sum)).collect();
            let rows = columns[0].len();
            let values = (0..rows).flat_map(|row| columns.iter().map(move |column| column[row] as f32)).collect();
            Score::Points { width: sums.len(), values }
        }
    }
}

/// The metric that a sum means; one over nothing is not known.
fn metric(transform: Transform, reciprocal: bool, sum: f64) -> f64 {
    // `max` would make nothing known into zero.
    if sum.is_nan() {
        return f64::NAN;
    }
    let value = match transform {
        Transform::Identity => sum,
        Transform::Exp => sum.exp(),
        Transform::Expm1 => sum.exp_m1().max(0.0),
    };
    match reciprocal {
        _ if !value.is_finite() => f64::NAN,
        true if value < LEAST_RATE => f64::NAN,
        true => 1.0 / value,
        false => value,
    }
}

/// Piecewise linear between knots, flat beyond them.
fn between(knots: &[[f64; 2]], x: f64) -> f64 {
    let at = knots.partition_point(|[sum, _]| *sum <= x);
    match (at.checked_sub(1).and_then(|i| knots.get(i)), knots.get(at)) {
        _ if x.is_nan() => f64::NAN,
        (None, Some([_, chance])) | (Some([_, chance]), None) => *chance,
        (Some([x0, y0]), Some([x1, y1])) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (None, None) => f64::NAN,
    }
}
