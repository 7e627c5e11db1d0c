//! Expressions that nobody would write.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cutover_expr::{Error, Object, ParseErrorKind, Value, template, tree};
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

/// A tree as text is the same tree, with the same value; brackets may make it too deep or too long.
fn hold_printed(expression: &str, contexts: &Object) {
    let Ok(Some(read)) = tree(expression) else {
        return;
    };
    let printed = read.to_string();
    let again = match tree(&printed) {
        Ok(again) => again.map(|again| again.to_string()),
        Err(error) => {
            let limits = [
                ParseErrorKind::ExceededMaxDepth,
                ParseErrorKind::ExceededMaxLength,
            ];
            assert!(limits.contains(&error.kind), "`{printed}`: {error}");
            return;
        }
    };
    assert_eq!(again.as_ref(), Some(&printed), "printed twice");
    // Numbers are written with fifteen digits.
    let has_long_number = expression.bytes().filter(u8::is_ascii_digit).count() > 15;
    let value = |text: &str| template::evaluate_value(&format!("${{{{ {text} }}}}"), contexts);
    if let (Ok(value), Ok(also)) = (value(expression), value(&printed)) {
        assert!(
            has_long_number || format!("{value:?}") == format!("{also:?}"),
            "`{printed}` is {also:?}, and not {value:?}"
        );
    }
}

#[test]
fn fuzz_expressions() {
    let contexts = github();
    let corpus = CORPUS.iter().map(|text| text.as_bytes().to_vec()).collect();
    let looked = fuzz(corpus, WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let mut hasher = DefaultHasher::new();
        let evaluated = template::evaluate(&text, &contexts);
        let twice = template::evaluate(&text, &contexts);
        assert_eq!(
            format!("{twice:?}"),
            format!("{evaluated:?}"),
            "asked twice"
        );
        if let Err(Error::Parse(error)) = &evaluated {
            assert!(
                text.is_char_boundary(error.offset),
                "at {} of {}",
                error.offset,
                text.len()
            );
            let units = error
                .expression
                .encode_utf16()
                .count()
                .max(text.encode_utf16().count());
            assert!(
                (1..=units + 1).contains(&error.position),
                "at {}",
                error.position
            );
        }
        for (_, expression) in template::expressions(&text).unwrap_or_default() {
            hold_printed(expression, &contexts);
        }
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
