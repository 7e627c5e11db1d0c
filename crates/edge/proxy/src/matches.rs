//! Requests that go to a side for what they carry, whatever its weight.

use http::{HeaderMap, HeaderName};

use crate::{
    control::{self, Property},
    cookies,
};

/// A match as requests meet it.
#[derive(Debug)]
pub(crate) enum Match {
    Header(HeaderName, Option<String>),
    Cookie(String, Option<String>),
}

impl Match {
    /// `None` for a name that no field can have; `validate` refuses those.
    pub(crate) fn new(told: &control::Match) -> Option<Self> {
        Some(match told {
            control::Match::Header(Property { name, value }) => {
                Self::Header(name.parse().ok()?, value.clone())
            }
            control::Match::Cookie(Property { name, value }) => {
                Self::Cookie(name.clone(), value.clone())
            }
        })
    }

    /// Whether a request with these headers is meant.
    pub(crate) fn fits(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Header(name, wanted) => headers
                .get_all(name)
                .iter()
                .any(|value| is_wanted(wanted.as_deref(), value.as_bytes())),
            Self::Cookie(name, wanted) => cookies::values(headers, name)
                .any(|value| is_wanted(wanted.as_deref(), value.as_bytes())),
        }
    }
}

fn is_wanted(wanted: Option<&str>, value: &[u8]) -> bool {
    wanted.is_none_or(|wanted| wanted.as_bytes() == value)
}
