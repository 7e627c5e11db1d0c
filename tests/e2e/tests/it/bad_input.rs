//! Files that are wrong, places that are taken or damaged: each gets a clear refusal, and what was
//! there before is untouched.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    time::Duration,
};

use crate::{
    repository::{Repository, project},
    world::{Done, World, finish, finish_child},
};

const LIMIT: Duration = Duration::from_secs(30);

const GOOD: &str = "name: good
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [{ run: 'true' }]
";

/// Linted, run and pushed: three refusals with the same words.
#[track_caller]
fn refused(file: &str, text: &str, words: &[&str]) {
    let world = World::new();
    let repository = Repository::new(&world, "bad");
    repository.workflow(GOOD).write(file, text).commit("wrong");
    let at = ["-C", repository.path()];
    world.cutover(&["lint", at[0], at[1]]).exits(1).says(words);
    let json = world
        .cutover(&["lint", "--json", at[0], at[1]])
        .exits(1)
        .json();
    let first = &json["diagnostics"][0];
    assert!(first["at"]["line"].as_u64() > Some(0), "{json:#}");
    assert!(
        first["code"]
            .as_str()
            .is_some_and(|code| code.starts_with("CUT-")),
        "{json:#}"
    );
    let ran = world.cutover(&["run", at[0], at[1]]).exits(2).says(words);
    assert_eq!(
        ran.said().matches(words[0]).count(),
        1,
        "said twice: {}",
        ran.said()
    );

    world.serve();
    repository.push().exits(0);
    let run = world.run_ended(1, LIMIT);
    assert_eq!(run["outcome"], "faulted", "{run:#}");
    let place = words[1].trim();
    for shown in [run.to_string(), world.cutover(&["logs", "1"]).said()] {
        assert!(shown.contains(place), "`{place}` is not in {shown}");
    }
    // The server is as well as before.
    repository
        .workflow(GOOD)
        .write("cutover.yml", "{}\n")
        .ship("right");
    assert_eq!(world.run_ended(2, LIMIT)["outcome"], "succeeded");
}

#[test]
fn jobs_that_wait_for_each_other() {
    let text = "name: bad
on: push
jobs:
  a: { needs: b, runs-on: x, steps: [{ run: 'true' }] }
  b: { needs: a, runs-on: x, steps: [{ run: 'true' }] }
";
    let words = [
        "jobs wait for each other: a → b → a",
        ".github/workflows/ci.yml:4:3",
        "remove one",
    ];
    refused(".github/workflows/ci.yml", text, &words);
}

#[test]
fn an_unknown_key() {
    let text = GOOD.replace("runs-on", "run-on");
    let words = [
        "unknown key `run-on`",
        ".github/workflows/ci.yml:5:5",
        "did you mean `runs-on`?",
    ];
    refused(".github/workflows/ci.yml", &text, &words);
}

#[test]
fn what_is_not_yaml() {
    let text = GOOD.replace("    runs-on", "\truns-on");
    let words = ["CUT-1001", ".github/workflows/ci.yml:5:"];
    refused(".github/workflows/ci.yml", &text, &words);
}

#[test]
fn a_slip_in_cutover_yml() {
    let words = [
        "unknown key `enviroments`",
        "cutover.yml:1:1",
        "did you mean `environments`?",
    ];
    refused("cutover.yml", "enviroments: {}\n", &words);
}

/// Tries to serve where that cannot be.
#[track_caller]
fn not_served(world: &World, data_dir: &str, listen: &str, words: &[&str]) -> Done {
    let done = world.cutover(&["serve", "--data-dir", data_dir, "--listen", listen]);
    assert!(done.code != Some(0), "{}", done.said());
    done.says(words)
}

#[test]
fn a_directory_and_a_port_that_another_server_has() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "good");
    repository.workflow(GOOD).ship("one");
    world.run_ended(1, LIMIT);
    let beacon = fs::read(world.data_dir().join("server.json")).unwrap();
    let data = world.data_dir();
    let port = world.address();
    let port = port.trim_start_matches("http://");
    not_served(
        &world,
        data.to_str().unwrap(),
        "127.0.0.1:0",
        &["is in use by process"],
    )
    .exits(2);
    let other = world.path("other");
    let said = ["could not listen on", "Address already in use"];
    not_served(&world, other.to_str().unwrap(), port, &said).exits(2);
    assert!(
        !other.exists(),
        "it touched a directory before it had a port"
    );
    assert_eq!(fs::read(data.join("server.json")).unwrap(), beacon);
    repository.ship("two");
    assert_eq!(world.run_ended(2, LIMIT)["outcome"], "succeeded");
}

