//! What goes wrong, as an answer: a status and a body that says why.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{Error, error::Mistake};

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
        match (self.0.mistake(), &self.0) {
            (Some(Mistake::NotThere), _) => StatusCode::NOT_FOUND,
            (Some(Mistake::Wrong), _) => StatusCode::UNPROCESSABLE_ENTITY,
            (Some(Mistake::Refused), _) => StatusCode::CONFLICT,
            (None, Error::Store(cutover_store::Error::Full(_))) => StatusCode::INSUFFICIENT_STORAGE,
            (None, Error::Closing) => StatusCode::SERVICE_UNAVAILABLE,
            (None, _) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// As plain text, which is what git shows of an answer that is none.
    pub(super) fn into_text(self) -> Response {
        let (status, text) = self.told();
        (status, format!("cutover: {text}\n")).into_response()
    }

    fn told(&self) -> (StatusCode, String) {
        let (status, text) = (self.status(), chain(&self.0));
        if status.is_server_error() {
            tracing::error!(error = text, "a request could not be served");
        }
        (status, text)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, text) = self.told();
        (status, Json(json!({ "error": text }))).into_response()
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

#[cfg(test)]
mod tests {
    use cutover_forge::Error as Forge;
    use cutover_store::Error as Store;

    use super::*;

    #[test]
    fn a_mistake_of_whoever_asks_is_not_ours() {
        let name = || "..".to_owned();
        let of = |error: Error| Fault(error).status().as_u16();
        assert_eq!(of(Forge::Name(name()).into()), 422);
        assert_eq!(of(Forge::NoRepository(name()).into()), 404);
        assert_eq!(of(Forge::Revision(name()).into()), 404);
        assert_eq!(of(Error::Malformed(name())), 422);
        assert_eq!(of(Error::Refused(name())), 409);
        assert_eq!(of(Error::Closing), 503);
        assert_eq!(of(Store::Full(name()).into()), 507);
        assert_eq!(of(Store::Damaged(name()).into()), 500);
    }
}
