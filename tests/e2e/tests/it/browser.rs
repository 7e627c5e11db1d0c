//! The page in a real browser: the graph, the weights, the instances; the log of a step as the page's script
//! shows it.

use std::{path::Path, time::Duration};

use serde_json::json;

use crate::{
    chrome::{ALONE, Chrome, chromium},
    repository::{Repository, project},
    world::{World, finish},
};

const LIMIT: Duration = Duration::from_mins(1);

/// The page as the browser has it when it is loaded.
#[track_caller]
fn page(world: &World, chromium: &Path, path: &str) -> String {
    let mut browser = world.program(chromium);
    browser.args(ALONE);
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

const LOUD: &str = r#"name: loud
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - name: talk
        run: |
          echo "::group::Install"
          echo '<img src=x onerror=alert(1)>'
          echo "::endgroup::"
          printf '\033[38;2;10;200;250mblue\033[0m \033[1mbold\033[0m\n'
          echo "::group::Compile"
          echo "::error file=src/a.rs,line=3::no"
          echo "::endgroup::"
      - name: flood
        run: |
          seq 1 30000
          echo '# Fine <script>alert(1)</script>' >> $GITHUB_STEP_SUMMARY
  never:
    if: false
    runs-on: ubuntu-latest
    steps: [{ run: echo never }]
"#;

#[test]
fn a_log_is_read_in_a_browser_by_mouse_by_keyboard_by_address_and_on_a_phone() {
    let world = World::new();
    let Some(chromium) = chromium() else {
        eprintln!("SKIPPED: the log in a browser, because `chromium` is missing");
        return;
    };
    world.serve();
    let repository = Repository::new(&world, "hello");
    repository.workflow(LOUD).ship("feat: all of it");
    assert_eq!(world.run_ended(1, LIMIT)["outcome"], "succeeded");
    let mut chrome = Chrome::start(&world, &chromium);
    chrome.size(1280, 900);

    // An address of a line unfolds the group that it is in; colours are seen, and text stays text.
    chrome.open("/runs/1#build:0:2");
    chrome.until("document.querySelector('.target')");
    let target = chrome.see("document.querySelector('.target .t').textContent");
    assert_eq!(target, "<img src=x onerror=alert(1)>");
    assert_eq!(
        chrome.see("document.querySelectorAll('.lines img').length"),
        0
    );
    let folds = "[...document.querySelectorAll('.lines details')].map((it) => it.open)";
    assert_eq!(chrome.see(folds), json!([true, true]));
    let blue = "getComputedStyle([...document.querySelectorAll('.lines span')].find((it) => it.textContent === 'blue')).color";
    assert_eq!(chrome.see(blue), "rgb(10, 200, 250)");
    // What went wrong is not hidden; what went well is, and unfolds by the keyboard.
    chrome.open("/runs/1#build:0");
    chrome.until("document.querySelector('.line.error')");
    assert_eq!(chrome.see(folds), json!([false, true]));
    chrome.see("document.querySelector('.lines summary').focus()");
    chrome.press("Enter", 13);
    chrome.until("document.querySelector('.lines details').open");
    // From an annotation to its line.
    chrome.see("document.querySelector('.remarks li a').click()");
    chrome.until("location.hash === '#build:0:6'");
    chrome.until("document.querySelector('.target.error')");

    // Of a long log no more than a window is on the page, and there is a way to the rest.
    chrome.open("/runs/1#build:1");
    chrome.until("document.querySelector('.line[data-n=\"30000\"]')");
    let count = chrome.see("document.querySelectorAll('.line').length");
    assert_eq!(count, 1_000);
    chrome.see("document.querySelector('.earlier').click()");
    chrome.until("document.querySelector('.line[data-n=\"28001\"]')");
    chrome.see("location.hash = '#build:1:15000'");
    chrome.until("document.querySelector('.target')?.dataset.n === '15000'");
    assert!(
        chrome
            .see("document.querySelectorAll('.line').length")
            .as_u64()
            < Some(4_001)
    );
    chrome.see("history.back()");
    chrome.until("location.hash === '#build:1'");

    // On a phone there is one thing at a time, and a way back.
    chrome.size(390, 844);
    chrome.open("/runs/1");
    let log = "getComputedStyle(document.querySelector('.log')).display";
    assert_eq!(chrome.see(log), "none");
    assert_eq!(chrome.see("document.documentElement.scrollWidth"), 390);
    chrome.see("document.getElementById('build:0').click()");
    chrome.until(&format!("{log} === 'flex'"));
    chrome.see("history.back()");
    chrome.until(&format!("{log} === 'none'"));
    assert_eq!(
        chrome.see("document.title"),
        "#1 loud · succeeded · cutover"
    );

    assert_eq!(
        chrome.see("document.querySelector('.markdown h3').textContent"),
        "Fine "
    );
    assert_eq!(
        chrome.see("document.querySelector('#never').textContent.includes('pending')"),
        false
    );
    assert_eq!(
        chrome.see("document.querySelector('.said').textContent"),
        ""
    );
    assert_eq!(chrome.see("faults"), json!([]));
}
