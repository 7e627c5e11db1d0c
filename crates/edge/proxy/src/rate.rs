//! How often each client may ask, in memory that does not grow with the number of clients.
//!
//! A bucket is one number: when it will be full again (the generic cell rate algorithm). Keys are
//! hashed with a secret into small sets; a set that is full forgets who was seen longest ago.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::Mutex,
    time::Duration,
};

use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::{control::RateLimit, lock::locked};

/// Keys of one set.
const WAYS: usize = 8;

/// The buckets of a route.
#[derive(Debug)]
pub(crate) struct Rate {
    header: Option<HeaderName>,
    /// Nanoseconds that one request takes out of a bucket.
    cost: u64,
    /// Nanoseconds that a whole bucket holds.
    room: u64,
    born: Instant,
    secret: RandomState,
    sets: Vec<Mutex<[Bucket; WAYS]>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    key: u64,
    /// When it is full again, in nanoseconds since the limit was born.
    full_at: u64,
}

impl Rate {
    pub(crate) fn new(told: &RateLimit) -> Self {
        let requests = u64::from(told.requests.max(1));
        let cost = (told.per_ms.saturating_mul(1_000_000) / requests).max(1);
        let burst = if told.burst == 0 {
            told.requests
        } else {
            told.burst
        };
        let sets = told.keys.div_ceil(WAYS).next_power_of_two();
        Self {
            header: told.header.as_deref().and_then(|name| name.parse().ok()),
            cost,
            room: cost.saturating_mul(u64::from(burst.max(1))),
            born: Instant::now(),
            secret: RandomState::new(),
            sets: std::iter::repeat_with(Mutex::default).take(sets).collect(),
        }
    }

    /// Takes a request out of its client's bucket. When that is empty, tells how long until it is
    /// not.
    pub(crate) fn take(&self, headers: &HeaderMap, client: IpAddr) -> Result<(), Duration> {
        let key = match &self.header {
            Some(name) => self.secret.hash_one(headers.get(name)),
            None => self.secret.hash_one(household(client)),
        };
        let now = u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let index = usize::try_from(key).unwrap_or_default() & (self.sets.len() - 1);
        let Some(set) = self.sets.get(index) else {
            return Ok(());
        };
        let mut set = locked(set);
        let known = set.iter().position(|bucket| bucket.key == key);
        let longest_ago = || (0..WAYS).min_by_key(|index| set[*index].full_at);
        let index = known.or_else(longest_ago).unwrap_or_default();
        let bucket = &mut set[index];
        if bucket.key != key {
            *bucket = Bucket { key, full_at: now };
        }
        let full_at = bucket.full_at.max(now).saturating_add(self.cost);
        let ahead = full_at - now;
        if ahead > self.room {
            return Err(Duration::from_nanos(ahead - self.room));
        }
        bucket.full_at = full_at;
        Ok(())
    }
}

/// Who counts as one client. Of IPv6, everybody has at least a /64 of addresses to choose from.
pub(crate) fn household(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        client @ IpAddr::V4(_) => client,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tokio::time::advance;

    use super::*;

    fn limit(requests: u32, burst: u32) -> RateLimit {
        RateLimit {
            requests,
            per_ms: 1_000,
            burst,
            header: None,
            keys: 64,
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_its_burst_and_then_its_rate() {
        let (rate, none) = (Rate::new(&limit(2, 4)), HeaderMap::new());
        let take = |client| rate.take(&none, address(client));
        for _ in 0..4 {
            assert_eq!(take(1), Ok(()));
        }
        assert_eq!(take(1), Err(Duration::from_millis(500)));
        assert_eq!(take(2), Ok(()), "others have their own");
        advance(Duration::from_millis(500)).await;
        assert_eq!(take(1), Ok(()));
        assert_eq!(take(1), Err(Duration::from_millis(500)));
        advance(Duration::from_mins(1)).await;
        for _ in 0..4 {
            assert_eq!(take(1), Ok(()));
        }
        assert!(take(1).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_can_tell_clients_apart() {
        let told = RateLimit {
            header: Some("X-Key".to_owned()),
            ..limit(1, 0)
        };
        let rate = Rate::new(&told);
        let with = |value| {
            HeaderMap::from_iter([("x-key".parse().unwrap(), HeaderValue::from_static(value))])
        };
        assert_eq!(rate.take(&with("a"), address(1)), Ok(()));
        assert!(rate.take(&with("a"), address(2)).is_err());
        assert_eq!(rate.take(&with("b"), address(1)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_with_a_network_of_addresses_is_one_client() {
        let (rate, none) = (Rate::new(&limit(1, 1)), HeaderMap::new());
        let take = |client: &str| rate.take(&none, client.parse().unwrap());
        assert_eq!(take("2001:db8:0:1::1"), Ok(()));
        assert!(take("2001:db8:0:1:ffff::2").is_err());
        assert_eq!(take("2001:db8:0:2::1"), Ok(()), "others have their own");
        assert_eq!(take("::ffff:192.0.2.1"), Ok(()));
        assert_eq!(take("::ffff:192.0.2.2"), Ok(()), "no network is shared");
        assert!(take("192.0.2.1").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn many_clients_take_no_more_memory() {
        let (rate, none) = (Rate::new(&limit(1, 1)), HeaderMap::new());
        assert_eq!(rate.sets.len() * WAYS, 64);
        for client in 0..100_000_u32 {
            let _taken = rate.take(&none, IpAddr::from(client.to_be_bytes()));
        }
        assert_eq!(rate.sets.len() * WAYS, 64);
        assert!(
            rate.take(&none, IpAddr::from(99_999_u32.to_be_bytes()))
                .is_err()
        );
    }
}
