//! How many connections one client has open at once, where the table bounds that.
//!
//! A client is an address, or a /64 of IPv6: whoever has one such network has all of its addresses.
//! Trusted peers are not counted; they bring many clients.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use crate::{lock::locked, rate::household};

/// The clients of one address that have connections, as far as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<HashMap<IpAddr, usize>>);

/// One connection that is counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    client: IpAddr,
}

/// The client has as many connections as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

impl Crowd {
    /// A seat for a connection of this client.
    pub(crate) fn seat(self: &Arc<Self>, address: IpAddr, limit: usize) -> Result<Seat, Crowded> {
        let client = household(address);
        let mut counts = locked(&self.0);
        let count = counts.entry(client).or_default();
        // The limit may have been lowered since; an entry stays only where there are connections.
        if *count >= limit {
            if *count == 0 {
                counts.remove(&client);
            }
            return Err(Crowded);
        }
        *count += 1;
        Ok(Seat {
            crowd: Arc::clone(self),
            client,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = locked(&self.crowd.0);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_seats_and_gives_them_back() {
        let crowd = Arc::new(Crowd::default());
        let seat = |address: &str| crowd.seat(address.parse().unwrap(), 2);
        let mut held: Vec<_> = (0..2).filter_map(|_| seat("192.0.2.1").ok()).collect();
        assert_eq!(held.len(), 2);
        assert!(seat("192.0.2.1").is_err());
        assert!(seat("::ffff:192.0.2.1").is_err(), "the same in other words");
        assert!(seat("192.0.2.2").is_ok());
        held.pop();
        held.extend(seat("192.0.2.1"));
        assert_eq!(held.len(), 2);
        held.extend(seat("2001:db8::1"));
        held.extend(seat("2001:db8::ffff:2"));
        assert_eq!(held.len(), 4);
        assert!(seat("2001:db8::3").is_err());
        assert!(seat("2001:db8:0:1::3").is_ok());
        held.clear();
        assert!(locked(&crowd.0).is_empty(), "nobody is remembered");
    }
}
