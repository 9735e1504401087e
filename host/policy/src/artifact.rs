//! A policy as bytes: its digest, and what it is before anything runs it.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The SHA-256 of an artifact, the identity that pins and journals use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(Digest(bytes))
    }

    /// The first twelve digits, for tables.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A policy's bytes with where they came from.
#[derive(Clone, Debug)]
pub struct Artifact {
    origin: String,
    bytes: Arc<[u8]>,
    digest: Digest,
}

impl Artifact {
    /// Wraps bytes; `origin` is a path or a name for messages.
    #[must_use]
    pub fn new(origin: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        Artifact { origin: origin.into(), bytes, digest }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        Ok(Artifact::new(path.display().to_string(), std::fs::read(path)?))
    }

    /// Where the bytes came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What the first bytes say this is.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.bytes.get(..8) {
            Some([0, b'a', b's', b'm', 13, 0, 1, 0]) => Format::Component,
            Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Format::CoreModule,
            Some([0, b'a', b's', b'm', ..]) => Format::OtherWasm,
            _ if self.bytes.is_empty() => Format::Empty,
            _ => Format::NotWasm,
        }
    }
}

/// What a file is, by its first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A component: what a policy has to be.
    Component,
    /// A core module, which still has to be made a component.
    CoreModule,
    /// WebAssembly of another layer or version.
    OtherWasm,
    /// No bytes at all.
    Empty,
    /// Something else.
    NotWasm,
}

/// What a component imports and exports, and which contract it was built for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The contract, `dean:policy@0.1.0`, if it exports one.
    pub wit: Option<String>,
    /// Everything it imports.
    pub imports: Vec<String>,
    /// Everything it exports.
    pub exports: Vec<String>,
}
