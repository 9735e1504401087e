//! Errors in Meta's envelope.

use super::request::{Method, Response};
use crate::faults::Fault;
use serde_json::json;

/// An error as Meta sends it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: u32,
    subcode: Option<u32>,
    message: String,
    status: u16,
}

impl ApiError {
    pub(crate) fn new(code: u32, message: &str) -> Self {
        let status = if code == 190 { 401 } else { 400 };
        ApiError { code, subcode: None, message: message.into(), status }
    }

    /// An invalid parameter.
    pub(crate) fn parameter(message: &str) -> Self {
        ApiError::new(100, &format!("(#100) {message}"))
    }

    /// A field that a node does not have.
    pub(crate) fn unknown_field(field: &str, node: &str) -> Self {
        ApiError::parameter(&format!("Tried accessing nonexisting field ({field}) on node type ({node})"))
    }

    /// An id that names nothing here.
    pub(crate) fn missing_object(method: Method, id: &str) -> Self {
        let verb = match method {
            Method::Get => "get",
            Method::Post => "post",
            Method::Delete => "delete",
        };
        let message = format!(
            "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to \
             missing permissions, or does not support this operation."
        );
        ApiError { subcode: Some(33), ..ApiError::new(100, &message) }
    }

    /// Too many calls.
    pub(crate) fn throttled() -> Self {
        ApiError { subcode: Some(2_446_079), ..ApiError::new(17, "(#17) User request limit reached") }
    }

    /// A token that worked once.
    pub(crate) fn expired() -> Self {
        let message = "Error validating access token: Session has expired.";
        ApiError { subcode: Some(463), ..ApiError::new(190, message) }
    }

    /// The error that a fault is, if it is one.
    pub(crate) fn of_fault(fault: Fault) -> Option<Self> {
        let (code, subcode, message) = match fault {
            Fault::Throttled => return Some(ApiError::throttled()),
            Fault::TokenExpired => return Some(ApiError::expired()),
            Fault::Transient => (2, None, "An unexpected error has occurred. Please retry your request later."),
            Fault::TooMuch => {
                (1, Some(99), "Please reduce the amount of data you're asking for, then retry your request")
            }
            Fault::TooLong => (
                100,
                Some(1_504_018),
                "Your request timed out. Please try a smaller date range, fetch less data, or use async jobs",
            ),
            Fault::Permission => (200, None, "(#200) Permissions error"),
            Fault::PolicyBlock => {
                (368, None, "The action attempted has been deemed abusive or is otherwise disallowed")
            }
            Fault::Invalid => (100, None, "(#100) Invalid parameter"),
            _ => return None,
        };
        Some(ApiError { subcode, ..ApiError::new(code, message) })
    }

    /// A path that leads nowhere.
    pub(crate) fn unknown_path(path: &str) -> Self {
        ApiError::new(2500, &format!("Unknown path components: /{path}"))
    }

    pub(crate) fn response(&self) -> Response {
        let mut error = json!({
            "message": self.message,
            "type": if self.subcode == Some(33) { "GraphMethodException" } else { "OAuthException" },
            "code": self.code,
            "is_transient": self.code == 2,
            "fbtrace_id": "Asimulated0000000000000",
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        Response::json(self.status, json!({ "error": error }).to_string())
    }
}
