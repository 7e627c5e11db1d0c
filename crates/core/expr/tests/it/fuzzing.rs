//! Expressions that nobody would write.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cutover_expr::{Object, Value, template};
use cutover_testkit::fuzz::fuzz;

const CORPUS: &[&str] = &[
    "${{ github.ref == 'refs/heads/main' && !cancelled() || contains(fromJSON('[1,2]'), 2) }}",
    "a ${{ format('{0}-{1}', 1.5e3, 0xff) }} b ${{ toJSON(github) }}",
    "${{ case(true, 'a', false, 'b', 'c') }}",
    "${{ github.event.*.name[0] }} ${{ join(fromJSON('[\"a\",null,true]'), ', ') }}",
    "${{ -Infinity < NaN }} ${{ 'it''s' }} ${{ ((((1)))) }}",
];
const WORDS: &[&str] = &[
    "${{",
    "}}",
    "(",
    ")",
    "[",
    "]",
    ".",
    "*",
    "!",
    "&&",
    "||",
    "==",
    "!=",
    "<",
    ">=",
    ",",
    "'",
    "''",
    "fromJSON(",
    "toJSON(",
    "format(",
    "join(",
    "contains(",
    "startsWith(",
    "case(",
    "hashFiles(",
    "success()",
    "null",
    "true",
    "NaN",
    "Infinity",
    "-",
    "+",
    "0x",
    "0o7",
    "1e999",
    ".5",
    "{0}",
    "{{",
    "\u{1f600}",
    "\\",
    "\"",
    "\n",
];

fn github() -> Object {
    let event = Value::object([("name", "a"), ("ref", "main")]);
    let github = Value::object([("ref", Value::from("refs/heads/main")), ("event", event)]);
    [("github", github)].into_iter().collect()
}

#[test]
fn fuzz_expressions() {
    let contexts = github();
    let corpus = CORPUS.iter().map(|text| text.as_bytes().to_vec()).collect();
    let looked = fuzz(corpus, WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let mut hasher = DefaultHasher::new();
        let evaluated = template::evaluate(&text, &contexts);
        // An error by its words without places, a value by its length.
        match evaluated {
            Ok(value) => value.len().hash(&mut hasher),
            Err(error) => {
                let said = error.to_string();
                said.split(|c: char| !c.is_alphabetic())
                    .take(4)
                    .for_each(|word| word.hash(&mut hasher));
            }
        }
        drop(template::uses(&text));
        drop(template::expressions(&text));
        hasher.finish()
    });
    match looked {
        Ok(done) => assert!(done.rounds >= 300, "{done:?}"),
        Err(finding) => panic!("{finding}"),
    }
}
