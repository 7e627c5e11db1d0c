//! Files written to hurt: refused, quickly, and never by a panic.

use std::time::Duration;

use cutover_dialect::{Options, SourceTree, compile, lint, project, triggered_by};
use proptest::prelude::*;

use crate::{PATH, dedent, push, render};

/// What is said of a file, with a limit on the time it takes in an unoptimised build.
#[track_caller]
fn quickly(text: &str) -> String {
    let mut tree = SourceTree::new();
    tree.insert(PATH, text);
    tree.insert("cutover.yml", text);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(render(&lint(&tree, PATH))).ok());
    receiver
        .recv_timeout(Duration::from_secs(20))
        .expect("it took more than 20 s")
}

#[test]
fn a_bomb_of_aliases_does_not_go_off() {
    let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
    for n in 1..30 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        lines.push(format!("a{n}: &a{n} [{aliases}]"));
    }
    let text = lines.join("\n");
    let said = quickly(&text);
    assert!(said.contains("1002 more than 1000000 values"), "{said}");
}

#[test]
fn aliases_within_the_budget_are_still_cheap() {
    let steps = "steps: &steps [{ run: echo }, { run: echo }, { run: echo }]";
    let mut lines = vec![format!("on: push\njobs:\n  j0: {{ runs-on: x, {steps} }}")];
    for n in 1..2_000 {
        let need = n - 1;
        lines.push(format!(
            "  j{n}: {{ runs-on: x, needs: j{need}, steps: *steps }}"
        ));
    }
    let text = lines.join("\n");
    let said = quickly(&text);
    assert!(
        said.lines().all(|line| line.starts_with("cutover.yml")),
        "{said}"
    );
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let large = format!("on: push # {}\n", "x".repeat(1 << 20));
    assert!(quickly(&large).starts_with("1:1 1002 the file has 1048588 bytes"));
    for deep in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(50_000),
        format!("a: {}x{}", "[".repeat(60), "]".repeat(60)),
        (0..80)
            .flat_map(|n| [" ".repeat(n), "a:\n".to_owned()])
            .collect(),
    ] {
        let said = quickly(&deep);
        assert!(said.contains("1002 nested deeper than 50 levels"), "{said}");
    }
    let fits = format!("a: {}x{}\n", "[".repeat(48), "]".repeat(48));
    assert!(!quickly(&fits).contains("1002"));
}

#[test]
fn a_mebibyte_of_anything_is_read_quickly() {
    let lines = |line: &dyn Fn(usize) -> String| -> String {
        let mut text = String::from("on: push\njobs:\n");
        for n in 0.. {
            let line = line(n);
            if text.len() + line.len() > 1 << 20 {
                break;
            }
            text.push_str(&line);
        }
        text
    };
    let unknown = lines(&|n| format!("  key{n}: x\n"));
    let jobs = lines(&|n| {
        format!(
            "  j{n}: {{ runs-on: x, needs: j{}, steps: [{{ run: echo }}] }}\n",
            n + 1
        )
    });
    let wrong = lines(&|n| format!("  j{n}: {{ needs: nowhere{n} }}\n"));
    let expressions = lines(&|n| {
        format!(
            "  j{n}: {{ runs-on: x, steps: [{{ run: 'echo ${{{{ github.x{n} || nope }}}}' }}] }}\n"
        )
    });
    for text in [unknown, jobs, wrong, expressions] {
        let said = quickly(&text);
        assert!(said.lines().count() <= 500, "{}", said.lines().count());
    }
}

const VALID: &str = "
    name: CI
    on: { push: { branches: [main, '!x/**'] }, workflow_dispatch: { inputs: { a: { type: choice, options: [b] } } } }
    env: &env { A: \"${{ github.sha }}\" }
    jobs:
      test:
        runs-on: [linux]
        strategy: { matrix: { os: [a, b], include: [{ os: c }] } }
        steps:
          - uses: actions/checkout@v4
          - id: x
            if: ${{ success() && matrix.os == 'a' }}
            run: |
              echo ${{ hashFiles('**/x') }}
            env: *env
      deploy: { needs: test, runs-on: x, environment: production, steps: [{ uses: ./act }] }
    ";

fn everything(workflow: &[u8]) {
    let mut tree = SourceTree::new();
    tree.insert(PATH, workflow);
    tree.insert("cutover.yml", workflow);
    tree.insert("act/action.yml", workflow);
    let compiled = compile(&tree, PATH, &push(), Options::default());
    let refused = compiled
        .diagnostics
        .iter()
        .any(|one| one.severity == cutover_model::Severity::Error);
    assert_eq!(
        compiled.plan.is_none(),
        refused,
        "no plan exactly when refused"
    );
    lint(&tree, PATH);
    triggered_by(&tree, PATH, &push());
    project(&tree);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        everything(&bytes);
    }

    #[test]
    fn no_text_of_its_own_letters_makes_it_panic(text in "[-\\[\\]{}:,&*!|>'\"%@`#? \n\ta-c$0-9.]{0,200}") {
        everything(text.as_bytes());
    }

    #[test]
    fn no_change_of_a_workflow_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, "[-\\[\\]{}:,&*!|>'\"#? \n$a-z0-9~]{1,6}"), 1..6),
    ) {
        let mut text: Vec<char> = dedent(VALID).chars().collect();
        for (place, kind, new) in changes {
            let at = place.index(text.len());
            let end = match kind {
                0 => at,
                1 => (at + 1).min(text.len()),
                2 => (at + 12).min(text.len()),
                _ => text.len().min(at + 60),
            };
            text.splice(at..end, new.chars());
        }
        everything(text.into_iter().collect::<String>().as_bytes());
    }
}

