//! `actions/checkout` as workflows write it: parts, refs, submodules, repositories of others, and the inputs
//! that change nothing on one machine.

use crate::{repository::Repository, world::World};

fn job(steps: &str) -> String {
    format!("name: t\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}")
}

#[test]
fn inputs_that_change_nothing_refuse_nothing_and_parts_are_parts() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository
        .write("top", "top\n")
        .write("web/page", "page\n")
        .write("docs/deep/text", "text\n");
    repository.workflow(&job("      - uses: actions/checkout@v4
        with:
          repository: ${{ github.repository }}
          ref: ${{ github.ref }}
          token: ${{ secrets.NO_SUCH }}
          show-progress: false
          set-safe-directory: true
          fetch-tags: true
          fetch-depth: 2
          filter: 'blob:none'
          lfs: true
      - run: cat docs/deep/text && git log -1 --format=%s && git tag
      - uses: actions/checkout@v4
        with:
          path: part
          token: a-token
          sparse-checkout: |
            web
          sparse-checkout-cone-mode: true
      - run: cd part && cat top web/page && test ! -e docs && echo NARROW
"));
    repository.commit("first");
    repository.git(&["tag", "v1"]).exits(0);
    repository.commit("second");
    let run = || world.cutover(&["run", "-C", repository.path()]);
    run().exits(0).says(&[
        "second",
        "v1",
        "NARROW",
        "`token` changes nothing: the sources of the run are on this machine",
    ]);
    // Another ref of the same repository is had as its commit is.
    repository.write("top", "not committed\n");
    repository.workflow(&job("      - uses: actions/checkout@v4
        with: { ref: v1, path: old }
      - uses: actions/checkout@v4
        with: { path: new, clean: true, persist-credentials: true }
      - run: cat old/top new/top && git -C old log -1 --format=%s && echo made > new/made
      - run: git -C new fetch -q origin && git -C new push -q origin HEAD:refs/heads/made && echo PUSHED
      - uses: actions/checkout@v4
        with: { path: new, clean: false, ref: v1 }
      - run: cat new/made new/top
      - uses: actions/checkout@v4
        with: { ref: nowhere }
"));
    run().exits(1).says(&[
        "not committed",
        "first",
        "PUSHED",
        "made",
        "`ref: nowhere` is no branch, tag or commit there",
    ]);
}

#[test]
fn submodules_and_repositories_of_others_come_into_the_workspace() {
    let world = World::new();
    let lib = Repository::new(&world, "lib");
    lib.write("l", "of lib\n").commit("lib");
    let tools = Repository::new(&world, "tools");
    tools
        .write("tool.sh", "#!/bin/sh\necho a tool\n")
        .commit("tools");
    let repository = Repository::new(&world, "small");
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
    ];
    let add = [&add[..], &[lib.path(), "vendor/lib"]].concat();
    repository.git(&add).exits(0);
    repository.workflow(&job("      - uses: actions/checkout@v4
      - run: test ! -e vendor/lib/l && echo WITHOUT
      - uses: actions/checkout@v4
        with: { submodules: recursive }
      - uses: actions/checkout@v4
        with: { repository: others/tools, ref: main, path: tools, token: '${{ secrets.NO_SUCH }}' }
      - run: cat vendor/lib/l && tools/tool.sh && git -C tools status --short && echo WITH
"));
    repository.commit("one");
    let local = format!("others/tools@main={}", tools.path());
    world
        .cutover(&["run", "-C", repository.path(), "--local-repository", &local])
        .exits(0)
        .says(&[
            "WITHOUT",
            "of lib",
            "a tool",
            "WITH",
            "submodule `vendor/lib`, as it stands",
        ]);
}

#[test]
fn a_server_has_its_other_repositories_and_tags_and_no_files_of_lfs() {
    let world = World::new();
    world.serve();
    let other = Repository::new(&world, "other");
    other.write("file", "of other\n").ship("one");
    let repository = Repository::new(&world, "small");
    repository.write("top", "top\n").commit("zero");
    repository.git(&["tag", "v0"]).exits(0);
    repository.workflow(&job(
        "      - uses: actions/checkout@v4
        with: { fetch-tags: true, token: '${{ secrets.NO_SUCH }}', sparse-checkout: /top, sparse-checkout-cone-mode: false }
      - run: git tag && ls && test ! -e .github && echo NARROW
      - uses: actions/checkout@v4
        with: { repository: other, path: other }
      - run: cat other/file
      - uses: actions/checkout@v4
        with: { lfs: true }
",
    ));
    repository.commit("one");
    repository
        .git(&["push", &repository.url(), "HEAD:refs/heads/main", "v0"])
        .exits(0);
    let all = world.ask(&["runs"]).to_string();
    let number = if all.contains("\"number\":2") { 2 } else { 1 };
    let run = world.run_ended(number, std::time::Duration::from_mins(1));
    let log = world.cutover(&["logs", &number.to_string()]);
    assert_eq!(run["outcome"], "failed", "{}", log.said());
    log.says(&["v0", "NARROW", "of other", "`lfs: true` cannot be done"]);
}
