//! The way a call takes: over HTTP, or into a server in this process.

use super::errors::Class;
use async_trait::async_trait;
use reqwest::multipart;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The methods that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Writes.
    Post,
}

/// One call, without its credentials in the path.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path with version, without a leading slash: `v26.0/act_1/ads`.
    pub path: String,
    /// Parameters: the query of a read, the form of a write.
    pub params: Vec<(String, String)>,
    /// A file that goes along with a write.
    pub file: Option<FilePart>,
}

/// A file of a form.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// The form's field.
    pub field: String,
    /// The file's name.
    pub name: String,
    /// What it holds.
    pub bytes: Arc<[u8]>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// A call that brought no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TransportError {
    /// It never left, so it certainly had no effect.
    #[error("no connection to {host}: {reason}")]
    NotSent {
        /// The server.
        host: String,
        /// What happened.
        reason: String,
    },
    /// It was not sent: Meta's limits are used up for longer than a run waits.
    #[error("Meta's limits are used up for another {minutes} min")]
    Resting {
        /// Minutes until they are free again.
        minutes: u64,
    },
    /// There is nobody to send it to: answers come from a recording, and this one is not in it.
    #[error("{reason}")]
    NotRecorded {
        /// What is missing.
        reason: String,
    },
    /// It may have arrived: whether it had an effect is not known.
    #[error("no answer from {host}: {reason}")]
    NoAnswer {
        /// The server.
        host: String,
        /// What happened.
        reason: String,
    },
}

impl TransportError {
    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            TransportError::Resting { .. } => Class::Resting.hint(),
            TransportError::NotRecorded { .. } => {
                "another configuration asks other questions: record the account anew with this one"
            }
            _ => "check the network and META_GRAPH_URL",
        }
    }
}

/// Takes calls to an API and brings answers back.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one call.
    ///
    /// # Errors
    /// When no complete answer came back; an error *in* the answer is a [`Reply`].
    async fn send(&self, call: &Call) -> Result<Reply, TransportError>;
}

/// Meta answers large reads in up to half a minute; what takes longer than this never comes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls over HTTP.
#[derive(Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    base: reqwest::Url,
    host: String,
}

impl HttpTransport {
    /// A transport to a server such as `https://graph.facebook.com`.
    ///
    /// # Errors
    /// When the address is no URL of scheme http or https, or TLS cannot be set up.
    pub fn new(base: &str) -> Result<Self, String> {
        let url =
            reqwest::Url::parse(base.trim_end_matches('/')).map_err(|error| format!("{base} is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("{base} is no http or https URL"));
        }
        // A second call finds it installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("dean/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("HTTP cannot be set up: {error}"))?;
        let host = url.host_str().unwrap_or_default().to_string();
        Ok(HttpTransport { client, base: url, host })
    }

    /// An error without its URL: the URL carries the token.
    fn failed(&self, error: reqwest::Error) -> TransportError {
        let host = self.host.clone();
        let unsent = error.is_connect() || error.is_builder();
        let timeout = error.is_timeout();
        let reason = match (timeout, unsent) {
            (true, _) => "it took too long".to_string(),
            (false, _) => innermost(&error.without_url()),
        };
        if unsent { TransportError::NotSent { host, reason } } else { TransportError::NoAnswer { host, reason } }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, call: &Call) -> Result<Reply, TransportError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), call.path));
        let request = match (call.method, &call.file) {
            (Method::Get, _) => self.client.get(url).query(&call.params),
            (Method::Post, None) => self.client.post(url).form(&call.params),
            (Method::Post, Some(file)) => {
                let part = multipart::Part::bytes(file.bytes.to_vec()).file_name(file.name.clone());
                let texts = call.params.iter().cloned();
                let form = texts.fold(multipart::Form::new(), |form, (name, value)| form.text(name, value));
                self.client.post(url).multipart(form.part(file.field.clone(), part))
            }
        };
        let response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let text = |v: &reqwest::header::HeaderValue| v.to_str().unwrap_or_default().to_string();
        let headers = response.headers().iter().map(|(n, v)| (n.as_str().to_string(), text(v))).collect();
        let body = response.bytes().await.map_err(|error| self.failed(error))?.to_vec();
        Ok(Reply { status, headers, body })
    }
}
