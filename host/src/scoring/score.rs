//! What the models of a run say of the ads of all stages.

use super::reading::ABOVE_TARGET;
use super::similar::{Neighbour, neighbours};
use super::{Models, Origin, Reading, scale_of};
use dean_scoring::{Kind, Model, ModelError, Score};
use std::collections::BTreeMap;

/// What was said of the ads of all stages.
#[derive(Clone, Debug, Default)]
pub struct Scored {
    /// By stage, the columns that its ads get.
    pub columns: Vec<BTreeMap<String, Vec<f64>>>,
    /// By model, in its order.
    pub said: Vec<Said>,
    /// Of every ad, stage after stage, its neighbours.
    pub neighbours: Vec<Vec<Neighbour>>,
    /// The version of the model that found them.
    pub neighbours_by: Option<String>,
}

/// How one model fared.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its name.
    pub model: String,
    /// Its version.
    pub version: String,
    /// The digest of its file.
    pub sha256: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its scores.
    pub scores: Vec<String>,
    /// Ads that it said something of.
    pub ads: usize,
    /// Why it said nothing.
    pub problem: Option<String>,
    /// The feature that lies most often outside of what it was trained on, and the share of ads.
    pub outside: Option<(String, f64)>,
}

/// Beyond the outer quantiles of a manifest lay one row in a hundred in training; when one ad in five does, the
/// account is another than those that the model knows.
const TELLING_SHARE: f64 = 0.2;

impl Models {
    /// Scores ads.
    #[must_use]
    pub fn score(&self, reading: &Reading) -> Scored {
        let mut scored = Scored { columns: vec![BTreeMap::new(); reading.stages.len()], ..Scored::default() };
        for active in self.active() {
            let manifest = active.model.manifest();
            let mut said = Said {
                model: manifest.model.clone(),
                version: manifest.version.clone(),
                sha256: manifest.sha256.clone(),
                origin: active.origin,
                scores: manifest.outputs.iter().map(|output| output.score.clone()).collect(),
                ads: 0,
                problem: None,
                outside: None,
            };
            let inputs: Vec<Vec<f64>> = manifest.feature_names().map(|name| reading.values(name)).collect();
            let columns: Vec<(&str, &[f64])> = manifest.feature_names().zip(inputs.iter().map(Vec::as_slice)).collect();
            match active.model.score(&columns) {
                Ok(scores) => {
                    let known = known(&scores);
                    said.outside = outside(&active.model, &inputs, &known);
                    said.ads = known.iter().filter(|known| **known).count();
                    scored.take(&active.model, reading, &scores);
                }
                Err(error) => said.problem = Some(about_ads(&error, reading)),
            }
            scored.said.push(said);
        }
        scored
    }
}

/// An error in words, about the ad where it is about a row.
fn about_ads(error: &ModelError, reading: &Reading) -> String {
    match error {
        ModelError::NoNumber { row, .. } => format!("ad {}: {error}", reading.ads.get(*row).map_or("", String::as_str)),
        _ => error.to_string(),
    }
}

/// Of which ads a model said something.
fn known(scores: &[Score]) -> Vec<bool> {
    let of_score = |score: &Score| -> Vec<bool> {
        match score {
            Score::Chance(values) | Score::Cost(values) | Score::Interval { low: values, .. } => {
                values.iter().map(|v| v.is_finite()).collect()
            }
            Score::Points { width, values } => {
                values.chunks(*width).map(|point| point.iter().all(|x| x.is_finite())).collect()
            }
        }
    };
    let mut all: Vec<bool> = Vec::new();
    for score in scores {
        let known = of_score(score);
        all.resize(known.len(), false);
        all.iter_mut().zip(known).for_each(|(any, known)| *any |= known);
    }
    all
}

/// The feature that lies most often beyond the outer quantiles of training, where that is worth telling.
fn outside(model: &Model, inputs: &[Vec<f64>], said: &[bool]) -> Option<(String, f64)> {
    let mut worst: Option<(String, f64)> = None;
    for (feature, values) in model.manifest().features.iter().zip(inputs) {
        let (Some(Some(low)), Some(Some(high))) = (feature.quantiles.first(), feature.quantiles.last()) else {
            continue;
        };
        let values = || values.iter().zip(said).filter(|(v, said)| **said && v.is_finite()).map(|(v, _)| v);
        let known = values().count();
        let beyond = values().filter(|v| **v < *low || **v > *high).count();
        let share = beyond as f64 / known.max(1) as f64;
        if share > TELLING_SHARE && worst.as_ref().is_none_or(|(_, most)| share > *most) {
            worst = Some((feature.name.clone(), share));
        }
    }
    worst
}

impl Scored {
    /// Puts what a model said into columns.
    fn take(&mut self, model: &Model, reading: &Reading, scores: &[Score]) {
        for (output, score) in model.manifest().outputs.iter().zip(scores) {
            let name = format!("score.{}", output.score);
            let scale = scale_of(&output.kind).map(|scale| reading.values(scale));
            let scaled = |values: &[f64]| match &scale {
                Some(scale) => values.iter().zip(scale).map(|(value, scale)| value * scale).collect(),
                None => values.to_vec(),
            };
            match score {
                Score::Chance(chances) => self.put(&name, reading, chances),
                Score::Cost(costs) => self.put(&name, reading, &scaled(costs)),
                Score::Interval { low, middle, high } => {
                    self.put(&name, reading, &scaled(middle));
                    self.put(&format!("{name}.low"), reading, &scaled(low));
                    self.put(&format!("{name}.high"), reading, &scaled(high));
                }
                Score::Points { width, values } => {
                    let Kind::Neighbours { neighbours: most, .. } = output.kind else { continue };
                    let reach: Vec<f64> = reading.values(ABOVE_TARGET).iter().map(|above| 1.0 - above).collect();
                    let creatives: Vec<&str> = reading.creatives.iter().map(String::as_str).collect();
                    self.neighbours_by = Some(model.manifest().version.clone());
                    self.neighbours = neighbours(values, *width, &creatives, &reach, most);
                    let mean = |near: &Vec<Neighbour>| {
                        let known: Vec<f64> = near.iter().map(|n| reach[n.ad]).filter(|p| p.is_finite()).collect();
                        if known.is_empty() { f64::NAN } else { known.iter().sum::<f64>() / known.len() as f64 }
                    };
                    let means: Vec<f64> = self.neighbours.iter().map(mean).collect();
                    self.put(&name, reading, &means);
                }
            }
        }
    }

    /// Cuts a column over all ads into those of the stages.
    fn put(&mut self, name: &str, reading: &Reading, values: &[f64]) {
        let mut from = 0;
        for (columns, (_, ads)) in self.columns.iter_mut().zip(&reading.stages) {
            columns.insert(name.to_string(), values[from..from + ads].to_vec());
            from += ads;
        }
    }
}
