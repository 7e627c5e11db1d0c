//! The reader of the hosted service's language: templates, and refusals in its words.

use cutover_dialect::{DefaultPermissions, ReadOptions, SourceTree, read};
use serde_json::{Value, json};

use crate::{PATH, dedent};

const CALLED: &str = "acme/ci/.github/workflows/build.yml@v1";

fn template(files: &[(&str, &str)], options: &ReadOptions) -> Result<Value, Vec<String>> {
    let tree: SourceTree = files
        .iter()
        .map(|(path, text)| (*path, dedent(text)))
        .collect();
    let said =
        |errors: Vec<cutover_dialect::ReadError>| errors.iter().map(ToString::to_string).collect();
    read(&tree, PATH, options).map_err(said)
}

#[test]
fn a_text_with_expressions_becomes_one_expression() {
    let found = template(
        &[(
            PATH,
            "
            on: push
            jobs:
              a:
                if: github.ref == 'x'
                runs-on: ubuntu-latest
                steps:
                  - run: it's {${{ github.sha }}} and ${{ github.ref }}
                  - if: always()
                    run: ${{ 'a ''literal''' }}
            ",
        )],
        &ReadOptions::default(),
    )
    .unwrap();
    let job = &found["jobs"][0];
    assert_eq!(job["if"]["expr"], "success() && (github.ref == 'x')");
    assert_eq!(
        job["steps"][0]["run"]["expr"],
        "format('it''s {{{0}}} and {1}', github.sha, github.ref)"
    );
    assert_eq!(job["steps"][1]["if"]["expr"], "always()");
    assert_eq!(job["steps"][1]["run"], "a 'literal'");
    assert_eq!(job["steps"][1]["id"], "__run_2");
    assert_eq!(found["events"], json!({"push": {}}));
}

#[test]
fn one_error_does_not_hide_the_next() {
    let errors = template(
        &[(
            PATH,
            "
            on: { push: { type: x } }
            name: [a]
            jobs:
              a:
                runs-on: ${{ secrets.A }}
                steps: { a: b }
                NAME: x
                name: y
              b:
                steps:
                  - runn: echo
            ",
        )],
        &ReadOptions::default(),
    )
    .unwrap_err();
    let at = |line: u32, column: u32, what: &str| {
        format!("{PATH} (Line: {line}, Col: {column}): {what}")
    };
    assert_eq!(
        errors,
        [
            at(1, 15, "Unexpected value 'type'"),
            at(2, 7, "A sequence was not expected"),
            at(
                5,
                14,
                "Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.A"
            ),
            at(6, 12, "A mapping was not expected"),
            at(7, 5, "Unexpected value 'NAME'"),
            at(8, 5, "'name' is already defined"),
            at(11, 9, "Unexpected value 'runn'"),
            at(
                11,
                9,
                "There's not enough info to determine what you meant. Add one of these properties: parallel, run, shell, uses, with, working-directory"
            ),
            at(10, 5, "Required property is missing: runs-on"),
        ]
    );
}

#[test]
fn a_called_workflow_is_held_to_what_it_declares_and_may() {
    let caller = "
        on: push
        permissions: { contents: read }
        jobs:
          build:
            uses: acme/ci/.github/workflows/build.yml@v1
            with: { level: high, other: 1 }
        ";
    let called = "
        on:
          workflow_call:
            inputs:
              level: { type: number }
              name: { type: string, required: true }
            secrets: { key: { required: true } }
        jobs:
          go:
            permissions: { contents: write, issues: read }
            runs-on: ubuntu-latest
            steps: [{ run: echo }]
        ";
    let files = [(PATH, caller), (CALLED, called)];
    let errors = template(&files, &ReadOptions::default()).unwrap_err();
    let at = |line: u32, column: u32, what: &str| {
        format!("{PATH} (Line: {line}, Col: {column}): {what}")
    };
    assert_eq!(
        errors,
        [
            at(6, 20, "Unexpected value 'high'"),
            at(
                5,
                11,
                "Input name is required, but not provided while calling."
            ),
            at(
                6,
                33,
                "Invalid input, other is not defined in the referenced workflow."
            ),
            at(
                5,
                11,
                "Secret key is required, but not provided while calling."
            ),
            at(
                4,
                3,
                &format!(
                    "Error calling workflow '{CALLED}'. The nested job 'go' is requesting 'contents: write, issues: read', but is only allowed 'contents: read, issues: none'."
                )
            ),
        ]
    );
    let broken = [(PATH, caller), (CALLED, "on: push\njobs: [a]\n")];
    let errors = template(&broken, &ReadOptions::default()).unwrap_err();
    assert_eq!(
        errors,
        [format!(
            "In {PATH} (Line: 5, Col: 11): Error from called workflow {CALLED} (Line: 2, Col: 7): A sequence was not expected"
        )]
    );
}

