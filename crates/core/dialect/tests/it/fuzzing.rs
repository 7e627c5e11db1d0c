//! Files that nobody would write: nothing of them may make the dialect panic or hang.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cutover_dialect::{
    Lock, Options, SourceTree, Triggered, checks, compile, lint, project, schedules, triggered_by,
};
use cutover_model::{
    Diagnostic, Severity,
    source::{GitRef, Revision, Trigger, TriggerKind},
};
use cutover_testkit::fuzz::fuzz;

use crate::{PATH, push};

const WORKFLOW: &str = "name: ci
on:
  push: { branches: [main, 'release/**', '!x'], paths-ignore: ['docs/**'] }
  schedule: [{ cron: '0 6 * * 1', timezone: Europe/Stockholm }]
  workflow_dispatch: { inputs: { level: { type: choice, options: [a, b], required: true } } }
concurrency: { group: 'g-${{ github.ref }}', cancel-in-progress: true }
permissions: { contents: read, id-token: write }
env: { A: '${{ vars.A }}' }
jobs:
  build: &build
    runs-on: [linux, '${{ matrix.n }}']
    strategy: { matrix: { n: [1, 2], include: [{ n: 3, x: y }] }, fail-fast: false }
    container: { image: 'busybox:1', ports: ['80:80'], options: --cpus 1 --init }
    services: { db: { image: postgres, env: { P: '${{ secrets.P }}' }, ports: [5432] } }
    outputs: { v: '${{ steps.v.outputs.v }}' }
    timeout-minutes: ${{ fromJSON('5') }}
    steps:
      - uses: actions/checkout@v4
      - { id: v, run: 'echo v=1 >> $GITHUB_OUTPUT', background: true, shell: bash }
      - wait: v
      - parallel: [{ run: a }, { run: b }]
      - uses: ./act
        with: { who: \"${{ hashFiles('**/*.lock') }}\" }
      - if: success() && (github.ref == 'refs/heads/main' || contains(fromJSON('[1]'), 1))
        run: echo ${{ format('{0}', case(true, 1, 2)) }}
  call: { needs: build, uses: ./.github/workflows/other.yml, with: { who: x }, secrets: inherit }
";
const ACTION: &str = "name: act
inputs: { who: { required: true, default: '${{ github.actor }}' } }
outputs: { said: { value: '${{ steps.s.outputs.said }}' } }
runs:
  using: composite
  steps: [{ id: s, run: echo, shell: bash }, { uses: ./.github/act }]
";
const PROJECT: &str = "services:
  web: { build: { context: . }, command: [./web], port: 8080, health: { path: /healthz } }
environments:
  staging:
    target: { kind: process, instances: 2 }
    strategy: { kind: canary, steps: [{ weight: 10%, pause: 1m }] }
    rollback_triggers: [{ metric: error_rate, threshold: 5%, duration: 1m }]
gates: { tests: { junit: ['**/*.xml'] } }
";
const TRIGGERS: &[&str] = &[
    "push: { branches: [main, 'release/**', '!release/x'], paths: ['**.rs', '!docs/**'] }\0push\0refs/heads/release/1\0a.rs\ndocs/b\0{}",
    "push: { tags: ['v[0-9]+.*'], tags-ignore: [] }\0push\0refs/tags/v1.2\0\0null",
    "pull_request: { types: [opened, labeled], branches-ignore: ['x?'] }\0pull_request\0refs/pull/1/merge\0a\0{\"action\":\"opened\",\"number\":1}",
    "workflow_run: { workflows: [ci], types: [completed], branches: [main] }\0workflow_run\0refs/heads/main\0\0{\"action\":\"completed\",\"workflow_run\":{\"name\":\"ci\",\"head_branch\":\"main\"}}",
    "repository_dispatch: { types: [go] }\0repository_dispatch\0refs/heads/main\0\0{\"action\":\"go\",\"client_payload\":{\"a\":[1]}}",
    "schedule: [{ cron: '*/15 0 1,15 jan-MAR 1-5', timezone: Europe/Stockholm }]\0schedule\0refs/heads/main\0\0{\"schedule\":\"0 0 * * *\"}",
    "issues: { types: edited }\0issues\0refs/heads/main\0\0[{\"action\":7}]",
];
const LOCK: &str = "# by hand
acme/tool@v1 0123456789abcdef0123456789abcdef01234567 89abcdef0123456789abcdef0123456789abcdef
acme/tool/sub@main 0123456789abcdef0123456789abcdef01234567 89abcdef0123456789abcdef0123456789abcdef
";
const WORDS: &[&str] = &[
    "${{ ",
    " }}",
    "&a ",
    "*a",
    "<<: ",
    "- ",
    ": ",
    "\n  ",
    "\t",
    "!!str ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "#",
    "null",
    "~",
    "true",
    "0x7f",
    "1e309",
    "uses: ",
    "run: ",
    "needs: ",
    "if: ",
    "matrix",
    "secrets",
    "fromJSON('",
    "hashFiles(",
    "success()",
    "\u{feff}",
    "\0",
    "\u{202e}",
    "..",
    "@",
    "docker://",
    "$/",
    "\0",
    "**",
    "?",
    "+",
    "!",
    "\\",
    "branches: ",
    "types: ",
    "\"action\": ",
    "acme/tool@v1 ",
];

/// What is told, by the codes alone.
fn alike(diagnostics: &[cutover_model::Diagnostic]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for diagnostic in diagnostics {
        diagnostic.code.hash(&mut hasher);
    }
    hasher.finish()
}

#[track_caller]
fn look_at(corpus: &[&str], look: impl Fn(&[u8]) -> u64) {
    let corpus = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
    match fuzz(corpus, WORDS, look) {
        Ok(done) => assert!(done.rounds >= 300, "{done:?}"),
        Err(finding) => panic!("{finding}"),
    }
}

/// Whatever is said, is said of a place that is there.
fn hold_places(diagnostics: &[Diagnostic], path: &str, input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let lines: Vec<&str> = text.split('\n').collect();
    // YAML ends lines at a lone carriage return, too.
    let most = lines.len() + text.matches('\r').count() + 1;
    for diagnostic in diagnostics.iter().filter(|one| one.path == path) {
        let (line, column) = (diagnostic.at.line as usize, diagnostic.at.column as usize);
        assert!((1..=most).contains(&line), "of {most} lines: {diagnostic}");
        let longest = lines.iter().map(|line| line.chars().count()).max();
        let longest = longest.unwrap_or_default() + 2;
        assert!(
            (1..=longest).contains(&column),
            "of {longest} columns: {diagnostic}"
        );
    }
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|one| one.severity == Severity::Error)
}

