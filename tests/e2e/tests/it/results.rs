//! What jobs keep: artifacts and caches, by GitHub's own clients in steps, and for as long as a job lasts.

use std::{fs, path::Path, thread, time::Duration};

use crate::{clients, repository::Repository, world::World};

/// Keeps a file as an artifact and a folder as a cache, and takes both back.
pub(crate) const SCRIPT: &str = "
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import {DefaultArtifactClient} from '@actions/artifact'
import * as cache from '@actions/cache'

fs.mkdirSync('deps', {recursive: true})
fs.writeFileSync('deps/one', 'cached')
fs.writeFileSync('report.txt', 'kept')
const client = new DefaultArtifactClient()
const name = `report-${process.argv[2]}`
const up = await client.uploadArtifact(name, [process.cwd() + '/report.txt'], process.cwd())
await client.downloadArtifact(up.id, {path: process.cwd() + '/back'})
assert.equal(fs.readFileSync('back/report.txt', 'utf8'), 'kept')
assert.ok((await cache.saveCache(['deps'], `key-${process.argv[2]}`)) > 0)
fs.rmSync('deps', {recursive: true})
assert.equal(await cache.restoreCache(['deps'], `key-${process.argv[2]}`), `key-${process.argv[2]}`)
assert.equal(fs.readFileSync('deps/one', 'utf8'), 'cached')
console.log('CLIENTS DONE, token ' + process.env.ACTIONS_RUNTIME_TOKEN)
";

/// A repository whose workflow uses the clients in a step.
fn repository<'a>(world: &'a World, clients: &Path, before: &str) -> Repository<'a> {
    let repository = Repository::new(world, "small");
    repository.write("use.mjs", SCRIPT);
    let modules = clients.join("node_modules");
    repository.workflow(&format!(
        "name: t
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          {before}
          ln -s {} node_modules
          node use.mjs \"$GITHUB_RUN_NUMBER\"
",
        modules.display()
    ));
    repository.commit("one");
    repository
}

fn ready() -> Option<std::path::PathBuf> {
    match clients::installed() {
        Ok(clients) => Some(clients),
        Err(why) => {
            eprintln!("SKIPPED: GitHub's clients in a job, because {why}");
            None
        }
    }
}

#[test]
fn githubs_clients_work_in_a_job_of_cutover_run() {
    let Some(clients) = ready() else { return };
    let world = World::new();
    let repository = repository(&world, &clients, "true");
    let done = world.cutover(&["run", "-C", repository.path()]).exits(0);
    let done = done.says(&["CLIENTS DONE, token ***"]);
    assert!(
        !done.said().contains("eyJ"),
        "a token is seen: {}",
        done.said()
    );
    // What a run has cached is there for the next one: by another key, so that it saves its own.
    world.cutover(&["run", "-C", repository.path()]).exits(0);
}

#[test]
fn a_job_goes_on_speaking_to_the_service_when_the_server_is_killed_under_it() {
    let Some(clients) = ready() else { return };
    let world = World::new();
    world.serve();
    let gate = world.path("go");
    let wait = format!(
        "touch '{0}.here'; while [ ! -e '{0}' ]; do sleep 0.05; done",
        gate.display()
    );
    let repository = repository(&world, &clients, &wait);
    repository.push().exits(0);
    world.until("the step", Duration::from_secs(30), || {
        world.path("go.here").exists().then_some(())
    });
    world.kill();
    thread::sleep(Duration::from_millis(100));
    world.serve();
    fs::write(&gate, "").unwrap();
    let run = world.run_ended(1, Duration::from_mins(1));
    assert_eq!(run["outcome"], "succeeded", "{run:#}");
    let log = world.cutover(&["logs", "1"]).exits(0);
    log.says(&["CLIENTS DONE, token ***"]);
    // Shown out: nothing is left of what let it in.
    let grants = world.data_dir().join("results/grants");
    world.until("the end of the grant", Duration::from_secs(10), || {
        (fs::read_dir(&grants).unwrap().count() == 0).then_some(())
    });
}
