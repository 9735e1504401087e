//! A Rust policy that panics: its file and line have to reach the host.

#![cfg_attr(target_arch = "wasm32", no_std)]

use dean_policy_sdk::{Evaluation, StagePolicy, Vocabulary};

dean_policy_sdk::settings! {
    /// Nothing worth setting.
    pub struct Settings {
        /// Divides the rows; 0 by default, on purpose.
        divisor: number("divisor", "count", 0.0, 0.0, 10.0),
    }
}

/// The policy.
#[derive(Debug)]
pub struct Panicking;

impl StagePolicy for Panicking {
    type Settings = Settings;
    const NAME: &'static str = "panicking";
    const VERSION: &'static str = "0.1.0";
    const DOC: &'static str = "Panics.";
    const STAGES: &'static [&'static str] = &["testing"];
    const VOCABULARY: Vocabulary =
        Vocabulary { columns: &[], text_columns: &[], context: &[], derived: &[], rules: &[] };

    fn decide(settings: &Settings, evaluation: &mut Evaluation<'_>) {
        let divisor = settings.divisor as u32;
        assert!(divisor > 0, "{} rows cannot be divided by {divisor}", evaluation.table().rows());
    }
}

dean_policy_sdk::policy!(Panicking);
