//! Score: what models say of the ads of all stages, beside what was measured of them; and the same again, from
//! what they read then.

use super::account::AccountNumbers;
use super::measure::StageCohort;
use super::observe::Observation;
use crate::domain::Ad;
use crate::features::{Basis, INPUTS, Input};
use crate::journal::Scores;
use crate::policies::StagePolicy;
use crate::scoring::{Active, Measured, Models, Origin, Reading, Scored};
use crate::store::{ArtifactRow, Store};
use anyhow::Context;
use dean_scoring::sha256_of;

/// Lets models score the ads of all stages, and puts what they say beside what was measured. What they read
/// comes back too, to be kept.
pub(super) fn score(
    observation: &Observation,
    policies: &[StagePolicy],
    stages: &mut [StageCohort],
    numbers: &AccountNumbers,
    models: &Models,
) -> (Reading, Scored) {
    let measured: Vec<Measured<'_>> = policies
        .iter()
        .zip(stages.iter())
        .map(|(policy, stage)| Measured {
            stage: &policy.view.name,
            frame: &stage.frame,
            basis: &numbers.basis,
            marks: stage.marks(),
            context: &stage.context,
            ads: stage.ads.iter().map(|&ad| observation.ads[ad].id.as_str()).collect(),
            creatives: stage.ads.iter().map(|&ad| creative_of(&observation.ads[ad])).collect(),
        })
        .collect();
    let reading = Reading::of(models, &measured);
    let mut scored = models.score(&reading);
    for (stage, columns) in stages.iter_mut().zip(std::mem::take(&mut scored.columns)) {
        stage.frame.set_scores(columns);
    }
    (reading, scored)
}

/// What is journalled of it; nothing where no model scores.
pub(super) fn record(models: &Models, reading: &Reading) -> Option<Scores> {
    (!models.active().is_empty()).then(|| Scores {
        models: models.active().iter().map(|active| sha256_of(&active.manifest)).collect(),
        stages: reading.stages.iter().map(|(stage, ads)| (stage.clone(), *ads as u32)).collect(),
        ads: reading.ads.clone(),
        creatives: reading.creatives.clone(),
        inputs: reading.inputs.keys().cloned().collect(),
        values: reading.inputs.values().flatten().copied().collect(),
    })
}

/// What is kept of a model, so that it can score the same again: its file and its manifest.
pub(super) fn artifacts(active: &Active) -> [ArtifactRow; 2] {
    let manifest = active.model.manifest();
    let row = |what: &str, digest: String, bytes: &[u8]| ArtifactRow {
        digest,
        name: format!("{what} {}", manifest.model),
        version: manifest.version.clone(),
        bytes: bytes.to_vec(),
    };
    [
        row("model", manifest.sha256.clone(), &active.file),
        row("manifest", sha256_of(&active.manifest), &active.manifest),
    ]
}

/// Scores again what was read in a run, by the models of that run.
///
/// # Errors
/// When a model is not there any more or is not what it was.
pub(super) async fn again(store: &dyn Store, scores: &Scores) -> anyhow::Result<(Reading, Scored)> {
    let mut models = Models::none();
    for digest in &scores.models {
        let missing = || format!("the model whose manifest has the digest {digest} is not in the store any more");
        let manifest = store.artifact(digest).await?.with_context(missing)?;
        let named: dean_scoring::Manifest = serde_json::from_slice(&manifest.bytes)?;
        let file = store.artifact(&named.sha256).await?.with_context(missing)?;
        models.add(&named.model, &file.bytes, &manifest.bytes, Origin::Imported);
    }
    if let Some(left) = models.left_out().first() {
        anyhow::bail!("model {} does not score any more: {}", left.model, left.reason);
    }
    let rows = scores.ads.len();
    let column = |(i, name): (usize, &String)| (name.clone(), scores.values[i * rows..(i + 1) * rows].to_vec());
    let reading = Reading {
        stages: scores.stages.iter().map(|(stage, ads)| (stage.clone(), *ads as usize)).collect(),
        ads: scores.ads.clone(),
        creatives: scores.creatives.clone(),
        inputs: scores.inputs.iter().enumerate().map(column).collect(),
    };
    let scored = models.score(&reading);
    Ok((reading, scored))
}

/// What an ad shows: its creative, or the ad itself where Meta told of none.
pub(super) fn creative_of(ad: &Ad) -> &str {
    ad.creative.as_ref().map_or(ad.id.as_str(), |creative| creative.id.as_str())
}

impl StageCohort {
    /// What models may read of its ads, in the order of [`INPUTS`].
    #[must_use]
    pub(super) fn inputs(&self, basis: &Basis) -> Vec<Vec<f64>> {
        let inputs = INPUTS.iter().filter_map(|name| Input::parse(name).ok());
        inputs.map(|input| input.values(&self.frame, basis, self.marks(), &self.context)).collect()
    }
}
