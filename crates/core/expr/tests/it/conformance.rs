//! Foreign truth: known answers of the hosted service's own test collection, read from beside the
//! project (`CUTOVER_CONFORMANCE`, default `../shared/conformance`), never copied into it.

use std::{fs, path::PathBuf};

use cutover_expr::{Error, Object, Value, evaluate};
use serde::Deserialize;

/// Cases that are knowingly answered otherwise: expression and reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

#[derive(Deserialize)]
struct Case {
    expr: String,
    #[serde(default)]
    contexts: Option<Value>,
    result: Option<Answer>,
    err: Option<Refusal>,
}

#[derive(Deserialize)]
struct Answer {
    kind: String,
    value: Value,
}

#[derive(Deserialize)]
struct Refusal {
    kind: String,
    value: String,
}

#[expect(clippy::disallowed_methods, reason = "tells a test where its data is")]
fn folder() -> PathBuf {
    let root = std::env::var("CUTOVER_CONFORMANCE").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/conformance"),
        PathBuf::from,
    );
    root.join("expressions")
}

fn object(value: Option<&Value>) -> Object {
    match value {
        Some(Value::Object(object)) => object.as_ref().clone(),
        _ => Object::new(),
    }
}

/// Numbers by their value (0 is -0), everything else by content, objects in order.
fn objection(case: &Case) -> Option<String> {
    let found = evaluate(&case.expr, &object(case.contexts.as_ref()));
    match (&case.result, &case.err, found) {
        (Some(wanted), _, Ok(found)) => {
            let same = found.kind() == wanted.kind && same(&found, &wanted.value);
            (!same).then(|| format!("{found:?}, wanted {:?}", wanted.value))
        }
        (_, Some(wanted), Err(error)) => {
            let evaluation = matches!(error, Error::Evaluate(_));
            let same = error.to_string().contains(&wanted.value)
                && evaluation == (wanted.kind == "evaluation");
            (!same).then(|| format!("`{error}`, wanted {} `{}`", wanted.kind, wanted.value))
        }
        (_, _, found) => Some(format!("{found:?}")),
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left
            .partial_cmp(right)
            .is_some_and(std::cmp::Ordering::is_eq),
        _ => left.to_json() == right.to_json(),
    }
}

#[test]
fn conformance_expressions() {
    let folder = folder();
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!(
            "SKIPPED: conformance of expressions because {} is not there",
            folder.display()
        );
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut passed, mut total, mut wrong) = (0, 0, Vec::new());
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
    {
        let text = fs::read_to_string(path).unwrap();
        let groups: std::collections::BTreeMap<String, Vec<Case>> =
            serde_json::from_str(&text).unwrap();
        for (group, case) in groups
            .iter()
            .flat_map(|(name, cases)| cases.iter().map(move |case| (name, case)))
        {
            total += 1;
            match objection(case) {
                None => passed += 1,
                Some(_) if EXCEPTIONS.iter().any(|(expr, _)| *expr == case.expr) => {}
                Some(why) => wrong.push(format!(
                    "{} {group}: {}\n    {why}",
                    path.file_name().unwrap().display(),
                    case.expr
                )),
            }
        }
    }
    println!("expressions {passed}/{total}");
    assert!(total > 0, "no case in {}", folder.display());
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
