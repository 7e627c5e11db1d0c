//! What the authority finds at `/.well-known/acme-challenge/` while an order is under way (HTTP-01).
//!
//! At all other times a request pays for one look at a number.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};

use crate::{lock::locked, response::ResponseBody};

const PLACE: &str = "/.well-known/acme-challenge/";

/// Tokens of authorities, and what we say to them.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    pending: AtomicUsize,
    answers: Mutex<BTreeMap<String, String>>,
}

/// A token that is answered until this is dropped.
#[derive(Debug)]
pub(super) struct Shown {
    challenges: Arc<Challenges>,
    token: String,
}

impl Challenges {
    /// Answers a token from now on.
    pub(super) fn show(self: &Arc<Self>, token: &str, answer: &str) -> Shown {
        let mut answers = locked(&self.answers);
        answers.insert(token.to_owned(), answer.to_owned());
        self.pending.store(answers.len(), Ordering::Relaxed);
        Shown {
            challenges: Arc::clone(self),
            token: token.to_owned(),
        }
    }

    /// What is said to a request, if it asks for a token that is known. Others may be for the
    /// service itself.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Option<Response<ResponseBody>> {
        if self.pending.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let token = request.uri().path().strip_prefix(PLACE)?;
        let answer = locked(&self.answers).get(token)?.clone();
        let mut response = Response::new(ResponseBody::text(Bytes::from(answer)));
        let plain = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        Some(response)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut answers = locked(&self.challenges.answers);
        answers.remove(&self.token);
        self.challenges
            .pending
            .store(answers.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_answered_for_as_long_as_it_is_shown() {
        let challenges = Arc::<Challenges>::default();
        let ask = |path: &str| {
            let request = Request::get(path).body(()).unwrap();
            challenges.answer(&request).is_some()
        };
        assert!(!ask("/.well-known/acme-challenge/t"));
        let shown = challenges.show("t", "t.thumb");
        assert!(ask("/.well-known/acme-challenge/t"));
        assert!(!ask("/.well-known/acme-challenge/other"));
        assert!(!ask("/t"));
        drop(shown);
        assert!(!ask("/.well-known/acme-challenge/t"));
    }
}
