//! Reports: a question that is too large to be answered at once is asked, waited for, and read page by page. One
//! that fails is asked again once, and then in halves.

use super::client::Client;
use super::errors::Error;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The first wait between two looks at a report; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A report that is not there after so many looks, some ten minutes, does not come.
const LOOKS: usize = 24;

/// How often a report is asked for before its question is split.
const ATTEMPTS: usize = 2;

#[derive(Debug, Deserialize)]
struct Asked {
    report_run_id: super::number::Id,
}

#[derive(Debug, Deserialize)]
struct State {
    #[serde(default)]
    async_status: String,
}

impl Client {
    /// The rows of a question, by a report; `None` when it came to nothing twice and has to be split.
    ///
    /// # Errors
    /// When Meta refuses the question itself.
    pub(super) async fn report<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &[(&str, String)],
        page: usize,
    ) -> Result<Option<Vec<T>>, Error> {
        for attempt in 1..=ATTEMPTS {
            let asked: Asked = self.ask(path, params).await?;
            let id = asked.report_run_id.0;
            let status = self.wait_for(&id).await?;
            if status == COMPLETED {
                return self.list(&format!("{id}/insights"), &[], page).await.map(Some);
            }
            tracing::info!(report = %id, %status, attempt, "a report came to nothing");
        }
        Ok(None)
    }

    /// How a report ended: Meta's word for it.
    async fn wait_for(&self, id: &str) -> Result<String, Error> {
        let mut wait = FIRST_WAIT;
        let mut status = String::new();
        for _ in 0..LOOKS {
            let state: State = self.look(id, &[("fields", "async_status,async_percent_completion".into())]).await?;
            status = state.async_status;
            if [COMPLETED, "Job Failed", "Job Skipped"].contains(&status.as_str()) {
                return Ok(status);
            }
            self.clock().sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Ok(format!("{status} for too long"))
    }
}

const COMPLETED: &str = "Job Completed";
