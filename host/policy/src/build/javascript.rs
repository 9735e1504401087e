//! From a JavaScript file to a component: `componentize-qjs` puts it beside a small JavaScript engine (QuickJS).

use super::{BuildError, Built, cases, run};
use crate::package::Package;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file of a policy in JavaScript.
pub(super) const FILE: &str = "policy.js";
const TOOL: &str = "componentize-qjs";

/// Builds the script in a folder.
pub(super) fn build(folder: &Path, target: &Path) -> Result<Built, BuildError> {
    let tool = find(folder).ok_or_else(|| BuildError::NoTool(folder.to_path_buf()))?;
    let out = target.join("javascript");
    let wit = out.join("wit");
    std::fs::create_dir_all(&wit).map_err(|source| BuildError::File { file: wit.clone(), source })?;
    let contract = wit.join("policy.wit");
    std::fs::write(&contract, crate::WIT).map_err(|source| BuildError::File { file: contract, source })?;
    let component = out.join("policy.wasm");
    let mut command = Command::new(&tool);
    command.arg("-w").arg(&wit).args(["-n", "stage-policy", "-j"]).arg(folder.join(FILE));
    // No policy gets a clock, files or a network: whoever asks for one traps.
    command.args(["--stub-wasi", "--sync", "--opt-size", "-m", "-o"]).arg(&component);
    let output = run(&mut command)?;
    if !output.status.success() {
        let said = [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        return Err(BuildError::Compile { way: TOOL, output: said.concat() });
    }
    let bytes = std::fs::read(&component).map_err(|source| BuildError::File { file: component.clone(), source })?;
    let package = Package { cases: cases(&folder.join("cases"))?, ..Package::default() };
    let packed = package.put_into(&bytes);
    let component = packed.map_err(|reason| BuildError::Component { file: component, reason })?;
    Ok(Built { component, way: TOOL })
}

/// The tool that `npm install` put beside the script, or one that is installed for everybody.
fn find(folder: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [folder.join("node_modules/.bin")].into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(TOOL)).find(|file| file.is_file())
}
