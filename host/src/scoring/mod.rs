//! Score: what models say of ads, as columns beside those that are measured.
//!
//! A model that does not fit is left out by name and the run goes on: policies see its scores as not known. The
//! shipped models lie in the binary.

mod reading;
mod registry;
mod score;
mod shipped;
mod similar;

pub use reading::{Measured, Reading};
pub use registry::{RegistryError, Version, activate, columns_for, import, models_of, rollback, versions};
pub use score::{Said, Scored};
pub use shipped::SHIPPED;
pub use similar::Neighbour;

use crate::features::Input;
use dean_scoring::{Kind, Manifest, Model, ModelError, Output};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It lies in the program.
    Shipped,
    /// Somebody imported it.
    Imported,
}

/// A model that scores, with what it reads.
#[derive(Clone, Debug)]
pub struct Active {
    /// The model.
    pub model: Model,
    /// Where it comes from.
    pub origin: Origin,
    /// Its ONNX file.
    pub file: Arc<[u8]>,
    /// Its manifest, as it was read.
    pub manifest: Arc<[u8]>,
}

/// A model that does not score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub model: String,
    /// Why.
    pub reason: String,
}

/// The models of a run.
#[derive(Clone, Debug, Default)]
pub struct Models {
    active: Vec<Active>,
    left_out: Vec<LeftOut>,
}

impl Active {
    /// Checks a model and that everything it reads is measured here.
    ///
    /// # Errors
    /// When it is refused, or reads something that does not exist.
    pub fn load(file: &[u8], manifest: &[u8], origin: Origin) -> Result<Self, ModelError> {
        let model = Model::load(file, manifest)?;
        for (position, name) in model.manifest().feature_names().enumerate() {
            Input::parse(name)
                .map_err(|unknown| ModelError::Unfit(format!("expects {name} at {position}: {unknown}")))?;
        }
        for output in &model.manifest().outputs {
            if let Some(scale) = scale_of(&output.kind)
                && let Err(unknown) = Input::parse(scale)
            {
                let problem = format!("score {:?} is multiplied by {scale}: {unknown}", output.score);
                return Err(ModelError::Unfit(problem));
            }
        }
        Ok(Active { model, origin, file: file.into(), manifest: manifest.into() })
    }

    /// The columns that it fills.
    pub fn columns(&self) -> impl Iterator<Item = String> {
        self.model.manifest().outputs.iter().flat_map(columns_of)
    }
}

/// What a score is multiplied by, if by anything.
fn scale_of(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Quantiles { scale, .. } => scale.as_deref(),
        Kind::Cost { scale, .. } => Some(scale),
        Kind::Probability { .. } | Kind::Neighbours { .. } => None,
    }
}

/// The columns of one output.
fn columns_of(output: &Output) -> Vec<String> {
    let name = format!("score.{}", output.score);
    match output.kind {
        Kind::Quantiles { .. } => vec![name.clone(), format!("{name}.low"), format!("{name}.high")],
        _ => vec![name],
    }
}

impl Models {
    /// No models: rules alone.
    #[must_use]
    pub fn none() -> Self {
        Models::default()
    }

    /// The shipped ones.
    #[must_use]
    pub fn shipped() -> Self {
        let mut models = Models::default();
        for (name, file, manifest) in SHIPPED {
            models.add(name, file, manifest, Origin::Shipped);
        }
        models
    }

    /// Adds a model, or the reason why it is left out. A score that another model tells already is refused.
    pub fn add(&mut self, name: &str, file: &[u8], manifest: &[u8], origin: Origin) {
        let taken: BTreeSet<String> = self.active.iter().flat_map(Active::columns).collect();
        let loaded = Active::load(file, manifest, origin).map_err(|error| error.to_string());
        let loaded = loaded.and_then(|active| {
            let twice = active.columns().find(|column| taken.contains(column));
            twice.map_or(Ok(active), |column| Err(format!("another model tells {column} already")))
        });
        match loaded {
            Ok(active) => self.active.push(active),
            Err(reason) => self.left_out.push(LeftOut { model: name.into(), reason }),
        }
    }

    /// Leaves a model out.
    pub(crate) fn leave_out(&mut self, name: &str, reason: String) {
        self.left_out.push(LeftOut { model: name.into(), reason });
    }

    /// Those that score.
    #[must_use]
    pub fn active(&self) -> &[Active] {
        &self.active
    }

    /// Those that do not.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Every column that policies may ask for: what these models tell, and what the shipped ones would. What is
    /// left out is not known, and no mistake of a policy's.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<String> {
        let mut columns = shipped_columns().clone();
        columns.extend(self.active.iter().flat_map(Active::columns));
        columns
    }
}

/// The manifests of the shipped models, read once.
#[must_use]
pub fn shipped_manifests() -> &'static [Manifest] {
    static MANIFESTS: OnceLock<Vec<Manifest>> = OnceLock::new();
    let read = |(_, _, manifest): &(&str, &[u8], &[u8])| serde_json::from_slice(manifest).ok();
    MANIFESTS.get_or_init(|| SHIPPED.iter().filter_map(read).collect())
}

/// The columns of the shipped models.
#[must_use]
pub fn shipped_columns() -> &'static BTreeSet<String> {
    static COLUMNS: OnceLock<BTreeSet<String>> = OnceLock::new();
    let outputs = || shipped_manifests().iter().flat_map(|manifest| &manifest.outputs);
    COLUMNS.get_or_init(|| outputs().flat_map(columns_of).collect())
}

/// The unit of a column that a shipped model fills.
#[must_use]
pub fn unit(name: &str) -> Option<&'static str> {
    let score = name.strip_prefix("score.")?;
    let score = score.strip_suffix(".low").or_else(|| score.strip_suffix(".high")).unwrap_or(score);
    let mut outputs = shipped_manifests().iter().flat_map(|manifest| &manifest.outputs);
    outputs.find(|output| output.score == score).map(|output| output.unit.as_str())
}

/// A line of the catalogue of scores.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The column's name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// What it tells.
    pub formula: String,
    /// When it is not known.
    pub missing: String,
}

/// What a model's columns are.
#[must_use]
pub fn catalogue(manifest: &Manifest) -> Vec<Entry> {
    let simulated = if manifest.training.simulated { ", trained on simulated accounts" } else { "" };
    let of = format!("model {} {}{simulated}", manifest.model, manifest.version);
    let limits: Vec<&str> = manifest.features.iter().filter(|f| f.domain.is_some()).map(|f| f.name.as_str()).collect();
    let limits = match limits.as_slice() {
        [] => String::new(),
        names => format!(", or where {} is not known or too small", names.join(" or ")),
    };
    let mut entries = Vec::new();
    for output in &manifest.outputs {
        for name in columns_of(output) {
            let edge = match name.rsplit('.').next() {
                Some("low") => "; nine times in ten it is more than this",
                Some("high") => "; nine times in ten it is less than this",
                _ => "",
            };
            entries.push(Entry {
                name,
                unit: output.unit.clone(),
                formula: format!("{}{edge} ({of})", output.doc),
                missing: format!("when no model scores{limits}"),
            });
        }
    }
    entries
}
