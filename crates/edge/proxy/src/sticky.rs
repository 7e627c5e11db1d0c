//! Clients that stay with their side: the cookie, and how it follows the weights.
//!
//! The cookie holds a point between 0 and 10,000 that the client keeps, and a proof of it and of
//! the side that was seen last. The sides lie on that line one after the other, each as long as its
//! weight: when the weight of the last one grows it takes clients from those before it, and never
//! gives one back. New clients are dealt in blocks, and get a point of the side they were dealt.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use rand::Rng as _;
use sha2::Sha256;

use crate::{control, cookies, service::Side};

const POINT_BYTES: usize = 2;
const PROOF_BYTES: usize = 12;
/// Cookies of our name that are looked at. To prove one costs far more than to send one.
const COOKIES: usize = 8;

/// What the cookies of a balancer are signed with. Made once for a state folder.
#[derive(Clone, Copy)]
pub(crate) struct Key(pub(crate) [u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The cookie of one service.
#[derive(Debug)]
pub(crate) struct Sticky {
    service: String,
    told: control::Sticky,
    key: Key,
}

/// What a client brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) point: u16,
    /// Index of the side that it saw last.
    pub(crate) side: usize,
}

impl Sticky {
    pub(crate) fn new(service: &str, told: &control::Sticky, key: Key) -> Self {
        Self {
            service: service.to_owned(),
            told: told.clone(),
            key,
        }
    }

    /// What the client saw last, if that side is still there. A cookie that is not ours is none.
    pub(crate) fn read(&self, headers: &HeaderMap, sides: &[Side]) -> Option<Seen> {
        let mut brought = cookies::values(headers, &self.told.cookie).take(COOKIES);
        brought.find_map(|value| {
            let mut bytes = [0; POINT_BYTES + PROOF_BYTES + 2];
            let length = URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).ok()?;
            let (point, proof) = bytes.get(..length)?.split_first_chunk::<POINT_BYTES>()?;
            let point = u16::from_be_bytes(*point);
            let proof: &[u8; PROOF_BYTES] = proof.try_into().ok()?;
            let side = sides.iter().position(|side| {
                let proven = self.proof(point, &side.name);
                proven.is_some_and(|mac| mac.verify_truncated_left(proof).is_ok())
            })?;
            Some(Seen { point, side })
        })
    }

    /// What the client is to bring from now on. `None` when it brings that already.
    pub(crate) fn renewed(
        &self,
        seen: Option<Seen>,
        side: usize,
        sides: &[Side],
    ) -> Option<HeaderValue> {
        if seen.is_some_and(|seen| seen.side == side) {
            return None;
        }
        let point = seen.map_or_else(|| point_of(side, sides), |seen| seen.point);
        let proof = self.proof(point, &sides.get(side)?.name)?.finalize();
        let mut bytes = point.to_be_bytes().to_vec();
        bytes.extend_from_slice(proof.into_bytes().get(..PROOF_BYTES)?);
        let age = self.told.max_age_s;
        let age = age.map_or_else(String::new, |age| format!("; Max-Age={age}"));
        let secure = if self.told.secure { "; Secure" } else { "" };
        let cookie = format!(
            "{}={}; Path=/; HttpOnly; SameSite=Lax{age}{secure}",
            self.told.cookie,
            URL_SAFE_NO_PAD.encode(bytes)
        );
        HeaderValue::from_str(&cookie).ok()
    }

    fn proof(&self, point: u16, side: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.0).ok()?;
        for part in [self.service.as_bytes(), side.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(&point.to_be_bytes());
        Some(mac)
    }
}

/// Where a client belongs that has been here. `None` when no side has weight.
pub(crate) fn belongs(seen: Seen, sides: &[Side]) -> Option<usize> {
    let mut end = 0;
    let by_point = sides.iter().position(|side| {
        end += side.weight;
        seen.point < end
    })?;
    let stays = sides.get(seen.side).is_some_and(|side| side.weight > 0);
    Some(if stays {
        by_point.max(seen.side)
    } else {
        by_point
    })
}

