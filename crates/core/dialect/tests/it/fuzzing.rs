//! Files that nobody would write: nothing of them may make the dialect panic or hang.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cutover_dialect::{Options, SourceTree, compile, lint, project, triggered_by};
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

#[test]
fn fuzz_workflows() {
    look_at(&[WORKFLOW, "on: push\njobs: {}"], |input| {
        let mut tree = SourceTree::new();
        tree.insert(PATH, input);
        tree.insert("act/action.yml", ACTION);
        drop(triggered_by(&tree, PATH, &push()));
        drop(compile(&tree, PATH, &push(), Options::default()));
        alike(&lint(&tree, PATH))
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
            alike(&compile(&tree, PATH, &push(), Options::default()).diagnostics)
        },
    );
}

#[test]
fn fuzz_projects() {
    look_at(&[PROJECT], |input| {
        let mut tree = SourceTree::new();
        tree.insert("cutover.yml", input);
        alike(&project(&tree).1)
    });
}
