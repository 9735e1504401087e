//! What was worked out about a policy once: its compiled form, and that it answered its cases. Both hold for the same
//! bytes on the same engine only, which is what the files are named by.

use crate::artifact::Digest;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::Engine;
use wasmtime::component::Component;

/// What the folder holds at most: some hundred policies in Rust, or a few dozen of interpreters.
const LARGEST: u64 = 1 << 30;

/// A folder that only this user may write, for one engine.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    engine: u64,
}

impl Cache {
    pub(crate) fn new(folder: &Path, engine: &Engine) -> Self {
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        // Cases are asked by this program's own rules.
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        Cache { folder: folder.to_path_buf(), engine: hasher.finish() }
    }

    fn file(&self, digest: Digest, extension: &str) -> PathBuf {
        self.folder.join(format!("{digest}-{:016x}.{extension}", self.engine))
    }

    /// A compiled form that this program wrote earlier, if the folder is ours alone.
    #[allow(unsafe_code)]
    pub(super) fn component(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let file = self.file(digest, "cwasm");
        if !file.exists() || !is_private(&self.folder) {
            return None;
        }
        // What was used last is pruned last. Where that cannot be noted it goes by its age.
        let _ = std::fs::File::open(&file).and_then(|file| file.set_modified(SystemTime::now()));
        // SAFETY: deserialising trusts the bytes. The folder is readable and writable by this user
        // alone (checked above) and only `keep` writes there; the name carries the digest of the source
        // and of the engine's configuration, and wasmtime refuses other versions of itself.
        match unsafe { Component::deserialize_file(engine, &file) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::debug!(file = %file.display(), %error, "the cached policy is compiled anew");
                None
            }
        }
    }

    /// Keeps a compiled form.
    pub(super) fn keep(&self, digest: Digest, component: &Component) {
        let bytes = component.serialize().map_err(std::io::Error::other);
        self.write(digest, "cwasm", bytes);
    }

    /// How many cases a policy answered as expected, if it was asked them before.
    pub(crate) fn passed(&self, digest: Digest) -> Option<usize> {
        if !is_private(&self.folder) {
            return None;
        }
        std::fs::read_to_string(self.file(digest, "passed")).ok()?.trim().parse().ok()
    }

    /// Keeps that a policy answered its cases as expected.
    pub(crate) fn keep_passed(&self, digest: Digest, cases: usize) {
        self.write(digest, "passed", Ok(cases.to_string().into_bytes()));
    }

    /// Written aside and renamed, so that another process never reads half of it.
    fn write(&self, digest: Digest, extension: &str, bytes: std::io::Result<Vec<u8>>) {
        let file = self.file(digest, extension);
        let aside = file.with_extension(format!("{extension}.{}.tmp", std::process::id()));
        let write = || {
            make_private(&self.folder)?;
            std::fs::write(&aside, bytes?)?;
            std::fs::rename(&aside, &file)?;
            prune(&self.folder, LARGEST)
        };
        if let Err(error) = write() {
            tracing::debug!(file = %file.display(), %error, "what was worked out of a policy was not kept");
        }
    }
}

/// Removes what was used longest ago, until the rest fits: whatever is gone is compiled again when it is needed.
fn prune(folder: &Path, largest: u64) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_file() {
            files.push((about.modified()?, about.len(), entry.path()));
        }
    }
    files.sort();
    let mut all: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, size, file) in files {
        if all <= largest {
            break;
        }
        std::fs::remove_file(file)?;
        all -= size;
    }
    Ok(())
}

#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn is_private(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: it takes nothing, cannot fail, and touches no memory.
    let user = unsafe { libc::geteuid() };
    std::fs::metadata(folder).is_ok_and(|m| m.is_dir() && m.mode() & 0o077 == 0 && m.uid() == user)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Elsewhere there is no mode to check, so nothing is trusted and everything compiled anew.
#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let ages = [("old", 3), ("older", 5), ("new", 1)];
        for (name, hours) in ages {
            let file = folder.path().join(name);
            std::fs::write(&file, [0; 100]).expect("a file");
            let at = SystemTime::now() - std::time::Duration::from_secs(hours * 3600);
            std::fs::File::options().write(true).open(&file).and_then(|f| f.set_modified(at)).expect("a time");
        }
        let left = |largest: u64| {
            prune(folder.path(), largest).expect("pruned");
            ages.map(|(name, _)| folder.path().join(name).exists())
        };
        assert_eq!(left(300), [true, true, true]);
        assert_eq!(left(299), [true, false, true]);
        assert_eq!(left(199), [false, false, true]);
    }
}
