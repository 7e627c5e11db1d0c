//! What goes wrong, as an answer: a status and a body that says why.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::Error;

/// An error on its way out.
#[derive(Debug)]
pub struct Fault(Error);

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Refused(_) => StatusCode::CONFLICT,
            Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Store(cutover_store::Error::Full(_)) => StatusCode::INSUFFICIENT_STORAGE,
            Error::Closing => StatusCode::SERVICE_UNAVAILABLE,
            Error::Store(_)
            | Error::Forge(_)
            | Error::Target(_)
            | Error::Executor(_)
            | Error::Docker(_)
            | Error::Balancer(_)
            | Error::Io { .. }
            | Error::Corrupt(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(error = %self.0, "a request could not be served");
        }
        (status, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}
