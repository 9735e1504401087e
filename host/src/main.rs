//! Parses the command line, runs one command, maps its error to an exit code.

use clap::Parser;
use dean::cli::{Cli, dispatch};
use std::process::ExitCode;

/// Reading pages of rows is mostly small allocations; measured on 10,000 ads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    dispatch(cli)
}
