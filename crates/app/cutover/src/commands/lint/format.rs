//! What lint says, for programs: JSON of our own, SARIF for services that show findings, and commands
//! that become annotations where the forge runs it.

use std::fmt::Write as _;

use cutover_dialect::{CODES, Edit, Fix};
use cutover_model::{Diagnostic, Position, Severity};
use serde_json::{Value, json};

/// Each diagnostic with what would mend it.
pub(super) fn plain(found: &[Diagnostic], fixes: &[Fix]) -> Value {
    let all = found.iter().map(|one| {
        let mut value = json!(one);
        let own: Vec<&Fix> = fixes.iter().filter(|fix| fix.is_for(one)).collect();
        value["fixes"] = json!(own);
        value
    });
    all.collect()
}

/// SARIF 2.1.0. Rules are those that were met.
pub(super) fn sarif(found: &[Diagnostic], fixes: &[Fix]) -> Value {
    let is_met = |(id, ..): &&(&str, &str, &str)| found.iter().any(|one| one.code == *id);
    let codes: Vec<_> = CODES.iter().filter(is_met).collect();
    let rules: Vec<Value> = codes
        .iter()
        .map(|(id, title, explanation)| {
            let worst = found.iter().filter(|one| one.code == *id);
            let worst = worst.map(|one| one.severity).max();
            json!({
                "id": id,
                "shortDescription": { "text": title },
                "fullDescription": { "text": explanation },
                "help": { "text": format!("{explanation}\n\n`cutover explain {id}` says the same.") },
                "defaultConfiguration": { "level": worst.map_or("warning", level) },
            })
        })
        .collect();
    let results: Vec<Value> = found
        .iter()
        .map(|one| {
            let index = codes.iter().position(|(id, ..)| *id == one.code);
            let mut result = json!({
                "ruleId": one.code,
                "level": level(one.severity),
                "message": { "text": said(one) },
                "locations": [location(one)],
            });
            if let Some(index) = index {
                result["ruleIndex"] = json!(index);
            }
            let own = fixes.iter().filter(|fix| fix.is_for(one));
            let own: Vec<Value> = own.map(sarif_fix).collect();
            if !own.is_empty() {
                result["fixes"] = json!(own);
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cutover",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn said(one: &Diagnostic) -> String {
    match &one.hint {
        Some(hint) => format!("{}\n{hint}", one.message),
        None => one.message.clone(),
    }
}

fn location(one: &Diagnostic) -> Value {
    let mut place = json!({ "artifactLocation": artifact(&one.path) });
    // A file that is not there has no lines.
    if one.at != Position::default() {
        place["region"] = json!({
            "startLine": one.at.line.max(1),
            "startColumn": one.at.column.max(1),
        });
    }
    json!({ "physicalLocation": place })
}

fn artifact(path: &str) -> Value {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing into a text does not fail.
            write!(uri, "%{byte:02X}").ok();
        }
    }
    json!({ "uri": uri, "uriBaseId": "%SRCROOT%" })
}

fn sarif_fix(fix: &Fix) -> Value {
    let mut paths: Vec<&str> = fix.edits.iter().map(|edit| edit.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let changes: Vec<Value> = paths
        .into_iter()
        .map(|path| {
            let own = fix.edits.iter().filter(|edit| edit.path == path);
            let replacements: Vec<Value> = own.map(replacement).collect();
            json!({ "artifactLocation": artifact(path), "replacements": replacements })
        })
        .collect();
    json!({ "description": { "text": fix.title }, "artifactChanges": changes })
}

fn replacement(edit: &Edit) -> Value {
    json!({
        "deletedRegion": {
            "startLine": edit.from.line,
            "startColumn": edit.from.column,
            "endLine": edit.to.line,
            "endColumn": edit.to.column,
        },
        "insertedContent": { "text": edit.replacement },
    })
}

/// One command a line, which the forge makes an annotation of.
pub(super) fn commands(found: &[Diagnostic]) -> String {
    let lines = found.iter().map(|one| {
        let command = match one.severity {
            Severity::Note => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let place = match one.at {
            at if at == Position::default() => String::new(),
            at => format!(",line={},col={}", at.line, at.column),
        };
        let path = escaped(&one.path).replace(':', "%3A").replace(',', "%2C");
        let (code, text) = (&one.code, escaped(&said(one)));
        format!("::{command} file={path}{place},title={code}::{text}\n")
    });
    lines.collect()
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Vec<Diagnostic> {
        let one = Diagnostic {
            code: "CUT-1031".to_owned(),
            severity: Severity::Error,
            path: ".github/workflows/a b.yml".to_owned(),
            at: Position::new(3, 7),
            message: "50% of `x`".to_owned(),
            hint: Some("do this".to_owned()),
        };
        let nowhere = Diagnostic {
            code: "CUT-1097".to_owned(),
            severity: Severity::Note,
            at: Position::default(),
            hint: None,
            ..one.clone()
        };
        vec![one, nowhere]
    }

    fn fix() -> Fix {
        let edit = Edit {
            path: ".github/workflows/a b.yml".to_owned(),
            start: 4,
            end: 4,
            from: Position::new(3, 7),
            to: Position::new(3, 7),
            replacement: "x".to_owned(),
        };
        Fix {
            code: "CUT-1031".to_owned(),
            path: edit.path.clone(),
            mends: vec![Position::new(3, 7)],
            title: "mends it".to_owned(),
            is_safe: true,
            edits: vec![edit],
        }
    }

    /// The fields that the schema of SARIF 2.1.0 requires, and the bounds of those that are used.
    #[test]
    fn sarif_has_what_its_schema_requires() {
        let log = sarif(&found(), &[fix()]);
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "cutover");
        let rules = driver["rules"].as_array().unwrap();
        let ids: Vec<_> = rules.iter().map(|rule| rule["id"].clone()).collect();
        assert_eq!(ids, ["CUT-1031", "CUT-1097"]);
        for rule in rules {
            assert!(rule["shortDescription"]["text"].is_string(), "{rule}");
            assert!(rule["fullDescription"]["text"].is_string(), "{rule}");
            assert!(rule["help"]["text"].is_string(), "{rule}");
        }
        assert_eq!(rules[1]["defaultConfiguration"]["level"], "note");
        let results = run["results"].as_array().unwrap();
        for (index, result) in results.iter().enumerate() {
            assert!(result["message"]["text"].is_string(), "{result}");
            assert_eq!(result["ruleIndex"], index, "{result}");
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(
                place["artifactLocation"]["uri"],
                ".github/workflows/a%20b.yml"
            );
        }
        let region = &results[0]["locations"][0]["physicalLocation"]["region"];
        assert_eq!(region["startLine"], 3);
        assert!(
            results[1]["locations"][0]["physicalLocation"]
                .get("region")
                .is_none()
        );
        let change = &results[0]["fixes"][0]["artifactChanges"][0];
        assert!(change["artifactLocation"]["uri"].is_string(), "{change}");
        assert_eq!(change["replacements"][0]["deletedRegion"]["endColumn"], 7);
        assert_eq!(change["replacements"][0]["insertedContent"]["text"], "x");
        assert!(results[1].get("fixes").is_none());
    }

    #[test]
    fn commands_are_escaped() {
        assert_eq!(
            commands(&found()),
            "::error file=.github/workflows/a b.yml,line=3,col=7,title=CUT-1031::50%25 of `x`%0Ado this\n\
             ::notice file=.github/workflows/a b.yml,title=CUT-1097::50%25 of `x`\n"
        );
    }

    #[test]
    fn json_carries_the_fixes() {
        let said = plain(&found(), &[fix()]);
        assert_eq!(said[0]["fixes"][0]["edits"][0]["replacement"], "x");
        assert_eq!(said[0]["severity"], "error");
        assert_eq!(said[1]["fixes"], json!([]));
    }
}
