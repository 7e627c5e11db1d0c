//! Output that nobody would print: however it comes in pieces, the same is heard and written, and no secret.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cutover_testkit::fuzz::fuzz;

use super::{Filter, Heard};

const SECRET: &str = "hunter22-swordfish";
const CORPUS: &[&str] = &[
    "hello hunter22-swordfish\n::add-mask::other-secret\nother-secret again\n",
    "::error file=a.rs,line=3,col=2,endLine=4,title=T%0A::message%25\n::group::g\n::endgroup::\n",
    "::stop-commands::a-token-1\n::set-output name=x::no\n::a-token-1::\n::set-output name=x::yes\n",
    "##[warning]old\n::save-state name=s::v\n::debug::d\n::echo::on\n::set-env name=A::b\n::add-path::/x\n",
    "aHVudGVyMjItc3dvcmRmaXNo %68unter22 hunter22\\u002dswordfish\r\n::notice::no end",
];
const WORDS: &[&str] = &[
    "\n",
    "\r",
    "\r\n",
    "::",
    "##[",
    "]",
    "::add-mask::",
    "::stop-commands::",
    "::error ",
    "::set-output name=",
    "%0A",
    "%25",
    "%",
    ",",
    "=",
    SECRET,
    "hunter22",
    "-swordfish",
    "aHVudGVyMjItc3dvcmRmaXNo",
    "\0",
    "\u{1b}[31m",
    "\u{feff}",
    "ß",
    "::add-matcher::",
    "::remove-matcher owner=x::",
    "::endgroup::",
    "::echo::off",
];

/// What is written and heard when it comes in pieces of this length.
fn run(input: &[u8], piece: usize) -> (Vec<u8>, Heard) {
    let mut filter = Filter::new(vec![SECRET.to_owned()]).unwrap();
    let mut out = Vec::new();
    for part in input.chunks(piece) {
        filter.push(part, &mut out);
    }
    let heard = filter.finish(&mut out);
    (out, heard)
}

#[test]
fn fuzz_output() {
    let corpus = CORPUS.iter().map(|text| text.as_bytes().to_vec()).collect();
    let looked = fuzz(corpus, WORDS, |input| {
        let (whole, heard) = run(input, usize::MAX);
        for piece in [1, 7] {
            let (out, also) = run(input, piece);
            assert_eq!(out, whole, "in pieces of {piece}");
            assert_eq!(format!("{also:?}"), format!("{heard:?}"));
        }
        let text = String::from_utf8_lossy(&whole);
        assert!(!text.contains(SECRET), "the secret is in {text}");
        let mut hasher = DefaultHasher::new();
        let counts = (heard.outputs.len(), heard.masks.len(), heard.reasons.len());
        (counts, heard.annotations.len(), heard.state.len()).hash(&mut hasher);
        (whole.len().abs_diff(input.len()) / 8).hash(&mut hasher);
        hasher.finish()
    });
    match looked {
        Ok(done) => assert!(done.rounds >= 300, "{done:?}"),
        Err(finding) => panic!("{finding}"),
    }
}
