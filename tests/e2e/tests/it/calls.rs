//! Workflows that call workflows, through the binary.

use serde_json::Value;

use crate::{
    repository::Repository,
    world::{Done, World},
};

const CALLER: &str = "name: t
on: push
env: { OUTER: outside }
jobs:
  ship:
    strategy: { matrix: { to: [north, south] } }
    uses: ./.github/workflows/ship.yml
    with: { to: '${{ matrix.to }}', times: 2 }
    secrets: { key: '${{ secrets.TOKEN }}' }
  after:
    needs: ship
    runs-on: ubuntu-latest
    steps:
      - run: echo \"after ${{ needs.ship.result }} ${{ needs.ship.outputs.where }}\"
      - run: jq -r '\"event \" + .head_commit.message + \" by \" + .sender.login' \"$GITHUB_EVENT_PATH\"
";

const CALLEE: &str = "on:
  workflow_call:
    inputs:
      to: { type: string, required: true }
      times: { type: number }
      dry: { type: boolean, default: true }
    secrets: { key: { required: true } }
    outputs: { where: { value: '${{ jobs.go.outputs.where }}' } }
env: { INNER: inside }
jobs:
  go:
    runs-on: ubuntu-latest
    outputs: { where: '${{ steps.s.outputs.where }}' }
    steps:
      - id: s
        run: |
          echo \"where=${{ inputs.to }}\" >> \"$GITHUB_OUTPUT\"
          echo \"went ${{ inputs.to }} ${{ inputs.times }} ${{ inputs.dry }} [$INNER$OUTER]\"
          echo \"key is ${#KEY} long: $KEY\"
        env: { KEY: '${{ secrets.key }}' }
  told:
    needs: go
    runs-on: ubuntu-latest
    steps: [{ run: 'echo told by ${{ job.workflow_file_path }} in ${{ github.workflow }}' }]
";

fn run(world: &World, repository: &Repository<'_>, arguments: &[&str]) -> Done {
    let mut all = vec!["run", "-C", repository.path(), "--secret", "TOKEN=hunter22"];
    all.extend(arguments);
    world.cutover(&all)
}

#[test]
fn a_called_workflow_runs_for_each_leg_and_hands_back_its_outputs() {
    let world = World::new();
    let repository = Repository::new(&world, "calls");
    repository
        .write(".github/workflows/ship.yml", CALLEE)
        .workflow(CALLER)
        .commit("feat: ship it");
    let done = run(&world, &repository, &["--actor", "ada"])
        .exits(0)
        .says(&[
            "went north 2 true [inside]",
            "went south 2 true [inside]",
            "key is 8 long: ***",
            "told by .github/workflows/ship.yml in t",
            "after success ",
            "event feat: ship it by ada",
            "ship (north) / go",
        ]);
    assert!(!done.stdout.contains("hunter22"), "{}", done.said());
    let json = run(&world, &repository, &["--json"]).exits(0);
    let last: Value = serde_json::from_str(json.stdout.lines().last().unwrap()).unwrap();
    let jobs = last["run"]["jobs"].as_array().unwrap();
    let names: Vec<&str> = jobs
        .iter()
        .map(|job| job["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "ship (north)",
            "ship (south)",
            "ship (north) / go",
            "ship (north) / told",
            "ship (south) / go",
            "ship (south) / told",
            "after",
        ]
    );
}

#[test]
fn a_call_that_does_not_fit_is_refused_before_anything_runs() {
    let world = World::new();
    let repository = Repository::new(&world, "calls");
    repository
        .write(".github/workflows/ship.yml", CALLEE)
        .workflow(&CALLER.replace("times: 2", "tmies: 2"))
        .commit("one");
    let done = run(&world, &repository, &[]).exits(2);
    let said = done.said();
    assert!(
        said.contains("tmies is not defined in the referenced workflow"),
        "{said}"
    );
}