#[test]
fn fuzz_workflows() {
    look_at(&[WORKFLOW, "on: push\njobs: {}"], |input| {
        let mut tree = SourceTree::new();
        tree.insert(PATH, input);
        tree.insert("act/action.yml", ACTION);
        drop(triggered_by(&tree, PATH, &push()));
        let compiled = compile(&tree, PATH, &push(), Options::default());
        let linted = lint(&tree, PATH);
        for said in [&compiled.diagnostics, &linted] {
            hold_places(said, PATH, input);
        }
        assert_eq!(compiled.plan.is_none(), has_errors(&compiled.diagnostics));
        // Twice the same, of every eighth.
        if input.len() % 8 == 0 {
            assert_eq!(compile(&tree, PATH, &push(), Options::default()), compiled);
            assert_eq!(lint(&tree, PATH), linted);
        }
        alike(&linted)
    });
}

/// The parts of an input: `on:`, the event, the ref, the paths, the payload.
fn trigger(input: &[u8]) -> (String, Trigger) {
    let mut parts = input
        .splitn(5, |byte| *byte == 0)
        .map(String::from_utf8_lossy);
    let mut next = || parts.next().unwrap_or_default().into_owned();
    let (on, kind, git_ref, paths, payload) = (next(), next(), next(), next(), next());
    let trigger = Trigger {
        kind: kind.parse().unwrap_or(TriggerKind::PullRequest),
        git_ref: GitRef(git_ref),
        before: Some(Revision("0".repeat(40))),
        base_ref: paths.lines().next().map(ToOwned::to_owned),
        changed_paths: Some(paths.lines().map(ToOwned::to_owned).collect()),
        payload: serde_json::from_str(&payload).unwrap_or_default(),
        ..push()
    };
    (on, trigger)
}

#[test]
fn fuzz_triggers() {
    look_at(TRIGGERS, |input| {
        let (on, trigger) = trigger(input);
        let text = format!("on:\n  {on}\njobs: {{ a: {{ runs-on: x, steps: [{{ run: a }}] }} }}\n");
        let mut tree = SourceTree::new();
        tree.insert(PATH, text.as_bytes());
        let verdict = triggered_by(&tree, PATH, &trigger);
        assert_eq!(triggered_by(&tree, PATH, &trigger), verdict, "asked twice");
        let linted = lint(&tree, PATH);
        match (&verdict, checks(&tree, PATH, &trigger)) {
            (Triggered::Invalid(why), Err(also)) => {
                assert_eq!(why, &also);
                hold_places(why, PATH, text.as_bytes());
                assert!(has_errors(&linted), "refused here, but not there: {why:?}");
            }
            (verdict, Ok(checks)) => {
                let holds = checks.iter().all(|check| check.holds);
                assert_eq!(*verdict == Triggered::Yes, holds, "{checks:?}");
            }
            (verdict, Err(why)) => panic!("{verdict:?}, {why:?}"),
        }
        // The payload is what expressions see, whatever it is.
        drop(compile(&tree, PATH, &trigger, Options::default()));
        let counts = (
            schedules(&tree, PATH).len(),
            std::mem::discriminant(&verdict),
        );
        let mut hasher = DefaultHasher::new();
        counts.hash(&mut hasher);
        alike(&linted) ^ hasher.finish()
    });
}

#[test]
fn fuzz_locks() {
    look_at(&[LOCK], |input| {
        let mut tree = SourceTree::new();
        tree.insert(Lock::PATH, input);
        let (lock, said) = Lock::read(&tree);
        hold_places(&said, Lock::PATH, input);
        let mut again = SourceTree::new();
        let written = lock.as_ref().map(ToString::to_string).unwrap_or_default();
        again.insert(Lock::PATH, written.as_bytes());
        assert_eq!(
            Lock::read(&again),
            (lock, Vec::new()),
            "what is written is read"
        );
        alike(&said) ^ written.len() as u64
    });
}

#[test]
fn fuzz_actions() {
    look_at(
        &[ACTION, "runs: { using: node20, main: a.js, post: b.js }"],
        |input| {
            let mut tree = SourceTree::new();
            tree.insert(PATH, WORKFLOW);
            tree.insert("act/action.yml", input);
            tree.insert(".github/workflows/other.yml", input);
            let said = compile(&tree, PATH, &push(), Options::default()).diagnostics;
            for path in ["act/action.yml", ".github/workflows/other.yml"] {
                hold_places(&said, path, input);
            }
            alike(&said)
        },
    );
}

#[test]
fn fuzz_projects() {
    look_at(&[PROJECT], |input| {
        let mut tree = SourceTree::new();
        tree.insert("cutover.yml", input);
        let said = project(&tree).1;
        hold_places(&said, "cutover.yml", input);
        alike(&said)
    });
}
