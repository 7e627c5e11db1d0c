//! Bad events that are independent of each other: one for each client and ten seconds.
//!
//! A client that tries again and again is one witness, not many. Without this a burst of retries
//! would look to the judge like that many failures. Over all sides of a service together: counted once at
//! each side, a client that fails everywhere would look as if the smaller side were the worse one.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{LazyLock, Mutex},
};

use http::{HeaderMap, HeaderName, header};

use crate::{
    clock,
    control::{self, ClientKey},
    cookies,
    lock::locked,
};

/// Seconds in which a client counts once.
const WINDOW: u64 = 10;
/// Clients remembered in one window. So many witnesses convict; those beyond are not counted.
const CLIENTS: usize = 16_384;

static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// One client, as a number that means nothing elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Client(u64);

/// By what clients are told apart.
#[derive(Debug)]
pub(crate) enum Apart {
    Address,
    Header(HeaderName),
    Cookie(String),
}

impl Apart {
    /// As a service tells.
    pub(crate) fn new(service: &control::Service) -> Self {
        match &service.evidence.client {
            ClientKey::Address => None,
            ClientKey::Sticky => {
                let sticky = service.sticky.as_ref();
                sticky.map(|sticky| Self::Cookie(sticky.cookie.clone()))
            }
            ClientKey::Header(name) => name.parse().ok().map(Self::Header),
        }
        .unwrap_or(Self::Address)
    }

    /// Who sent a request. One that does not say is told by its address and its program.
    pub(crate) fn client(&self, headers: &HeaderMap, address: IpAddr) -> Client {
        let told = match self {
            Self::Address => None,
            Self::Header(name) => headers.get(name).map(|value| SECRET.hash_one(value)),
            Self::Cookie(name) => cookies::values(headers, name)
                .next()
                .map(|value| SECRET.hash_one(value)),
        };
        Client(told.unwrap_or_else(|| SECRET.hash_one((address, headers.get(header::USER_AGENT)))))
    }
}

/// Who has borne witness in a service.
#[derive(Debug, Default)]
pub(crate) struct Witnesses {
    /// Of requests that went badly.
    pub(crate) bad: Distinct,
    /// Of slow answers.
    pub(crate) slow: Distinct,
}

/// Lets events pass once for each client and window.
#[derive(Debug, Default)]
pub(crate) struct Distinct(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    window: u64,
    clients: HashSet<Client>,
}

impl Distinct {
    /// An event befell a client. Whether it is the first of this window.
    pub(crate) fn is_first(&self, client: Client) -> bool {
        self.is_first_at(client, clock::since_epoch().as_secs() / WINDOW)
    }

    fn is_first_at(&self, client: Client, window: u64) -> bool {
        let mut seen = locked(&self.0);
        if seen.window != window {
            *seen = Seen {
                window,
                clients: HashSet::new(),
            };
        }
        seen.clients.len() < CLIENTS && seen.clients.insert(client)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_client_counts_once_in_a_window() {
        let distinct = Distinct::default();
        assert!(distinct.is_first_at(Client(1), 7));
        assert!(distinct.is_first_at(Client(2), 7));
        assert!(!distinct.is_first_at(Client(1), 7));
        assert!(distinct.is_first_at(Client(1), 8));
        let first = (0..100_000).filter(|&client| distinct.is_first_at(Client(client), 9));
        assert_eq!(first.count(), CLIENTS, "memory has a bound");
    }

    #[test]
    fn clients_are_told_apart_as_the_table_says() {
        let headers = |fields: &[(&'static str, &'static str)]| {
            let field = |(name, value): &(&'static str, &'static str)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            };
            fields.iter().map(field).collect::<HeaderMap>()
        };
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let by = |apart: &Apart, fields: &[_], last| apart.client(&headers(fields), address(last));
        let agent = [("user-agent", "a")];
        assert_eq!(
            by(&Apart::Address, &agent, 1),
            by(&Apart::Address, &agent, 1)
        );
        assert_ne!(
            by(&Apart::Address, &agent, 1),
            by(&Apart::Address, &agent, 2)
        );
        assert_ne!(by(&Apart::Address, &agent, 1), by(&Apart::Address, &[], 1));
        let header = Apart::Header(HeaderName::from_static("x-user"));
        let user = [("x-user", "7")];
        assert_eq!(by(&header, &user, 1), by(&header, &user, 2));
        assert_ne!(by(&header, &[], 1), by(&header, &[], 2));
        let cookie = Apart::Cookie("side".to_owned());
        let brought = [("cookie", "side=x")];
        assert_eq!(by(&cookie, &brought, 1), by(&cookie, &brought, 2));
    }
}
