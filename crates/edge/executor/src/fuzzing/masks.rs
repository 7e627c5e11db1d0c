//! Secrets of any kind in a stream that is cut anywhere: the same comes out, and none of them in any form.

use super::{alike, look_at, parts};
use crate::mask::{Masker, TextMask};

const CORPUS: &[&str] = &[
    "hunter22\0swordfish-of-mine\0it is hunter22, and swordfish-of-mine\n\x01\x03\x02",
    "aaaa\0aaab\0aaaaaaab aaaa\n\x02\x01",
    "{\n  \"key\": \"value-1\"\n}\0a&b&cdefgh\0line \"key\": \"value-1\" %7B\n",
    "\u{7ff}\u{7ff}???>>>\0ß\"'<>&\0x",
];
const WORDS: &[&str] = &[
    "\0",
    "\n",
    "\r\n",
    "a",
    "aa",
    "aaaa",
    "ab",
    "hunter22",
    "hunter2",
    "swordfish",
    "\"",
    "'",
    "&",
    "&+",
    " ",
    "%",
    "+",
    "/",
    "=",
    "\\",
    "ß",
    "\u{1f600}",
    "\u{7f}",
];

fn hex(text: &str) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    let both = |byte: u8| [digit(byte >> 4), digit(byte & 15)];
    text.bytes().flat_map(both).collect()
}

/// The stream in pieces, whose lengths are those of the bytes of the input.
fn run(secrets: &[&str], stream: &[u8], lengths: &[u8]) -> Vec<u8> {
    let mut masker = Masker::new(secrets.iter().copied()).unwrap();
    let mut out = Vec::new();
    let mut rest = stream;
    let mut lengths = lengths.iter().cycle();
    while !rest.is_empty() {
        let length = lengths
            .next()
            .map_or(rest.len(), |byte| usize::from(byte % 23) + 1);
        let (piece, after) = rest.split_at(length.min(rest.len()));
        masker.push(piece, &mut out);
        rest = after;
    }
    masker.finish(&mut out);
    out
}

fn has(out: &[u8], secret: &str) -> bool {
    memchr::memmem::find(out, secret.as_bytes()).is_some()
}

#[test]
fn fuzz_masks() {
    look_at(CORPUS, WORDS, |input| {
        let [first, second, text] = parts(input);
        let both = [first, second].map(String::from_utf8_lossy);
        // What is written in its place has stars.
        let secrets = both.iter().map(AsRef::as_ref);
        let secrets: Vec<&str> = secrets
            .filter(|text: &&str| !text.trim().is_empty() && !text.contains('*'))
            .collect();
        let mut stream = text.to_vec();
        for secret in &secrets {
            let head = secret.char_indices().nth(secret.chars().count() / 2);
            stream.extend_from_slice(&secret.as_bytes()[..head.map_or(0, |(at, _)| at)]);
            stream.extend_from_slice(secret.as_bytes());
            stream.extend_from_slice(secret.as_bytes());
            stream.extend_from_slice(hex(secret).as_bytes());
            stream.extend_from_slice(serde_json::Value::from(*secret).to_string().as_bytes());
            stream.push(b'\n');
        }
        let whole = run(&secrets, &stream, &[]);
        assert_eq!(run(&secrets, &stream, &[0]), whole, "byte by byte");
        assert_eq!(run(&secrets, &stream, input), whole, "in other pieces");
        for secret in &secrets {
            assert!(!has(&whole, secret), "`{secret}` is seen");
            assert!(
                secret.len() < 4 || !has(&whole, &hex(secret)),
                "`{secret}` is seen in hex"
            );
        }
        let masker = Masker::new(secrets.iter().copied()).unwrap();
        if let Ok(text) = std::str::from_utf8(&stream) {
            assert_eq!(
                masker.text(text),
                String::from_utf8_lossy(&whole),
                "apart from the stream"
            );
            let hidden = TextMask::new(secrets.iter().copied()).hide(text);
            assert!(
                secrets.iter().all(|secret| !hidden.contains(secret)),
                "{hidden}"
            );
        }
        alike((secrets.len(), whole.len().abs_diff(stream.len()) / 4))
    });
}
