//! The policies that this program brings along: components built from `plugins/` and committed with
//! the hash of the sources they were built from.

use crate::artifact::Artifact;
use std::sync::OnceLock;

/// A policy inside the binary.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its name.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
    /// The hash of the sources it was built from, see [`crate::build::source_hash`].
    pub sources: &'static str,
}

impl Shipped {
    /// The component as an artifact.
    #[must_use]
    pub fn artifact(&self) -> Artifact {
        Artifact::new(format!("shipped:{}", self.name), self.bytes)
    }
}

macro_rules! shipped {
    ($($name:literal),*) => {
        &[$(Shipped {
            name: $name,
            bytes: include_bytes!(concat!("../../../plugins/prebuilt/", $name, ".wasm")),
            sources: include_str!(concat!("../../../plugins/prebuilt/", $name, ".sources")),
        }),*]
    };
}

/// The version of all of them: they are built with this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All of them.
pub const SHIPPED: &[Shipped] = shipped!("testing", "validation", "scaling", "cel");

/// Those that are meant for the stage of their name.
pub fn of_stages() -> impl Iterator<Item = &'static Shipped> {
    SHIPPED.iter().filter(|shipped| shipped.name != RULES_AS_TEXT)
}

/// The one that decides by rules written as text, for any stage.
pub const RULES_AS_TEXT: &str = "cel";

/// The shipped policy of a digest.
#[must_use]
pub fn of_digest(digest: &str) -> Option<&'static Shipped> {
    static DIGESTS: OnceLock<Vec<String>> = OnceLock::new();
    let digests = DIGESTS.get_or_init(|| SHIPPED.iter().map(|s| s.artifact().digest().to_string()).collect());
    SHIPPED.iter().zip(digests).find(|(_, known)| *known == digest).map(|(shipped, _)| shipped)
}

/// The shipped policy of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Shipped> {
    SHIPPED.iter().find(|shipped| shipped.name == name)
}
