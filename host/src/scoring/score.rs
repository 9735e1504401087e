//! What the models of a run say of the ads of all stages.

use super::similar::{Neighbour, neighbours};
use super::{Active, Models, Origin, scale_of};
use crate::features::{Basis, Column, ContextValues, Frame, Input, Marks, find};
use dean_scoring::{Kind, Model, ModelError, Output, Score};
use std::collections::BTreeMap;

/// A stage's ads, measured.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    /// Their matrices.
    pub frame: &'a Frame,
    /// The account.
    pub basis: &'a Basis,
    /// What they are measured against.
    pub marks: Marks,
    /// Numbers of the account and stage.
    pub context: &'a ContextValues,
    /// The ids of its ads.
    pub ads: Vec<&'a str>,
    /// The creative that each shows.
    pub creatives: Vec<&'a str>,
}

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
    /// Scores the ads of all stages.
    #[must_use]
    pub fn score(&self, stages: &[Measured<'_>]) -> Scored {
        let mut scored = Scored { columns: vec![BTreeMap::new(); stages.len()], ..Scored::default() };
        let mut shared = Shared::default();
        for active in &self.active {
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
            match say(active, stages, &mut shared) {
                Ok(answers) => {
                    let known = known(&answers.scores);
                    said.outside = outside(&active.model, &answers.inputs, &known);
                    said.ads = known.iter().filter(|known| **known).count();
                    scored.take(&active.model, stages, &answers);
                }
                Err(error) => said.problem = Some(about_ads(&error, stages)),
            }
            scored.said.push(said);
        }
        scored
    }
}

/// What a model was given and what it said: by feature or output, over the ads of all stages.
struct Answers {
    inputs: Vec<Vec<f64>>,
    scores: Vec<Score>,
}

/// Inputs that several models read are measured once.
#[derive(Default)]
struct Shared(BTreeMap<String, Vec<f64>>);

impl Shared {
    fn values(&mut self, name: &str, input: &Input, stages: &[Measured<'_>]) -> Vec<f64> {
        let measure = || stages.iter().flat_map(|s| input.values(s.frame, s.basis, s.marks, s.context)).collect();
        self.0.entry(name.to_string()).or_insert_with(measure).clone()
    }
}

fn say(active: &Active, stages: &[Measured<'_>], shared: &mut Shared) -> Result<Answers, ModelError> {
    let names: Vec<&str> = active.model.manifest().feature_names().collect();
    let measured = names.iter().zip(&active.inputs).map(|(name, input)| shared.values(name, input, stages));
    let inputs: Vec<Vec<f64>> = measured.collect();
    let columns: Vec<(&str, &[f64])> = names.iter().copied().zip(inputs.iter().map(Vec::as_slice)).collect();
    let scores = active.model.score(&columns)?;
    Ok(Answers { inputs, scores })
}

/// An error in words, about the ad where it is about a row.
fn about_ads(error: &ModelError, stages: &[Measured<'_>]) -> String {
    let ad = |row: usize| stages.iter().flat_map(|stage| &stage.ads).nth(row);
    match error {
        ModelError::NoNumber { row, .. } => format!("ad {}: {error}", ad(*row).unwrap_or(&"unknown")),
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
    fn take(&mut self, model: &Model, stages: &[Measured<'_>], answers: &Answers) {
        for (output, score) in model.manifest().outputs.iter().zip(&answers.scores) {
            let name = format!("score.{}", output.score);
            match score {
                Score::Chance(chances) => self.put(&name, stages, chances),
                Score::Cost(costs) => {
                    let scale = scale(output, stages);
                    let costs: Vec<f64> = costs.iter().zip(&scale).map(|(cost, scale)| cost * scale).collect();
                    self.put(&name, stages, &costs);
                }
                Score::Interval { low, middle, high } => {
                    let scale = scale(output, stages);
                    let scaled = |values: &[f64]| values.iter().zip(&scale).map(|(v, s)| v * s).collect::<Vec<_>>();
                    self.put(&name, stages, &scaled(middle));
                    self.put(&format!("{name}.low"), stages, &scaled(low));
                    self.put(&format!("{name}.high"), stages, &scaled(high));
                }
                Score::Points { width, values } => {
                    let Kind::Neighbours { neighbours: most, .. } = output.kind else { continue };
                    let creatives: Vec<&str> = stages.iter().flat_map(|s| s.creatives.iter().copied()).collect();
                    self.neighbours_by = Some(model.manifest().version.clone());
                    let reach = reaching(stages);
                    self.neighbours = neighbours(values, *width, &creatives, &reach, most);
                    let mean = |near: &Vec<Neighbour>| {
                        let known: Vec<f64> = near.iter().map(|n| reach[n.ad]).filter(|p| p.is_finite()).collect();
                        if known.is_empty() { f64::NAN } else { known.iter().sum::<f64>() / known.len() as f64 }
                    };
                    let means: Vec<f64> = self.neighbours.iter().map(mean).collect();
                    self.put(&name, stages, &means);
                }
            }
        }
    }

    /// Cuts a column over all ads into those of the stages.
    fn put(&mut self, name: &str, stages: &[Measured<'_>], values: &[f64]) {
        let mut from = 0;
        for (columns, stage) in self.columns.iter_mut().zip(stages) {
            let to = from + stage.frame.ads();
            columns.insert(name.to_string(), values[from..to].to_vec());
            from = to;
        }
    }
}

/// What a score is multiplied by, for each ad of all stages.
fn scale(output: &Output, stages: &[Measured<'_>]) -> Vec<f64> {
    let scale = scale_of(&output.kind).and_then(|scale| Input::parse(scale).ok());
    let of_stage = |s: &Measured<'_>| match &scale {
        Some(input) => input.values(s.frame, s.basis, s.marks, s.context),
        None => vec![1.0; s.frame.ads()],
    };
    stages.iter().flat_map(of_stage).collect()
}

/// How likely each ad's true cost per purchase is at most its stage's target.
fn reaching(stages: &[Measured<'_>]) -> Vec<f64> {
    let above = find("p_cpa_above_target");
    let of_stage = |s: &Measured<'_>| {
        let values = above.map(|column: Column| column.values(s.frame, s.basis, s.marks));
        values.unwrap_or_else(|| vec![f64::NAN; s.frame.ads()])
    };
    stages.iter().flat_map(of_stage).map(|p| 1.0 - p).collect()
}
