//! Which client a request comes from, past the proxies that are trusted.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};

use crate::trust::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The last address in `X-Forwarded-For` that no trusted peer has, seen from here; the peer itself
/// when it is not trusted. What stands further away may be invented, and is not looked at.
pub(crate) fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    if !is_trusted(peer) {
        return client;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.rsplit(','));
    for hop in hops {
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            return client;
        };
        client = address.to_canonical();
        if !is_trusted(client) {
            return client;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_trusted_peers_say_counts() {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8"].map(|text| text.parse().unwrap());
        let cases: [(&str, &[&'static str], &str); 7] = [
            ("203.0.113.7", &["198.51.100.1"], "203.0.113.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            (
                "127.0.0.1",
                &["1.1.1.1, 198.51.100.1, 10.0.0.2"],
                "198.51.100.1",
            ),
            (
                "127.0.0.1",
                &["1.1.1.1", "198.51.100.1,10.0.0.2"],
                "198.51.100.1",
            ),
            ("127.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (
                "127.0.0.1",
                &["198.51.100.1, nonsense, 10.0.0.2"],
                "10.0.0.2",
            ),
        ];
        for (peer, lines, client) in cases {
            let field = |line: &&'static str| (FORWARDED_FOR, HeaderValue::from_static(line));
            let headers = lines.iter().map(field).collect();
            let found = client_address(&headers, peer.parse().unwrap(), &trusted);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
