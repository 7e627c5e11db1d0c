//! The setup actions beside the real tools, where this machine has them, and the caches of their package
//! managers: filled, saved after the job, and there again in the next one.

use std::{fs, path::PathBuf, process::Command};

use crate::{repository::Repository, world::World};

/// What a program of this machine says; the test that needs it is skipped loudly without.
fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let said = Command::new(program).args(arguments).output();
    match said {
        Ok(output) if output.status.success() => {
            let said = [output.stdout, output.stderr].concat();
            Some(String::from_utf8_lossy(&said).trim().to_owned())
        }
        _ => {
            eprintln!(
                "SKIPPED: a setup action beside the real tool, because `{program}` is not there"
            );
            None
        }
    }
}

fn job(steps: &str) -> String {
    format!("name: t\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}")
}

/// The first number of a version, in whatever words it comes.
fn major(said: &str) -> String {
    let digits = said.chars().skip_while(|c| !c.is_ascii_digit());
    digits.take_while(char::is_ascii_digit).collect()
}

/// Twice the same workflow: the second time what the first has kept is there.
#[track_caller]
fn kept(world: &World, repository: &Repository<'_>, arguments: &[&str], remove: &[&str]) {
    repository.commit("one");
    let all = [&["run", "-C", repository.path()], arguments].concat();
    world
        .cutover(&all)
        .exits(0)
        .says(&["hit=false", "made it", "saved cache `"]);
    for path in remove {
        fs::remove_dir_all(world.path(path)).unwrap();
    }
    world
        .cutover(&all)
        .exits(0)
        .says(&["hit=true", "it is there"]);
}

#[test]
fn node_is_the_real_one_with_a_registry_and_the_cache_that_npm_names() {
    let (Some(node), Some(_)) = (says("node", &["--version"]), says("npm", &["--version"])) else {
        return;
    };
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let major = major(&node);
    repository
        .write("package-lock.json", "{}\n")
        .write("package.json", "{}\n");
    // Not where npm usually keeps things: it is asked.
    let place = world.path("npm-keeps");
    repository.write(".npmrc", &format!("cache={}\n", place.display()));
    repository.workflow(&job(&format!(
        "      - uses: actions/checkout@v4
      - id: node
        uses: actions/setup-node@v4
        with:
          node-version: {major}.x
          architecture: ''
          cache: npm
          registry-url: https://npm.example/deep
          scope: '@Acme'
          always-auth: true
          token: not-needed
        env: {{ NODE_AUTH_TOKEN: for-the-registry }}
      - run: |
          test \"$(node --version)\" = '{node}'
          test '${{{{ steps.node.outputs.node-version }}}}' = '{node}'
          echo \"hit=${{{{ steps.node.outputs.cache-hit }}}}\"
          echo \"registry $(npm config get @acme:registry)\"
          cat \"$NPM_CONFIG_USERCONFIG\"
          test \"$NODE_AUTH_TOKEN\" = for-the-registry
          if [ -e '{place}/made' ]; then echo it is there; else mkdir -p '{place}'; echo made it | tee '{place}/made'; fi
",
        place = place.display()
    )));
    kept(&world, &repository, &[], &["npm-keeps"]);
    world.cutover(&["run", "-C", repository.path()]).says(&[
        "registry https://npm.example/deep/",
        "//npm.example/deep/:_authToken=${NODE_AUTH_TOKEN}",
        "always-auth=true",
    ]);
}

#[test]
fn pythons_are_the_real_ones_and_pip_names_its_cache() {
    let home = PathBuf::from(std::env::var("HOME").unwrap_or_default());
    let versions = home.join(".pyenv/versions");
    let mut found: Vec<String> = fs::read_dir(&versions)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("3.") && versions.join(name).join("bin/python3").exists())
        .collect();
    found.sort();
    if found.is_empty() {
        eprintln!(
            "SKIPPED: setup-python beside several versions, because `~/.pyenv/versions` has none"
        );
        return;
    }
    let world = World::new();
    std::os::unix::fs::symlink(home.join(".pyenv"), world.path("home/.pyenv")).unwrap();
    let repository = Repository::new(&world, "small");
    repository.write("requirements.txt", "none\n");
    let mut steps = "      - uses: actions/checkout@v4\n".to_owned();
    for version in &found {
        let minor = version
            .rsplit_once('.')
            .map_or(version.as_str(), |(minor, _)| minor);
        let with = format!("{{ python-version: '{minor}', allow-prereleases: true }}");
        let test = format!("test \"$(python3 --version)\" = 'Python {version}'");
        let step = [
            "      - uses: actions/setup-python@v5\n        with: ",
            &with,
            "\n      - run: ",
            &test,
            " && test -x \"$pythonLocation/bin/python3\"\n",
        ];
        steps.extend(step);
    }
    steps.push_str(
        "      - id: python
        uses: actions/setup-python@v5
        with: { python-version: '>=3.8', cache: pip }
      - run: |
          echo \"hit=${{ steps.python.outputs.cache-hit }}\"
          if [ -e \"$PIP_CACHE_DIR/made\" ]; then echo it is there; else
            mkdir -p \"$PIP_CACHE_DIR\"; echo made it | tee \"$PIP_CACHE_DIR/made\"; fi
",
    );
    repository.workflow(&job(&steps));
    let keeps = format!("PIP_CACHE_DIR={}", world.path("pip-keeps").display());
    kept(&world, &repository, &["--env", &keeps], &["pip-keeps"]);
}

