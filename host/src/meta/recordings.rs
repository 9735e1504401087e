//! Recordings: an account's answers, kept so that the same questions are answered again without it. Tokens and
//! personal data are taken out before anything is written.
//!
//! A folder of two files: `recording.json` says of which account and moment it is, `calls.jsonl` has a line a call.

use super::http::{Call, Method, Reply, Transport, TransportError};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// The version of the form.
const VERSION: u32 = 1;
const HEAD: &str = "recording.json";
const CALLS: &str = "calls.jsonl";

/// Parameters that carry secrets: they are part of no question.
const SECRET_PARAMS: [&str; 3] = ["access_token", "appsecret_proof", "input_token"];
/// Fields that say something of people, or of how they pay.
const PERSONAL: [&str; 31] = [
    "dsa_payor",
    "dsa_beneficiary",
    "default_dsa_payor",
    "default_dsa_beneficiary",
    "email",
    "phone",
    "owner",
    "owner_business",
    "business",
    "business_name",
    "business_street",
    "business_street2",
    "business_city",
    "business_zip",
    "business_state",
    "end_advertiser",
    "end_advertiser_name",
    "funding_source",
    "funding_source_details",
    "display_string",
    "io_number",
    "tax_id",
    "tax_id_type",
    "user_id",
    "profile_id",
    "application",
    "app_id",
    "partner",
    "users",
    "media_agency",
    "line_numbers",
];
/// Headers that steer the pace; others say nothing of the account.
const HEADERS: [&str; 4] =
    ["x-business-use-case-usage", "x-ad-account-usage", "x-app-usage", "x-fb-ads-insights-throttle"];
/// What stands in the place of what was taken out.
const REMOVED: &str = "[removed]";

/// Why a recording is not used.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// A file cannot be used.
    #[error("{}: {reason}\n  hint: `dean record DIR` makes a recording", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Of which account and moment a recording is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingHead {
    /// The form.
    pub version: u32,
    /// The account.
    pub account: String,
    /// The API version.
    pub api_version: String,
    /// The moment.
    pub at: Timestamp,
}

/// One call with its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    method: String,
    path: String,
    params: Vec<(String, String)>,
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

/// Method, path and open parameters of a call, by which its answer is found again.
type Question = (String, String, Vec<(String, String)>);

fn question(call: &Call) -> Question {
    let method = if call.method == Method::Get { "GET" } else { "POST" };
    let open = |(name, _): &&(String, String)| !SECRET_PARAMS.contains(&name.as_str());
    let mut params: Vec<(String, String)> = call.params.iter().filter(open).cloned().collect();
    params.sort();
    (method.into(), call.path.clone(), params)
}

/// A way to an account that keeps what it answers.
pub struct RecordingTransport {
    inner: Arc<dyn Transport>,
    lines: Mutex<Vec<Line>>,
}

