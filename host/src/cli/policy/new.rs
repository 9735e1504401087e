//! `dean policy new`: a policy that builds and passes its cases at once, for somebody to change. What is written in Rust
//! and JavaScript are the examples of `plugins/examples`, which the tests build.

use super::super::output::{self, Usage};
use super::super::{Ended, Global};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use toml_edit::{DocumentMut, Item, value};

#[derive(Debug, Args)]
pub(in crate::cli) struct NewArgs {
    /// The policy's name, also that of its folder: a-z, 0-9 and -
    name: String,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE", default_value = "cel")]
    lang: Language,
}

/// What policies are written in.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    /// Rules as text: nothing but this program is needed
    Cel,
    /// Rust, the quickest there is: needs a Rust compiler
    Rust,
    /// JavaScript: needs npm, and brings an engine along in the component
    Js,
}

/// The texts of files by their places in the folder.
type Files = &'static [(&'static str, &'static str)];

const CEL: Files = &[
    ("policy.toml", include_str!("templates/cel/policy.toml")),
    ("cases/week.toml", include_str!("templates/cel/case.toml")),
];

macro_rules! example {
    ($folder:literal: $($file:literal),*) => {
        &[$(($file, include_str!(concat!("../../../../plugins/examples/", $folder, "/", $file)))),*]
    };
}

const RUST: Files = example!("margin-floor": "Cargo.toml", "src/lib.rs", "cases/floor.toml", "cases/rich.toml");
const JS: Files = example!("cost-outlier": "policy.js", "package.json", "cases/median.toml");

macro_rules! sdk {
    ($($file:literal),*) => {
        &[$((
            concat!("vendor/sdk/src/", $file),
            include_str!(concat!("../../../../plugins/sdk/src/", $file)),
        )),*]
    };
}

/// The SDK, as the program was built with it.
const SDK: Files = sdk!(
    "bindings.rs",
    "declare.rs",
    "evaluate.rs",
    "export.rs",
    "groups.rs",
    "guest.rs",
    "lib.rs",
    "settings.rs",
    "table.rs",
    "testkit.rs"
);
const SDK_MANIFEST: &str = include_str!("../../../../plugins/sdk/Cargo.toml");
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");

impl Language {
    fn name(self) -> &'static str {
        match self {
            Language::Cel => "cel",
            Language::Rust => "rust",
            Language::Js => "js",
        }
    }

    /// What has to be done before it builds, if anything.
    fn first(self, name: &str) -> Option<String> {
        match self {
            Language::Cel | Language::Rust => None,
            Language::Js => {
                Some(format!("`npm install` in {name} brings the tool that makes components of JavaScript,"))
            }
        }
    }

    /// The files of a new policy.
    fn files(self, name: &str) -> anyhow::Result<Vec<(String, String)>> {
        let own = |files: Files, example: &str| -> Vec<(String, String)> {
            files.iter().map(|(file, text)| ((*file).to_string(), text.replace(example, name))).collect()
        };
        let contract = ("wit/policy.wit".to_string(), dean_policy::WIT.to_string());
        Ok(match self {
            Language::Cel => own(CEL, "NAME"),
            Language::Rust => {
                let mut files = own(RUST, "margin-floor");
                // In the example the SDK lies where it is developed.
                files.iter_mut().for_each(|(_, text)| *text = text.replace("../../sdk", "vendor/sdk"));
                files.extend(own(SDK, "\0"));
                files.push(("vendor/sdk/Cargo.toml".into(), sdk_manifest()?));
                files.push(contract);
                files
            }
            Language::Js => own(JS, "cost-outlier").into_iter().chain([contract]).collect(),
        })
    }
}

/// The SDK's manifest for a folder of its own: what it takes from its workspace is written out.
fn sdk_manifest() -> anyhow::Result<String> {
    let mut manifest: DocumentMut = SDK_MANIFEST.parse()?;
    let workspace: DocumentMut = WORKSPACE.parse()?;
    let shared = workspace.get("workspace").context("the workspace's manifest has no workspace")?;
    let package = manifest["package"].as_table_mut().context("the SDK's manifest has no package")?;
    package.remove("license-file");
    for key in ["version", "edition", "rust-version", "publish"] {
        let of_all = shared.get("package").and_then(|package| package.get(key)).and_then(Item::as_value);
        package[key] = value(of_all.with_context(|| format!("the workspace says no {key}"))?.clone());
    }
    let dependencies = manifest["dependencies"].as_table_mut().context("the SDK's manifest has no dependencies")?;
    for (name, dependency) in dependencies.iter_mut() {
        let of_all = shared.get("dependencies").and_then(|all| all.get(name.get())).and_then(Item::as_value);
        *dependency = value(of_all.with_context(|| format!("the workspace has no {name}"))?.clone());
    }
    manifest.remove("lints");
    Ok(manifest.to_string())
}

pub(super) fn new(global: &Global, args: &NewArgs) -> anyhow::Result<Ended> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = args.name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || args.name.len() > 64 || !args.name.chars().all(is_word) {
        let hint = "a word of a-z, 0-9 and - that begins with a letter, such as stop-loss";
        let message = format!("{:?} is no name of a policy\n  hint: {hint}", args.name);
        return Err(Usage(message).into());
    }
    let folder = PathBuf::from(&args.name);
    if folder.exists() {
        return Err(Usage(format!("{} is there already\n  hint: name another", folder.display())).into());
    }
    let files = args.lang.files(&args.name)?;
    for (file, text) in &files {
        let path = folder.join(file);
        let failed = |error: std::io::Error| anyhow::anyhow!("{}: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(&folder)).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
    }
    let name = &args.name;
    if global.json {
        let files: Vec<PathBuf> = files.iter().map(|(file, _)| folder.join(file)).collect();
        output::json(&json!({"name": name, "lang": args.lang.name(), "files": files}));
        return Ok(Ended::Done);
    }
    for (file, _) in files.iter().filter(|(file, _)| !file.starts_with("vendor/sdk/src/")) {
        output::line(&format!("  {}", folder.join(file).display()));
    }
    output::line("");
    args.lang.first(name).iter().for_each(|line| output::line(line));
    output::line(&format!(
        "`dean policy test {name}` asks it its cases,\n`dean policy build {name}` makes {name}.wasm of it."
    ));
    Ok(Ended::Done)
}
