//! How commands speak: logs, errors, tables, JSON.

use super::Global;
use crate::config::ConfigError;
use crate::policies::{FetchError, InstallError, Refusal};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use dean_policy::cases::CaseError;
use dean_policy::{LoadError, ResolveError, SignatureError};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use tracing_subscriber::EnvFilter;

/// Sends logs to stderr: warnings, or with -v and `DEBUG=true` more.
pub(super) fn start_logging(global: &Global) {
    let debug = std::env::var("DEBUG").is_ok_and(|v| v.eq_ignore_ascii_case("true"));
    let level = match global.verbose.max(u8::from(debug)) {
        0 => "warn",
        1 => "info,dean=debug,policy=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("DEAN_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colour = !global.no_color && std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal();
    // A second start, in a test, leaves the first one in place.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .without_time()
        .try_init();
}

/// A usage error of our own: exit code 2 like those that clap finds.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub String);

/// The exit code of an error: 2 for usage and configuration, else 1.
pub(super) fn exit_code(error: &anyhow::Error) -> u8 {
    let configured = error.chain().any(|cause| {
        cause.is::<ConfigError>()
            || cause.is::<Usage>()
            || cause.is::<ResolveError>()
            || cause.is::<LoadError>()
            || cause.is::<CaseError>()
            || cause.is::<SignatureError>()
            || cause.is::<InstallError>()
            || cause.downcast_ref().is_some_and(|error: &FetchError| !error.is_transient())
            || cause.is::<Refusal>()
    });
    if configured { 2 } else { 1 }
}

/// Prints an error, to stderr in any case, and as a document with --json.
pub(super) fn error(global: &Global, error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        // Errors that show their source say it once.
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(&format!("\n  because: {cause}"));
        }
    }
    tell(&format!("error: {text}"));
    if global.json {
        json(&serde_json::json!({"error": {"message": text, "exit_code": exit_code(error)}}));
    }
}

/// Writes a line for a person to stderr. Whoever stopped listening keeps nobody from working.
pub(super) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a value as one JSON document.
pub(super) fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    line(&text);
}

/// Prints a line on stdout; a reader that went away is no error.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line under the header and none between rows: what is next to each other reads together.
const LINED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table in the house's look.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(LINED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    // Without a terminal there is no width to fit into; lines are then as long as they are.
    if !std::io::stdout().is_terminal() {
        table.set_width(200);
    }
    table
}

/// So many of something, in words.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Whether a progress bar would be seen.
pub(super) fn shows_progress(global: &Global) -> bool {
    !global.no_color && !global.json && std::io::stderr().is_terminal()
}
