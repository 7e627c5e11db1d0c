//! What single expressions mean, and what is said about wrong ones.

use std::{cell::Cell, time::Duration};

use cutover_expr::{Allowed, Contexts, Object, Value, evaluate, parse};

fn contexts() -> Object {
    let people = r#"[{"name": "ada", "tags": ["x", "y"]}, {"name": "Bob"}, 3]"#;
    let people: Value = serde_json::from_str(people).unwrap();
    [
        ("people", people),
        ("empty", Value::object([("a", Value::Null)])),
    ]
    .into_iter()
    .collect()
}

fn show(expression: &str) -> String {
    match evaluate(expression, &contexts()) {
        Ok(value) => value.to_json().to_string(),
        Err(error) => error.to_string(),
    }
}

fn check(expression: &str, wanted: &str) {
    assert_eq!(show(expression), wanted, "{expression}");
}

#[test]
fn values() {
    check("people.*.name", r#"["ada","Bob"]"#);
    check("people.*.tags.*", r#"["x","y"]"#);
    check("people[0].TAGS[1.9]", r#""y""#);
    check("(people.*)[0]", "[]");
    check("join(people.*.name)", r#""ada,Bob""#);
    check("empty.a.b.c", "null");
    check("people == people", "true");
    check("people.* == people.*", "false");
    check("'ABC' == 'abc' && !('a' > 'B')", "true");
    check("null >= null", "true");
    // A name keeps its first place and takes its last spelling and value.
    check("fromJSON('{\"B\":1,\"a\":2,\"b\":3}')", r#"{"b":3,"a":2}"#);
    check(
        "toJSON(fromJSON('{\"b\":[1,{}],\"a\":\"\\u0007é\"}'))",
        r#""{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": \"\\u0007é\"\n}""#,
    );
    check(
        "format('{0:x}', 1)",
        "The format specifiers 'x' are not valid for objects of type 'Number'",
    );
    check(
        "format('{256}', 1)",
        "The following format string is invalid: {256}",
    );
    check("case(false, 1, true, 2, 3)", "2");
    check("contains(people.*.name, 'BOB')", "true");
    check("hashFiles('a')", "hashFiles is not available here");
}

/// What it comes to, then what comes to it.
const VALUES: &[(&str, &[&str])] = &[
    (
        "31",
        &["0x1f", "0x1F", "31.0", "3.1e1", "+31", "case(false, 0, 31)"],
    ),
    ("15", &["0o17", "'0x0f' == 15 && 15", "'0o17' == 15 && 15"]),
    ("-0.5", &["-0.5", "-.5", "-5e-1"]),
    (
        "true",
        &[
            "true",
            "!false",
            "!null",
            "!''",
            "!0",
            "!NaN",
            "!!'0'",
            "!!'false'",
            "!!people",
            // What is compared is made a number, if it is not of one kind.
            "null == 0",
            "false == 0",
            "'' == 0",
            "'1' == true",
            "' 7 ' == 7",
            "null == ''",
            "null == false",
            "'0xff' == 255",
            "'1e2' == 100",
            "'a' != 0",
            "NaN != NaN",
            "'x' != people",
            "Infinity > 1e308",
            "-Infinity < 0",
            "'Infinity' == Infinity",
            "1e309 == Infinity",
            "'a' < 'B'",
            "'b' > 'A'",
            "'a' <= 'A'",
            "2 > '1'",
            "true > false",
            "1 >= 1",
            "1 <= 1",
            "!(NaN >= NaN)",
            "!(people > 1)",
            "'straße' == 'STRASSE' || true",
            // `&&` before `||`, comparisons before both, `!` first of all.
            "true || false && false",
            "!false && true",
            "1 < 2 == true",
            "1 == 1 && 2 == 2",
            "contains('Hello', 'ELL')",
            "contains(fromJSON('[\"A\", 1]'), 'a')",
            "contains('', '')",
            "contains(fromJSON('[1]'), '1')",
            "!contains(people, people[0].name)",
            "contains(123, 2)",
            "startsWith('Hello', 'hE')",
            "startsWith(123, 1)",
            "startsWith('x', '')",
            "endsWith('Hello', 'LO')",
            "endsWith(true, 'UE')",
            "!endsWith('a', 'ba')",
        ],
    ),
    (
        "\"b\"",
        &[
            "false || 'b'",
            "'a' && 'b'",
            "null || '' || 'b'",
            "case(1 == 1, 'b', 'c')",
        ],
    ),
    (
        "null",
        &[
            "null",
            "null && 1",
            "people.name",
            "people[9]",
            "people['x']",
            "empty.a",
            "empty['']",
        ],
    ),
    (
        "\"\"",
        &["''", "'' && 1", "format('')", "join(empty.a)", "join('')"],
    ),
    (
        "\"it's\"",
        &["'it''s'", "format('{0}', 'it''s')", "join('it''s')"],
    ),
    (
        "\"a{b}1,,true\"",
        &["format('a{{b}}{0},{1},{2}', 1, null, true)"],
    ),
    (
        "\"Object Array 0.1 0 1000000 1E+21\"",
        &["format('{0} {1} {2} {3} {4} {5}', empty, people, .1, -0, 1e6, 1e21)"],
    ),
    ("\"1-x-true\"", &["join(fromJSON('[1,\"x\",true]'), '-')"]),
    ("\"1,2\"", &["join(fromJSON('[1,2]'))"]),
    ("\"null\"", &["toJSON(null)", "toJSON(empty.b)"]),
    ("\"1\"", &["toJSON(1)", "toJSON(fromJSON('1'))", "join(1)"]),
    (
        "{\"a\":[1,null]}",
        &[
            "fromJSON('{\"a\":[1,null]}')",
            "fromJSON(toJSON(fromJSON('{\"a\":[1,null]}')))",
        ],
    ),
    (
        "\"y\"",
        &[
            "people[0].tags[1]",
            "people[0]['TAGS']['1']",
            "(people[0].tags)[1]",
        ],
    ),
    (
        "[\"x\",\"y\"]",
        &["people.*.tags.*", "people[*].tags[*]", "people[0].*.* "],
    ),
];

/// What has no value, and words of why.
const FAULTS: &[(&str, &str)] = &[
    (
        "case(1, 2, 3)",
        "case predicate must evaluate to a boolean value",
    ),
    (
        "case('true', 2, 3)",
        "case predicate must evaluate to a boolean value",
    ),
    ("fromJSON('{')", "Error parsing fromJson"),
    ("fromJSON('')", "Error"),
    ("format('{0', 1)", "The following format string is invalid"),
    (
        "format('{1}', 1)",
        "The following format string references more arguments than were supplied",
    ),
    ("tojsn(1)", "Unrecognized function: 'tojsn'"),
    (
        "contains(1, 2, 3)",
        "Too many parameters supplied: 'contains'",
    ),
    ("1 + 1", "Unexpected symbol: '+'"),
    ("\"a\"", "Unexpected symbol: '\"a\"'"),
    ("a-", "Unrecognized named-value: 'a-'"),
    ("1 == 2 == ", "Unexpected end of expression"),
];

#[test]
fn every_operator_literal_and_function() {
    let mut wrong = Vec::new();
    for (wanted, expressions) in VALUES {
        for expression in *expressions {
            let found = show(expression);
            if found != *wanted {
                wrong.push(format!("{expression} is {found}, and not {wanted}"));
            }
        }
    }
    for (expression, words) in FAULTS {
        let error = show(expression);
        if !error.contains(words) {
            wrong.push(format!("{expression} is {error}, and not {words}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_limits_are_those_of_the_hosted_service() {
    let nested = |depth: usize| format!("{}1{}", "!(".repeat(depth), ")".repeat(depth));
    assert!(evaluate(&nested(24), &contexts()).is_ok());
    let error = evaluate(&nested(60), &contexts()).unwrap_err().to_string();
    assert_eq!(error, "Exceeded max expression depth 50");
    let long = |length: usize| format!("'{}'", "x".repeat(length - 2));
    assert!(evaluate(&long(21_000), &contexts()).is_ok());
    let error = evaluate(&long(21_001), &contexts())
        .unwrap_err()
        .to_string();
    assert_eq!(error, "Exceeded max expression length 21000");
    let arguments = |count: usize| vec!["'a'"; count].join(", ");
    assert!(parse(&format!("hashFiles({})", arguments(255)), &Allowed::any()).is_ok());
    assert!(parse(&format!("hashFiles({})", arguments(256)), &Allowed::any()).is_err());
    assert!(parse("hashFiles()", &Allowed::any()).is_err());
    let choices = |count: usize| format!("case({}1)", "false, 2, ".repeat(count));
    assert!(evaluate(&choices(127), &contexts()).is_ok());
    assert!(evaluate(&choices(128), &contexts()).is_err());
}

#[test]
fn errors_in_reading_order() {
    check("", "An expression was expected");
    check(
        "1 &&",
        "Unexpected end of expression: '&&'. Located at position 3 within expression: 1 &&",
    );
    check(
        "(1",
        "Unexpected end of expression: '1'. Located at position 2 within expression: (1",
    );
    check(
        "people.",
        "Unexpected end of expression: '.'. Located at position 7 within expression: people.",
    );
    check(
        "'ß' 'x",
        "Unexpected symbol: ''x'. Located at position 5 within expression: 'ß' 'x",
    );
    check(
        "'\u{1f600}' )",
        "Unexpected symbol: ')'. Located at position 6 within expression: '\u{1f600}' )",
    );
    check(
        "nosuch && )",
        "Unrecognized named-value: 'nosuch'. Located at position 1 within expression: nosuch && )",
    );
    check(
        "true && ( 1 ]",
        "Unexpected symbol: ']'. Located at position 13 within expression: true && ( 1 ]",
    );
    check(
        "1, 2",
        "Unexpected symbol: ','. Located at position 2 within expression: 1, 2",
    );
    check(
        "contains('a')",
        "Too few parameters supplied: 'contains'. Located at position 1 within expression: contains('a')",
    );
    check(
        "case(true, 1, false, 2)",
        "Even number of parameters supplied, requires an odd number of parameters: 'case'. Located at position 1 within expression: case(true, 1, false, 2)",
    );
    check(&" ".repeat(21_001), "Exceeded max expression length 21000");
}

#[test]
fn only_what_is_allowed_is_known() {
    let allowed = Allowed::list(["github", "hashFiles(1,255)", "failure(0,0)"]);
    let said = |text: &str| match parse(text, &allowed) {
        Ok(ast) => ast.to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        said("GitHub.ref == hashfiles('x')"),
        "(GitHub['ref'] == hashFiles('x'))"
    );
    assert!(said("secrets.a").starts_with("Unrecognized named-value: 'secrets'."));
    assert!(said("always()").starts_with("Unrecognized function: 'always'."));
    assert!(said("failure('a')").starts_with("Too many parameters supplied: 'failure'."));
}

#[test]
fn an_expression_says_what_it_touches() {
    let text =
        "contains(needs.a.outputs[matrix.x].y, 'z') || SECRETS['t'] && github.*.id[0] && failure()";
    let ast = parse(text, &Allowed::any()).unwrap();
    let uses: Vec<String> = ast
        .uses()
        .iter()
        .map(|(root, path)| format!("{root}:{}", path.join("/")))
        .collect();
    assert_eq!(
        uses,
        ["needs:a/outputs", "matrix:x", "secrets:t", "github:"]
    );
    assert_eq!(ast.calls(), ["contains", "failure"]);
    assert!(ast.calls_status() && !ast.is_constant());
    assert!(parse("format('{0}', 1 + 0)", &Allowed::any()).is_err());
    assert!(
        parse("format('{0}', 1)", &Allowed::any())
            .unwrap()
            .is_constant()
    );
}

struct Counted(Cell<u32>);

impl Contexts for Counted {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.set(self.0.get() + 1);
        (name == "list").then(|| Value::array(["a"]))
    }

    fn knows(&self, name: &str) -> bool {
        name == "list"
    }
}

#[test]
fn a_context_is_taken_once() {
    let contexts = Counted(Cell::new(0));
    assert_eq!(
        evaluate("LIST == list", &contexts).unwrap(),
        Value::Bool(true)
    );
    assert_eq!(contexts.0.get(), 1);
}

#[test]
fn results_that_would_not_fit_are_refused_before_they_are_built() {
    let expression = "format('{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}', x)";
    let nested =
        |depth: usize| (0..depth).fold("x".to_owned(), |inner, _| expression.replace('x', &inner));
    let contexts: Object = [("x", Value::from("0123456789"))].into_iter().collect();
    assert!(evaluate(&nested(4), &contexts).is_ok());
    let error = evaluate(&nested(12), &contexts).unwrap_err().to_string();
    assert!(
        error.starts_with("The maximum allowed memory size was exceeded"),
        "{error}"
    );
}

/// How long this thread was on a processor: what else the machine does is not this test's.
fn worked() -> Duration {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = said.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

#[test]
fn fifty_megabytes_of_json_are_refused_within_a_second() {
    let text = format!("[{}0]", "0,".repeat(25 << 20));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let contexts = [("inputs".to_owned(), Value::from(text))];
        let begun = worked();
        let error = evaluate("fromJSON(inputs)", &contexts).unwrap_err();
        sender
            .send((error.to_string(), worked().saturating_sub(begun)))
            .ok()
    });
    let (said, took) = receiver
        .recv_timeout(Duration::from_mins(1))
        .expect("it does not end");
    assert!(took <= Duration::from_secs(1), "it took {took:?}");
    assert!(
        said.starts_with("The maximum allowed memory size was exceeded"),
        "{said}"
    );
}