impl RecordingTransport {
    /// Keeps what goes this way.
    #[must_use]
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        RecordingTransport { inner, lines: Mutex::default() }
    }

    /// Writes what was kept into a folder; how many calls.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(
        &self,
        folder: &Path,
        account: &str,
        api_version: &str,
        at: Timestamp,
    ) -> Result<usize, RecordingError> {
        let wrong =
            |file: &Path, error: std::io::Error| RecordingError::File { file: file.into(), reason: error.to_string() };
        std::fs::create_dir_all(folder).map_err(|error| wrong(folder, error))?;
        let (account, api_version) = (account.to_string(), api_version.to_string());
        let head = RecordingHead { version: VERSION, account, api_version, at };
        let file = folder.join(HEAD);
        // Plain data always has a JSON form.
        let text = serde_json::to_string_pretty(&head).unwrap_or_default();
        std::fs::write(&file, text + "\n").map_err(|error| wrong(&file, error))?;
        let file = folder.join(CALLS);
        let lines = locked(&self.lines);
        let write = || {
            let mut out = std::io::BufWriter::new(std::fs::File::create(&file)?);
            for line in lines.iter() {
                serde_json::to_writer(&mut out, line)?;
                out.write_all(b"\n")?;
            }
            out.flush()
        };
        write().map_err(|error| wrong(&file, error))?;
        Ok(lines.len())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Transport for RecordingTransport {
    async fn send(&self, call: &Call) -> Result<Reply, TransportError> {
        let reply = self.inner.send(call).await?;
        let secrets: Vec<&str> = call
            .params
            .iter()
            .filter(|(name, _)| SECRET_PARAMS.contains(&name.as_str()))
            .map(|(_, v)| v.as_str())
            .collect();
        if let Ok(mut body) = serde_json::from_slice(&reply.body) {
            clean(&mut body, &secrets);
            if body["timezone_name"].is_string() && body["currency"].is_string() {
                body["name"] = "Recorded account".into();
            }
            let (method, path, params) = question(call);
            let kept = |(name, _): &&(String, String)| HEADERS.contains(&name.as_str());
            let headers = reply.headers.iter().filter(kept).cloned().collect();
            locked(&self.lines).push(Line { method, path, params, status: reply.status, headers, body });
        }
        Ok(reply)
    }
}

/// Takes secrets and personal data out of an answer.
fn clean(value: &mut Value, secrets: &[&str]) {
    match value {
        Value::Object(map) => {
            // That something is there may matter; what it is does not.
            map.retain(|name, value| !PERSONAL.contains(&name.as_str()) || value.is_string() || value.is_number());
            for (name, value) in map.iter_mut() {
                match PERSONAL.contains(&name.as_str()) {
                    true => *value = REMOVED.into(),
                    false => clean(value, secrets),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| clean(value, secrets)),
        Value::String(text) => {
            for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
                if text.contains(secret) {
                    *text = text.replace(secret, REMOVED);
                }
            }
            // The addresses of next pages carry the token, encoded as it may be.
            if let Some(at) = text.find("access_token=") {
                let rest = &text[at + "access_token=".len()..];
                let end = rest.find('&').unwrap_or(rest.len());
                let token = rest[..end].to_string();
                *text = text.replace(&format!("access_token={token}"), &format!("access_token={REMOVED}"));
            }
        }
        _ => {}
    }
}

/// A way that answers from a recording and reaches nobody.
pub struct PlayingTransport {
    head: RecordingHead,
    /// Answers by question, in their order.
    answers: Mutex<HashMap<Question, Vec<Line>>>,
}

impl PlayingTransport {
    /// Reads a recording.
    ///
    /// # Errors
    /// When the folder holds none.
    pub fn load(folder: &Path) -> Result<Self, RecordingError> {
        let file = folder.join(HEAD);
        let wrong = |file: &Path, reason: String| RecordingError::File { file: file.into(), reason };
        let text = std::fs::read_to_string(&file).map_err(|error| wrong(&file, error.to_string()))?;
        let head: RecordingHead = serde_json::from_str(&text).map_err(|error| wrong(&file, error.to_string()))?;
        if head.version != VERSION {
            return Err(wrong(&file, format!("it has version {}; this program reads {VERSION}", head.version)));
        }
        let file = folder.join(CALLS);
        let lines = std::fs::File::open(&file).map_err(|error| wrong(&file, error.to_string()))?;
        let mut answers: HashMap<_, Vec<Line>> = HashMap::new();
        for (at, line) in BufReader::new(lines).lines().enumerate() {
            let line = line.map_err(|error| wrong(&file, error.to_string()))?;
            let line: Line =
                serde_json::from_str(&line).map_err(|error| wrong(&file, format!("line {}: {error}", at + 1)))?;
            let question = (line.method.clone(), line.path.clone(), line.params.clone());
            answers.entry(question).or_default().push(line);
        }
        Ok(PlayingTransport { head, answers: Mutex::new(answers) })
    }

    /// Of which account and moment it is.
    #[must_use]
    pub fn head(&self) -> &RecordingHead {
        &self.head
    }
}

#[async_trait]
impl Transport for PlayingTransport {
    async fn send(&self, call: &Call) -> Result<Reply, TransportError> {
        let question = question(call);
        let mut answers = locked(&self.answers);
        let Some(lines) = answers.get_mut(&question) else {
            let reason = format!("the recording has no answer to {} {}", question.0, question.1);
            return Err(TransportError::NotRecorded { reason });
        };
        // A question that was asked again is answered as it was then; the last answer stays.
        let line = if lines.len() > 1 { lines.remove(0) } else { lines[0].clone() };
        Ok(Reply { status: line.status, headers: line.headers, body: line.body.to_string().into_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_and_people_are_taken_out_and_numbers_stay() {
        let mut body = json!({
            "id": "act_1", "owner": "10", "funding_source_details": {"display_string": "Visa 1234"},
            "data": [{"spend": "12.50", "email": "a@example.com", "name": "the-token in a name"}],
            "paging": {"next": "https://graph.facebook.com/v26.0/act_1/ads?access_token=the%2Dtoken&after=MQ"},
        });
        clean(&mut body, &["the-token"]);
        assert_eq!(
            body,
            json!({
                "id": "act_1", "owner": "[removed]",
                "data": [{"spend": "12.50", "email": "[removed]", "name": "[removed] in a name"}],
                "paging": {"next": "https://graph.facebook.com/v26.0/act_1/ads?access_token=[removed]&after=MQ"},
            })
        );
    }
}
