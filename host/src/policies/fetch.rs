//! Where policies are installed from: a file, an address, a registry of containers. What comes from elsewhere is bytes
//! that nobody trusts yet.

use super::oci::{self, Login};
use dean_policy::Artifact;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Why a policy could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// A file cannot be read.
    #[error("the policy {} cannot be read: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answered, or not as a server does.
    #[error("{url}: {reason}\n  hint: {hint}")]
    Unreached {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
        /// How to mend it.
        hint: String,
    },
    /// An address gave no policy.
    #[error("{url}: {reason}\n  hint: {hint}")]
    Address {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
        /// How to mend it.
        hint: String,
    },
}

impl FetchError {
    /// Whether the network or a server is at fault, and not what was asked for.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, FetchError::Unreached { .. })
    }
}

/// A policy's bytes, with the signature that lies beside them.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The bytes, with where they came from.
    pub artifact: Artifact,
    /// The signature.
    pub signature: Option<String>,
}

const TIMEOUT: Duration = Duration::from_secs(60);
/// A Python policy comes to 18 MB; beyond this something else is being sent.
pub(super) const LARGEST: u64 = 64 << 20;

/// Fetches a policy from a file, an `https://` address or a registry (`oci://`), with the signature that comes with it.
///
/// # Errors
/// When there is none, or it cannot be read.
pub async fn fetch(from: &str, login: &Login) -> Result<Fetched, FetchError> {
    if from.starts_with(oci::SCHEME) {
        return oci::pull(from, login).await;
    }
    if from.contains("://") {
        return of_address(from).await;
    }
    of_file(Path::new(from))
}

/// The policy of a file, with the signature beside it.
pub(super) fn of_file(file: &Path) -> Result<Fetched, FetchError> {
    let failed = |file: &Path, source| FetchError::File { file: file.to_path_buf(), source };
    let artifact = Artifact::read(file).map_err(|source| failed(file, source))?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".minisig");
    let beside = PathBuf::from(beside);
    let signature = match std::fs::read_to_string(&beside) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(failed(&beside, source)),
    };
    Ok(Fetched { artifact, signature })
}

async fn of_address(url: &str) -> Result<Fetched, FetchError> {
    let parsed = reqwest::Url::parse(url);
    // Whoever asks may have written a password or a token into it, which is nobody else's business.
    let shown = parsed.as_ref().map_or_else(|_| url.split(['?', '@']).next().unwrap_or_default().into(), plain);
    let failed = |reason: String, hint: &str| FetchError::Address { url: shown.clone(), reason, hint: hint.into() };
    let asked = parsed.map_err(|error| failed(format!("it is no address: {error}"), "https://HOST/FILE.wasm"))?;
    let local = is_local(&asked);
    if asked.scheme() != "https" && !local {
        return Err(failed("it is not fetched from there".into(), "name a file, an https:// address or oci://"));
    }
    // A second call finds it installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Nor from where such an address sends one on to.
    let client = reqwest::Client::builder().timeout(TIMEOUT).https_only(!local).build();
    let client = client.map_err(|error| failed(error.to_string(), "check the system's certificates"))?;
    let answered = |status: u16| failed(format!("the server answered {status}"), "check the address");
    let unreached =
        |reason: String, hint: &str| FetchError::Unreached { url: shown.clone(), reason, hint: hint.into() };
    let network = |reason: String| unreached(reason, "check the network");
    let (status, bytes) = get(&client, &asked).await.map_err(network)?;
    if status != 200 {
        return Err(answered(status));
    }
    // Beside the file and not behind what is asked about it.
    let mut beside = asked.clone();
    beside.set_path(&format!("{}.minisig", asked.path()));
    let signature = match get(&client, &beside).await.map_err(network)? {
        (200, signature) => Some(String::from_utf8_lossy(&signature).into_owned()),
        (404 | 410, _) => None,
        (status, _) => {
            return Err(unreached(format!("for its signature the server answered {status}"), "ask again later"));
        }
    };
    Ok(Fetched { artifact: Artifact::new(shown, bytes), signature })
}

/// An address without whoever asks and what is asked.
fn plain(url: &reqwest::Url) -> String {
    let mut plain = url.clone();
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    plain.set_query(None);
    plain.set_fragment(None);
    plain.to_string()
}

/// Whether an address is this machine's own, by the host that is asked and not by how the text begins.
fn is_local(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "http" && url.username().is_empty() && is_loopback
}

/// What an address answers, no more of it than is sensible.
async fn get(client: &reqwest::Client, url: &reqwest::Url) -> Result<(u16, Vec<u8>), String> {
    let text = |error: reqwest::Error| error.without_url().to_string();
    let mut response = client.get(url.clone()).send().await.map_err(text)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(text)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > LARGEST {
            return Err(format!("it sends more than {} MiB", LARGEST >> 20));
        }
    }
    Ok((response.status().as_u16(), bytes))
}