/// A point somewhere on a side's own part of the line.
fn point_of(side: usize, sides: &[Side]) -> u16 {
    let before = sides.iter().take(side).map(|side| side.weight).sum::<u16>();
    let length = sides.get(side).map_or(0, |side| side.weight).max(1);
    before + rand::rng().random_range(0..length)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::header;

    use super::*;

    fn sides(weights: &[(&str, u16)]) -> Vec<Side> {
        let side = |(name, weight): &(&str, u16)| Side {
            name: (*name).to_owned(),
            weight: *weight,
            upstreams: Vec::new(),
            matches: Vec::new(),
            metrics: Arc::default(),
            aside: Arc::default(),
            version: None,
        };
        weights.iter().map(side).collect()
    }

    fn sticky(service: &str) -> Sticky {
        let told = control::Sticky {
            cookie: "side".to_owned(),
            max_age_s: Some(60),
            secure: true,
        };
        Sticky::new(service, &told, Key([7; 32]))
    }

    fn brings(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(pair).unwrap())])
    }

    #[test]
    fn a_cookie_is_understood_by_its_service_alone_and_says_nothing() {
        let (sticky, sides) = (sticky("a"), sides(&[("1.0.0", 9_000), ("1.1.0", 1_000)]));
        let cookie = sticky.renewed(None, 1, &sides).unwrap();
        let text = cookie.to_str().unwrap();
        assert!(
            text.ends_with("; HttpOnly; SameSite=Lax; Max-Age=60; Secure"),
            "{text}"
        );
        assert!(!text.contains("1.1.0"), "{text}");
        let seen = sticky.read(&brings(&cookie), &sides).unwrap();
        assert_eq!(seen.side, 1);
        assert!((9_000..10_000).contains(&seen.point), "{seen:?}");
        assert_eq!(sticky.renewed(Some(seen), 1, &sides), None);
        assert_eq!(
            super::tests::sticky("b").read(&brings(&cookie), &sides),
            None
        );
        for forged in [
            "side=AAAA",
            "side=",
            "side=!",
            "side=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            let headers =
                HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(forged))]);
            assert_eq!(sticky.read(&headers, &sides), None, "{forged}");
        }
    }

    #[test]
    fn only_so_many_cookies_are_looked_at() {
        let (sticky, sides) = (sticky("a"), sides(&[("1.0.0", 9_000), ("1.1.0", 1_000)]));
        let ours = sticky.renewed(None, 1, &sides).unwrap();
        let ours = ours.to_str().unwrap().split(';').next().unwrap().to_owned();
        let read = |others: usize| {
            let all = format!("{}{ours}", "side=AAAAAAAAAAAAAAAAAAA; ".repeat(others));
            let value = HeaderValue::from_str(&all).unwrap();
            sticky.read(&HeaderMap::from_iter([(header::COOKIE, value)]), &sides)
        };
        assert_eq!(read(COOKIES - 1).map(|seen| seen.side), Some(1));
        assert_eq!(read(COOKIES), None);
    }

    #[test]
    fn clients_follow_the_weights_one_way() {
        let mut seen: Vec<_> = (0..10_000).map(|point| Seen { point, side: 0 }).collect();
        let mut newer = 0;
        for weight in [0, 1, 1_000, 5_000, 2_000, 10_000] {
            let sides = sides(&[("old", 10_000 - weight), ("new", weight)]);
            for client in &mut seen {
                client.side = belongs(*client, &sides).unwrap();
            }
            let now = seen.iter().filter(|client| client.side == 1).count();
            assert!(
                now >= newer && now >= usize::from(weight),
                "{weight}: {now}"
            );
            newer = now;
        }
        assert_eq!(newer, 10_000);
        let back = sides(&[("old", 10_000), ("new", 0)]);
        assert!(seen.iter().all(|client| belongs(*client, &back) == Some(0)));
        let none = sides(&[("old", 0), ("new", 0)]);
        assert_eq!(belongs(seen[0], &none), None);
    }
}
