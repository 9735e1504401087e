//! Batches: up to fifty requests in one, answered in order.

use super::Graph;
use super::error::ApiError;
use super::request::{Method, Query, Request};
use crate::server::decode_form;
use serde_json::{Value, json};

const LARGEST_BATCH: usize = 50;

pub(crate) fn run(graph: &mut Graph, query: &Query<'_>, base: &str) -> Result<String, ApiError> {
    let text = query.get("batch").ok_or_else(|| ApiError::parameter("batch is missing"))?;
    let wrong = || ApiError::parameter("batch is not a list of {method, relative_url, body}");
    let parsed: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let requests = parsed.as_array().ok_or_else(wrong)?;
    if requests.len() > LARGEST_BATCH {
        let message = format!("Too many requests in batch message. Maximum batch size is {LARGEST_BATCH}");
        return Err(ApiError::new(1, &message));
    }
    // All entries are read before the first is carried out: a batch is refused whole or not at all.
    let mut inner = Vec::with_capacity(requests.len());
    for request in requests {
        let method = match request["method"].as_str() {
            Some("GET") => Method::Get,
            Some("POST") => Method::Post,
            Some("DELETE") => Method::Delete,
            _ => return Err(wrong()),
        };
        let url = request["relative_url"].as_str().ok_or_else(wrong)?;
        let (path, search) = url.split_once('?').unwrap_or((url, ""));
        let mut parameters = decode_form(search);
        parameters.extend(decode_form(request["body"].as_str().unwrap_or_default()));
        for inherited in ["access_token", "appsecret_proof"] {
            if let Some(value) = query.get(inherited)
                && !parameters.iter().any(|(name, _)| name == inherited)
            {
                parameters.push((inherited.into(), value.into()));
            }
        }
        if path.trim_matches('/').is_empty() {
            return Err(wrong());
        }
        inner.push(Request { method, path: path.into(), parameters, base: base.into() });
    }
    let mut answers = Vec::with_capacity(inner.len());
    for (entry, request) in inner.iter().enumerate() {
        let Some(response) = graph.entry(entry, request) else {
            answers.push(Value::Null);
            continue;
        };
        let headers: Vec<Value> = response.headers.iter().map(|(n, v)| json!({"name": n, "value": v})).collect();
        answers.push(json!({"code": response.status, "headers": headers, "body": response.body}));
    }
    Ok(Value::Array(answers).to_string())
}
