//! The simulated account over HTTP, on loopback only, with doors of its own beside Meta's:
//! `POST /sim/advance {"hours": 1}`, `POST /sim/faults {"seed": 1, "share": 0.05, "kinds": ["throttled"]}`,
//! `POST /sim/standing {"account_status": 2}`, `GET /sim/state`, `GET /sim/orders` (what the shop sold, as CSV) and
//! `GET /sim/truth`.

use crate::graph::{Delivery, Graph, Method, Request, Response};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method as HttpMethod, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// The most hours that one call may advance: a year.
const MAX_HOURS: u64 = 24 * 366;
/// The largest body that is taken.
const LARGEST_BODY: usize = 64 << 20;
/// How long somebody waits for an answer that never comes.
const NEVER: Duration = Duration::from_millis(500);
/// In how many parts an answer comes drop by drop, and the time between two.
const DROPS: usize = 20;
const BETWEEN_DROPS: Duration = Duration::from_millis(20);

/// A running server.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    graph: Arc<Mutex<Graph>>,
}

impl Server {
    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The account behind it.
    pub fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves a graph on a loopback port (0 takes a free one) until the returned future is dropped.
///
/// # Errors
/// When the port cannot be bound.
pub async fn serve(graph: Graph, port: u16) -> std::io::Result<(Server, impl Future<Output = std::io::Result<()>>)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let server = Server { address, graph: Arc::new(Mutex::new(graph)) };
    // Images and pieces of videos are larger than what is taken otherwise.
    let largest = axum::extract::DefaultBodyLimit::max(LARGEST_BODY);
    let router = axum::Router::new().fallback(answer).layer(largest).with_state(server.clone());
    Ok((server, async move { axum::serve(listener, router).await }))
}

async fn answer(
    State(server): State<Server>,
    method: HttpMethod,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let response = respond(&server, &method, &uri, &headers, &body);
    if response.delivery == Delivery::Never {
        tokio::time::sleep(NEVER).await;
    }
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers: HeaderMap = response
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
        .collect::<Vec<(axum::http::HeaderName, axum::http::HeaderValue)>>()
        .into_iter()
        .collect();
    (status, headers, travelling(response.body, response.delivery))
}

/// A body as it travels: an answer that never comes ends in a broken connection.
fn travelling(body: String, delivery: Delivery) -> Body {
    match delivery {
        Delivery::Whole => Body::from(body),
        Delivery::Never | Delivery::Broken => {
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Body::from_stream(futures_util::stream::once(async { Err::<Bytes, _>(broken) }))
        }
        Delivery::Slowly => {
            let bytes = Bytes::from(body);
            let size = bytes.len().div_ceil(DROPS).max(1);
            let drops: Vec<Bytes> =
                (0..bytes.len()).step_by(size).map(|at| bytes.slice(at..(at + size).min(bytes.len()))).collect();
            Body::from_stream(futures_util::stream::unfold(drops.into_iter(), |mut drops| async {
                tokio::time::sleep(BETWEEN_DROPS).await;
                drops.next().map(|drop| (Ok::<_, std::io::Error>(drop), drops))
            }))
        }
    }
}

fn respond(server: &Server, method: &HttpMethod, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    if let Some(door) = uri.path().strip_prefix("/sim/") {
        return own_door(server, door, body);
    }
    let method = match method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        _ => return Response::json(405, json!({"error": {"message": "Unsupported method", "code": 3}}).to_string()),
    };
    let mut parameters = decode_form(uri.query().unwrap_or_default());
    parameters.extend(decode_body(headers, body));
    if let Some(token) = bearer(headers)
        && !parameters.iter().any(|(name, _)| name == "access_token")
    {
        parameters.push(("access_token".into(), token));
    }
    let request = Request { method, path: uri.path().into(), parameters, base: server.url() };
    server.graph().handle(&request)
}

