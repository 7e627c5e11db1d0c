//! The files by which a step hands values on: what is read of them, written as the toolkit does, is read
//! again; a fault names a line that is there; no secret gets into what is kept of the step.

use camino::Utf8Path;
use cutover_model::run::StepReport;

use super::{alike, look_at, parts};
use crate::{
    files::{Malformed, pairs},
    mask::Masker,
    supervise::report::{Said, read_files},
};

const SECRET: &str = "hunter22-swordfish";
const FILES: [&str; 5] = ["output", "env", "state", "path", "summary"];
const CORPUS: &[&str] = &[
    "a=1\nb<<EOF\none\ntwo\nEOF\n\0A=b\r\nB<<X\r\nv\r\nX\r\n\0s=v\0/usr/bin\n./x\n\0# Sum\n",
    "a=hunter22-swordfish\nhunter22-swordfish=a\0PATH=hunter22-swordfish\0\0/hunter22-swordfish\0*hunter22-swordfish*",
    "b<<\n\0=1\0nonsense\0\u{feff}/bom\0\u{fffd}",
    "\u{feff}a=1\nb<<E=F\n\r\nE=F\nc<<d<<e\nd<<e\n\0NODE_OPTIONS=--x\nLD_PRELOAD=y",
];
const WORDS: &[&str] = &[
    "=",
    "<<",
    "<<EOF\n",
    "EOF",
    "\nEOF\n",
    "\n",
    "\r\n",
    "\r",
    "\0",
    " ",
    "\u{feff}",
    SECRET,
    "aHVudGVyMjItc3dvcmRmaXNo",
    "hunter22",
    "NODE_OPTIONS",
    "ghadelimiter_1",
    "ß",
    "\u{2028}",
    "\u{85}",
];

/// As the toolkit writes it, with the line's own end where the value would lose it.
fn print(values: &[(String, String)]) -> String {
    let mut text = "\n".to_owned();
    for (name, value) in values {
        let end = if value.ends_with('\r') { "\r\n" } else { "\n" };
        // A name that ends with `<` has no other form.
        if !value.contains('\n') {
            text.extend([name, "=", value, end]);
            continue;
        }
        let mut delimiter = "end".to_owned();
        while value.contains(&delimiter) {
            delimiter.push('_');
        }
        text.extend([name, "<<", &delimiter, "\n", value, end, &delimiter, "\n"]);
    }
    text
}

fn hold(text: &str) -> (usize, bool) {
    let read = pairs("GITHUB_OUTPUT", text);
    match &read {
        Ok(values) => {
            let again = pairs("GITHUB_OUTPUT", &print(values)).unwrap();
            assert_eq!(&again, values);
        }
        Err(Malformed::Line { line, .. }) => {
            assert!((1..=text.split('\n').count()).contains(line), "line {line}");
        }
        Err(error) => panic!("{error}"),
    }
    (read.as_ref().map_or(0, Vec::len), read.is_ok())
}

fn report(exchange: &Utf8Path, untrusted: bool) -> StepReport {
    let masker = Masker::new([SECRET]).unwrap();
    let mut report = StepReport::default();
    let said = Said {
        untrusted,
        ..Said::default()
    };
    read_files(exchange, &masker, said, &mut report);
    crate::supervise::report::mask(&masker, &mut report);
    report
}

#[test]
fn fuzz_files() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Utf8Path::from_path(dir.path()).unwrap();
    look_at(CORPUS, WORDS, |input| {
        let all = parts::<5>(input);
        for (name, bytes) in FILES.iter().zip(all) {
            std::fs::write(exchange.join(name), bytes).unwrap();
        }
        let seen = all.map(|bytes| hold(&String::from_utf8_lossy(bytes)));
        let report_of = report(exchange, false);
        assert_eq!(
            report_of,
            report(exchange, false),
            "the same files, the same report"
        );
        for report in [&report_of, &report(exchange, true)] {
            let shown = format!("{report:?}");
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(!report.env.contains_key("NODE_OPTIONS"));
        }
        alike((seen, report_of.reasons.len(), report_of.path.len()))
    });
}
