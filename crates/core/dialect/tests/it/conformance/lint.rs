//! Lint against the cases of the linter that most people use. Line, column and kind count, the prose
//! does not.

use std::fs;

use cutover_dialect::{SourceTree, lint};
use cutover_model::Severity;

use super::{excuse, files, name};

const PATH: &str = ".github/workflows/test.yaml";

/// Cases that are knowingly answered otherwise, with the reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("deprecated_action_inputs.yaml", NO_TABLE),
    ("outputs_of_action_skipping_inputs_check.yaml", NO_TABLE),
];
const NO_TABLE: &str =
    "what the actions of others take and give is read from their files, not from a table";
/// The least share of the refused cases that must be answered alike, in percent. It only ever rises.
const FLOOR: usize = 85;

/// Why a whole kind of cases is knowingly answered otherwise.
fn excuse_by_kind(out: &str) -> Option<&'static str> {
    if out.contains("[pyflakes") || out.contains("[shellcheck") {
        return Some("scripts are looked at by tools of their own, which are not asked here");
    }
    out.contains("could not parse as YAML")
        .then_some("the YAML library of that linter counts columns from 0, or tells no place")
}

/// Our codes by the kinds of the linter; what has no kind there is about what cutover can run.
const KINDS: [(&str, &[u32]); 17] = [
    (
        "syntax-check",
        &[
            1001, 1002, 1003, 1004, 1010, 1011, 1012, 1013, 1015, 1016, 1017,
        ],
    ),
    ("id", &[1020, 1021]),
    ("job-needs", &[1022, 1023, 1024]),
    ("expression", &[1030, 1031, 1032]),
    ("events", &[1040, 1042, 1043]),
    ("glob", &[1041]),
    ("action", &[1053, 1055, 1057]),
    ("workflow-call", &[1056]),
    ("matrix", &[1060, 1061]),
    ("shell-name", &[1070]),
    ("permissions", &[1081]),
    ("runner-label", &[1082]),
    ("credentials", &[1083]),
    ("env-var", &[1084]),
    ("if-cond", &[1085]),
    ("deprecated-commands", &[1086]),
    ("branding", &[]),
];

type Finding = (u32, u32, String);

fn kind(code: &str) -> Option<String> {
    let number: u32 = code.trim_start_matches("CUT-").parse().unwrap();
    let kind = KINDS.iter().find(|(_, codes)| codes.contains(&number));
    kind.map(|(kind, _)| (*kind).to_owned())
}

fn findings(text: Vec<u8>) -> Vec<Finding> {
    let mut tree = SourceTree::new();
    tree.insert(PATH, text);
    let mut found: Vec<Finding> = lint(&tree, PATH)
        .into_iter()
        .filter_map(|it| Some((it.at.line, it.at.column, kind(&it.code)?)))
        .collect();
    found.sort();
    found
}

/// `test.yaml:LINE:COL: message [kind]`, or a pattern of it between slashes; none when a line is neither.
fn wanted(text: &str) -> Option<Vec<Finding>> {
    let finding = |line: &str| {
        let line = line.trim_matches('/').replace('\\', "");
        let mut parts = line.splitn(4, ':').skip(1);
        let (line_number, column) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let kind = match line.rsplit_once('[') {
            Some((_, kind)) if line.ends_with(']') => kind.trim_end_matches(']'),
            // A pattern without the kind: by what it says.
            _ if line.contains("property") => "expression",
            _ => "runner-label",
        };
        Some((line_number, column, kind.to_owned()))
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut wanted = lines.map(finding).collect::<Option<Vec<_>>>()?;
    wanted.sort();
    Some(wanted)
}

#[test]
fn conformance_lint() {
    let mut wrong = Vec::new();
    let (mut ok, mut err) = ((0, 0), (0, 0));
    for path in files("lint/ok", "yaml") {
        ok.1 += 1;
        let mut tree = SourceTree::new();
        tree.insert(PATH, fs::read(&path).unwrap());
        let errors: Vec<String> = lint(&tree, PATH)
            .into_iter()
            .filter(|it| it.severity == Severity::Error)
            .map(|it| it.to_string())
            .collect();
        if errors.is_empty() {
            ok.0 += 1;
        } else {
            wrong.push(format!("ok/{}: {errors:#?}", name(&path)));
        }
    }
    for path in files("lint/err", "yaml") {
        err.1 += 1;
        let out = fs::read_to_string(path.with_extension("out")).unwrap();
        let name = name(&path);
        let Some(wanted) = wanted(&out) else {
            wrong.push(format!(
                "err/{name}: its answer is written in an unknown way"
            ));
            continue;
        };
        let found = findings(fs::read(&path).unwrap());
        if found == wanted {
            err.0 += 1;
        } else if let Some(reason) = excuse(&EXCEPTIONS, &name).or_else(|| excuse_by_kind(&out)) {
            eprintln!("excepted {name}: {reason}");
        } else {
            let lacking: Vec<_> = wanted.iter().filter(|it| !found.contains(it)).collect();
            let excess: Vec<_> = found.iter().filter(|it| !wanted.contains(it)).collect();
            wrong.push(format!(
                "err/{name}: lacking {lacking:?}, too many {excess:?}"
            ));
        }
    }
    println!(
        "lint {}/{} (ok {}/{}, err {}/{})",
        ok.0 + err.0,
        ok.1 + err.1,
        ok.0,
        ok.1,
        err.0,
        err.1
    );
    for case in &wrong {
        eprintln!("{case}");
    }
    assert_eq!(ok.0, ok.1, "what that linter accepts is accepted");
    assert!(err.0 * 100 >= err.1 * FLOOR, "below {FLOOR} percent");
}
