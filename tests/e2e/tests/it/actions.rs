//! Actions of other repositories and JavaScript actions, by the real node: what is fetched, locked, put in
//! place, run before, in and after a job.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use crate::{
    repository::Repository,
    world::{Done, World},
};

/// Whether the machine has a node.
fn has_node(test: &str) -> bool {
    let there = Command::new("node").arg("--version").output();
    let there = there.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED: {test}: no JavaScript action was run, because there is no node");
    }
    there
}

fn run(world: &World, repository: &Repository<'_>, arguments: &[&str]) -> Done {
    let mut all = vec!["run", "-C", repository.path()];
    all.extend(arguments);
    world.cutover(&all)
}

const JS: &str = "name: js
inputs:
  who: { default: nobody }
outputs: { greeted: { description: whom } }
runs: { using: node20, main: dist/main.js, pre: dist/pre.js, post: dist/post.js }
";
const MAIN: &str = "const fs = require('fs');
const path = require('path');
if (require.main !== module) throw new Error('not the program');
fs.writeFileSync('/dev/null', '');
console.log(`main greets ${process.env.INPUT_WHO}, before was ${process.env.STATE_before}`);
console.log(`place ${process.env.GITHUB_ACTION_PATH === path.dirname(__dirname)}`);
console.log(`of ${process.env.GITHUB_ACTION_REPOSITORY}@${process.env.GITHUB_ACTION_REF}`);
console.log(`in ${process.cwd() === process.env.GITHUB_WORKSPACE}`);
fs.appendFileSync(process.env.GITHUB_STATE, `met=${process.env.INPUT_WHO}\\n`);
fs.appendFileSync(process.env.GITHUB_OUTPUT, `greeted=${process.env.INPUT_WHO}\\n`);
";

/// The repositories of others, each with a tag `v1`, in a directory that stands for where they are
/// published.
struct Others {
    root: PathBuf,
}

impl Others {
    fn new(world: &World) -> Self {
        let root = world.path("others");
        world.set("CUTOVER_ACTIONS_URL", root.to_str().unwrap());
        let js = Repository::new(world, "js");
        js.write("js/action.yml", JS)
            .write("js/dist/main.js", MAIN)
            .write(
                "js/dist/pre.js",
                "require('fs').appendFileSync(process.env.GITHUB_STATE, 'before=dawn\\n');
console.log('pre ran');\n",
            )
            .write(
                "js/dist/post.js",
                "console.log(`post met ${process.env.STATE_met} of ${process.env.STATE_before}`);\n",
            );
        let others = Self { root };
        others.publish(&js, "some/tools");
        let composite = Repository::new(world, "composite");
        composite
            .write(
                "action.yml",
                "name: composite
inputs: { name: { required: true } }
outputs: { whom: { value: '${{ steps.js.outputs.greeted }}' } }
runs:
  using: composite
  steps:
    - { id: js, uses: some/tools/js@v1, with: { who: '${{ inputs.name }}!' } }
    - { run: ./say.sh, shell: bash, working-directory: '${{ github.action_path }}' }
    - uses: $/deep
",
            )
            .write(
                "say.sh",
                "#!/bin/sh\necho \"said from $(basename \"$PWD\")\"\n",
            )
            .write(
                "deep/action.yml",
                "runs: { using: composite, steps: [{ run: echo deep, shell: sh }] }\n",
            );
        others.publish(&composite, "other/composite");
        others
    }

    /// Commits all, and publishes it as `v1`.
    fn publish(&self, repository: &Repository<'_>, name: &str) {
        repository.commit("one");
        let bare = self.root.join(name);
        let bare = bare.to_str().unwrap();
        if !self.root.join(name).exists() {
            fs::create_dir_all(bare).unwrap();
            repository
                .git(&["init", "--quiet", "--bare", bare])
                .exits(0);
        }
        repository
            .git(&["push", "--quiet", "--force", bare, "HEAD:refs/tags/v1"])
            .exits(0);
    }
}

const USES: &str = "name: t
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - { name: Greet, uses: some/tools/js@v1, with: { who: ada } }
      - { id: c, uses: other/composite@v1, with: { name: grace } }
      - run: echo \"it greeted ${{ steps.c.outputs.whom }}\"
";

#[test]
fn actions_of_others_run_with_what_comes_before_and_after() {
    if !has_node("actions_of_others_run_with_what_comes_before_and_after") {
        return;
    }
    let world = World::new();
    drop(Others::new(&world));
    let repository = Repository::new(&world, "mine");
    repository.workflow(USES);
    // Without a lock it runs, and is warned of.
    let done = run(&world, &repository, &[]).exits(0).says(&[
        "CUT-1058",
        "runs on node v",
        "pre ran",
        "main greets ada, before was dawn",
        "place true",
        "of some/tools@v1",
        "in true",
        "main greets grace!, before was dawn",
        "said from v1",
        "deep",
        "it greeted grace!",
        "Post Greet",
        "post met ada of dawn",
        "post met grace! of dawn",
    ]);
    let at = |text: &str| done.stdout.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("pre ran") < at("main greets ada"));
    assert!(at("it greeted grace!") < at("post met grace!"));
    assert!(at("post met grace!") < at("post met ada"));
    assert_eq!(world.processes(), [], "left behind");
}