/// How long this thread was on a processor: what else the machine does is not this test's.
fn worked() -> Duration {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = said.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// What is said of a file in whose reading nobody waits longer than a second.
#[track_caller]
fn within_a_second(text: String) -> String {
    let mut tree = SourceTree::new();
    tree.insert(PATH, text);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let begun = worked();
        let said = render(&lint(&tree, PATH));
        let read = cutover_dialect::read(&tree, PATH, &cutover_dialect::ReadOptions::default());
        let read = read.map_or_else(|errors| errors[0].to_string(), |_| String::new());
        sender
            .send((format!("{said}{read}"), worked().saturating_sub(begun)))
            .ok()
    });
    let (said, took) = receiver
        .recv_timeout(Duration::from_mins(1))
        .expect("it does not end");
    assert!(took <= Duration::from_secs(1), "it took {took:?}");
    said
}

#[test]
fn what_hurts_is_refused_within_a_second() {
    let said = within_a_second(format!("on: push # {}\n", "x".repeat(1 << 20)));
    assert!(said.contains("1002 the file has 1048588 bytes"), "{said}");
    assert!(said.contains("maximum file size of 1048576"), "{said}");

    let said = within_a_second(format!("on: {}x{}\n", "[".repeat(60), "]".repeat(60)));
    assert!(said.contains("1002 nested deeper than 50 levels"), "{said}");
    assert!(said.contains("Maximum object depth exceeded"), "{said}");

    let bomb: Vec<String> = (1..30)
        .map(|n| {
            format!(
                "a{n}: &a{n} [{}]",
                vec![format!("*a{}", n - 1); 10].join(", ")
            )
        })
        .collect();
    let said = within_a_second(format!("a0: &a0 [x]\n{}\n", bomb.join("\n")));
    assert!(said.contains("1002 more than 1000000 values"), "{said}");
    assert!(said.contains("Maximum YAML nodes exceeded"), "{said}");

    let rows: Vec<String> = ('a'..='f')
        .map(|name| format!("{name}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"))
        .collect();
    let said = within_a_second(format!(
        "on: push\njobs: {{ a: {{ runs-on: x, strategy: {{ matrix: {{ {} }} }}, steps: [{{ run: echo }}] }} }}\n",
        rows.join(", ")
    ));
    assert!(
        said.contains("1060 the matrix has more than 256 combinations"),
        "{said}"
    );

    let deep = format!("{}1{}", "!(".repeat(60), ")".repeat(60));
    let said = within_a_second(format!(
        "on: push\njobs: {{ a: {{ runs-on: x, if: '{deep}', steps: [{{ run: echo }}] }} }}\n"
    ));
    assert!(said.contains("Exceeded max expression depth 50"), "{said}");
    let long = format!("'{}'", "x".repeat(21_000));
    let said = within_a_second(format!(
        "on: push\njobs: {{ a: {{ runs-on: x, steps: [{{ run: \"${{{{ {long} }}}}\" }}] }} }}\n"
    ));
    assert!(
        said.contains("Exceeded max expression length 21000"),
        "{said}"
    );
}

/// What a large file of ordinary steps costs, each of which hands text of strangers on.
#[test]
fn a_mebibyte_of_ordinary_jobs_is_looked_at_and_mended_quickly() {
    let mut text = String::from("on: issues\npermissions: { contents: read }\njobs:\n");
    let mut jobs: usize = 0;
    while text.len() < (1 << 20) - 8_000 {
        let mut job = format!("  j{jobs}:\n    runs-on: ubuntu-latest\n");
        if let Some(before) = jobs.checked_sub(1) {
            job += "    needs: j";
            job += &before.to_string();
            job += "\n";
        }
        job += "    outputs: { t: '${{ steps.s0.outputs.t }}' }\n    steps:\n";
        for step in ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"] {
            job += "      - id: ";
            job += step;
            job += "\n        env:\n          TITLE: ${{ github.event.issue.title }}\n        run: |\n          if [ -n \"$TITLE\" ]; then make test; fi\n          echo \"t=$TITLE\" >> \"$GITHUB_OUTPUT\"\n";
        }
        text += &job;
        jobs += 1;
    }
    let last = jobs - 1;
    text += "  last:\n    needs: j";
    text += &last.to_string();
    text += "\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ needs.j";
    text += &last.to_string();
    text += ".outputs.t }}\n";
    let mut tree = SourceTree::new();
    tree.insert(PATH, text);
    let begun = worked();
    let said = lint(&tree, PATH);
    let looked = worked().saturating_sub(begun);
    let told = said.iter().filter(|one| one.code == "CUT-1031").count();
    assert_eq!(told, 1, "{said:#?}");
    let fixes = cutover_dialect::fixes(&tree, PATH, &said);
    let (files, _) = cutover_dialect::apply(&tree, &fixes);
    let mended = worked().saturating_sub(begun);
    assert_eq!(files.len(), 1);
    println!("looked at in {looked:?}, mended in {mended:?}");
    assert!(mended <= Duration::from_secs(10), "it took {mended:?}");
}
