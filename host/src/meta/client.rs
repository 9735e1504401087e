//! A client of one ad account: credentials on every call, pages followed to their end, reads
//! retried, errors classed, everything counted.

use super::errors::{Class, Envelope, Error};
use super::http::{Call, FilePart, Method, Reply, Transport};
use super::pace::{self, Pace};
use crate::domain::{ApiLimit, Clock};
use backon::{ExponentialBuilder, Retryable};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Who calls.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The access token.
    pub token: SecretString,
    /// The app's secret; with it every call carries `appsecret_proof`.
    pub app_secret: Option<SecretString>,
}

/// What a run cost in calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct ApiUsage {
    /// Reads, pages counted one by one.
    pub reads: u64,
    /// Writes, those in batches counted one by one.
    pub writes: u64,
    /// Batches.
    pub batches: u64,
    /// Calls that carried writes: batches, and writes that went alone.
    #[serde(default)]
    pub posts: u64,
    /// Media, or pieces of it, that were uploaded.
    #[serde(default)]
    pub uploads: u64,
    /// Reports that were asked for.
    #[serde(default)]
    pub reports: u64,
    /// Looks at reports, until they were there.
    #[serde(default)]
    pub looks: u64,
    /// Calls that were sent again.
    pub retries: u64,
    /// Answers that asked to slow down.
    pub throttled: u64,
    /// Seconds that calls rested because limits were nearly used up.
    #[serde(default)]
    pub rested_s: u64,
}

impl ApiUsage {
    /// What was called since an earlier moment of the same client.
    #[must_use]
    pub fn since(&self, earlier: &ApiUsage) -> ApiUsage {
        ApiUsage {
            reads: self.reads - earlier.reads,
            writes: self.writes - earlier.writes,
            batches: self.batches - earlier.batches,
            posts: self.posts - earlier.posts,
            uploads: self.uploads - earlier.uploads,
            reports: self.reports - earlier.reports,
            looks: self.looks - earlier.looks,
            retries: self.retries - earlier.retries,
            throttled: self.throttled - earlier.throttled,
            rested_s: self.rested_s - earlier.rested_s,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    reads: AtomicU64,
    writes: AtomicU64,
    batches: AtomicU64,
    posts: AtomicU64,
    uploads: AtomicU64,
    reports: AtomicU64,
    looks: AtomicU64,
    retries: AtomicU64,
    throttled: AtomicU64,
    rested_s: AtomicU64,
}

/// A client of one ad account.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    clock: Clock,
    version: String,
    account: String,
    credentials: Credentials,
    counters: Arc<Counters>,
    pace: Arc<Pace>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("version", &self.version).field("account", &self.account).finish()
    }
}

/// A read is tried this often before the run gives up; the last wait is about eight seconds.
const READ_RETRIES: usize = 4;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// More pages than this for one question is a server that pages in a circle.
const MAX_PAGES: usize = 10_000;

