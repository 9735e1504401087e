//! Parses the command line, runs one command, maps its error to an exit code.

use clap::Parser;
use dean::cli::{Cli, dispatch};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    dispatch(cli)
}
