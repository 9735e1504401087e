//! Errors in Meta's envelope.

use super::request::{Method, Response};
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

    /// A path that leads nowhere.
    pub(crate) fn unknown_path(path: &str) -> Self {
        ApiError::new(2500, &format!("Unknown path components: /{path}"))
    }

    pub(crate) fn response(&self) -> Response {
        let mut error = json!({
            "message": self.message,
            "type": if self.subcode == Some(33) { "GraphMethodException" } else { "OAuthException" },
            "code": self.code,
            "fbtrace_id": "Asimulated0000000000000",
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        Response::json(self.status, json!({ "error": error }).to_string())
    }
}