fn own_door(server: &Server, door: &str, body: &Bytes) -> Response {
    let mut graph = server.graph();
    let state = |graph: &Graph| {
        let now = jiff::Timestamp::from_second(graph.world().now()).unwrap_or_default();
        json!({"now": now.to_string(), "seed": graph.world().seed(), "calls": graph.calls(),
            "refused": graph.refused(), "faults": graph.hits()})
    };
    match door {
        "advance" => {
            let asked: Value = serde_json::from_slice(body).unwrap_or_default();
            let hours = asked["hours"].as_u64().unwrap_or(1);
            if hours > MAX_HOURS {
                return Response::json(
                    400,
                    json!({"error": {"message": format!("at most {MAX_HOURS} hours at once"), "code": 100}})
                        .to_string(),
                );
            }
            (0..hours).for_each(|_| graph.world_mut().advance());
            Response::json(200, state(&graph).to_string())
        }
        "faults" => match serde_json::from_slice(body) {
            Ok(faults) => {
                graph.set_faults(faults);
                Response::json(200, state(&graph).to_string())
            }
            Err(error) => {
                let message = format!("these are no faults: {error}");
                Response::json(400, json!({"error": {"message": message, "code": 100}}).to_string())
            }
        },
        "standing" => {
            let mut standing = serde_json::to_value(graph.world().standing()).unwrap_or_default();
            let asked: Value = serde_json::from_slice(body).unwrap_or_default();
            for (key, value) in asked.as_object().into_iter().flatten() {
                standing[key] = value.clone();
            }
            match serde_json::from_value(standing) {
                Ok(standing) => {
                    *graph.world_mut().standing_mut() = standing;
                    Response::json(200, json!(graph.world().standing()).to_string())
                }
                Err(error) => {
                    let message = format!("no account stands so: {error}");
                    Response::json(400, json!({"error": {"message": message, "code": 100}}).to_string())
                }
            }
        }
        "orders" => {
            let headers = vec![("content-type".into(), "text/csv; charset=utf-8".into())];
            Response { headers, ..Response::json(200, graph.world().orders()) }
        }
        "state" => Response::json(200, state(&graph).to_string()),
        "truth" => {
            let world = graph.world();
            let truth = |ad: crate::AdState| {
                let truth = world.truth(ad.id)?;
                Some(json!({"ad_id": ad.id.to_string(), "live": ad.live, "ctr": truth.ctr,
                    "cvr": truth.cvr, "cpa": truth.cpa, "margin": truth.margin}))
            };
            Response::json(200, world.ads().into_iter().filter_map(truth).collect::<Value>().to_string())
        }
        _ => Response::json(
            404,
            json!({"error": {"message": "there are /sim/advance, /sim/faults, /sim/standing, /sim/state, /sim/orders and /sim/truth", "code": 100}}).to_string(),
        ),
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(String::from)
}

fn decode_body(headers: &HeaderMap, body: &Bytes) -> Vec<(String, String)> {
    let kind = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), String::from);
        return value.as_object().into_iter().flatten().map(|(n, v)| (n.clone(), text(v))).collect();
    }
    if let Some((_, boundary)) = kind.split_once("boundary=") {
        return decode_multipart(boundary.trim_matches('"'), body);
    }
    decode_form(&String::from_utf8_lossy(body))
}

/// The parts of a multipart form: texts as they are, of a file its length and what it holds in short
/// (`file:LENGTH:SHA-256`).
fn decode_multipart(boundary: &str, body: &Bytes) -> Vec<(String, String)> {
    let delimiter = format!("--{boundary}").into_bytes();
    let mut parts = Vec::new();
    let mut rest: &[u8] = body;
    while let Some(at) = find(rest, &delimiter) {
        parts.extend(decode_part(&rest[..at]));
        rest = &rest[at + delimiter.len()..];
    }
    parts
}

fn decode_part(part: &[u8]) -> Option<(String, String)> {
    let at = find(part, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&part[..at]);
    let value = &part[at + 4..];
    let value = value.strip_suffix(b"\r\n").unwrap_or(value);
    let name = head.split("name=\"").nth(1)?.split('"').next()?.to_string();
    if head.contains("filename") {
        let digest: String = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
        return Some((name, format!("file:{}:{digest}", value.len())));
    }
    Some((name, String::from_utf8_lossy(value).into_owned()))
}

/// Where a piece first stands in bytes.
fn find(bytes: &[u8], piece: &[u8]) -> Option<usize> {
    bytes.windows(piece.len()).position(|window| window == piece)
}

/// Decodes `a=b&c=d`.
pub(crate) fn decode_form(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