#[test]
fn a_database_that_is_none_or_not_ours() {
    let world = World::new();
    let place = |name: &str| {
        let folder = world.path(name);
        fs::create_dir(&folder).unwrap();
        (
            folder.join("cutover.db"),
            folder.to_str().unwrap().to_owned(),
        )
    };
    let (file, folder) = place("garbage");
    let garbage = "no database ".repeat(1_000);
    fs::write(&file, &garbage).unwrap();
    not_served(
        &world,
        &folder,
        "127.0.0.1:0",
        &["cutover.db", "it is not a SQLite database"],
    );
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        garbage,
        "it was touched"
    );

    let (file, folder) = place("empty");
    fs::write(&file, "").unwrap();
    not_served(&world, &folder, "127.0.0.1:0", &["it is empty"]);

    // Ours, with its middle overwritten.
    world.serve();
    let repository = Repository::new(&world, "good");
    repository.workflow(GOOD).ship("one");
    world.run_ended(1, LIMIT);
    world.stop();
    let file = world.data_dir().join("cutover.db");
    let mut bytes = fs::read(&file).unwrap();
    let sound = bytes.clone();
    let length = bytes.len();
    bytes[100..length / 2].fill(0xA5);
    fs::write(&file, &bytes).unwrap();
    let folder = world.data_dir();
    not_served(
        &world,
        folder.to_str().unwrap(),
        "127.0.0.1:0",
        &["cutover.db", "damaged"],
    );
    // What was restored is served again.
    fs::write(&file, &sound).unwrap();
    world.serve();
    assert_eq!(world.run_ended(1, LIMIT)["outcome"], "succeeded");
}

#[test]
fn somebody_elses_database() {
    let world = World::new();
    let mut python = world.program("python3");
    let script = "import sqlite3; c = sqlite3.connect('cutover.db'); \
                  c.execute('create table theirs(a)'); c.commit()";
    python.args(["-c", script]);
    if python.status().is_ok_and(|status| status.success()) {
        let root = world.path("");
        let said = ["cutover.db", "another program"];
        not_served(&world, root.to_str().unwrap(), "127.0.0.1:0", &said);
    } else {
        eprintln!("SKIPPED: somebody else's database, because `python3` is missing");
    }
}

