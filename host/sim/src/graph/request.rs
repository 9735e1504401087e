//! Requests and responses without HTTP, and typed access to parameters.

use super::error::ApiError;
use serde_json::Value;

/// The methods that the Graph API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates and changes.
    Post,
    /// Deletes.
    Delete,
}

/// A request, its query and form parameters put together.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path with or without a version: `/v26.0/act_1/ads`.
    pub path: String,
    /// Query and body parameters, decoded.
    pub parameters: Vec<(String, String)>,
    /// What `paging.next` begins with: `http://127.0.0.1:8080`.
    pub base: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body, JSON.
    pub body: String,
    /// How it travels.
    pub delivery: Delivery,
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// As it should.
    #[default]
    Whole,
    /// Drop by drop.
    Slowly,
    /// Not at all: nobody waits for it long enough.
    Never,
    /// Not at all: the connection breaks.
    Broken,
}

impl Response {
    pub(crate) fn json(status: u16, body: String) -> Self {
        let headers = vec![("content-type".into(), "application/json; charset=UTF-8".into())];
        Response { status, headers, body, delivery: Delivery::Whole }
    }

    /// None that anybody gets.
    pub(crate) fn none(delivery: Delivery) -> Self {
        Response { delivery, ..Response::json(500, String::new()) }
    }

    /// What a proxy answers in Meta's place.
    pub(crate) fn html() -> Self {
        let body = "<!DOCTYPE html><html><body>Sorry, something went wrong.</body></html>".into();
        let headers = vec![("content-type".into(), "text/html; charset=utf-8".into())];
        Response { status: 200, headers, body, delivery: Delivery::Whole }
    }
}

/// Parameters by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a>(&'a [(String, String)]);

impl<'a> Query<'a> {
    pub(crate) fn new(parameters: &'a [(String, String)]) -> Self {
        Query(parameters)
    }

    /// A parameter that is there and not empty; the SDK sends some values in JSON quotes.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(n, _)| n == name)?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        (!value.is_empty()).then_some(value)
    }

    /// All parameters but one, for the next page's address.
    pub(crate) fn without(&self, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter(move |(n, _)| n != name).map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// A list, as JSON or separated by commas.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(Vec::new()) };
        if !text.starts_with('[') {
            return Ok(text.split(',').map(|part| part.trim().to_string()).collect());
        }
        let parsed: Result<Vec<String>, _> = serde_json::from_str(text);
        parsed.map_err(|_| ApiError::parameter(&format!("{name} is not a list of texts")))
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let wrong = || ApiError::parameter(&format!("{name} must be a whole number, got {text}"));
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// Filters: `[{"field": "...", "operator": "IN", "value": [...]}]`.
    pub(crate) fn filters(&self) -> Result<Vec<Filter>, ApiError> {
        let Some(text) = self.get("filtering") else { return Ok(Vec::new()) };
        let wrong = || ApiError::parameter("filtering is not a list of {field, operator, value}");
        let parsed: Value = serde_json::from_str(text).map_err(|_| wrong())?;
        let one = |filter: &Value| {
            let value = &filter["value"];
            let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), String::from);
            let values = match value.as_array() {
                Some(values) => values.iter().map(text).collect(),
                None => vec![text(value)],
            };
            Some(Filter {
                field: filter["field"].as_str()?.to_string(),
                operator: filter["operator"].as_str()?.to_string(),
                values,
            })
        };
        let list = parsed.as_array().ok_or_else(wrong)?;
        list.iter().map(|filter| one(filter).ok_or_else(wrong)).collect()
    }
}

/// One filter.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub field: String,
    pub operator: String,
    pub values: Vec<String>,
}
