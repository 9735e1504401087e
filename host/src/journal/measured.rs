//! What was measured in a run: enough to compute any column of it, whoever asks for which.

use super::codec::{Table, damaged, of_planes, put_together, take_apart};
use super::{Entry, JournalError};
use crate::features::{Basis, ContextValues, Fields};
use serde::{Deserialize, Serialize};

/// What was measured in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The account day, `YYYY-MM-DD`.
    pub today: String,
    /// The account as a whole.
    pub basis: Basis,
    /// The stages, in the order of the ads.
    pub stages: Vec<MeasuredStage>,
    /// The ads, stage by stage.
    pub ads: Vec<String>,
    /// What was measured of the ads.
    pub fields: Fields,
}

/// A stage of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredStage {
    /// Its name.
    pub name: String,
    /// How many ads it has.
    pub ads: u32,
    /// Its numbers.
    pub context: ContextValues,
}

#[derive(Serialize, Deserialize)]
struct Head {
    today: String,
    basis: Basis,
    stages: Vec<MeasuredStage>,
    /// Each `None` when it is that of the base.
    ads: Option<Vec<String>>,
    names: Option<Vec<String>>,
    words: Option<Vec<String>>,
}

impl Measured {
    fn table(&self) -> Table<'_> {
        Table::of(&self.fields.names, &self.ads, &self.fields.values)
    }
}

impl Entry for Measured {
    fn encode(&self, base: Option<&Self>) -> Vec<u8> {
        let unless = |list: fn(&Self) -> &Vec<String>| {
            base.is_none_or(|base| list(base) != list(self)).then(|| list(self).clone())
        };
        let head = Head {
            today: self.today.clone(),
            basis: self.basis.clone(),
            stages: self.stages.clone(),
            ads: unless(|m| &m.ads),
            names: unless(|m| &m.fields.names),
            words: unless(|m| &m.fields.words),
        };
        put_together(&head, self.table(), base.map(Measured::table))
    }

    fn decode(bytes: &[u8], base: Option<Self>) -> Result<Self, JournalError> {
        let (head, planes) = take_apart::<Head>(bytes)?;
        let missing = || damaged("its base is missing");
        let Some(base) = base else {
            let (ads, names) = (head.ads.ok_or_else(missing)?, head.names.ok_or_else(missing)?);
            let values = of_planes(&planes, &names, &ads, None)?;
            let fields = Fields { names, values, words: head.words.ok_or_else(missing)? };
            return whole(Measured { today: head.today, basis: head.basis, stages: head.stages, ads, fields });
        };
        let Fields { names: base_names, values, words } = base.fields;
        let names = head.names.as_ref().unwrap_or(&base_names);
        let ads = head.ads.as_ref().unwrap_or(&base.ads);
        let values = of_planes(&planes, names, ads, Some((&base_names, &base.ads, values)))?;
        let fields = Fields { values, names: head.names.unwrap_or(base_names), words: head.words.unwrap_or(words) };
        let ads = head.ads.unwrap_or(base.ads);
        whole(Measured { today: head.today, basis: head.basis, stages: head.stages, ads, fields })
    }
}

/// The same if its stages are those of its ads.
fn whole(measured: Measured) -> Result<Measured, JournalError> {
    let rows = measured.stages.iter().map(|stage| u64::from(stage.ads)).sum::<u64>();
    if rows == measured.ads.len() as u64 { Ok(measured) } else { Err(damaged("its stages are not those of its ads")) }
}
