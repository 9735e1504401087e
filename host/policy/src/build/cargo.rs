//! From a crate to a component, on whatever Rust compiler this machine has.
//!
//! Three ways are tried in order: the toolchain has the wasm target (what `rustup target add`
//! gives); the toolchain has its own library source; Debian's `rustc-web` and `rust-web-src` at one
//! version stand beside rustup's cargo. Without any of them the error says what to install.

use super::{BuildError, Built, cases, run};
use crate::package::Package;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const TARGET: &str = "wasm32-unknown-unknown";
/// The default stack of 1 MiB doubles what an instantiation costs; policies need a few kilobytes.
const GUEST_STACK_BYTES: u32 = 64 << 10;

/// A way to a compiler for the target.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// The toolchain has the target.
    Target,
    /// The toolchain has its library source.
    BuildStd,
    /// Debian's compiler and library source, with rustup's cargo and linker.
    Debian { linker: PathBuf },
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Way::Target => "the installed target",
            Way::BuildStd => "the toolchain's library source",
            Way::Debian { .. } => "Debian's rustc-web",
        }
    }
}

/// Builds the crate in a folder.
pub(super) fn build(folder: &Path, target: &Path) -> Result<Built, BuildError> {
    let manifest = folder.join("Cargo.toml");
    let way = find_way()?;
    let mut cargo = scrubbed("cargo");
    cargo.args(["build", "--profile", "guest", "--target", TARGET, "--lib"]);
    cargo.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(target);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(folder).join("\u{1f}"));
    if way != Way::Target {
        cargo.args(["-Z", "build-std=core,alloc"]).env("RUSTC_BOOTSTRAP", "1");
    }
    if let Way::Debian { linker } = &way {
        cargo.env("RUSTC", DEBIAN_RUSTC);
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    let output = run(&mut cargo)?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BuildError::Compile { way: way.name(), output });
    }
    let library = library_name(&manifest)?;
    let module = target.join(TARGET).join("guest").join(format!("{library}.wasm"));
    let bytes = std::fs::read(&module).map_err(|source| BuildError::File { file: module.clone(), source })?;
    let package = Package { cases: cases(&folder.join("cases"))?, ..Package::default() };
    let component = package.put_into(&componentize(&module, &bytes)?);
    let component = component.map_err(|reason| BuildError::Component { file: module, reason })?;
    Ok(Built { component, way: way.name() })
}

/// Compiler flags: a small stack, and panics that name files of the policy and not of this machine.
fn flags(folder: &Path) -> Vec<String> {
    let mut flags = vec![format!("-Clink-arg=-zstack-size={GUEST_STACK_BYTES}")];
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".cargo")));
    let workspace = folder.canonicalize().ok().and_then(|path| path.ancestors().nth(2).map(Path::to_path_buf));
    let mut remap = |from: &Path, to: &str| flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    if let Some(workspace) = &workspace {
        remap(workspace, ".");
    }
    // Below it each registry has a folder of its own.
    let sources = cargo.map(|cargo| cargo.join("registry/src"));
    for registry in sources.and_then(|sources| std::fs::read_dir(sources).ok()).into_iter().flatten().flatten() {
        remap(&registry.path(), "crates");
    }
    flags
}

fn componentize(file: &Path, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encode = || wit_component::ComponentEncoder::default().validate(true).module(module)?.encode();
    encode().map_err(|error| BuildError::Component { file: file.to_path_buf(), reason: format!("{error:#}") })
}

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

fn find_way() -> Result<Way, BuildError> {
    let mut tried = Vec::new();
    let print = |what: &[&str]| -> Option<PathBuf> {
        let output = scrubbed("rustc").args(what).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| PathBuf::from(text.trim()))
    };
    let has_core = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
        names.into_iter().any(|n| n.starts_with("libcore") && n.ends_with(".rlib"))
    };
    match print(&["--print", "target-libdir", "--target", TARGET]) {
        Some(folder) if has_core(&folder) => return Ok(Way::Target),
        Some(_) => tried.push("  the toolchain does not have the target".to_string()),
        None => tried.push("  `rustc` does not answer".to_string()),
    }
    let sysroot = print(&["--print", "sysroot"]);
    if let Some(root) = &sysroot {
        if root.join("lib/rustlib/src/rust/library/Cargo.lock").is_file() {
            return Ok(Way::BuildStd);
        }
        tried.push("  the toolchain does not have its library source (rust-src)".into());
    }
    match debian(sysroot.as_deref()) {
        Ok(way) => return Ok(way),
        Err(reason) => tried.push(format!("  {reason}")),
    }
    Err(BuildError::NoCompiler(tried.join("\n")))
}

/// Debian's packages `rustc-web` and `rust-web-src`: usable when their versions agree and rustup's
/// toolchain lends its linker.
fn debian(sysroot: Option<&Path>) -> Result<Way, String> {
    let version = |package: &str| {
        let query = ["-W", "-f", "${Version}", package];
        let output = Command::new("dpkg-query").args(query).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (Some(compiler), Some(source)) = (version("rustc-web"), version("rust-web-src")) else {
        return Err("Debian's rustc-web and rust-web-src are not installed".into());
    };
    if compiler != source {
        return Err(format!("Debian's rustc-web is {compiler} but rust-web-src is {source}: upgrade both"));
    }
    let lld = |entry: std::fs::DirEntry| {
        let file = entry.path().join("bin/rust-lld");
        file.is_file().then_some(file)
    };
    let hosts = sysroot.and_then(|root| std::fs::read_dir(root.join("lib/rustlib")).ok());
    match hosts.into_iter().flatten().flatten().find_map(lld) {
        Some(linker) => Ok(Way::Debian { linker }),
        None => Err("the toolchain has no rust-lld to link with".into()),
    }
}

fn library_name(manifest: &Path) -> Result<String, BuildError> {
    let mut cargo = scrubbed("cargo");
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"]).arg(manifest);
    let output = run(&mut cargo)?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let wanted = manifest.canonicalize().unwrap_or_else(|_| manifest.to_path_buf());
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages
        .filter(|p| p["manifest_path"].as_str().is_some_and(|path| Path::new(path) == wanted))
        .flat_map(|p| p["targets"].as_array().into_iter().flatten());
    let is_cdylib =
        |target: &&serde_json::Value| target["crate_types"].as_array().is_some_and(|t| t.iter().any(|t| t == "cdylib"));
    let name = package.clone().find(is_cdylib).and_then(|t| t["name"].as_str());
    name.map(|n| n.replace('-', "_")).ok_or_else(|| BuildError::NoLibrary(manifest.to_path_buf()))
}

/// A command without what an outer cargo or a shell left in the environment for its own build.
fn scrubbed(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let keep = matches!(name.as_str(), "CARGO_HOME" | "CARGO_NET_OFFLINE" | "CARGO_HTTP_CAINFO")
            || name.starts_with("CARGO_REGISTRIES_");
        let scrub = name.starts_with("CARGO")
            || name.starts_with("RUSTFLAGS")
            || matches!(name.as_str(), "RUSTC" | "RUSTC_WRAPPER" | "RUSTUP_TOOLCHAIN" | "LD_LIBRARY_PATH");
        if scrub && !keep {
            command.env_remove(name);
        }
    }
    command
}