/// A small file system of its own; it goes with this.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(world: &World, size: &str) -> Option<Self> {
        let place = world.data_dir();
        fs::create_dir(&place).unwrap();
        let mut mount = world.program("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&place);
        let done = mount.output().ok()?;
        done.status.success().then_some(Self(place))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        unmount.arg("--lazy").arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_disk() {
    let world = World::new();
    let Some(disk) = Disk::mount(&world, "24m") else {
        eprintln!("SKIPPED: a full disk, because mounting is not allowed");
        return;
    };
    world.serve();
    let repository = Repository::new(&world, "good");
    repository.workflow(GOOD).ship("one");
    assert_eq!(world.run_ended(1, LIMIT)["outcome"], "succeeded");

    let filler = disk.0.join("filler");
    // More is written each time: what a run leaves is cleaned up after its end, which makes room.
    let fill = || {
        let mut fill = world.program("sh");
        let write = format!("head -c 100000000 /dev/zero >> '{}'", filler.display());
        fill.arg("-c").arg(write).status().unwrap();
    };
    repository.commit("two");
    fill();
    let pushed = repository.push();
    assert!(
        pushed.code != Some(0),
        "taken on a full disk: {}",
        pushed.said()
    );
    let said = pushed.said().to_lowercase();
    assert!(
        said.contains("no space left") || said.contains("disk is full"),
        "{said}"
    );
    fill();
    let added = world.cutover(&["user", "add", "ada"]);
    assert!(added.code != Some(0), "{}", added.said());
    let said = added.said();
    assert!(
        said.contains("full") || said.contains("No space left"),
        "{said}"
    );
    // What can be read is still shown.
    assert_eq!(world.ask(&["runs"])["runs"].as_array().unwrap().len(), 1);

    fs::remove_file(&filler).unwrap();
    repository.push().exits(0);
    assert_eq!(world.run_ended(2, LIMIT)["outcome"], "succeeded");
    world.kill();
    world.serve();
    assert_eq!(world.ask(&["runs"])["runs"].as_array().unwrap().len(), 2);
    world.cutover(&["down"]).exits(0);
    world.stop();
}

/// What a run has still to do is not done silently: whoever looks on learns what it waits for.
#[test]
fn a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    let world = World::new();
    let Some(disk) = Disk::mount(&world, "8m") else {
        eprintln!("SKIPPED: a run on a full disk, because mounting is not allowed");
        return;
    };
    let repository = Repository::new(&world, "small");
    let go = world.path("go");
    let heard = world.path("heard");
    let wait = |file: &Path| format!("until [ -e '{}' ]; do sleep 0.1; done", file.display());
    let steps = format!(
        "[{{ run: \"echo it goes; {}\" }}, {{ run: \"{}\" }}]",
        wait(&go),
        wait(&heard)
    );
    repository.workflow(&GOOD.replace("[{ run: 'true' }]", &steps));
    let data = disk.0.join("runs");
    let mut command = world.command(&["run", "--json", "-C", repository.path(), "--data-dir"]);
    command
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |words: &str| {
        let found = said.find(|line| line.as_ref().unwrap().contains(words));
        found
            .unwrap_or_else(|| panic!("it never said {words}"))
            .unwrap()
    };
    until("it goes");
    let filler = disk.0.join("filler");
    let mut fill = world.program("sh");
    let write = format!("head -c 100000000 /dev/zero > '{}'", filler.display());
    fill.arg("-c").arg(write).status().unwrap();
    fs::write(&go, "").unwrap();
    let full = until("\"event\":\"full\"");
    assert!(
        full.contains(data.to_str().unwrap()) && full.contains("Ctrl-C"),
        "{full}"
    );
    fs::remove_file(&filler).unwrap();
    until("\"event\":\"room\"");
    fs::write(&heard, "").unwrap();
    until("\"outcome\":\"succeeded\"");
    std::thread::spawn(move || said.for_each(drop));
    finish_child(child, "cutover run").exits(0);
}

#[test]
fn a_place_that_cannot_be_written() {
    let world = World::new();
    let file = world.path("file");
    fs::write(&file, "").unwrap();
    let repository = Repository::new(&world, "small");
    repository.workflow(GOOD).commit("one");
    let mut places = vec![file.clone(), file.join("below")];
    let disk = Disk::mount(&world, "1m,ro");
    if let Some(disk) = &disk {
        places.extend([disk.0.clone(), disk.0.join("below")]);
    } else {
        eprintln!("SKIPPED: a disk that is read-only, because mounting is not allowed");
    }
    for place in places {
        let place = place.to_str().unwrap();
        let words = ["nothing can be kept in", place, "--data-dir"];
        not_served(&world, place, "127.0.0.1:0", &words).exits(2);
        let run = ["run", "-C", repository.path(), "--data-dir", place];
        world.cutover(&run).exits(2).says(&words);
    }
}

#[test]
fn names_of_repositories_refs_and_workflows_that_are_not_there() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "good");
    repository.workflow(GOOD).ship("one");
    for name in [".hidden", "a/b/c", "a%20b"] {
        let url = repository.url().replace("good", name);
        let pushed = repository.git(&["push", &url, "HEAD:main"]);
        assert_eq!(pushed.code, Some(128), "{}", pushed.said());
        pushed.says(&[
            "is not a name for a repository: write `name` or `owner/name`",
            "422",
        ]);
    }
    let url = repository.url().replace("good", "nope");
    let fetched = repository.git(&["fetch", &url, "main"]);
    fetched
        .exits(128)
        .says(&["remote: cutover: there is no repository `nope`"]);
    for (line, words) in [
        (
            "nope ci.yml",
            "there is no repository `nope`: there is `good`",
        ),
        ("goood ci.yml", "did you mean `good`?"),
        ("..x ci.yml", "`..x` is not a name for a repository"),
        (
            "good nope.yml",
            "no workflow `nope.yml` at that revision: there is `ci.yml`",
        ),
        (
            "good ci.yml --ref nope",
            "no branch, tag or whole commit id `nope`: there is `main`",
        ),
        ("nope --type x", "there is no repository `nope`"),
    ] {
        let mut arguments = vec!["dispatch"];
        arguments.extend(line.split(' '));
        world.cutover(&arguments).exits(2).says(&[words]);
    }
    assert!(
        !world.server_log().contains("ERROR"),
        "{}",
        world.server_log()
    );
}

