//! The page in a real browser: the graph, the weights, the instances. What a script brings later (the
//! log as it grows) is not seen here: the browser tells what it has once the page is loaded.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    repository::{Repository, project},
    world::{World, finish},
};

const LIMIT: Duration = Duration::from_mins(1);

fn chromium() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        names
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
    })
}

/// The page as the browser has it when it is loaded.
#[track_caller]
fn page(world: &World, chromium: &Path, path: &str) -> String {
    let mut browser = world.program(chromium);
    browser.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
    ]);
    browser.arg(format!(
        "--user-data-dir={}",
        world.path("chromium").display()
    ));
    browser.args(["--timeout=3000", "--dump-dom"]);
    // No virtual time: the stream of events would keep it from ever ending.
    browser.arg(format!("{}{path}", world.address()));
    let done = finish(browser).exits(0);
    assert!(
        !done.stderr.contains("Refused to"),
        "its own policy stopped it: {}",
        done.stderr
    );
    done.stdout
}

#[test]
fn the_page_shows_graph_and_weights() {
    let world = World::new();
    let Some(chromium) = chromium() else {
        eprintln!("SKIPPED: the page in a browser, because `chromium` is missing");
        return;
    };
    world.serve();
    let repository = Repository::new(&world, "hello");
    repository
        .hello(&project(&world, &["production: {}"]))
        .workflow(
            "name: ship
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: printf '%s line of %s\\n' a '<b>the</b> log'
      - { uses: cutover/build@v1, with: { version: 1.2.3 } }
  deliver:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - { uses: cutover/deploy@v1, with: { environment: production } }
",
        )
        .ship("feat: all of it");
    assert_eq!(world.run_ended(1, LIMIT)["outcome"], "succeeded");
    let home = page(&world, &chromium, "/");
    for part in ["ship", "hello@production", "1.2.3", "100"] {
        assert!(
            home.contains(part),
            "`{part}` is not on the first page:\n{home}"
        );
    }
    let run = page(&world, &chromium, "/runs/1?job=build&step=1");
    for part in ["<svg", "build", "deliver", "succeeded"] {
        assert!(
            run.contains(part),
            "`{part}` is not on the run's page:\n{run}"
        );
    }
    assert!(
        !run.contains("<b>the</b>"),
        "a step's name is taken for HTML"
    );
    let rows = world.ask(&["history"]);
    let id = rows["deployments"][0]["id"].as_str().unwrap();
    let deployment = page(&world, &chromium, &format!("/deployments/{id}"));
    for part in ["1.2.3", "production", "healthy"] {
        assert!(
            deployment.contains(part),
            "`{part}` is not on the deployment's page"
        );
    }
}
