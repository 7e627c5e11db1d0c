//! Which requests are a service's: hosts and path prefixes at an address that several may share.
//!
//! Plain data; what makes it valid is in `validate`, how a request finds its route in `door`.

use serde::{Deserialize, Serialize};

/// Requests that belong to a service, among those that reach its address.
///
/// Of several that fit, the most specific one counts: an exact host before a wildcard, a longer
/// wildcard before a shorter one, any host last; then the longest path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// `shop.example.org`, or `*.example.org` for whatever stands before it. `None`: any host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Prefix of the path that ends where a segment does: `/api` has `/api` and `/api/x`, but not
    /// `/apis`. `/` has all.
    pub path: String,
    /// Whether the upstream gets the path without that prefix. It is told in
    /// `X-Forwarded-Prefix` what was taken away.
    pub strip_prefix: bool,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            host: None,
            path: "/".to_owned(),
            strip_prefix: false,
        }
    }
}

impl Route {
    /// The path without a slash at its end, so that `/api` and `/api/` are one. Empty for all.
    pub(crate) fn prefix(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    /// The host as it is compared.
    pub(crate) fn host_key(&self) -> Option<String> {
        let host = self.host.as_ref()?;
        Some(host.trim_end_matches('.').to_ascii_lowercase())
    }
}
