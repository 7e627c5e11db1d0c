//! What clients are told when there is no answer for them: a status, a cause, one sentence.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::{metrics::Cause, response::ResponseBody};

/// What the client was told, for the access log. Stands beside an answer by the balancer itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToldCause(pub(crate) &'static str);

/// Why a request cannot be passed on. The client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error("the request must have exactly one valid `Host`")]
    Host,
    #[error("the target of the request is not understood")]
    Target,
    #[error("`CONNECT` is not served here")]
    Connect,
    #[error("the body of the request is larger than this service takes")]
    BodyTooLarge,
    #[error("the body of the request broke off")]
    BodyBroken,
    #[error("the body of the request stood still for too long")]
    BodyStalled,
}

impl BadRequest {
    fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Target | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyStalled => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// The answer. The connection ends with it: what else the client sent on it is doubtful.
    pub(crate) fn response(self) -> Response<ResponseBody> {
        let mut response = answer(self.status(), Cause::BadRequest.name(), &self.to_string());
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Why an upstream gave no answer. Not the client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("no upstream of this service takes requests now")]
    NoUpstream,
    #[error("too many requests wait for an upstream of this service")]
    HoldFull,
    #[error("no upstream of this service took the request in time")]
    HoldTimedOut,
    #[error("no upstream of this service could be reached")]
    ConnectFailed,
    #[error("the upstream did not answer in time")]
    TimedOut,
    #[error("the upstream closed the connection without an answer")]
    Reset,
}

impl NoAnswer {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoUpstream | Self::HoldFull | Self::HoldTimedOut => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ConnectFailed | Self::Reset => StatusCode::BAD_GATEWAY,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::NoUpstream => Cause::NoUpstream,
            Self::HoldFull => Cause::HoldFull,
            Self::HoldTimedOut => Cause::HoldTimedOut,
            Self::ConnectFailed => Cause::ConnectFailed,
            Self::TimedOut => Cause::TimedOut,
            Self::Reset => Cause::Reset,
        }
    }

    pub(crate) fn response(self) -> Response<ResponseBody> {
        let mut response = answer(self.status(), self.cause().name(), &self.to_string());
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Why a request is not let in. The client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotLetIn {
    #[error("this client asks too often")]
    TooOften {
        /// How long until it may ask again.
        wait: Duration,
    },
    #[error("a rule of this service denies the request")]
    Denied,
    #[error("the target of the request is longer than this service takes")]
    TargetTooLong,
}

impl NotLetIn {
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::TooOften { .. } => Cause::RateLimited,
            Self::Denied | Self::TargetTooLong => Cause::Denied,
        }
    }

    pub(crate) fn response(self) -> Response<ResponseBody> {
        let status = match self {
            Self::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
        };
        let mut response = answer(status, self.cause().name(), &self.to_string());
        if let Self::TooOften { wait } = self {
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}

/// What whoever asks for the health of a service is told while its requests wait.
pub(crate) fn holding() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::text(Bytes::from_static(
        b"{\"status\":\"holding\"}\n",
    )));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Why a request is nobody's here. The client's fault, or the name server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misdirected {
    #[error("no service here has this host")]
    Host,
    #[error("no service here has this host; it may have another connection")]
    Connection,
    #[error("the certificate of this connection is not for this host; open another one")]
    Uncovered,
    #[error("no service of this host has this path")]
    Path,
    #[error("the path can be read as that of two routes")]
    Ambiguous,
}

impl Misdirected {
    pub(crate) fn response(self) -> Response<ResponseBody> {
        let status = match self {
            Self::Host | Self::Path => StatusCode::NOT_FOUND,
            Self::Connection | Self::Uncovered => StatusCode::MISDIRECTED_REQUEST,
            Self::Ambiguous => StatusCode::BAD_REQUEST,
        };
        answer(status, "no_route", &self.to_string())
    }
}

fn answer(status: StatusCode, error: &'static str, message: &str) -> Response<ResponseBody> {
    let body = serde_json::json!({ "error": error, "message": message });
    let mut response = Response::new(ResponseBody::text(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response.extensions_mut().insert(ToldCause(error));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