/// Errors are short; a longer answer with a status of success is none.
const LARGEST_ERROR: usize = 16 << 10;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) paging: Paging,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Paging {
    pub(super) cursors: Option<Cursors>,
    pub(super) next: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cursors {
    pub(super) after: Option<String>,
}

impl Client {
    /// A client of an account (`act_…`) at an API version (`v26.0`).
    pub fn new(
        transport: Arc<dyn Transport>,
        clock: Clock,
        version: &str,
        account: &str,
        credentials: Credentials,
    ) -> Self {
        let digits = account.trim().trim_start_matches("act_");
        Client {
            transport,
            clock,
            version: version.to_string(),
            account: format!("act_{digits}"),
            credentials,
            counters: Arc::default(),
            pace: Arc::default(),
        }
    }

    /// The account's id with `act_`.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.account
    }

    /// The token, for the one question that is about it.
    pub(super) fn token_text(&self) -> String {
        self.credentials.token.expose_secret().into()
    }

    /// Which token is used, without saying it: the beginning of its SHA-256.
    #[must_use]
    pub fn token_digest(&self) -> String {
        use sha2::Digest;
        let digest = Sha256::digest(self.credentials.token.expose_secret());
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What was called so far.
    #[must_use]
    pub fn usage(&self) -> ApiUsage {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ApiUsage {
            reads: count(&self.counters.reads),
            writes: count(&self.counters.writes),
            batches: count(&self.counters.batches),
            posts: count(&self.counters.posts),
            uploads: count(&self.counters.uploads),
            reports: count(&self.counters.reports),
            looks: count(&self.counters.looks),
            retries: count(&self.counters.retries),
            throttled: count(&self.counters.throttled),
            rested_s: count(&self.counters.rested_s),
        }
    }

    /// How much of Meta's limits is used up, as far as this client heard.
    #[must_use]
    pub fn limits(&self) -> Vec<ApiLimit> {
        self.pace.known()
    }

    /// Learns of limits what an earlier client heard.
    pub fn learn_limits(&self, limits: Vec<ApiLimit>) {
        self.pace.learn(limits);
    }

    /// How many writes one batch may hold.
    pub(super) fn largest_batch(&self) -> usize {
        self.pace.largest_batch()
    }

    /// Reads one object.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, params: &[(&str, String)]) -> Result<T, Error> {
        self.read(Method::Get, path, params, &self.counters.reads).await
    }

    /// Reads what can be done without: it is asked for once, and left out where that fails.
    pub(super) async fn try_get<T: DeserializeOwned>(&self, path: &str, params: &[(&str, String)]) -> Result<T, Error> {
        self.counters.reads.fetch_add(1, Ordering::Relaxed);
        let reply = self.send(Method::Get, path, params, None, pace::READ).await;
        self.answer(&format!("GET {path}"), reply)
    }

    /// Looks whether a report is there.
    pub(super) async fn look<T: DeserializeOwned>(&self, path: &str, params: &[(&str, String)]) -> Result<T, Error> {
        self.read(Method::Get, path, params, &self.counters.looks).await
    }

    /// Asks for a report. It changes nothing of the account, so that it is asked again like any read.
    pub(super) async fn ask<T: DeserializeOwned>(&self, path: &str, params: &[(&str, String)]) -> Result<T, Error> {
        self.read(Method::Post, path, params, &self.counters.reports).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        params: &[(&str, String)],
        counter: &AtomicU64,
    ) -> Result<T, Error> {
        let what = format!("{} {path}", if method == Method::Get { "GET" } else { "POST" });
        let read = || async {
            counter.fetch_add(1, Ordering::Relaxed);
            let reply = self.send(method, path, params, None, pace::READ).await;
            self.answer::<T>(&what, reply)
        };
        let clock = self.clock.clone();
        read.retry(self.backoff())
            .sleep(move |time| {
                let clock = clock.clone();
                async move { clock.sleep(time).await }
            })
            .when(|error| matches!(error.class(), Class::Transient | Class::Throttled))
            .notify(|error, _| {
                self.counters.retries.fetch_add(1, Ordering::Relaxed);
                // The hint comes with the last error, if it comes to that.
                let what = error.to_string();
                tracing::warn!("reading again: {}", what.lines().next().unwrap_or_default());
            })
            .await
    }

    /// Reads a list to its last page. Goes on only while `paging.next` is there, and then by the
    /// cursor, so that the token in Meta's next address is never used or kept. Where Meta asks for less, pages
    /// are halved from there on.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &[(&str, String)],
        page: usize,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        let mut after: Option<String> = None;
        let mut limit = page;
        for _ in 0..MAX_PAGES {
            let mut of_page = params.to_vec();
            of_page.push(("limit", limit.to_string()));
            of_page.extend(after.clone().map(|after| ("after", after)));
            let page: Page<T> = match self.get(path, &of_page).await {
                Err(error) if error.class() == Class::TooMuch && limit > 1 => {
                    limit /= 2;
                    tracing::info!("Meta asks for less: reading pages of {limit}");
                    continue;
                }
                answer => answer?,
            };
            rows.extend(page.data);
            let cursors = page.paging.cursors.unwrap_or_default();
            after = match (page.paging.next, cursors.after) {
                (Some(_), Some(after)) => Some(after),
                (Some(next), None) => match offset_of(&next) {
                    Some(after) => Some(after),
                    None => return Err(broken_paging(path, "paging.next without a cursor")),
                },
                (None, _) => return Ok(rows),
            };
        }
        Err(broken_paging(path, "the pages do not end"))
    }

    /// Sends one write, or a batch of some `writes`. Never retried here: the ledger decides what an unknown outcome
    /// means.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &[(&str, String)],
        writes: usize,
    ) -> Result<T, Error> {
        let what = format!("POST {}", if path.is_empty() { "a batch" } else { path });
        self.counters.posts.fetch_add(1, Ordering::Relaxed);
        let reply = self.send(Method::Post, path, params, None, pace::WRITE * writes as f64).await;
        self.answer(&what, reply)
    }

    /// Uploads media, or a piece of it, into the account's library. It changes nothing that runs.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &[(&str, String)],
        file: Option<FilePart>,
    ) -> Result<T, Error> {
        self.counters.uploads.fetch_add(1, Ordering::Relaxed);
        let reply = self.send(Method::Post, path, params, file, pace::WRITE).await;
        self.answer(&format!("POST {path}"), reply)
    }

    pub(super) fn count_writes(&self, writes: usize, batches: usize) {
        self.counters.writes.fetch_add(writes as u64, Ordering::Relaxed);
        self.counters.batches.fetch_add(batches as u64, Ordering::Relaxed);
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        params: &[(&str, String)],
        file: Option<FilePart>,
        points: f64,
    ) -> Result<Reply, super::TransportError> {
        let token = self.credentials.token.expose_secret();
        let mut all: Vec<(String, String)> = params.iter().map(|(n, v)| ((*n).to_string(), v.clone())).collect();
        all.push(("access_token".into(), token.into()));
        if let Some(secret) = &self.credentials.app_secret {
            all.push(("appsecret_proof".into(), proof(token, secret.expose_secret())));
        }
        let path = format!("{}/{path}", self.version);
        self.rest(points).await?;
        let reply = self.transport.send(&Call { method, path, params: all, file }).await;
        if let Ok(reply) = &reply {
            self.pace.hear(&reply.headers, self.clock.now());
        }
        reply
    }

    /// Rests as long as Meta's limits ask for it; what is too long for a run is told instead.
    async fn rest(&self, points: f64) -> Result<(), super::TransportError> {
        let Some(rest) = self.pace.rest(points, self.clock.now()) else { return Ok(()) };
        if rest > pace::LONGEST_REST {
            return Err(super::TransportError::Resting { minutes: rest.as_secs().div_ceil(60) });
        }
        tracing::info!("a limit is nearly used up: resting for {} s", rest.as_secs());
        self.counters.rested_s.fetch_add(rest.as_secs(), Ordering::Relaxed);
        let before = self.clock.now();
        self.clock.sleep(rest).await;
        let shown = self.clock.now().duration_since(before).unsigned_abs();
        self.pace.rested(rest.saturating_sub(shown));
        Ok(())
    }

    pub(super) fn answer<T: DeserializeOwned>(
        &self,
        what: &str,
        reply: Result<Reply, super::TransportError>,
    ) -> Result<T, Error> {
        let reply = reply.map_err(|source| Error::Transport { what: what.into(), source })?;
        let success = (200..300).contains(&reply.status);
        // A page of rows is not read twice only to see that it is no error.
        let may_be_error = !success || reply.body.len() <= LARGEST_ERROR;
        if may_be_error && let Ok(envelope) = serde_json::from_slice::<Envelope>(&reply.body) {
            let mut error = envelope.error.into_error(what);
            error.message = self.redacted(&error.message);
            if error.class == Class::Throttled {
                self.pace.refused(self.clock.now());
                self.counters.throttled.fetch_add(1, Ordering::Relaxed);
            }
            return Err(error.into());
        }
        let unusable = |reason: String| {
            let start = &reply.body[..reply.body.len().min(80)];
            let start = self.redacted(&String::from_utf8_lossy(start));
            Error::NotJson { what: what.into(), status: reply.status, reason, start }
        };
        // A proxy's page of JSON without Meta's envelope is no answer of Meta's.
        if !success {
            return Err(unusable("no success, and no error of Meta's form".into()));
        }
        serde_json::from_slice(&reply.body).map_err(|error| unusable(error.to_string()))
    }

    /// A text without our secrets: Meta has been seen to quote a malformed token.
    fn redacted(&self, text: &str) -> String {
        let token = self.credentials.token.expose_secret();
        let secret = self.credentials.app_secret.as_ref().map(|s| s.expose_secret());
        let secrets = [Some(token), secret].into_iter().flatten().filter(|s| s.len() >= 4);
        secrets.fold(text.to_string(), |text, secret| text.replace(secret, "[secret]"))
    }

    fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(READ_RETRIES)
            .with_jitter()
    }
}

/// Hex HMAC-SHA256 with the app's secret as key and the token as message: Meta's `appsecret_proof`.
fn proof(token: &str, secret: &str) -> String {
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(token.as_bytes());
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
        }
        // HMAC takes a key of any length; there is no such error.
        Err(_) => String::new(),
    }
}

/// The cursor in a next address, for servers that send no `cursors`.
fn offset_of(next: &str) -> Option<String> {
    let url = reqwest::Url::parse(next).ok()?;
    url.query_pairs().find(|(name, _)| name == "after").map(|(_, value)| value.into_owned())
}

fn broken_paging(path: &str, reason: &str) -> Error {
    Error::NotJson { what: format!("GET {path}"), status: 200, reason: reason.into(), start: String::new() }
}
