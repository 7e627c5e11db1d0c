//! Requests that two readers could read as different requests: each is refused, and nothing that is
//! hidden in it reaches the service. Raw bytes, for no client would send them.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::json;

use crate::{stage::Stage, wire, world::World};

/// What would be found by whoever reads the first request as shorter than it is.
const HIDDEN: &str = "GET /fail HTTP/1.1\r\nHost: hidden\r\n\r\n";

/// A name, and the head and body of a request; `HIDDEN` follows each, `HOST` is the balancer.
const ODD: &[(&str, &str)] = &[
    (
        "two lengths that differ",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 38\r\n\r\n",
    ),
    (
        "two lengths in one field",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0, 38\r\n\r\n",
    ),
    (
        "a length with a sign",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: +0\r\n\r\n",
    ),
    (
        "a length below nothing",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n",
    ),
    (
        "a length in another base",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x26\r\n\r\n",
    ),
    (
        "a length beyond all numbers",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 18446744073709551616\r\n\r\n",
    ),
    (
        "an unknown coding",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding that does not end with chunked",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding behind a vertical tab",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a space before the colon",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a field on two lines",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a field without a name",
        "GET / HTTP/1.1\r\nHost: HOST\r\n: chunked\r\n\r\n",
    ),
    (
        "a zero byte in a field",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX-Field: a\0b\r\n\r\n",
    ),
    (
        "a lone carriage return in a field",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX-Field: a\rTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "the size of a piece with a sign",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    ),
    (
        "the size of a piece in another base",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    ),
    (
        "the size of a piece beyond all numbers",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
    ),
    (
        "a piece that is longer than it says",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    ),
    (
        "two hosts",
        "GET / HTTP/1.1\r\nHost: HOST\r\nHost: other\r\n\r\n",
    ),
    ("no host", "GET / HTTP/1.1\r\nX-Field: a\r\n\r\n"),
    (
        "a host that is a path",
        "GET / HTTP/1.1\r\nHost: HOST/other\r\n\r\n",
    ),
    (
        "a name before the host",
        "GET http://user@HOST/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    ("a tunnel", "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n"),
    ("no version", "GET /\r\nHost: HOST\r\n\r\n"),
    ("a version to come", "GET / HTTP/1.9\r\nHost: HOST\r\n\r\n"),
    (
        "a space in the target",
        "GET /a b HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
];

/// Two lengths of different kinds.
const BOTH_LENGTHS: &[(&str, &str)] = &[
    (
        "both lengths",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "both lengths, the other way round",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
];

/// Lines that end without a carriage return.
const BARE_LINES: &[(&str, &str)] = &[
    ("bare line feeds", "GET / HTTP/1.1\nHost: HOST\n\n"),
    (
        "a bare line feed in a field",
        "POST / HTTP/1.1\r\nHost: HOST\r\nX-Field: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a bare line feed behind a size",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
    ),
];

/// Sends it, and reads what comes until the end.
fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = request.replace("HOST", address) + HIDDEN;
    // It may have refused before all was sent.
    drop(stream.write_all(request.as_bytes()));
    drop(stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// What is wrong with how this was answered.
fn complaint(name: &str, answer: &str) -> Option<String> {
    let refused = ["HTTP/1.1 4", "HTTP/1.1 5", "HTTP/1.0 4", "HTTP/1.0 5"];
    let is_refused = answer.is_empty() || refused.iter().any(|head| answer.starts_with(head));
    let answers = answer.matches("HTTP/1.").count();
    let reached = answer.contains("as you wish") || answer.contains("x-cutover-version");
    (!is_refused || answers > 1 || reached).then(|| format!("{name}: {answer}"))
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let world = World::new();
    let stage = Stage::open(&world, "{ strategy: { blue_green: { bake: 0s } } }");
    stage.build("1.0.0", &json!({}));
    stage.first("1.0.0");
    let address = stage.address();
    let all = [ODD, BOTH_LENGTHS, BARE_LINES].concat();
    let complaints: Vec<String> = all
        .iter()
        .filter_map(|(name, request)| complaint(name, &exchange(&address, request)))
        .collect();
    assert!(
        complaints.is_empty(),
        "not refused:\n{}",
        complaints.join("\n")
    );
    let (status, _) = wire::run(wire::fetch(address, "/".to_owned())).unwrap();
    assert_eq!(status, 200);
}
