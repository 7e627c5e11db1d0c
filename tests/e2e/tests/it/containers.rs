//! Jobs, services and steps in containers, on an engine of our own, with images made of nothing but a
//! static busybox: no registry is asked.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    clients,
    docker::{Engine, is_there},
    repository::Repository,
    results,
    world::{Done, World},
};

const BUSYBOX: &str = "/bin/busybox";
const LIMIT: Duration = Duration::from_mins(2);
const IMAGE: &str = "FROM scratch
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]
RUN [\"/bin/busybox\", \"mkdir\", \"-p\", \"/www\", \"/tmp\"]
RUN echo it is here > /www/index.html
ENV PATH=/bin
";

/// An engine with the image `tiny`; `None`, loudly, when there can be none here.
pub(crate) fn engine(folder: &Path) -> Option<Engine> {
    let skip = |why: &str| eprintln!("SKIPPED: containers of jobs, because {why}");
    if !Path::new(BUSYBOX).exists() {
        skip("there is no /bin/busybox (busybox-static)");
        return None;
    }
    if !is_there("docker") {
        skip("there is no `docker`");
        return None;
    }
    let engine = Engine::start()?;
    fs::copy(BUSYBOX, folder.join("busybox")).unwrap();
    fs::write(folder.join("Dockerfile"), IMAGE).unwrap();
    let built = Command::new("docker")
        .args([
            "--host",
            &engine.host(),
            "build",
            "--quiet",
            "--tag",
            "tiny",
        ])
        .arg(folder)
        .env("DOCKER_BUILDKIT", "0")
        .stderr(Stdio::null())
        .status();
    assert!(built.unwrap().success());
    Some(engine)
}

pub(crate) fn docker(engine: &Engine, arguments: &[&str]) -> String {
    let mut docker = Command::new("docker");
    let output = docker.args(["--host", &engine.host()]).args(arguments);
    String::from_utf8(output.output().unwrap().stdout).unwrap()
}

#[track_caller]
pub(crate) fn nothing_is_left(engine: &Engine) {
    assert_eq!(docker(engine, &["ps", "--all", "--quiet"]), "");
    let networks = ["network", "ls", "--quiet", "--filter", "label=cutover.job"];
    assert_eq!(docker(engine, &networks), "");
}

pub(crate) fn run(world: &World, repository: &Repository<'_>, arguments: &[&str]) -> Done {
    let mut all = vec!["run", "-C", repository.path()];
    all.extend(arguments);
    world.cutover(&all)
}

const WHOLE: &str = "on: push
jobs:
  inside:
    runs-on: ubuntu-latest
    container:
      image: tiny
      env: { OF_CONTAINER: '1' }
      options: --hostname within
    services:
      web:
        image: ${{ 'tiny' }}
        ports: [80]
        command: httpd -f -p 80 -h /www
        options: >-
          --health-cmd \"wget -q -O- http://127.0.0.1/\" --health-interval 200ms
          --health-retries 50
      other:
        image: tiny
        entrypoint: /bin/httpd
        command: -f -p 81 -h /www
    env: { TOKEN: '${{ secrets.TOKEN }}' }
    steps:
      - uses: actions/checkout@v4
      - id: one
        run: |
          test \"$(hostname)\" = within && test \"$OF_CONTAINER\" = 1 && test \"$HOME\" = /github/home
          test \"$PWD\" = \"$GITHUB_WORKSPACE\" && test \"$PWD\" = '${{ github.workspace }}'
          test \"$PWD\" = /__w/work-small/work-small && test -f file && test \"$CI\" = true
          echo A=from-before >> \"$GITHUB_ENV\"
          echo /opt/mine >> \"$GITHUB_PATH\"
          echo out=said >> \"$GITHUB_OUTPUT\"
          echo \"token $TOKEN\" && echo '::notice::noticed'
      - run: |
          test \"$A\" = from-before && test \"$PATH\" = /opt/mine:/bin
          test '${{ steps.one.outputs.out }}' = said
          wget -q -O- http://web/ && wget -q -O- http://other:81/
          test '${{ job.container.network }}' = '${{ job.services.web.network }}'
      - if: github.workspace == '/__w/work-small/work-small' && runner.temp == '/__w/_temp'
        run: |
          echo '{\"problemMatcher\":[{\"owner\":\"o\",\"pattern\":[
            {\"regexp\":\"^no (.*):(.*)$\",\"file\":1,\"message\":2}]}]}' > m.json
          echo \"::add-matcher::$PWD/m.json\" && echo \"no $PWD/src/a.rs:way inside\"
      - id: image
        uses: docker://tiny
        with:
          entrypoint: /bin/sh
          args: -c 'pwd; wget -q -O- http://web/; test -f file; echo v=\"$INPUT_WORD\" >> $GITHUB_OUTPUT'
          word: given
      - id: action
        uses: ./greet
        with: { who: world }
      - run: test '${{ steps.image.outputs.v }} ${{ steps.action.outputs.v }}' = 'given hello-world'
  outside:
    runs-on: ubuntu-latest
    services:
      web: { image: tiny, ports: ['80/tcp'], command: httpd -f -p 80 -h /www }
    steps:
      - run: |
          exec 3<>/dev/tcp/127.0.0.1/${{ job.services.web.ports['80'] }}
          printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; grep -q 'it is here' <&3 && echo by the port
        shell: bash
";

#[test]
fn a_job_its_services_and_its_steps_are_in_containers() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let world = engine.world();
    let repository = Repository::new(&world, "small");
    repository
        .write("file", "committed\n")
        .write("greet/Dockerfile", "FROM tiny\nCOPY go post /\nENTRYPOINT [\"/go\"]\n")
        .write(
            "greet/go",
            "#!/bin/sh\necho \"v=$1-$INPUT_WHO\" >> $GITHUB_OUTPUT\necho kept=it >> $GITHUB_STATE\n",
        )
        .write("greet/post", "#!/bin/sh\necho \"after all: $STATE_kept $OWN\"\n")
        .write(
            "greet/action.yml",
            "name: greet
inputs: { who: { default: nobody } }
runs:
  using: docker
  image: Dockerfile
  args: [hello]
  env: { OWN: 'for ${{ inputs.who }}' }
  post-entrypoint: /post
",
        )
        .workflow(WHOLE)
        .commit("one");
    let done = run(&world, &repository, &["--secret", "TOKEN=hunter2-Zq9x"]).exits(0);
    let done = done.says(&[
        "service `web` is healthy",
        "token ***",
        "error: src/a.rs: way inside",
        "after all: it for world",
        "by the port",
    ]);
    assert!(!done.said().contains("hunter2-Zq9x"), "{}", done.said());
    nothing_is_left(&engine);
    let again = run(&world, &repository, &["--secret", "TOKEN=x-Zq9x"]).exits(0);
    again.says(&["was built before"]);
}

#[test]
fn a_label_may_stand_for_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let world = engine.world();
    let repository = Repository::new(&world, "small");
    repository.workflow(
        "on: push
jobs:
  a:
    strategy: { matrix: { on: [special, plain] } }
    runs-on: '${{ matrix.on }}'
    steps: [{ run: 'echo \"${{ matrix.on }} in ${PWD%%/work*}\"' }]
  b: { runs-on: special, container: { image: \"${{ vars.NONE }}\" }, steps: [{ run: 'test ! -e /www && echo b outside' }] }
",
    );
    let done = run(&world, &repository, &["--runs-on", "special=docker://tiny"]).exits(0);
    let done = done.says(&[
        "special in /__w",
        "b outside",
        "this job needs no containers",
    ]);
    assert!(!done.said().contains("plain in /__w"), "{}", done.said());
    nothing_is_left(&engine);
}

#[test]
fn caches_and_artifacts_are_of_files_that_only_the_container_has() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let world = engine.world();
    let repository = Repository::new(&world, "small");
    repository.workflow(
        "on: push
jobs:
  a:
    runs-on: ubuntu-latest
    container: { image: tiny, env: { HOME: /elsewhere }, volumes: ['/kept'] }
    steps:
      - id: c
        uses: actions/cache@v4
        with:
          key: k
          path: |
            /opt/tool
            !/opt/tool/not
            ~/.tool
            /kept/*.txt
      - run: |
          echo \"hit=${{ steps.c.outputs.cache-hit }}\" && test \"$HOME\" = /github/home
          cat /opt/tool/made ~/.tool/made /kept/a.txt || true
          test ! -e /opt/tool || test \"$(readlink /opt/tool/link)\" = /bin/busybox
          mkdir -p /opt/tool ~/.tool && echo from-opt > /opt/tool/made && echo from-home > ~/.tool/made
          ln -sf /bin/busybox /opt/tool/link && echo from-volume > /kept/a.txt && chmod 700 /opt/tool
      - uses: actions/upload-artifact@v4
        with: { name: inside, path: /opt/tool/made }
      - uses: actions/download-artifact@v4
        id: d
        with: { name: inside, path: /var/got }
      - run: sed s/^/GOT-/ /var/got/made && echo 'in ${{ steps.d.outputs.download-path }}'
      - uses: actions/upload-artifact@v4
        with: { name: none, path: /no/such }
",
    );
    repository.commit("one");
    let first = run(&world, &repository, &[]).exits(0);
    let first = first.says(&[
        "hit=false",
        "GOT-from-opt",
        "in /var/got",
        "no file for `/no/such`",
    ]);
    assert!(!first.said().contains("from-home"), "{}", first.said());
    let again = run(&world, &repository, &[]).exits(0);
    again.says(&["hit=true", "from-opt", "from-home", "from-volume"]);
    assert!(!Path::new("/var/got").exists());
    nothing_is_left(&engine);
}

#[test]
fn what_is_cancelled_ends_inside_and_what_is_not_well_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let world = engine.world();
    let repository = Repository::new(&world, "small");
    repository.workflow(
        "on: push
jobs:
  long:
    runs-on: ubuntu-latest
    container: tiny
    steps:
      - run: |
          trap 'echo heard it; exit 3' INT
          sleep 301 & wait
        timeout-minutes: 0.05
      - { if: always(), run: 'ps | grep -q [s]leep || echo nobody sleeps' }
      - { if: always(), run: 'true', shell: 'nosuch {0}' }
  ill:
    runs-on: ubuntu-latest
    services:
      db:
        image: tiny
        command: sh -c 'echo I am ill; sleep 300'
        options: --health-cmd 'echo no pulse; exit 1' --health-interval 100ms --health-retries 2
    steps: [{ run: echo never }]
  lacking:
    runs-on: ubuntu-latest
    container: 127.0.0.1:1/no/such:1
    steps: [{ run: echo never }]
",
    );
    let done = run(&world, &repository, &[]).exits(1).says(&[
        "heard it",
        "nobody sleeps",
        "\"nosuch\"",
        "I am ill",
        "service `db` is not healthy; its check said: no pulse",
        "the image `127.0.0.1:1/no/such:1` is not here",
    ]);
    assert!(!done.said().contains("never"), "{}", done.said());
    nothing_is_left(&engine);
    world.set("DOCKER_HOST", "unix:///no/such.sock");
    run(&world, &repository, &[])
        .exits(70)
        .says(&["apt-get install docker.io"]);
}

#[test]
fn no_container_outlives_a_server_that_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let world = engine.world();
    world.serve();
    let repository = Repository::new(&world, "small");
    repository.workflow(
        "on: push
jobs:
  a:
    runs-on: ubuntu-latest
    container: tiny
    services: { web: { image: tiny, command: httpd -f -p 80 } }
    steps:
      - run: while [ ! -e /__w/_temp/go ]; do sleep 0.1; done; echo went on
",
    );
    repository.ship("one");
    let sleeps = ["ps", "--quiet", "--filter", "label=cutover.job"];
    world.until("two containers", LIMIT, || {
        (docker(&engine, &sleeps).lines().count() == 2).then_some(())
    });
    world.kill();
    assert_eq!(docker(&engine, &sleeps).lines().count(), 2, "they live on");
    let run = fs::read_dir(world.data_dir().join("runs")).unwrap().next();
    fs::write(run.unwrap().unwrap().path().join("a/temp/go"), "").unwrap();
    world.serve();
    let run = world.run_ended(1, LIMIT);
    assert_eq!(run["outcome"], "succeeded", "{run:#}");
    world.until("the end of the containers", LIMIT, || {
        docker(&engine, &["ps", "--all", "--quiet"])
            .is_empty()
            .then_some(())
    });
    world.stop();
    nothing_is_left(&engine);
}

#[test]
fn setup_actions_use_what_is_in_the_container_or_say_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let world = engine.world();
    let repository = Repository::new(&world, "small");
    repository.workflow(
        "on: push
jobs:
  a:
    runs-on: ubuntu-latest
    container: tiny
    steps:
      - run: |
          mkdir -p \"$RUNNER_TEMP/own\" && cd \"$RUNNER_TEMP/own\"
          printf '#!/bin/sh\\necho v21.5.0\\n' > node && chmod +x node && pwd >> $GITHUB_PATH
      - { id: node, uses: actions/setup-node@v4, with: { node-version: 21 } }
      - run: test '${{ steps.node.outputs.node-version }}' = v21.5.0 && test \"$(node)\" = v21.5.0
      - { uses: actions/setup-node@v4, with: { node-version: 20 }, continue-on-error: true }
      - { uses: actions/setup-python@v5, with: { python-version: 3.x }, continue-on-error: true }
      - { uses: hashicorp/setup-terraform@v3, continue-on-error: true }
",
    );
    run(&world, &repository, &[]).exits(0).says(&[
        "node 21.5.0 in /__w/_temp/own of the container (asked for: 21)",
        "no node `20` in the container of the job; there is 21.5.0",
        "no Python `3.x` in the container of the job; there is none",
        "use an image that has the tool",
    ]);
    nothing_is_left(&engine);
}

/// The clients run on the node of this machine, which is seen inside with its libraries.
#[test]
fn githubs_clients_reach_the_service_from_containers_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let clients = match clients::installed() {
        Ok(clients) => clients,
        Err(why) => return eprintln!("SKIPPED: GitHub's clients in a container, because {why}"),
    };
    let world = engine.world();
    world.serve();
    let repository = Repository::new(&world, "small");
    let modules = clients.join("node_modules");
    repository.write("use.mjs", results::SCRIPT);
    repository.workflow(&format!(
        "on: push
jobs:
  inside:
    runs-on: ubuntu-latest
    container:
      image: tiny
      volumes: ['/usr:/usr:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', '{}:/of/node_modules:ro']
    steps:
      - uses: actions/checkout@v4
      - run: |
          touch /__w/_temp/here
          while [ ! -e /__w/_temp/go ]; do sleep 0.1; done
          export PATH=/usr/bin:$PATH
          ln -s /of/node_modules node_modules
          node use.mjs 1
  alone:
    needs: inside
    runs-on: ubuntu-latest
    permissions: {{ id-token: write }}
    steps:
      - uses: docker://tiny
        with:
          entrypoint: /bin/sh
          args: >-
            -ec 'wget -q -O- --header \"Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN\"
            \"$ACTIONS_ID_TOKEN_REQUEST_URL&audience=x\" > t; grep -q value t; echo GOT AN ID'
",
        modules.display()
    ));
    repository.ship("one");
    let place = |name: &str| {
        let run = fs::read_dir(world.data_dir().join("runs")).ok()?.next()?;
        Some(run.unwrap().path().join("inside/temp").join(name))
    };
    world.until("the step inside", LIMIT, || {
        place("here").filter(|here| here.exists())
    });
    world.kill();
    world.serve();
    fs::write(place("go").unwrap(), "").unwrap();
    let run = world.run_ended(1, LIMIT);
    let log = world.cutover(&["logs", "1"]).exits(0);
    assert_eq!(run["outcome"], "succeeded", "{}", log.said());
    log.says(&["CLIENTS DONE, token ***", "GOT AN ID"]);
    world.stop();
    nothing_is_left(&engine);
}