#[test]
fn a_directory_with_a_name_too_long_for_a_socket() {
    let world = World::new();
    let long = world.path(&"x".repeat(120));
    not_served(
        &world,
        long.to_str().unwrap(),
        "127.0.0.1:0",
        &["too long", "--data-dir"],
    );
    assert!(!long.exists());
}

#[test]
fn a_directory_with_a_space() {
    let world = World::new();
    let folder = world.path("a directory; $HOME");
    let folder = folder.to_str().unwrap();
    let mut server = world.command(&["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"]);
    let server = crate::server::Server::start(&mut server, &world.path("server.log"));
    let repository = Repository::new(&world, "hello");
    repository
        .hello(&project(&world, &["production: {}"]))
        .workflow(&crate::repository::build("1.0.0"))
        .commit("feat: hello");
    let token = fs::read_to_string(format!("{folder}/token")).unwrap();
    let host = server.address().trim_start_matches("http://");
    let url = format!("http://tester:{}@{host}/git/hello.git", token.trim());
    repository
        .git(&["push", &url, "HEAD:refs/heads/main"])
        .exits(0);
    let command = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("CUTOVER_DATA_DIR", folder);
        finish(command)
    };
    command(&["logs", "1", "-f"]).exits(0);
    command(&["deploy", "1.0.0", "production"]).exits(0);
    command(&["down"]).exits(0);
    server.stop();
}

#[test]
fn what_lint_can_mend_is_shown_then_written_and_told_to_programs() {
    const FILE: &str = ".github/workflows/ci.yml";
    const TEXT: &str = "on: issues # why
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo \"${{ github.event.issue.title }}\"
          echo \"::set-output name=a::b\"
";
    const MENDED: &str = "on: issues # why
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - env:
          ISSUE_TITLE: ${{ github.event.issue.title }}
        run: |
          echo \"${ISSUE_TITLE}\"
          echo \"a=b\" >> \"$GITHUB_OUTPUT\"
";
    let world = World::new();
    let repository = Repository::new(&world, "mended");
    repository.write(FILE, TEXT).commit("wrong");
    let path = format!("{}/{FILE}", repository.path());
    let lint = |arguments: &[&str]| {
        let all = ["lint", "-C", repository.path()].into_iter();
        let all: Vec<&str> = all.chain(arguments.iter().copied()).collect();
        world.cutover(&all)
    };
    let json = lint(&["--json"]).exits(1).json();
    let said = json["diagnostics"].as_array().unwrap();
    let edits = said.iter().find(|one| one["code"] == "CUT-1031").unwrap();
    let edits = edits["fixes"][0]["edits"].as_array().unwrap();
    assert_eq!(edits[0]["replacement"], "${ISSUE_TITLE}");
    let start = usize::try_from(edits[0]["start"].as_u64().unwrap()).unwrap();
    assert!(TEXT[start..].starts_with("${{ github"), "{json:#}");
    let sarif = lint(&["--format", "sarif"]).exits(1).json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), said.len());
    lint(&["--format", "github"])
        .exits(1)
        .says(&["::error file=.github/workflows/ci.yml,line=7,col=21,title=CUT-1031::"]);

    let shown = lint(&["--fix", "--diff"]).exits(1);
    assert!(
        shown
            .stdout
            .contains("+          echo \"${ISSUE_TITLE}\"\n")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
    lint(&["--fix"])
        .exits(0)
        .says(&["mended: 2 places in 1 file"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), MENDED);
    lint(&["--fix", "--diff"]).exits(0);
    lint(&["--diff"]).exits(2);
    lint(&["--fix=unsafe"]).exits(0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("permissions:\n  contents: read\n\njobs:\n"),
        "{text}"
    );
}
