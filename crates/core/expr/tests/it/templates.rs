//! Text with expressions in it.

use cutover_expr::{
    Allowed, Object, ParseErrorKind, Value,
    template::{as_format, check, evaluate, evaluate_value, is_static, uses},
};

fn contexts() -> Object {
    [
        ("n", Value::from(1.5)),
        ("o", Value::object([("a", "}}")])),
        ("big", Value::from("x".repeat(1_000_000))),
    ]
    .into_iter()
    .collect()
}

#[test]
fn expressions_are_replaced_by_their_text() {
    let cases = [
        ("", ""),
        ("plain }} $ {{ ", "plain }} $ {{ "),
        ("${{n}}", "1.5"),
        ("a${{ n }}b${{ o }}c${{ null }}d", "a1.5bObjectcd"),
        ("${{ '}}' }}|${{ 'it''s }} ''' }}", "}}|it's }} '"),
        ("${{ o.a }}\n${{ 'ß' }}", "}}\nß"),
    ];
    for (text, wanted) in cases {
        assert_eq!(evaluate(text, &contexts()).unwrap(), wanted, "{text}");
        let whole = format!("${{{{ {} }}}}", as_format(text).unwrap());
        assert_eq!(evaluate(&whole, &contexts()).unwrap(), wanted, "{whole}");
    }
    let said = as_format("it's {1} ${{ n }} == ${{ o.a }}").unwrap();
    assert_eq!(said, "format('it''s {{1}} {0} == {1}', n, o.a)");
}

#[test]
fn one_expression_keeps_its_type() {
    let value = |text| evaluate_value(text, &contexts()).unwrap();
    assert_eq!(value("${{ n }}"), Value::Number(1.5));
    assert_eq!(value(" ${{ n }}"), Value::from(" 1.5"));
    assert_eq!(value("${{ fromJSON('[1]') }}"), Value::array([1]));
    assert_eq!(value("1"), Value::from("1"));
}

#[test]
fn errors_say_where_in_the_whole_text() {
    let allowed = Allowed::list(["n"]);
    let at = |text: &str| {
        let error = check(text, &allowed).unwrap_err();
        (error.kind, error.offset)
    };
    assert_eq!(
        at("ß ${{  n == x }}"),
        (ParseErrorKind::UnrecognizedNamedValue, 13)
    );
    assert_eq!(
        at("${{ n }} ${{ }}"),
        (ParseErrorKind::ExpressionExpected, 13)
    );
    assert_eq!(at("a ${{ n }"), (ParseErrorKind::NotClosed, 2));
    assert_eq!(at("a ${{ 'n }}"), (ParseErrorKind::NotClosed, 2));
    assert!(check("plain", &allowed).is_ok());
}

#[test]
fn a_text_says_what_it_touches() {
    let found = uses("${{ secrets.A }} and ${{ needs.b.result == 'x' }}");
    let found: Vec<_> = found
        .iter()
        .map(|(root, path)| (root.as_str(), path.join(".")))
        .collect();
    assert_eq!(
        found,
        [
            ("secrets", "A".to_owned()),
            ("needs", "b.result".to_owned())
        ]
    );
    assert!(is_static("a }} b") && !is_static("a ${{ b"));
}

#[test]
fn the_result_is_capped() {
    let text = "${{ big }} ".repeat(6);
    let error = evaluate(&text, &contexts()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("The maximum allowed memory size was exceeded")
    );
    assert!(evaluate("${{ big }} ${{ big }}", &contexts()).is_ok());
}
