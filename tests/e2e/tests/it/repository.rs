//! A small repository to push, and the texts in it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use crate::world::{Done, World, finish};

/// A repository on disk, and its place on the server.
pub(crate) struct Repository<'a> {
    world: &'a World,
    path: PathBuf,
    name: String,
}

impl<'a> Repository<'a> {
    pub(crate) fn new(world: &'a World, name: &str) -> Self {
        let repository = Self {
            world,
            path: world.path(&format!("work-{name}")),
            name: name.to_owned(),
        };
        fs::create_dir(&repository.path).unwrap();
        repository
            .git(&["init", "--quiet", "--initial-branch=main"])
            .exits(0);
        repository
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Writes a file; one that begins with `#!` can be executed.
    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(crate) fn workflow(&self, text: &str) -> &Self {
        self.write(".github/workflows/ci.yml", text)
    }

    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> Done {
        let mut git = self.world.program("git");
        git.arg("-C").arg(&self.path).args(arguments);
        finish(git)
    }

    #[track_caller]
    pub(crate) fn commit(&self, message: &str) -> &Self {
        self.git(&["add", "--all"]).exits(0);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message])
            .exits(0);
        self
    }

    /// Its place on the server, as the owner.
    pub(crate) fn url(&self) -> String {
        let address = self.world.address();
        let host = address.trim_start_matches("http://");
        let token = self.world.token();
        format!("http://tester:{token}@{host}/git/{}.git", self.name)
    }

    /// Pushes, as the owner of the server.
    #[track_caller]
    pub(crate) fn push(&self) -> Done {
        self.git(&["push", &self.url(), "HEAD:refs/heads/main"])
    }

    /// Commits all and pushes it.
    #[track_caller]
    pub(crate) fn ship(&self, message: &str) {
        self.commit(message);
        self.push().exits(0);
    }

    /// The files of the service `hello`, and a workflow that builds it.
    pub(crate) fn hello(&self, project: &str) -> &Self {
        self.write("cutover.yml", project)
            .write("hello", "#!/bin/sh\nexec \"$CUTOVER_BIN\" demo-service\n")
            .write("service.json", &service("hello", 0))
    }

    /// Commits a version of the service, pushes it, and waits until the run has built it.
    #[track_caller]
    pub(crate) fn build(&self, number: u64, version: &str) {
        self.write("service.json", &service(&format!("hello {version}"), 0));
        self.workflow(&build(version)).ship(version);
        let run = self
            .world
            .run_ended(number, std::time::Duration::from_mins(1));
        assert_eq!(run["outcome"], "succeeded", "{run:#}");
    }
}

/// What the service says, and how many of a hundred requests it fails in production.
pub(crate) fn service(greeting: &str, fail_percent: u32) -> String {
    format!("{{ \"greeting\": \"{greeting}\", \"fail_percent\": {fail_percent} }}\n")
}

/// A workflow that builds this version.
pub(crate) fn build(version: &str) -> String {
    format!(
        "name: build
on: {{ push: {{ branches: [main] }} }}
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: cutover/build@v1
        with: {{ version: {version} }}
"
    )
}

/// `cutover.yml` with the service `hello` and these environments, each a line such as
/// `production: { strategy: rolling }`.
pub(crate) fn project(world: &World, environments: &[&str]) -> String {
    let mut text = format!(
        "services:
  hello:
    build: {{ context: . }}
    command: [./hello]
    env: {{ CUTOVER_BIN: \"{}\" }}
    health: {{ path: /health, interval: 100ms, timeout: 2s, healthy: 1, unhealthy: 3 }}
    start_timeout: 20s
    drain_timeout: 5s
    stop_grace: 5s
environments:
",
        world.binary().display()
    );
    for environment in environments {
        text.push_str("  ");
        text.push_str(environment);
        text.push('\n');
    }
    text
}
