//! The demo's report as one page of HTML, without anything from elsewhere.

use super::DemoReport;

/// The page.
#[must_use]
pub fn page(_report: &DemoReport) -> String {
    String::new()
}
