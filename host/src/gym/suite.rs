//! Versioned worlds: a version never changes, so that figures of different days can be set side by side. A simulator
//! that no longer makes them as they were is told by their fingerprint; it then needs a new version.

use dean_sim::{Params, World};
use sha2::{Digest, Sha256};

/// Worlds that never change.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// Its version.
    pub version: &'static str,
    /// Days that a world is lived for.
    pub days: u32,
    /// The seeds of the worlds; each draws a market of its own.
    pub seeds: &'static [u64],
    /// What [`fingerprint`] makes of them.
    pub fingerprint: &'static str,
}

/// Every version, the newest last.
pub const SUITES: &[Suite] = &[Suite {
    version: "1",
    days: 21,
    seeds: &[
        910_001, 910_002, 910_003, 910_004, 910_005, 910_006, 910_007, 910_008, 910_009, 910_010, 910_011, 910_012,
        910_013, 910_014, 910_015, 910_016,
    ],
    fingerprint: "417a6486eeb442a1055ba496c5109e4c6236e0d48b2032f58840c7fcb4d83504",
}];

impl Suite {
    /// The suite of a version.
    #[must_use]
    pub fn find(version: &str) -> Option<Suite> {
        SUITES.iter().find(|suite| suite.version == version).copied()
    }

    /// A world at its beginning: a market drawn by its seed.
    #[must_use]
    pub fn world(seed: u64) -> World {
        World::new(seed, Params::varied(seed))
    }
}

/// What worlds are, in one number: SHA-256 over the profit of every day in the hands of each rival, in cents. Their
/// hands are in the worlds at every hour and in every stage, so nothing of a market changes without changing it.
#[must_use]
pub fn fingerprint<'a>(daily: impl Iterator<Item = &'a [Vec<f64>; 3]>) -> String {
    let mut hasher = Sha256::new();
    for profit in daily.flatten().flatten() {
        hasher.update(((profit * 100.0).round() as i64).to_le_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
