//! Free ports of 127.0.0.1 for instances.
//!
//! They are taken from below the range that the kernel uses for outgoing connections: there, any
//! connection of the load balancer could sit on a port just when an instance comes back to it.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
};

use crate::error::Error;

const RANGE: RangeInclusive<u16> = 20_000..=29_999;

/// Ports that are promised but perhaps not listened on yet.
#[derive(Debug, Default)]
pub(crate) struct Ports(Mutex<BTreeSet<u16>>);

impl Ports {
    /// Promises a port: `wanted` when it is free, else the first free one behind a place that `name`
    /// always has, so that instances keep out of each other's way.
    pub(crate) fn take(&self, name: &str, wanted: Option<u16>) -> Result<u16, Error> {
        let (first, last) = (*RANGE.start(), *RANGE.end());
        let count = last - first + 1;
        let start = name.bytes().fold(7_u32, |sum, byte| {
            (sum * 31 + u32::from(byte)) % u32::from(count)
        });
        let start = u16::try_from(start).unwrap_or(0);
        let mut promised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let port = wanted
            .into_iter()
            .chain((0..count).map(|step| first + (start + step) % count))
            .find(|port| !promised.contains(port) && is_free(*port))
            .ok_or(Error::NoPort { first, last })?;
        promised.insert(port);
        Ok(port)
    }

    /// Remembers one that was promised before our time.
    pub(crate) fn keep(&self, port: u16) {
        let mut promised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        promised.insert(port);
    }

    pub(crate) fn give_back(&self, port: u16) {
        let mut promised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        promised.remove(&port);
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promised_port_is_not_promised_twice_and_a_used_one_never() {
        let ports = Ports::default();
        let first = ports.take("dep-0", None).unwrap();
        assert!(RANGE.contains(&first));
        let second = ports.take("dep-0", Some(first)).unwrap();
        assert_ne!(first, second);
        ports.give_back(first);
        let _used = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert_ne!(ports.take("dep-0", Some(first)).unwrap(), first);
        ports.give_back(second);
        assert_eq!(ports.take("other", Some(second)).unwrap(), second);
    }

    #[test]
    fn a_name_has_a_place_of_its_own() {
        let (one, two) = (Ports::default(), Ports::default());
        let long = "x".repeat(1_000);
        // Not equal ports but equal starting points: something else may use one of them.
        let apart = one
            .take(&long, None)
            .unwrap()
            .abs_diff(two.take(&long, None).unwrap());
        assert!(apart < 100, "{apart}");
    }
}
