//! Known smuggling variants, whole and in pieces.

use super::*;

/// Feeds it whole, and byte by byte; both must come to the same.
fn read(bytes: &[u8]) -> Result<State, Doubtful> {
    let mut whole = Framing::default();
    let first = whole
        .feed(bytes)
        .map(|()| whole.state)
        .map_err(|(_, doubtful)| doubtful);
    for size in [1, 3, 7] {
        let mut pieces = Framing::default();
        let fed = bytes.chunks(size).try_for_each(|piece| pieces.feed(piece));
        let fed = fed.map(|()| pieces.state).map_err(|(_, doubtful)| doubtful);
        assert_eq!(fed, first, "{:?}", String::from_utf8_lossy(bytes));
    }
    first
}

#[test]
fn what_has_one_reading_passes() {
    let good: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        b"\r\nGET / HTTP/1.0\r\n\r\nGET /b HTTP/1.1\r\nhost: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\na\n\r\0GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\nContent-Length:\t0 \r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: Chunked\r\n\r\n4;a=b\r\n\n\n\n\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n00\r\nx-sum: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx:\r\ny: a:b c\r\n\r\n",
        b"GET /a?b=c%20d HTTP/1.1\r\nhost: h\r\nx: \xe4\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n",
    ];
    for bytes in good {
        assert_eq!(
            read(bytes),
            Ok(State::Start),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    assert_eq!(
        read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"),
        Ok(State::Passing)
    );
    assert_eq!(
        read(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc"),
        Ok(State::Sized(6))
    );
}

#[test]
fn what_two_could_read_differently_is_refused() {
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nhost: h\r\n{fields}\r\n\r\n");
    let chunked = |body: &str| post("transfer-encoding: chunked") + body;
    let bad = [
        post("content-length: 4\r\ntransfer-encoding: chunked"),
        post("transfer-encoding: chunked\r\ncontent-length: 0"),
        post("content-length: 4\r\ncontent-length: 4"),
        post("content-length: 4\r\ncontent-length: 5"),
        post("content-length: 4, 4"),
        post("content-length: +4"),
        post("content-length: -4"),
        post("content-length: 0x4"),
        post("content-length: "),
        post("content-length: 4 4"),
        post("content-length: 99999999999999999999"),
        post("content-length : 4"),
        post("content-length\t: 4"),
        post("content-length"),
        post(": 4"),
        post("transfer-encoding: chunked, chunked"),
        post("transfer-encoding: gzip, chunked"),
        post("transfer-encoding: identity"),
        post("transfer-encoding: xchunked"),
        post("transfer-encoding: \"chunked\""),
        post("transfer-encoding:\u{b}chunked"),
        post("transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        post("transfer-encoding: chunked\r\ntransfer-encoding: identity"),
        post("x: a\r\n b"),
        post(" x: a"),
        post("x: a\nb: c"),
        post("x: a\rb: c"),
        post("x: a\0b"),
        "GET / HTTP/1.1\nhost: h\n\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: h\r\n\n".to_owned(),
        "GET  / HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(),
        "GET /  HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(),
        " GET / HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(),
        "GET / HTTP/1.1 \r\nhost: h\r\n\r\n".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        "GET / HTTP/1.2\r\nhost: h\r\n\r\n".to_owned(),
        "GET / http/1.1\r\nhost: h\r\n\r\n".to_owned(),
        "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        chunked("4 \r\nabcd\r\n0\r\n\r\n"),
        chunked("0x4\r\nabcd\r\n0\r\n\r\n"),
        chunked("-4\r\nabcd\r\n0\r\n\r\n"),
        chunked("\r\nabcd\r\n0\r\n\r\n"),
        chunked("4\nabcd\r\n0\r\n\r\n"),
        chunked("4\r\nabcde\r\n0\r\n\r\n"),
        chunked("4\r\nabcd\n0\r\n\r\n"),
        chunked("fffffffffffffffff\r\nabcd\r\n"),
        chunked(&format!("4;{}\r\nabcd\r\n", "x".repeat(300))),
        chunked("0\r\ncontent-length: 4\r\n\r\n"),
        chunked("0\r\ntransfer-encoding: chunked\r\n\r\n"),
    ];
    for text in bad {
        assert_eq!(read(text.as_bytes()), Err(Doubtful), "{text:?}");
    }
}

#[test]
fn what_came_before_is_left_alone() {
    let good = "GET /a HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut framing = Framing::default();
    let text = format!("{good}GET /b HTTP/1.1\r\nhost: h\r\nx : y\r\n\r\n");
    let (before, _doubtful) = framing.feed(text.as_bytes()).unwrap_err();
    assert!(text[before..].starts_with("x : y"), "{before}");
    assert!(framing.is_refused());
}
