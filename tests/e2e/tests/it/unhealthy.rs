//! Versions that never become healthy: the deployment says why, in the words of the service, and the
//! version before goes on serving.

use std::time::Duration;

use serde_json::Value;

use crate::{
    load::Load,
    repository::{Repository, build, project, service},
    world::World,
};

const LIMIT: Duration = Duration::from_secs(30);
const PRODUCTION: &str = "production: { strategy: { blue_green: { bake: 0s } } }";

/// Deploys a good version, then one with these files; what is said must hold each of the words.
fn fails(files: &[(&str, &str)], words: &[&str]) {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "hello");
    let project = project(&world, &[PRODUCTION])
        .replace("path: /health", "path: /")
        .replace("start_timeout: 20s", "start_timeout: 4s");
    repository.hello(&project).build(1, "1.0.0");
    world.cutover(&["deploy", "1.0.0", "production"]).exits(0);
    let url = world.service_url("hello@production");
    let load = Load::start(&world, &url, 50, true);

    for (name, text) in files {
        repository.write(name, text);
    }
    repository.workflow(&build("2.0.0")).ship("fix: all of it");
    let run = world.run_ended(2, LIMIT);
    assert_eq!(run["outcome"], "succeeded", "{run:#}");
    let done = world
        .cutover(&["deploy", "2.0.0", "production"])
        .exits(1)
        .says(words);
    eprintln!("{}", done.said());
    let rows = world.ask(&["history", "production"]);
    let row = &rows["deployments"][0];
    assert_eq!(row["outcome"], "failed", "{row:#}");
    // The reason is one line; all that was found out is kept beside it.
    let view = world.api(&format!("/deployments/{}", row["id"].as_str().unwrap()));
    let detail = view["detail"].to_string();
    for word in words {
        assert!(detail.contains(word), "`{word}` is not in: {detail}");
    }
    let status = world.api("/status");
    let sides = status["services"][0]["sides"].as_array().unwrap();
    let serving = sides
        .iter()
        .filter(|side| side["instances"] != Value::Array(Vec::new()));
    assert_eq!(serving.count(), 1, "{status:#}");
    let tally = load.stop();
    tally.none_lost("an unhealthy version");
    assert_eq!((tally.failed(), tally.versions()), (0, 1), "{tally:?}");
    let left: Vec<_> = world
        .processes()
        .into_iter()
        .filter(|(_, command)| command.contains("demo-service"))
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn one_that_crashes() {
    let hello = "#!/bin/sh\necho 'no database at db:5432' >&2\nexit 7\n";
    fails(
        &[("hello", hello)],
        &["no database at db:5432", "it has ended", "code 7"],
    );
}

#[test]
fn one_on_another_port() {
    let hello = "#!/bin/sh\nPORT=0 exec \"$CUTOVER_BIN\" demo-service\n";
    fails(&[("hello", hello)], &["GET /", "it listens on", "`PORT`"]);
}

#[test]
fn one_that_answers_500() {
    let words = ["GET / answered 500", "the new cache is not there", "log:"];
    fails(&[("service.json", &service("broken", 100))], &words);
}
