//! Answers as upstreams send them, whole and in pieces, and requests as they are written.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};

use super::{
    chunks::{Decoder, Piece},
    head::{self, Asked, Head, Malformed, Room},
    request::{Framing, write_data, write_end, write_head},
};

fn asked(method: &str) -> Request<()> {
    let request = Request::builder().method(method).uri("/a?b");
    request.body(()).unwrap()
}

fn head(text: &str, asked: &Request<()>) -> Result<Option<Head>, Malformed> {
    let room = &mut Room::default();
    head::take(&mut BytesMut::from(text), Asked::by(asked), room)
}

/// The answer, its body, and whether the connection can be kept, given byte by byte.
fn answer(text: &str, method: &str) -> Result<(Response<String>, bool), Malformed> {
    let mut rest = text.bytes();
    let (mut inbox, mut room) = (BytesMut::new(), Room::default());
    let Head {
        response,
        mut decoder,
        keeps,
    } = loop {
        inbox.extend(rest.next());
        if let Some(head) = head::take(&mut inbox, Asked::by(&asked(method)), &mut room)? {
            break head;
        }
    };
    let mut body = Vec::new();
    while !decoder.is_ended() {
        match decoder.next(&mut inbox)? {
            Piece::Data(data) => body.extend(data),
            Piece::Trailers(_) | Piece::End => break,
            Piece::Lacking => match rest.next() {
                Some(byte) => inbox.extend([byte]),
                None => break,
            },
        }
    }
    assert_eq!(rest.len(), 0, "bytes were left");
    let body = String::from_utf8(body).unwrap();
    Ok((response.map(|()| body), keeps))
}

#[test]
fn answers_end_where_they_say() {
    let cases = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "abc",
            true,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
            "abc",
            true,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nabc", "abc", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "a", false),
        (
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na",
            "a",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\na",
            "a",
            false,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
        // A body may follow although there can be none.
        (
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            "",
            false,
        ),
        (
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
            "",
            false,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 304 Same\r\n\r\n",
            "",
            true,
        ),
        // Stated twice, but the same: once is passed on.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "a",
            true,
        ),
    ];
    for (text, body, kept) in cases {
        let (response, keeps) = answer(text, "GET").unwrap();
        assert_eq!((response.body().as_str(), keeps), (body, kept), "{text}");
        let lengths = response.headers().get_all("content-length").iter();
        assert!(lengths.count() <= 1, "{text}");
    }
    let asked_for_head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    let (response, keeps) = answer(asked_for_head, "HEAD").unwrap();
    assert_eq!(
        (response.headers()["content-length"].as_bytes(), keeps),
        (&b"3"[..], true)
    );
}

#[test]
fn what_says_two_things_about_its_end_is_refused() {
    let refused = [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ];
    for text in refused {
        assert_eq!(head(text, &asked("GET")).err(), Some(Malformed), "{text}");
    }
    for text in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
    ] {
        assert!(answer(text, "GET").is_err(), "{text}");
    }
    // Whoever states both may go on, but not on this connection, and only one is passed on.
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let (response, keeps) = answer(both, "GET").unwrap();
    assert_eq!((response.body().as_str(), keeps), ("a", false));
    assert!(!response.headers().contains_key("content-length"));
}

#[test]
fn a_switch_leaves_what_follows_alone() {
    let mut asked = asked("GET");
    asked
        .headers_mut()
        .insert("upgrade", HeaderValue::from_static("x"));
    let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello";
    let mut inbox = BytesMut::from(text);
    let head = head::take(&mut inbox, Asked::by(&asked), &mut Room::default())
        .unwrap()
        .unwrap();
    assert!(head.decoder.is_ended() && !head.keeps);
    assert_eq!(&inbox[..], b"hello");
}

#[test]
fn trailers_follow_the_last_chunk() {
    let mut inbox = BytesMut::from("2\r\nab\r\n0\r\nGrpc-Status: 0\r\n\r\nrest");
    let mut decoder = Decoder::Chunked(super::chunks::Chunk::Size);
    let data = decoder.next(&mut inbox).unwrap();
    assert_eq!(data, Piece::Data(Bytes::from_static(b"ab")));
    let trailers = [(
        "grpc-status".parse().unwrap(),
        HeaderValue::from_static("0"),
    )];
    let expected = Piece::Trailers(HeaderMap::from_iter(trailers));
    assert_eq!(decoder.next(&mut inbox).unwrap(), expected);
    assert!(decoder.is_ended());
    assert_eq!(&inbox[..], b"rest");
}

#[test]
fn interim_answers_without_end_are_refused() {
    let text = |interim: usize| {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(interim);
        format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
    };
    let (response, keeps) = answer(&text(32), "GET").unwrap();
    assert_eq!((response.body().as_str(), keeps), ("x", true));
    assert!(!response.headers().contains_key("link"));
    assert!(answer(&text(33), "GET").is_err());
}

#[test]
fn heads_and_bodies_without_end_are_refused() {
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(200 * 1024));
    assert!(head(&endless, &asked("GET")).is_err());
    let fields = "a: b\r\n".repeat(200);
    assert!(head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), &asked("GET")).is_err());
    let mut trailers = BytesMut::from(&b"0\r\na: "[..]);
    trailers.extend_from_slice(&vec![b'x'; 20 * 1024]);
    let mut decoder = Decoder::Chunked(super::chunks::Chunk::Size);
    assert_eq!(decoder.next(&mut trailers), Err(Malformed));
}

#[test]
fn requests_say_how_long_they_are_once() {
    let mut post = asked("POST");
    // Nothing of the client's own framing gets through.
    post.headers_mut()
        .insert("content-length", HeaderValue::from_static("7"));
    post.headers_mut()
        .insert("transfer-encoding", HeaderValue::from_static("gzip"));
    post.headers_mut()
        .insert("host", HeaderValue::from_static("a"));
    let written = |framing, data: &[&str], trailers: Option<&HeaderMap>| {
        let (mut out, mut left) = (BytesMut::new(), framing);
        write_head(&mut out, &post, framing);
        for data in data {
            write_data(&mut out, &mut left, data.as_bytes())?;
        }
        write_end(&mut out, left, trailers)?;
        let text = String::from_utf8(out.to_vec()).unwrap();
        let rest = text
            .strip_prefix("POST /a?b HTTP/1.1\r\nhost: a\r\n")
            .unwrap();
        Some(rest.to_owned())
    };
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(
        written(Framing::None, &[], None),
        is("content-length: 0\r\n\r\n")
    );
    let length = written(Framing::Length(3), &["a", "", "bc"], None);
    assert_eq!(length, is("content-length: 3\r\n\r\nabc"));
    let field = [("x".parse().unwrap(), HeaderValue::from_static("y"))];
    let chunked = written(
        Framing::Chunked,
        &["a", "", "bc"],
        Some(&HeaderMap::from_iter(field)),
    );
    let expected = "transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nx: y\r\n\r\n";
    assert_eq!(chunked, is(expected));
    // More or less than announced is no body.
    assert_eq!(written(Framing::Length(3), &["abcd"], None), None);
    assert_eq!(written(Framing::Length(3), &["ab"], None), None);
    assert_eq!(written(Framing::None, &["a"], None), None);
}