#[test]
fn calls_end_and_permissions_have_a_default() {
    let own = "
        on: workflow_call
        jobs: { again: { uses: ./.github/workflows/ci.yml } }
        ";
    let errors = template(&[(PATH, own)], &ReadOptions::default()).unwrap_err();
    assert_eq!(errors, ["Nested reusable workflow depth exceeded 10."]);

    let options = ReadOptions {
        default_permissions: DefaultPermissions::LimitedRead,
        ..ReadOptions::default()
    };
    let caller = "
        on: push
        jobs: { build: { uses: acme/ci/.github/workflows/build.yml@v1 } }
        ";
    let called = "
        on: workflow_call
        permissions: { contents: read, issues: read }
        jobs: { a: { runs-on: x, steps: [{ run: echo }] } }
        ";
    let files = [(PATH, caller), (CALLED, called)];
    let errors = template(&files, &options).unwrap_err();
    assert!(
        errors[0].ends_with("'issues: read', but is only allowed 'issues: none'."),
        "{errors:?}"
    );
    assert!(template(&files, &ReadOptions::default()).is_ok());
}

#[test]
fn every_value_knows_where_it_was_written() {
    let options = ReadOptions {
        places: true,
        ..ReadOptions::default()
    };
    let found = template(
        &[(PATH, "on: push\njobs:\n  a:\n    runs-on: &r x\n    timeout-minutes: 5\n    env: { A: true, B: ~, C: *r }\n")],
        &options,
    )
    .unwrap();
    let job = &found["jobs"][0];
    assert_eq!(
        job["id"],
        json!({"type": 0, "file": 1, "line": 3, "col": 3, "lit": "a"})
    );
    assert_eq!(
        job["timeout-minutes"],
        json!({"type": 6, "file": 1, "line": 5, "col": 22, "num": 5})
    );
    let entries = job["env"]["map"].as_array().unwrap();
    assert_eq!(entries[0]["Value"]["lit"], "true");
    assert_eq!(
        entries[2]["Value"],
        json!({"type": 0, "file": 1, "line": 4, "col": 14, "lit": "x"})
    );
    assert_eq!(found["file-table"], json!([PATH]));
}

#[test]
fn ten_errors_are_told_each_of_at_most_five_hundred_characters() {
    let jobs: Vec<String> = (0..30).map(|n| format!("  j{n}: []\n")).collect();
    let jobs = jobs.concat();
    let errors = template(
        &[(PATH, &format!("on: push\njobs:\n{jobs}"))],
        &ReadOptions::default(),
    )
    .unwrap_err();
    assert_eq!(errors.len(), 10);
    assert!(errors[9].contains("(Line: 12, Col: 7)"), "{}", errors[9]);

    let long = format!("on: push\njobs: {{}}\n? {}\n: 1\n", "x".repeat(2_000));
    let errors = template(&[(PATH, &long)], &ReadOptions::default()).unwrap_err();
    assert!(errors[0].ends_with("xxx[...]"), "{}", errors[0]);
    assert_eq!(errors[0].trim_end_matches("[...]").chars().count(), 500);
}

#[test]
fn names_have_less_than_a_hundred_characters() {
    let said = |id: &str| {
        let text = format!(
            "on: push\njobs: {{ {id}: {{ runs-on: x, steps: [{{ run: echo, id: {id} }}] }} }}\n"
        );
        template(&[(PATH, &text)], &ReadOptions::default()).err()
    };
    assert_eq!(said(&"x".repeat(99)), None);
    for wrong in [
        "x".repeat(100),
        "__x".to_owned(),
        "1x".to_owned(),
        "x.y".to_owned(),
    ] {
        assert_eq!(said(&wrong).map(|errors| errors.len()), Some(2), "{wrong}");
    }
}

#[test]
fn fifty_one_files_are_the_most() {
    let leaf = "on: workflow_call\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }\n";
    let read = |calls: usize| {
        let jobs: Vec<String> = (0..calls)
            .map(|n| format!("  j{n}: {{ uses: ./.github/workflows/w{n}.yml }}\n"))
            .collect();
        let jobs = jobs.concat();
        let mut tree = SourceTree::new();
        tree.insert(PATH, format!("on: push\njobs:\n{jobs}"));
        for n in 0..calls {
            tree.insert(format!(".github/workflows/w{n}.yml"), leaf);
        }
        read(&tree, PATH, &ReadOptions::default()).map(drop)
    };
    assert_eq!(read(50), Ok(()));
    let errors = read(51).unwrap_err();
    assert!(errors[0].message.contains("51"), "{}", errors[0]);
}

#[test]
fn a_result_has_at_most_ten_megabytes() {
    // An alias stands for all that it names, each time.
    let steps = format!(
        "[{{ run: &text '{}' }}, {}]",
        "x".repeat(100_000),
        vec!["{ run: *text }"; 120].join(", ")
    );
    let text = format!("on: push\njobs: {{ a: {{ runs-on: x, steps: {steps} }} }}\n");
    let errors = template(&[(PATH, &text)], &ReadOptions::default()).unwrap_err();
    assert!(
        errors[0].contains("Maximum object size exceeded"),
        "{}",
        errors[0]
    );
}
