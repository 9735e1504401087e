//! Learn: what was known of every ad once a day and what models said of it, so that both can be judged later.

use super::score::creative_of;
use super::tables::{Learned, Rows};
use crate::features::INPUTS;
use crate::store::Cell;
use jiff::ToSpan;
use std::collections::BTreeMap;

/// Days until what is foretold of a week is over and its late conversions are in.
const DUE_DAYS: i32 = 14;

impl Learned<'_> {
    /// What models are trained on, of every ad that is decided on.
    pub(super) fn features(&self) -> Rows {
        let currency = &self.observation.account.currency;
        let schema = dean_scoring::schema_of(&INPUTS);
        let mut rows = Vec::new();
        for (policy, decided) in self.policies.iter().zip(self.decided) {
            let stage = &decided.stage;
            let columns = stage.inputs(&self.numbers.basis);
            let target = currency.from_major(stage.context.target_cpa).map(|money| money.0);
            for (row, &ad) in stage.ads.iter().enumerate() {
                let numbers: Vec<Option<f64>> = columns.iter().map(|column| short(column[row])).collect();
                rows.push(vec![
                    self.account(),
                    self.observation.ads[ad].id.as_str().into(),
                    self.today(),
                    policy.view.name.as_str().into(),
                    self.observation.at.as_second().into(),
                    target.into(),
                    schema.as_str().into(),
                    serde_json::to_string(&numbers).ok().into(),
                ]);
            }
        }
        rows
    }

    pub(super) fn feature_names(&self) -> Vec<Cell> {
        vec![self.account(), dean_scoring::schema_of(&INPUTS).into(), serde_json::to_string(&INPUTS[..]).ok().into()]
    }

    /// What models said of every ad that is decided on.
    pub(super) fn predictions(&self) -> Rows {
        let due = self.observation.today.saturating_add(DUE_DAYS.days()).to_string();
        let mut rows = Vec::new();
        for (policy, decided) in self.policies.iter().zip(self.decided) {
            let scores = decided.stage.frame.scores();
            for said in &self.scored.said {
                for score in &said.scores {
                    let name = format!("score.{score}");
                    let Some(values) = scores.get(&name) else { continue };
                    let (low, high) = (scores.get(&format!("{name}.low")), scores.get(&format!("{name}.high")));
                    for (row, &ad) in decided.stage.ads.iter().enumerate().filter(|(row, _)| values[*row].is_finite()) {
                        rows.push(vec![
                            self.account(),
                            self.observation.ads[ad].id.as_str().into(),
                            self.today(),
                            score.as_str().into(),
                            policy.view.name.as_str().into(),
                            values[row].into(),
                            low.map(|low| low[row]).into(),
                            high.map(|high| high[row]).into(),
                            said.model.as_str().into(),
                            said.version.as_str().into(),
                            said.sha256.as_str().into(),
                            due.as_str().into(),
                        ]);
                    }
                }
            }
        }
        rows
    }

    /// The nearest creatives of each; of one that several ads show, those of its first ad.
    pub(super) fn similar_creatives(&self) -> Rows {
        let ads: Vec<usize> = self.decided.iter().flat_map(|decided| decided.stage.ads.iter().copied()).collect();
        let creative = |place: usize| creative_of(&self.observation.ads[ads[place]]);
        let mut rows = BTreeMap::new();
        for (place, near) in self.scored.neighbours.iter().enumerate() {
            let mut rank = 0i64;
            let mut told: Vec<&str> = Vec::new();
            for neighbour in near {
                let other = creative(neighbour.ad);
                if told.contains(&other) {
                    continue;
                }
                told.push(other);
                rank += 1;
                rows.entry((creative(place), rank)).or_insert_with(|| {
                    vec![
                        self.account(),
                        creative(place).into(),
                        rank.into(),
                        other.into(),
                        f64::from(neighbour.similarity).into(),
                        self.scored.neighbours_by.as_deref().into(),
                        self.today(),
                    ]
                });
            }
        }
        rows.into_values().collect()
    }
}

/// A number in as many digits as training needs: five. `None` when it is not known.
fn short(number: f64) -> Option<f64> {
    if number == 0.0 || !number.is_finite() {
        return number.is_finite().then_some(0.0);
    }
    let scale = 10f64.powi(4 - number.abs().log10().floor() as i32);
    Some((number * scale).round() / scale)
}
