//! What travels inside a component beside its code, in one custom section: its cases, and for a policy made of
//! settings (rules as text) who it is and what it is set to. The digest of the component covers all of it.

use crate::types::Setting;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Parser, Payload};

/// The name of the custom section.
const SECTION: &str = "dean:package";
/// The first byte of the section: how the rest is written (1: zstd of JSON).
const FORMAT: u8 = 1;
/// Cases of a thousand files come to a few hundred kilobytes; beyond this a section is a bomb: read as TOML it takes some
/// fifty times as much memory.
const LARGEST: u64 = 4 << 20;
/// What is shipped is packed once and read often.
const ZSTD_LEVEL: i32 = 19;

/// What travels inside a component beside its code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Package {
    /// Who the policy is, where the component behind it serves several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// What it is set to beneath a client's settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// Its cases: texts by the names of their files.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cases: BTreeMap<String, String>,
}

/// Who a policy is, said by its package instead of its component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One paragraph for a person.
    pub doc: String,
    /// The stages it decides for.
    pub stages: Vec<String>,
}

impl Package {
    /// The package inside a component; empty where it carries none.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn of(component: &[u8]) -> Result<Self, String> {
        let found = sections(component)?;
        match found.as_slice() {
            [] => Ok(Package::default()),
            [(_, data)] => unpack(data),
            _ => Err(format!("it carries {} packages, where one is meant", found.len())),
        }
    }

    /// A component with this package in it, in place of any that it carried.
    ///
    /// # Errors
    /// When the bytes are no component, or the package is larger than any that is read.
    pub fn put_into(&self, component: &[u8]) -> Result<Vec<u8>, String> {
        let found = sections(component)?;
        let mut bytes = Vec::with_capacity(component.len());
        let mut from = 0;
        for (range, _) in &found {
            bytes.extend_from_slice(&component[from..range.start]);
            from = range.end;
        }
        bytes.extend_from_slice(&component[from..]);
        if *self != Package::default() {
            let data = pack(self)?;
            CustomSection { name: SECTION.into(), data: data.into() }.append_to_component(&mut bytes);
        }
        Ok(bytes)
    }
}

/// A section of ours: where it stands in the component, head included, and what is in it.
type Section<'a> = (Range<usize>, &'a [u8]);

/// The sections of ours on the outermost level.
fn sections(component: &[u8]) -> Result<Vec<Section<'_>>, String> {
    let mut found = Vec::new();
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| format!("it is no whole component: {}", error.message()))?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                let range = section.range();
                found.push((head(component, range.start)..range.end, section.data()));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Where a section begins whose contents begin at a place: before them stand its id (0) and its length (LEB128, of
/// which only the last byte is below 128).
fn head(component: &[u8], contents: usize) -> usize {
    let mut at = contents.saturating_sub(1);
    while at > 0 && component[at - 1] >= 0x80 {
        at -= 1;
    }
    at.saturating_sub(1)
}

fn pack(package: &Package) -> Result<Vec<u8>, String> {
    let json = serde_json::to_vec(package).map_err(|error| format!("its package cannot be written: {error}"))?;
    if json.len() as u64 > LARGEST {
        return Err(too_large());
    }
    let packed = || -> std::io::Result<Vec<u8>> {
        let mut packer = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        packer.include_checksum(true)?;
        packer.compress(&json)
    };
    let packed = packed().map_err(|error| format!("its package cannot be written: {error}"))?;
    Ok([&[FORMAT], packed.as_slice()].concat())
}

fn too_large() -> String {
    format!("its cases and settings come to more than {} MiB", LARGEST >> 20)
}

fn unpack(data: &[u8]) -> Result<Package, String> {
    let Some((&FORMAT, packed)) = data.split_first() else {
        return Err("its package has a format that this program does not know".into());
    };
    let broken = |error: std::io::Error| format!("its package cannot be read: {error}");
    let mut json = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(broken)?;
    decoder.take(LARGEST + 1).read_to_end(&mut json).map_err(broken)?;
    if json.len() as u64 > LARGEST {
        return Err(too_large());
    }
    serde_json::from_slice(&json).map_err(|error| format!("its package cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_comes_out_as_it_went_in_and_only_once() {
        let component = crate::shipped::SHIPPED[0].bytes;
        let bare = Package::default().put_into(component).expect("a component");
        let package =
            Package { cases: BTreeMap::from([("a.toml".into(), "doc = \"x\"".repeat(500))]), ..Package::default() };
        let mut packed = package.put_into(&bare).expect("a component");
        assert_eq!(Package::of(&packed), Ok(package.clone()));
        for _ in 0..3 {
            packed = package.put_into(&packed).expect("a component");
        }
        assert_eq!(Package::default().put_into(&packed).expect("a component"), bare, "it is taken out whole");
        let twice = [packed.as_slice(), &packed[bare.len()..]].concat();
        assert!(Package::of(&twice).is_err());
        assert!(Package::of(&packed[..packed.len() - 1]).is_err(), "cut");
        let large = "x".repeat(LARGEST as usize);
        let large = Package { cases: BTreeMap::from([("a.toml".into(), large)]), ..Package::default() };
        assert!(large.put_into(&bare).is_err(), "what would not be read is not written");
    }
}
