//! What stands beside every ONNX file: what it reads, what its sums mean, where it comes from, how good it is.
//! `models/train` writes it; nothing in it is believed before it is checked.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The version of the manifest's form that is read here.
pub const FORMAT: u32 = 1;

/// A manifest, form 1.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The model's name: a few small letters.
    pub model: String,
    /// Its version; later ones of one model differ in it.
    pub version: String,
    /// Of the ONNX file, in hexadecimal digits.
    pub sha256: String,
    /// Operator sets of the file.
    pub opsets: BTreeMap<String, i64>,
    /// [`schema_of`] the features' names.
    pub schema: String,
    /// Which quantiles [`Feature::quantiles`] are.
    pub drift_quantiles: Vec<f64>,
    /// What it tells, in a sentence.
    pub doc: String,
    /// What it reads, in the order of the input's columns.
    pub features: Vec<Feature>,
    /// What becomes of its sums.
    pub outputs: Vec<Output>,
    /// Where it comes from.
    pub training: Training,
    /// How good each score was on accounts that it had not seen, by the score's name.
    pub figures: BTreeMap<String, BTreeMap<String, Value>>,
    /// Rows by which it shows that it says here what it said where it was trained.
    pub golden: Golden,
}

/// One thing that a model reads.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// A column, or one divided by others.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The type of its numbers.
    pub dtype: Dtype,
    /// What a missing value is to the model.
    pub missing: Missing,
    /// Where it has to lie for the model to say anything of a row; an end that is null is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<[Option<f64>; 2]>,
    /// The smallest value in training.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The share of training rows in which it was known.
    pub known: f64,
    /// Quantiles in training; null where it was never known.
    pub quantiles: Vec<Option<f64>>,
}

/// The type of a feature's numbers.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// 32-bit floats.
    F32,
}

/// What a missing value is to a model.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Not a number: never zero, which is something that was measured.
    Nan,
}

/// A score: what it is called, and how it is made of the graph's sums.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Output {
    /// Its column is `score.` and this.
    pub score: String,
    /// Its unit.
    pub unit: String,
    /// What it tells.
    pub doc: String,
    /// How it is made.
    #[serde(flatten)]
    pub kind: Kind,
}

/// How a score is made of sums.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A calibrated chance: piecewise linear between knots, flat beyond them.
    Probability {
        /// Which sum.
        sum: usize,
        /// Sums with their chances, both rising.
        knots: Vec<[f64; 2]>,
    },
    /// The cost per purchase that a calibrated chance of one within a spend stands for: with a chance p that a
    /// purchase comes within it, the spend by -ln(1 - p), as purchases come one by one (Poisson).
    Cost {
        /// Which sum.
        sum: usize,
        /// Sums with their chances, both rising.
        knots: Vec<[f64; 2]>,
        /// The context that is that spend.
        scale: String,
    },
    /// A quantile below, the median and one above.
    Quantiles {
        /// Which sums.
        sums: [usize; 3],
        /// By how much the interval is widened on both sides, before the transform.
        widen: f64,
        /// What turns sums into the metric.
        transform: Transform,
        /// Whether the metric is one over that: a cost, where purchases were forecast.
        #[serde(default)]
        reciprocal: bool,
        /// The context that it is multiplied by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<String>,
    },
    /// The sums are a point, and the score is what its neighbours among the other ads are like.
    Neighbours {
        /// Which sums.
        sums: Vec<usize>,
        /// How many neighbours are asked.
        neighbours: usize,
    },
}

/// What turns a sum into a metric.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Nothing.
    Identity,
    /// e^x
    Exp,
    /// e^x - 1, and never below 0.
    Expm1,
}

/// Where a model comes from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Whether its accounts were simulated.
    pub simulated: bool,
    /// How many there were.
    pub accounts: u64,
    /// The first day.
    pub from: String,
    /// The last.
    pub to: String,
    /// How rows were kept apart.
    pub split: String,
    /// Rows by part.
    pub rows: BTreeMap<String, u64>,
    /// Rows in which what it foretells happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positives: Option<u64>,
    /// Days that were waited for late conversions.
    pub attribution_lag_days: u32,
    /// What trained it.
    pub producer: String,
}

/// Rows with the sums that they get.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The largest difference, relative beyond 1.
    pub tolerance: f64,
    /// Rows of features; null is missing.
    pub rows: Vec<Vec<Option<f64>>>,
    /// Their sums: a model says a number of every row.
    pub sums: Vec<Vec<f64>>,
}

/// What tells one list of names from another, their order included: sixteen digits of a SHA-256.
#[must_use]
pub fn schema_of<T: AsRef<str>>(names: &[T]) -> String {
    let mut digest = Sha256::new();
    for name in names {
        digest.update(name.as_ref());
        digest.update([0]);
    }
    hex(&digest.finalize()[..8])
}

/// The digest of a file.
#[must_use]
pub fn sha256_of(file: &[u8]) -> String {
    hex(&Sha256::digest(file))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How often a score was right about accounts, or times, that it had not seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// By saying the same of every ad.
    pub base: f64,
    /// By the model.
    pub reached: f64,
    /// By somebody who knows what is true of every ad, but not the dice; nobody does of a real account.
    pub best_possible: Option<f64>,
}

impl Manifest {
    /// Names of the features, in order.
    pub fn feature_names(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|feature| feature.name.as_str())
    }

    /// How accurate a score was, where that is told.
    #[must_use]
    pub fn accuracy(&self, score: &str) -> Option<Accuracy> {
        let accuracy = self.figures.get(score)?.get("accuracy")?;
        let number = |name: &str| accuracy.get(name)?.as_f64();
        Some(Accuracy { base: number("base")?, reached: number("reached")?, best_possible: number("best_possible") })
    }
}
