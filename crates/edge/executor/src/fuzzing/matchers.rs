//! Problem matchers of any form against output of any form: what they find does not depend on how the
//! output comes, and is bounded by it.

use cutover_model::run::Annotation;
use serde_json::json;

use super::{alike, look_at, parts};
use crate::matchers::{Matchers, parse};

const CORPUS: &[&str] = &[
    "^(.+)\\((\\d+),(\\d+)\\): (error|warning) (TS\\d+): (.+)$\0\x00124356\0src/a.ts(3,7): error TS2304: no 'x'\n",
    "^([^\\s].*)$\0^\\s+(\\d+):(\\d+)\\s+(error|warning)\\s+(.*)$\x001234L\0a.js\n  1:2  error  first\n  0:4  notice  second\n",
    "(.*)\0(.*)\x00111111L\0\x1b[31mred\x1b[0m\r\n\x1b[\n\n",
    "{\"problemMatcher\":[{\"owner\":\"a\",\"fromPath\":\"x/y\",\"severity\":\"notice\",\"pattern\":[{\"regexp\":\"(a+)+$\",\"message\":0,\"line\":1}]}]}\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n7\n",
];
const WORDS: &[&str] = &[
    "\0",
    "\n",
    "\r\n",
    "\x1b[",
    "\x1b[1;31m",
    "m",
    "(",
    ")",
    "(.*)",
    "(\\d+)",
    "\\s+",
    "^",
    "$",
    "|",
    "*",
    "+",
    "{2,9}",
    "{1000}",
    "[a-z]",
    "(?:",
    "(?i)",
    "(?=",
    "\\w{200}",
    "\\p{L}",
    "a",
    "0",
    "7",
    "L",
    "error",
    "WARNING",
    "\"pattern\":[",
    "\"regexp\":\"",
    "\"owner\":\"",
    "\"loop\":true",
    "},{",
    "\"message\":1",
    "\u{feff}",
    "ß",
];

/// A file of matchers: the first part, when it is one; else one that is made of the parts.
fn written(first: &str, second: &str, groups: &[u8]) -> String {
    if first.trim_start().starts_with('{') {
        return first.to_owned();
    }
    let group = |at: usize| groups.get(at).map(|byte| usize::from(byte % 8));
    let one = |regexp: &str| {
        json!({
            "regexp": regexp, "file": group(0), "line": group(1), "column": group(2),
            "severity": group(3), "code": group(4), "message": group(5).unwrap_or(0),
            "fromPath": group(7),
        })
    };
    let mut patterns = vec![one(first)];
    if !second.is_empty() {
        patterns.push(one(second));
        patterns[1]["loop"] = json!(groups.contains(&b'L'));
    }
    json!({"problemMatcher": [{"owner": "f", "pattern": patterns}]}).to_string()
}

fn remarks(matchers: &Matchers, output: &[u8], piece: usize) -> Vec<Annotation> {
    let mut matchers = matchers.clone();
    let mut found = Vec::new();
    for part in output.chunks(piece) {
        matchers.look(part, |one| found.push(one));
    }
    matchers.look(b"\n", |one| found.push(one));
    found
}

#[test]
fn fuzz_matchers() {
    look_at(CORPUS, WORDS, |input| {
        let [first, second, groups, output] = parts(input);
        let [first, second] = [first, second].map(String::from_utf8_lossy);
        let mut matchers = Matchers::default();
        let added = parse(&written(&first, &second, groups));
        let added = added.and_then(|read| matchers.add_all(read, "m"));
        if let Err(why) = added {
            return alike(why.split(['`', ':']).next().map(str::len));
        }
        let whole = remarks(&matchers, output, usize::MAX);
        for piece in [1, 7] {
            assert_eq!(
                remarks(&matchers, output, piece),
                whole,
                "in pieces of {piece}"
            );
        }
        let lines = output.split(|byte| *byte == b'\n').count() + 1;
        assert!(
            whole.len() <= lines,
            "{} remarks of {lines} lines",
            whole.len()
        );
        for one in &whole {
            let length = one.message.len() + one.title.as_ref().map_or(0, String::len);
            assert!(length <= 6 * 4096, "{length} bytes are kept of a line");
            assert!(
                one.at.is_none_or(|at| at.line > 0 && at.column > 0),
                "{one:?}"
            );
        }
        // Nothing half found goes on into the next step.
        matchers.look(output, |_| {});
        matchers.begin_anew();
        assert_eq!(remarks(&matchers, output, 64), whole, "another step");
        alike((
            whole.len(),
            whole
                .first()
                .map(|one| (one.at.is_some(), one.title.is_some())),
        ))
    });
}
