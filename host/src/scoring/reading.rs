//! What models read of the ads of all stages: plain columns, from which the same scores can be made again.

use super::{Models, scale_of};
use crate::features::{Basis, ContextValues, Frame, Input, Marks};
use std::collections::{BTreeMap, BTreeSet};

/// How likely each ad's true cost per purchase is above its stage's target: what neighbours are asked for.
pub(super) const ABOVE_TARGET: &str = "p_cpa_above_target";

/// A stage's ads, measured.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    /// The stage.
    pub stage: &'a str,
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

/// What models read, over the ads of all stages, stage after stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The stages with their numbers of ads.
    pub stages: Vec<(String, usize)>,
    /// The ids of the ads.
    pub ads: Vec<String>,
    /// The creative that each shows.
    pub creatives: Vec<String>,
    /// What was read of each ad, by name, what only models read in their precision; NaN is missing.
    pub inputs: BTreeMap<String, Vec<f64>>,
}

impl Reading {
    /// What these models read of measured ads.
    #[must_use]
    pub fn of(models: &Models, stages: &[Measured<'_>]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
        let exact = models.multiply_by();
        let mut inputs = BTreeMap::new();
        for name in models.features().union(&exact) {
            let Ok(input) = Input::parse(name) else { continue };
            let of_stage = |s: &Measured<'_>| input.values(s.frame, s.basis, s.marks, s.context);
            let narrowed = |value: f64| if exact.contains(name) { value } else { f64::from(value as f32) };
            inputs.insert((*name).to_string(), stages.iter().flat_map(of_stage).map(narrowed).collect());
        }
        Reading {
            stages: stages.iter().map(|stage| (stage.stage.to_string(), stage.frame.ads())).collect(),
            ads: stages.iter().flat_map(|stage| owned(&stage.ads)).collect(),
            creatives: stages.iter().flat_map(|stage| owned(&stage.creatives)).collect(),
            inputs,
        }
    }

    /// A column over all ads; not known where it was not read.
    pub(super) fn values(&self, name: &str) -> Vec<f64> {
        self.inputs.get(name).cloned().unwrap_or_else(|| vec![f64::NAN; self.ads.len()])
    }
}

impl Models {
    /// Everything that these models read, each once.
    fn features(&self) -> BTreeSet<&str> {
        self.active().iter().flat_map(|active| active.model.manifest().feature_names()).collect()
    }

    /// What their scores are made of beside sums: what they are multiplied by, and what neighbours are asked for.
    fn multiply_by(&self) -> BTreeSet<&str> {
        let outputs = self.active().iter().flat_map(|active| &active.model.manifest().outputs);
        outputs.filter_map(|output| scale_of(&output.kind)).chain([ABOVE_TARGET]).collect()
    }
}
