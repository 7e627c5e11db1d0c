//! What makes a route table valid, as far as can be known without touching the network.

use std::{collections::BTreeSet, net::SocketAddr};

use http::HeaderValue;

use super::{
    observing, routes, sides,
    table::{FULL_WEIGHT, RouteTable, Service},
    tls,
};
use crate::trust::Network;

/// Why a route table cannot be applied. The sender's fault; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTable {
    /// Two of a kind have one name.
    #[error("{place}: the name `{name}` appears twice; give each its own")]
    Duplicate {
        /// Where in the table.
        place: String,
        /// The name in question.
        name: String,
    },
    /// The weights of a service make no whole.
    #[error(
        "service `{service}`: the weights of its sides sum up to {sum}; they must make 10000, or all be 0"
    )]
    Weights {
        /// The service.
        service: String,
        /// What they sum up to.
        sum: u32,
    },
    /// Two routes would take the same requests.
    #[error(
        "services `{first}` and `{second}` both have {route} at `{listen}`; give one of them another host, path or address"
    )]
    Ambiguous {
        /// The address that they share.
        listen: String,
        /// The host and path in question.
        route: String,
        /// One service.
        first: String,
        /// The other, or the same once more.
        second: String,
    },
    /// An address would be both plain and not.
    #[error(
        "services `{first}` and `{second}` do not agree on whether `{listen}` has TLS; give one of them another address"
    )]
    MixedTls {
        /// The address that they share.
        listen: String,
        /// One service.
        first: String,
        /// The other, or the same once more.
        second: String,
    },
    /// A value that cannot be used.
    #[error("{place}: `{value}` is not {expected}")]
    Value {
        /// Where in the table.
        place: String,
        /// The value in question.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl RouteTable {
    /// Checks everything that can be known without touching the network.
    pub fn validate(&self) -> Result<(), InvalidTable> {
        unique("table", self.services.iter().map(|service| &service.name))?;
        self.services.iter().try_for_each(Service::validate)?;
        observing::agree(&self.services)?;
        routes::unambiguous(&self.services)?;
        tls::agree(&self.services)
    }
}

impl Service {
    fn validate(&self) -> Result<(), InvalidTable> {
        let place = format!("service `{}`", self.name);
        if let Some(listen) = &self.listen {
            check(&place, listen, "an address like `127.0.0.1:8080`", |text| {
                text.parse::<SocketAddr>().is_ok()
            })?;
        }
        check(
            &place,
            &self.health.path,
            "a path that begins with `/`",
            |path| path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok(),
        )?;
        let header_bytes = self.limits.header_bytes.to_string();
        check(
            &place,
            &header_bytes,
            "a header limit of at least 8192",
            |_| self.limits.header_bytes >= 8192,
        )?;
        if let Some(each) = self.limits.connections_per_client {
            let some = "at least one connection for each client";
            check(&place, &each.to_string(), some, |_| each > 0)?;
        }
        if let Some(passive) = &self.passive {
            let failures = passive.failures.to_string();
            let some = "at least one failure that `passive` counts";
            check(&place, &failures, some, |_| passive.failures > 0)?;
        }
        for peer in &self.trusted_peers {
            check(&place, peer, "an address or `address/prefix`", |text| {
                text.parse::<Network>().is_ok()
            })?;
        }
        routes::usable(&place, self)?;
        self.validate_sides(&place)?;
        observing::usable(&place, self)?;
        tls::usable(&place, self)?;
        sides::usable(&place, self)
    }

    fn validate_sides(&self, place: &str) -> Result<(), InvalidTable> {
        unique(place, self.sides.iter().map(|side| &side.name))?;
        let upstreams = || self.sides.iter().flat_map(|side| &side.upstreams);
        unique(place, upstreams().map(|upstream| &upstream.id))?;
        for side in &self.sides {
            check(
                place,
                &side.name,
                "a name that fits into a header",
                |name| !name.is_empty() && HeaderValue::from_str(name).is_ok(),
            )?;
        }
        for upstream in upstreams() {
            check(
                place,
                &upstream.address,
                "an address like `host:port`",
                is_host_and_port,
            )?;
        }
        let sum = self.sides.iter().map(|side| u32::from(side.weight)).sum();
        if sum == 0 || sum == FULL_WEIGHT {
            return Ok(());
        }
        Err(InvalidTable::Weights {
            service: self.name.clone(),
            sum,
        })
    }
}

pub(super) fn unique<'a>(
    place: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), InvalidTable> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(InvalidTable::Duplicate {
                place: place.to_owned(),
                name: name.clone(),
            });
        }
    }
    Ok(())
}

pub(super) fn check(
    place: &str,
    value: &str,
    expected: &'static str,
    holds: impl Fn(&str) -> bool,
) -> Result<(), InvalidTable> {
    if holds(value) {
        return Ok(());
    }
    Err(InvalidTable::Value {
        place: place.to_owned(),
        value: value.to_owned(),
        expected,
    })
}

fn is_host_and_port(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            let named = !host.is_empty() && !host.contains([':', '/', ' ', '@']);
            named && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Side, Upstream};

    fn service(weights: &[u16]) -> Service {
        let side = |(index, weight): (usize, &u16)| Side {
            name: format!("1.{index}.0"),
            weight: *weight,
            matches: Vec::new(),
            upstreams: vec![Upstream::new(format!("u{index}"), "127.0.0.1:9000")],
            protocol: crate::control::Protocol::default(),
        };
        Service {
            sides: weights.iter().enumerate().map(side).collect(),
            ..Service::new("s")
        }
    }

    fn refusal(service: Service) -> String {
        let table = RouteTable {
            generation: 1,
            services: vec![service],
        };
        table.validate().unwrap_err().to_string()
    }

    #[test]
    fn weights_make_a_whole_or_nothing() {
        for good in [&[10_000][..], &[9_000, 1_000], &[0, 0], &[]] {
            let table = RouteTable {
                generation: 1,
                services: vec![service(good)],
            };
            assert_eq!(table.validate(), Ok(()), "{good:?}");
        }
        assert!(refusal(service(&[9_000, 999])).contains("sum up to 9999"));
    }

    #[test]
    fn names_are_unique() {
        let mut twice = service(&[5_000, 5_000]);
        twice.sides[1].name = "1.0.0".to_owned();
        assert!(refusal(twice).contains("`1.0.0` appears twice"));
        let mut twice = service(&[5_000, 5_000]);
        twice.sides[1].upstreams[0].id = "u0".to_owned();
        assert!(refusal(twice).contains("`u0` appears twice"));
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        let mut bad = service(&[10_000]);
        bad.sides[0].upstreams[0].address = "nowhere".to_owned();
        assert!(refusal(bad).contains("`nowhere` is not an address"));
        let bad = Service {
            listen: Some("8080".to_owned()),
            ..service(&[10_000])
        };
        assert!(refusal(bad).contains("`8080` is not an address"));
        let mut bad = service(&[10_000]);
        bad.health.path = "health".to_owned();
        assert!(refusal(bad).contains("begins with `/`"));
        let bad = Service {
            trusted_peers: vec!["10.0.0.0/40".to_owned()],
            ..service(&[])
        };
        assert!(refusal(bad).contains("10.0.0.0/40"));
    }
}