#[test]
fn go_is_the_real_one_and_names_its_caches() {
    let Some(go) = says("go", &["version"]) else {
        return;
    };
    let version = go
        .split_whitespace()
        .nth(2)
        .unwrap()
        .trim_start_matches("go");
    let minor: Vec<&str> = version.split('.').take(2).collect();
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository
        .write(
            "go.mod",
            &format!("module example.test/small\n\ngo {}\n", minor.join(".")),
        )
        .write(
            "main.go",
            "package main\n\nfunc main() { println(\"made it\") }\n",
        );
    repository.write("go.sum", "# nothing\n");
    repository.workflow(&job(
        "      - uses: actions/checkout@v4
      - id: go
        uses: actions/setup-go@v5
        with: { go-version-file: go.mod }
      - run: |
          go version
          echo \"hit=${{ steps.go.outputs.cache-hit }}\"
          rm go.sum
          if [ -n \"$(find \"$(go env GOCACHE)\" -name '*-d' 2>/dev/null | head -n 1)\" ]; then echo it is there; fi
          GOFLAGS=-mod=mod go run .
",
    ));
    let keeps = format!("GOCACHE={}", world.path("go-keeps").display());
    let mods = format!("GOMODCACHE={}", world.path("go-mods").display());
    let arguments = ["--env", &keeps, "--env", &mods];
    kept(&world, &repository, &arguments, &["go-keeps"]);
}

#[test]
fn java_is_the_real_one() {
    let Some(java) = says("javac", &["-version"]) else {
        return;
    };
    let major = major(&java);
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.write(
        "A.java",
        "class A { public static void main(String[] a) { System.out.println(\"ran\"); } }\n",
    );
    repository.workflow(&job(&format!(
        "      - uses: actions/checkout@v4
      - id: java
        uses: actions/setup-java@v4
        with: {{ distribution: temurin, java-version: '{major}', token: x }}
      - run: |
          \"$JAVA_HOME/bin/javac\" A.java && \"$JAVA_HOME/bin/java\" A
          test '${{{{ steps.java.outputs.path }}}}' = \"$JAVA_HOME\"
      - uses: actions/setup-java@v4
        with: {{ distribution: temurin, java-version: '6' }}
"
    )));
    repository.commit("one");
    let run = world.cutover(&["run", "-C", repository.path()]).exits(1);
    run.says(&["ran", "no Java `6` on this machine; there is"]);
}

#[test]
fn rust_is_the_real_one() {
    let Some(rustc) = says("rustc", &["--version"]) else {
        return;
    };
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let home = std::env::var("HOME").unwrap_or_default();
    let of = |name: &str, folder: &str| {
        let said = std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"));
        format!("{name}={said}")
    };
    let (rustup, cargo) = (of("RUSTUP_HOME", ".rustup"), of("CARGO_HOME", ".cargo"));
    repository.write("a.rs", "fn main() { println!(\"ran\"); }\n");
    repository.workflow(&job("      - uses: actions/checkout@v4
      - id: rust
        uses: actions-rust-lang/setup-rust-toolchain@v1
        with: { cache: false }
      - run: echo \"${{ steps.rust.outputs.rustc-version }}\" && rustc a.rs && ./a
      - uses: dtolnay/rust-toolchain@1.2.3
"));
    repository.commit("one");
    let all = [
        "run",
        "-C",
        repository.path(),
        "--env",
        &rustup,
        "--env",
        &cargo,
    ];
    let version = rustc.lines().next().unwrap();
    world.cutover(&all).exits(1).says(&[
        version,
        "ran",
        "no Rust `1.2.3` on this machine; there is",
    ]);
}

#[test]
fn terraform_is_the_real_one_and_its_words_become_outputs() {
    let Some(said) = says("terraform", &["version"]) else {
        return;
    };
    let version = said
        .lines()
        .next()
        .unwrap()
        .trim_start_matches("Terraform v")
        .to_owned();
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.write(
        "main.tf",
        "output \"word\" {\n  value = \"it is done\"\n}\n",
    );
    repository.workflow(&job(&format!(
        "      - uses: actions/checkout@v4
      - uses: hashicorp/setup-terraform@v3
        with: {{ terraform_version: '~{version}' }}
      - run: terraform init -input=false && terraform apply -auto-approve -input=false
      - {{ id: out, run: terraform output -raw word }}
      - id: plan
        run: terraform plan -detailed-exitcode -input=false -destroy
      - run: echo \"out=${{{{ steps.out.outputs.stdout }}}} code=${{{{ steps.plan.outputs.exitcode }}}}\"
      - uses: hashicorp/setup-terraform@v3
        with: {{ terraform_version: 0.1.0 }}
"
    )));
    repository.commit("one");
    let run = world.cutover(&["run", "-C", repository.path()]).exits(1);
    run.says(&[
        "out=it is done",
        "code=2",
        &format!("Terraform {version}"),
        "no Terraform `0.1.0` on this machine; there is",
    ]);
}
