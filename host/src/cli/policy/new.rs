//! `dean policy new`: a policy that builds and passes its cases at once, for somebody to change.

use super::super::output::{self, Usage};
use super::super::{Ended, Global};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

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
}

impl Language {
    fn name(self) -> &'static str {
        match self {
            Language::Cel => "cel",
        }
    }

    /// The files of a new policy, with NAME for its name.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Language::Cel => &[
                ("policy.toml", include_str!("templates/cel/policy.toml")),
                ("cases/week.toml", include_str!("templates/cel/case.toml")),
            ],
        }
    }
}

pub(super) fn new(global: &Global, args: &NewArgs) -> anyhow::Result<Ended> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if args.name.is_empty() || args.name.len() > 64 || !args.name.chars().all(is_word) {
        let message =
            format!("{:?} is no name of a policy\n  hint: a word of a-z, 0-9 and -, such as stop-loss", args.name);
        return Err(Usage(message).into());
    }
    let folder = PathBuf::from(&args.name);
    if folder.exists() {
        return Err(Usage(format!("{} is there already\n  hint: name another", folder.display())).into());
    }
    for (file, text) in args.lang.files() {
        let path = folder.join(file);
        let failed = |error: std::io::Error| anyhow::anyhow!("{}: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(&folder)).map_err(failed)?;
        std::fs::write(&path, text.replace("NAME", &args.name)).map_err(failed)?;
    }
    let name = &args.name;
    if global.json {
        let files: Vec<PathBuf> = args.lang.files().iter().map(|(file, _)| folder.join(file)).collect();
        output::json(&json!({"name": name, "lang": args.lang.name(), "files": files}));
        return Ok(Ended::Done);
    }
    for (file, _) in args.lang.files() {
        output::line(&format!("  {}", folder.join(file).display()));
    }
    output::line(&format!(
        "\n`dean policy test {name}` asks it its cases,\n`dean policy build {name}` makes {name}.wasm of it."
    ));
    Ok(Ended::Done)
}
