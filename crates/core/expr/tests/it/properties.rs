//! Laws: nothing panics on any text, and what is printed reads back.

use cutover_expr::{Allowed, Error, Object, Value, condition, evaluate, parse, template};
use proptest::prelude::*;

fn contexts() -> Object {
    [
        ("github", Value::object([("ref", "main")])),
        ("list", Value::array([1, 2, 3])),
    ]
    .into_iter()
    .collect()
}

/// Text that is likely to get past the lexer.
fn likely() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "github",
        ".ref",
        "list",
        "[",
        "]",
        "(",
        ")",
        "*",
        ".*",
        "[*]",
        "!",
        "&&",
        "||",
        "==",
        "<",
        ">=",
        ",",
        "'",
        "'a''b'",
        "{0}",
        "1",
        "-0x1f",
        "1e309",
        "NaN",
        "null",
        "true",
        " ",
        "format(",
        "join(",
        "fromJSON(",
        "toJSON(",
        "case(",
        "contains(",
        "always()",
        "${{",
        "}}",
        "hashFiles(",
        "ß",
        "\u{1f600}",
    ]);
    prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat())
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|number| Value::from(if number.is_nan() { 0.5 } else { number })),
        any::<String>().prop_map(Value::from),
    ]
}

fn print(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Number(number) if number.is_finite() => format!("{number:e}"),
        other => other.to_text(),
    }
}

fn try_all(text: &str) -> Result<(), Error> {
    let contexts = contexts();
    drop((evaluate(text, &contexts), condition(text, &contexts)));
    drop((template::evaluate(text, &contexts), template::uses(text)));
    let wrapped = format!("a ${{{{ {text} }}}} b");
    if let Err(error) = template::check(&wrapped, &Allowed::any()) {
        assert!(
            wrapped.get(error.offset..).is_some(),
            "the place is in the text"
        );
    }
    template::evaluate_value(&wrapped, &contexts).map(drop)
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        drop(try_all(&text));
    }

    #[test]
    fn no_likely_text_panics(text in likely()) {
        drop(try_all(&text));
    }

    #[test]
    fn literals_read_back(value in literal()) {
        let text = print(&value);
        prop_assume!(text.encode_utf16().count() <= 21_000);
        let found = evaluate(&text, &Object::new()).unwrap();
        prop_assert_eq!(&found, &value);
        let printed = parse(&text, &Allowed::any()).unwrap().to_string();
        prop_assert_eq!(evaluate(&printed, &Object::new()).unwrap(), value);
    }

    #[test]
    fn what_parses_prints_as_something_that_means_the_same(text in likely()) {
        if let Ok(ast) = parse(&text, &Allowed::any()) {
            let again = parse(&ast.to_string(), &Allowed::any()).unwrap();
            prop_assert_eq!(again.uses(), ast.uses());
            prop_assert_eq!(again.to_string(), ast.to_string());
        }
    }

    #[test]
    fn json_reads_back(value in literal()) {
        let list = Value::array([value.clone(), Value::object([("a", value)])]);
        let contexts: Object = [("x", list)].into_iter().collect();
        let there = evaluate("toJSON(x)", &contexts).unwrap();
        let back = evaluate("toJSON(fromJSON(toJSON(x)))", &contexts);
        if let Ok(back) = back {
            prop_assert_eq!(back, there);
        } else {
            prop_assert!(there.to_text().contains("Infinity"));
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let brackets = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(evaluate(&brackets, &Object::new()).unwrap(), Value::from(1));
    for text in [
        "!".repeat(20_000) + "1",
        "list".to_owned() + &"[0]".repeat(6_000),
    ] {
        let error = evaluate(&text, &contexts()).unwrap_err();
        assert_eq!(error.to_string(), "Exceeded max expression depth 50");
    }
}
