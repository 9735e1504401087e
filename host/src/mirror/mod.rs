//! Supabase through its REST API (PostgREST): reads the table of creatives that wait to be launched.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;
use thiserror::Error;

/// Why a table could not be read.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// Nothing came back.
    #[error("Supabase did not answer: {0}\n  hint: check the network and SUPABASE_URL")]
    NoAnswer(String),
    /// It said no.
    #[error("Supabase answered {status} for table {table}: {message}\n  hint: {}", hint(*.status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The table.
        table: String,
        /// What it said.
        message: String,
    },
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "check SUPABASE_SERVICE_ROLE_KEY",
        404 => "check SUPABASE_URL and SUPABASE_TABLE",
        _ => "try again later",
    }
}

/// A Supabase project.
#[derive(Debug)]
pub struct Supabase {
    client: reqwest::Client,
    url: String,
    key: SecretString,
}

const TIMEOUT: Duration = Duration::from_secs(30);
/// The status of rows that wait to be launched.
const QUEUED: &str = "eq.queued";

impl Supabase {
    /// A project by its address and service role key.
    ///
    /// # Errors
    /// When HTTP cannot be set up.
    pub fn new(url: &str, key: SecretString) -> Result<Self, MirrorError> {
        // A second call finds it installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| MirrorError::NoAnswer(error.to_string()))?;
        Ok(Supabase { client, url: url.trim_end_matches('/').into(), key })
    }

    /// The rows of a table whose status is `queued`.
    ///
    /// # Errors
    /// When the project does not answer, or refuses.
    pub async fn queued(&self, table: &str) -> Result<Vec<Value>, MirrorError> {
        let key = self.key.expose_secret();
        let request = self
            .client
            .get(format!("{}/rest/v1/{table}", self.url))
            .query(&[("select", "*"), ("status", QUEUED)])
            .header("apikey", key)
            .bearer_auth(key);
        let no_answer = |error: reqwest::Error| MirrorError::NoAnswer(error.without_url().to_string());
        let response = request.send().await.map_err(no_answer)?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(no_answer)?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        match (status, value) {
            (200..=299, Some(Value::Array(rows))) => Ok(rows),
            (_, value) => {
                let message = value.as_ref().and_then(|value| value["message"].as_str()).unwrap_or("no table of rows");
                Err(MirrorError::Refused { status, table: table.into(), message: message.into() })
            }
        }
    }
}