#[test]
fn what_is_locked_runs_and_nothing_else_does() {
    if !has_node("what_is_locked_runs_and_nothing_else_does") {
        return;
    }
    let world = World::new();
    let others = Others::new(&world);
    let repository = Repository::new(&world, "mine");
    repository.workflow(USES);
    let at = ["-C", repository.path()];
    world.cutover(&["lock", "--check", at[0], at[1]]).exits(1);
    world.cutover(&["lock", at[0], at[1]]).exits(0).says(&[
        "+ other/composite@v1 ",
        "+ some/tools@v1 ",
        "2 actions",
    ]);
    world.cutover(&["lock", "--check", at[0], at[1]]).exits(0);
    let lock = PathBuf::from(repository.path()).join(".github/cutover.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let entries: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(entries.len(), 2, "{text}");

    // The tag moves: what is locked is run, and what is published is not looked at any more.
    let moved = Repository::new(&world, "moved");
    moved
        .write("js/action.yml", JS)
        .write("js/dist/main.js", "console.log('EVIL');\n")
        .write("js/dist/pre.js", "console.log('EVIL');\n")
        .write("js/dist/post.js", "console.log('EVIL');\n");
    others.publish(&moved, "some/tools");
    let done = run(&world, &repository, &[])
        .exits(0)
        .says(&["main greets ada"]);
    assert!(!done.said().contains("EVIL"), "{}", done.said());
    assert!(!done.said().contains("CUT-1058"), "{}", done.said());
    fs::rename(&others.root, world.path("gone")).unwrap();
    run(&world, &repository, &[]).exits(0);
    world.cutover(&["lint", at[0], at[1]]).exits(0);
    fs::rename(world.path("gone"), &others.root).unwrap();

    // Another tree in the lock than the commit has: refused before anything runs.
    let tree = entries[1].rsplit(' ').next().unwrap();
    let nobodys = "0123456789abcdef0123456789abcdef01234567";
    fs::write(&lock, text.replace(tree, nobodys)).unwrap();
    let refused = run(&world, &repository, &[])
        .exits(2)
        .says(&["CUT-1059", ".github/workflows/ci.yml:7:"]);
    assert!(!refused.said().contains("pre ran"), "{}", refused.said());

    // A missing entry: the same.
    fs::write(&lock, entries[0]).unwrap();
    let refused = run(&world, &repository, &["--as-far-as-possible"])
        .exits(2)
        .says(&["CUT-1059", "does not name `some/tools@v1`", "cutover lock"]);
    assert!(!refused.said().contains("said from"), "{}", refused.said());
    // What the ref names now, taken on purpose.
    world.cutover(&["lock", "--update", at[0], at[1]]).exits(0);
    run(&world, &repository, &[]).exits(0).says(&["EVIL"]);
}

#[test]
fn a_directory_stands_for_a_repository_without_any_network() {
    if !has_node("a_directory_stands_for_a_repository_without_any_network") {
        return;
    }
    let world = World::new();
    drop(Others::new(&world));
    world.set("CUTOVER_ACTIONS_URL", "/nowhere/at/all");
    let repository = Repository::new(&world, "mine");
    repository.workflow(USES);
    let refused = run(&world, &repository, &[]).exits(2).says(&[
        "CUT-1050",
        ".github/workflows/ci.yml:7:",
        "could not be had",
        "--local-repository",
    ]);
    assert!(!refused.said().contains("pre ran"), "{}", refused.said());
    let js = format!("some/tools@v1={}", world.path("work-js").display());
    let bare = world.path("others/other/composite");
    let composite = format!("other/composite@v1={}", bare.display());
    let local = ["--local-repository", &js, "--local-repository", &composite];
    let done = run(&world, &repository, &local).exits(0).says(&[
        "main greets ada",
        "post met grace! of dawn",
        "said from v1",
    ]);
    assert!(!done.said().contains("CUT-1058"), "{}", done.said());
    // As it stands, not as it was committed.
    fs::write(
        world.path("work-js/js/dist/main.js"),
        "console.log('as it stands');\n",
    )
    .unwrap();
    run(&world, &repository, &local)
        .exits(0)
        .says(&["as it stands"]);
}

#[test]
fn the_server_fetches_locks_and_cleans_up_too() {
    if !has_node("the_server_fetches_locks_and_cleans_up_too") {
        return;
    }
    let world = World::new();
    drop(Others::new(&world));
    world.serve();
    let repository = Repository::new(&world, "mine");
    repository
        .write(
            "mine/action.yml",
            "runs: { using: node20, main: m.js, pre: p.js, post: q.js }\n",
        )
        .write("mine/m.js", "process.exit(3)\n")
        .write("mine/p.js", "console.log('own pre')\n")
        .write("mine/q.js", "console.log('own post')\n")
        .workflow(
            "name: t
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: some/tools/js@v1
      - uses: $/mine
      - run: echo never
",
        )
        .ship("one");
    let ended = world.run_ended(1, Duration::from_mins(1));
    assert_eq!(ended["outcome"], "failed", "{ended:#}");
    let steps: Vec<String> = ended["jobs"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            let word = |key: &str| step[key].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", word("path"), word("name"), word("outcome"))
        })
        .collect();
    assert_eq!(
        steps,
        [
            "pre.0 Pre Run some/tools/js@v1 succeeded",
            "pre.1 Pre Run $/mine succeeded",
            "0 Run some/tools/js@v1 succeeded",
            "1 Run $/mine failed",
            "2 Run echo never skipped",
            "post.1 Post Run $/mine succeeded",
            "post.0 Post Run some/tools/js@v1 succeeded",
        ],
        "{ended:#}"
    );
    world.cutover(&["logs", "1"]).exits(0).says(&[
        "own pre",
        "own post",
        "post met nobody of dawn",
    ]);
}
