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

impl Fault {
    /// Whose fault it is.
    pub(crate) const fn status(&self) -> StatusCode {
        match &self.0 {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Refused(_) => StatusCode::CONFLICT,
            Error::Invalid(_) | Error::Ambiguous(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Store(cutover_store::Error::Full(_)) => StatusCode::INSUFFICIENT_STORAGE,
            Error::Closing => StatusCode::SERVICE_UNAVAILABLE,
            Error::Store(_)
            | Error::Forge(_)
            | Error::Target(_)
            | Error::Executor(_)
            | Error::Results(_)
            | Error::Docker(_)
            | Error::Balancer(_)
            | Error::Io { .. }
            | Error::Corrupt(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = chain(&self.0), "a request could not be served");
        }
        (status, Json(json!({ "error": chain(&self.0) }))).into_response()
    }
}

/// An error with what led to it; "could not write" alone helps nobody. Some say it themselves.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
