//! Why a request is not granted. Each protocol words it in its own way: twirp, Azure's blobs, cache v1.

use std::io;

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// A request that is not granted; the text is for whoever reads the log of the step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the token is missing, unknown, expired, or its job has ended")]
    Unauthenticated,
    #[error("{0}")]
    Denied(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Unready(String),
    #[error("`{limit}` bytes is the limit of {what}")]
    TooLarge { what: &'static str, limit: u64 },
    #[error("the results service could not use its folder: {0}")]
    Io(#[from] io::Error),
}

impl Refusal {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unready(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn twirp_code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Denied(_) => "permission_denied",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "already_exists",
            Self::Invalid(_) | Self::TooLarge { .. } => "invalid_argument",
            Self::Unready(_) => "failed_precondition",
            Self::Io(_) => "internal",
        }
    }

    const fn azure_code(&self) -> &'static str {
        match self {
            Self::Unauthenticated | Self::Denied(_) => "AuthenticationFailed",
            Self::NotFound(_) => "BlobNotFound",
            Self::Conflict(_) => "BlobAlreadyExists",
            Self::Invalid(_) => "InvalidInput",
            Self::Unready(_) => "ConditionNotMet",
            Self::TooLarge { .. } => "RequestBodyTooLarge",
            Self::Io(_) => "InternalError",
        }
    }

    /// An error of twirp: always JSON, whatever the request was.
    pub(crate) fn twirp(&self) -> Response {
        let body = json!({"code": self.twirp_code(), "msg": self.to_string()});
        (self.status(), Json(body)).into_response()
    }

    /// An error of Azure's blob service: XML, and the code once more in a header.
    pub(crate) fn azure(&self) -> Response {
        let code = self.azure_code();
        let text = self.to_string();
        let text = quick_xml::escape::escape(&text);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
        );
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        let xml = HeaderValue::from_static("application/xml");
        headers.insert(header::CONTENT_TYPE, xml);
        headers.insert("x-ms-error-code", HeaderValue::from_static(code));
        response
    }

    /// An error of the first cache protocol and of the id token endpoint.
    pub(crate) fn plain(&self) -> Response {
        (self.status(), Json(json!({"message": self.to_string()}))).into_response()
    }
}
