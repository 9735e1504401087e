//! Score: what models say of the ads of all stages, beside what was measured of them.

use super::account::AccountNumbers;
use super::measure::StageCohort;
use super::observe::Observation;
use crate::domain::Ad;
use crate::features::{Basis, INPUTS, Input};
use crate::scoring::{Measured, Models, Scored};

/// Lets models score the ads of all stages, and puts what they say beside what was measured.
pub(super) fn score(
    observation: &Observation,
    stages: &mut [StageCohort],
    numbers: &AccountNumbers,
    models: &Models,
) -> Scored {
    let measured: Vec<Measured<'_>> = stages
        .iter()
        .map(|stage| Measured {
            frame: &stage.frame,
            basis: &numbers.basis,
            marks: stage.marks(),
            context: &stage.context,
            ads: stage.ads.iter().map(|&ad| observation.ads[ad].id.as_str()).collect(),
            creatives: stage.ads.iter().map(|&ad| creative_of(&observation.ads[ad])).collect(),
        })
        .collect();
    let mut scored = models.score(&measured);
    for (stage, columns) in stages.iter_mut().zip(std::mem::take(&mut scored.columns)) {
        stage.frame.set_scores(columns);
    }
    scored
}

/// What an ad shows: its creative, or the ad itself where Meta told of none.
pub(super) fn creative_of(ad: &Ad) -> &str {
    ad.creative.as_ref().map_or(ad.id.as_str(), |creative| creative.id.as_str())
}

impl StageCohort {
    /// What models read of its ads, in the order of [`INPUTS`].
    #[must_use]
    pub(super) fn inputs(&self, basis: &Basis) -> Vec<Vec<f64>> {
        let inputs = INPUTS.iter().filter_map(|name| Input::parse(name).ok());
        inputs.map(|input| input.values(&self.frame, basis, self.marks(), &self.context)).collect()
    }
}
