//! Dependencies between rooms point one way: read from the `crate::` paths of every file.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may know. What stands in the last line composes.
const ROOMS: [(&str, &[&str]); 20] = [
    ("domain", &[]),
    ("config", &["domain"]),
    ("features", &["domain"]),
    ("guard", &["domain"]),
    ("health", &["domain"]),
    ("meta", &["domain"]),
    ("store", &["domain"]),
    ("import", &["domain", "store"]),
    ("journal", &["domain", "features", "guard"]),
    ("ledger", &["domain", "meta", "store"]),
    ("mirror", &[]),
    ("scoring", &["features", "store"]),
    ("policies", &["config", "features", "scoring", "store"]),
    (
        "pipeline",
        &[
            "config", "domain", "features", "guard", "health", "journal", "ledger", "meta", "policies", "scoring",
            "store",
        ],
    ),
    ("compare", &["domain", "features", "guard", "journal", "pipeline", "policies", "store"]),
    ("demo", &["config", "domain", "guard", "ledger", "meta", "pipeline", "policies", "scoring", "store"]),
    ("gym", &["demo", "domain", "pipeline", "policies", "scoring"]),
    ("learn", &["config", "demo", "domain", "features", "pipeline", "policies", "scoring", "store"]),
    (
        "cli",
        &[
            "compare", "config", "demo", "domain", "features", "gym", "health", "import", "learn", "meta", "mirror",
            "pipeline", "policies", "scoring", "store",
        ],
    ),
    ("main.rs", &["cli"]),
];

/// Heavy dependencies with the only rooms that may name them.
const HEAVY: [(&str, &[&str]); 6] = [
    ("wasmtime", &[]),
    ("tract_onnx", &[]),
    ("rusqlite", &["store"]),
    ("reqwest", &["meta", "mirror", "policies"]),
    ("axum", &[]),
    ("oci_client", &["policies"]),
];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        files.extend(sources(&entry.unwrap().path()));
    }
    files
}

/// The code of a file without comments.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn host() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src")
}

/// The rooms that a piece of code names: `crate::room`, or several behind one brace.
fn named(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(list.split('}').next().unwrap().split(',').map(|part| word(part.trim()))),
            None => {
                rooms.insert(word(rest));
            }
        }
    }
    rooms
}

#[test]
fn every_room_knows_only_the_rooms_below_it() {
    let mut listed: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_string()).collect();
    listed.insert("lib.rs".into());
    for entry in std::fs::read_dir(host()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(listed.contains(&name), "{name} is a room that this test does not know");
    }
    for (room, may_know) in ROOMS {
        for file in sources(&host().join(room)) {
            for other in named(&code(&file)) {
                let is_room = ROOMS.iter().any(|(name, _)| *name == other);
                let allowed = !is_room || other == room || may_know.contains(&other.as_str());
                assert!(allowed, "{} uses crate::{other}, which {room} may not know", file.display());
            }
        }
    }
}

#[test]
fn heavy_dependencies_stay_in_their_rooms() {
    for (dependency, rooms) in HEAVY {
        let mut seen = rooms.is_empty();
        for (room, _) in ROOMS {
            for file in sources(&host().join(room)) {
                let uses = code(&file).contains(&format!("{dependency}::"));
                assert!(!uses || rooms.contains(&room), "{} uses {dependency}", file.display());
                seen |= uses;
            }
        }
        assert!(seen, "nothing uses {dependency}: is this list still right?");
    }
}

#[test]
fn the_reader_sees_what_the_code_names() {
    let found =
        named("use crate::{store::Store, guard};\nlet x = crate::ledger::hours(a, b);\nuse super::crate_thing;");
    assert_eq!(found, ["guard", "ledger", "store"].map(String::from).into());
}
