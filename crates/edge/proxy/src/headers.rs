//! Header fields that end at this hop, in both directions.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields that frame the message or say for whom it is. `Connection` cannot name them away.
const KEPT: [HeaderName; 2] = [header::HOST, header::CONTENT_LENGTH];

/// Fields that end at this hop, and how a message that has them is marked.
const HOP: [(HeaderName, Kinds); 8] = [
    (header::CONNECTION, Kinds::CONNECTION),
    (HeaderName::from_static("keep-alive"), Kinds(1 << 1)),
    (HeaderName::from_static("proxy-connection"), Kinds(1 << 2)),
    (header::PROXY_AUTHENTICATE, Kinds(1 << 3)),
    (header::PROXY_AUTHORIZATION, Kinds(1 << 4)),
    (header::TE, Kinds::TE),
    (header::TRANSFER_ENCODING, Kinds(1 << 6)),
    (header::UPGRADE, Kinds::UPGRADE),
];

/// What fields that concern the balancer a message has. Most messages have few of them, and to look
/// at each name once costs less than to search for each that might be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

impl Kinds {
    const CONNECTION: Self = Self(1);
    pub(crate) const TE: Self = Self(1 << 5);
    pub(crate) const UPGRADE: Self = Self(1 << 7);
    pub(crate) const EXPECT: Self = Self(1 << 8);
    /// What other hops may have said of the client: see `request`.
    pub(crate) const HEARSAY: Self = Self(1 << 9);
    pub(crate) const PREFIX: Self = Self(1 << 10);
    /// What only balancers like this one say.
    pub(crate) const OURS: Self = Self(1 << 11);
    const HOP: Self = Self(0xff);

    /// Looks at all names.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let marks = headers.keys().map(|name| Self::of_name(name.as_str()).0);
        Self(marks.fold(0, |all, mark| all | mark))
    }

    fn of_name(name: &str) -> Self {
        match name {
            "connection" => Self::CONNECTION,
            "keep-alive" => Self(1 << 1),
            "proxy-connection" => Self(1 << 2),
            "proxy-authenticate" => Self(1 << 3),
            "proxy-authorization" => Self(1 << 4),
            "te" => Self::TE,
            "transfer-encoding" => Self(1 << 6),
            "upgrade" => Self::UPGRADE,
            "expect" => Self::EXPECT,
            "x-forwarded-prefix" => Self::PREFIX,
            "forwarded" | "x-real-ip" | "x-forwarded-port" | "x_forwarded_for"
            | "x_forwarded_proto" | "x_forwarded_host" | "x_forwarded_port"
            | "x_forwarded_prefix" | "x_real_ip" => Self::HEARSAY,
            _ if is_ours(name) => Self::OURS,
            _ => Self::default(),
        }
    }

    /// Whether any of these is there.
    pub(crate) fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}

/// Whether only balancers like this one set the field, in either spelling that servers read alike.
fn is_ours(name: &str) -> bool {
    name.starts_with("x-cutover-") || name.starts_with("x_cutover_")
}

/// Removes what only balancers like this one may say.
pub(crate) fn strip_ours(headers: &mut HeaderMap) {
    let ours = headers.keys().filter(|name| is_ours(name.as_str()));
    for name in ours.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Removes what concerns this hop only, and whatever `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap, kinds: Kinds) {
    if !kinds.has(Kinds::HOP) {
        return;
    }
    if kinds.has(Kinds::CONNECTION) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
    }
    for (name, kind) in HOP {
        if kinds.has(kind) {
            headers.remove(name);
        }
    }
}

/// The fields that `Connection` names, but for those that go in any case.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let options = ["close", "keep-alive", "te", "upgrade"];
    let is_option = |token: &&str| options.iter().any(|one| token.eq_ignore_ascii_case(one));
    connection_tokens(headers)
        .filter(|token| !is_option(token))
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !KEPT.contains(name))
        .collect()
}

fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::CONNECTION).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

/// Whether the sender wants to get trailers. They go through, so this is passed on.
pub(crate) fn wants_trailers(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::TE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("trailers"))
}

/// Says so to the next hop, where it stands among what concerns the connection.
pub(crate) fn set_wants_trailers(headers: &mut HeaderMap) {
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.append(header::CONNECTION, HeaderValue::from_static("te"));
}

/// The protocol that the message asks to switch to, or switches to.
pub(crate) fn upgrade(headers: &HeaderMap, kinds: Kinds) -> Option<HeaderValue> {
    if !kinds.has(Kinds::UPGRADE) {
        return None;
    }
    let protocol = headers.get(header::UPGRADE)?;
    let asked = connection_tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    asked.then(|| protocol.clone())
}

/// Puts the switch of protocol back, after the fields of the other hop were removed.
pub(crate) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{FORWARDED_PREFIX, HEARSAY};

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn this_hop_ends_here() {
        let mut headers = map(&[
            ("connection", "close, X-Private"),
            ("connection", "x-other"),
            ("x-private", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("accept", "*/*"),
        ]);
        let kinds = Kinds::of(&headers);
        strip_hop_by_hop(&mut headers, kinds);
        assert_eq!(headers, map(&[("accept", "*/*")]));
    }

    #[test]
    fn trailers_are_wanted_only_in_so_many_words() {
        assert!(wants_trailers(&map(&[("te", "gzip, Trailers")])));
        assert!(!wants_trailers(&map(&[("te", "gzip, trailers;q=0")])));
        assert!(!wants_trailers(&map(&[])));
    }

    #[test]
    fn connection_cannot_name_the_framing_away() {
        let mut headers = map(&[
            ("connection", "host, content-length"),
            ("host", "a"),
            ("content-length", "3"),
        ]);
        let kinds = Kinds::of(&headers);
        strip_hop_by_hop(&mut headers, kinds);
        assert_eq!(headers, map(&[("host", "a"), ("content-length", "3")]));
    }

    #[test]
    fn an_upgrade_needs_both_fields() {
        let upgrade = |headers: &HeaderMap| upgrade(headers, Kinds::of(headers));
        assert_eq!(upgrade(&map(&[("upgrade", "h2c")])), None);
        assert_eq!(upgrade(&map(&[("connection", "upgrade")])), None);
        let both = map(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
        ]);
        assert_eq!(upgrade(&both), Some(HeaderValue::from_static("websocket")));
    }

    #[test]
    fn one_look_finds_all_kinds() {
        let all = |names: &[HeaderName], kind: Kinds| {
            for name in names {
                assert_eq!(Kinds::of_name(name.as_str()), kind, "{name}");
            }
        };
        all(&HEARSAY, Kinds::HEARSAY);
        all(&[FORWARDED_PREFIX], Kinds::PREFIX);
        all(&[header::EXPECT], Kinds::EXPECT);
        all(&[header::HOST, header::CONTENT_LENGTH], Kinds::default());
        for (name, kind) in HOP {
            all(&[name], kind);
            assert!(Kinds::HOP.has(kind));
        }
        assert!(!Kinds::HOP.has(Kinds::EXPECT));
    }

    #[test]
    fn what_only_balancers_say_goes() {
        let mut headers = map(&[
            ("x-cutover-mirror", "1"),
            ("x_cutover_mirror", "1"),
            ("x-cutover", "1"),
        ]);
        assert!(Kinds::of(&headers).has(Kinds::OURS));
        strip_ours(&mut headers);
        assert_eq!(headers, map(&[("x-cutover", "1")]));
    }
}
