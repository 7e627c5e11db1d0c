use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use camino::Utf8Path;
use cutover_docker::Engine;
use cutover_model::{Duration, delivery::Package};
use cutover_target::{BuildOrder, Bundles, DockerTarget, Error, Exit, Target, build};

use crate::support::{ask, generation, order, place, soon};

const BUSYBOX: &str = "/bin/busybox";

#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
async fn engine() -> Option<Engine> {
    if !Path::new(BUSYBOX).exists() {
        eprintln!("SKIPPED: because there is no {BUSYBOX} (busybox-static)");
        return None;
    }
    let host = std::env::var("DOCKER_HOST").ok();
    match Engine::connect(host.as_deref()).await {
        Ok(engine) => Some(engine),
        Err(error) => {
            eprintln!("SKIPPED: because {error}");
            None
        }
    }
}

async fn image(engine: &Engine, root: &Utf8Path, script: &str) -> Package {
    let context = root.join("app");
    fs::create_dir_all(&context).unwrap();
    fs::copy(BUSYBOX, context.join("busybox")).unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(context.join("busybox"), mode).unwrap();
    fs::write(context.join("run.sh"), script).unwrap();
    let dockerfile = "FROM scratch\nCOPY . /\nCMD [\"/busybox\", \"sh\", \"/run.sh\"]\n";
    fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    let order = BuildOrder {
        dockerfile: Some(context.join("Dockerfile")),
        context,
        service: "cutover target test".to_owned(),
        command: Vec::new(),
        labels: BTreeMap::from([("cutover.test".to_owned(), "yes".to_owned())]),
    };
    let bundles = Bundles::new(root.join("bundles"));
    build(&order, Some(engine), &bundles, &mut |_: &str| {})
        .await
        .unwrap()
}

const SERVER: &str = "/busybox echo \"$CUTOVER_VERSION $SIZE $PORT\" > /index.html\n\
    /busybox echo up\nexec /busybox httpd -f -p $PORT\n";

#[tokio::test]
async fn containers_are_made_found_stopped_and_removed() {
    let Some(engine) = engine().await else { return };
    let kept = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(kept.path()).unwrap();
    let package = image(&engine, root, SERVER).await;
    let target = Target::Docker(Arc::new(DockerTarget::new(
        engine.clone(),
        root.join("instances"),
    )));
    let mut order = order(place(root.as_str()), package, &[]);
    order.count = 2;
    let first = target.ensure(&order).await.unwrap();
    for instance in &first {
        let answer = ask(instance.address, "GET /index.html HTTP/1.0\r\n\r\n").await;
        assert!(answer.contains("1.4.0 large 8080"), "{answer}");
    }
    let successor = Target::Docker(Arc::new(DockerTarget::new(engine, root.join("instances"))));
    order.generation = generation(2);
    assert_eq!(successor.ensure(&order).await.unwrap(), first);
    let states = successor.observe(&order.place).await.unwrap();
    assert_eq!(states.len(), 2);
    assert!(states[0].alive && states[0].exit.is_none(), "{states:?}");
    assert_eq!(states[0].log_tail, ["up"]);
    assert_eq!(states[0].instance, first[0]);
    assert!(
        states[0].listening_ports.is_empty() || states[0].listening_ports == [8080],
        "empty when we may not look into it: {states:?}"
    );

    let grace = Duration::from_secs(1);
    let stop = |keep, ask| successor.stop(&order.place, keep, grace, generation(ask));
    stop(1, 3).await.unwrap();
    stop(1, 3).await.unwrap();
    assert_eq!(successor.observe(&order.place).await.unwrap().len(), 1);
    assert!(matches!(
        target.ensure(&order).await,
        Err(Error::Stale { .. })
    ));
    successor.remove(&order.place).await.unwrap();
    successor.remove(&order.place).await.unwrap();
    assert!(successor.observe(&order.place).await.unwrap().is_empty());
    for index in [0, 1] {
        let log = fs::read_to_string(successor.log_path(&order.place, index)).unwrap();
        assert_eq!(log, "up\n");
    }
}

#[tokio::test]
async fn what_the_engine_left_ended_is_reported_and_comes_back() {
    let Some(engine) = engine().await else { return };
    let kept = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(kept.path()).unwrap();
    let package = image(&engine, root, SERVER).await;
    let target = Target::Docker(Arc::new(DockerTarget::new(
        engine.clone(),
        root.join("instances"),
    )));
    let order = order(place(root.as_str()), package, &[]);
    let first = target.ensure(&order).await.unwrap();
    // A stop behind our back looks like what an engine leaves that was killed.
    let name = format!("cutover-{}", first[0].id);
    engine.stop(&name, std::time::Duration::ZERO).await.unwrap();
    let state = target.observe(&order.place).await.unwrap().remove(0);
    assert!(!state.alive && state.exit.is_some(), "{state:?}");
    assert_eq!(state.instance, first[0]);
    assert_eq!(target.ensure(&order).await.unwrap(), first);
    let answer = ask(first[0].address, "GET /index.html HTTP/1.0\r\n\r\n").await;
    assert!(answer.contains("1.4.0 large 8080"), "{answer}");
    target.remove(&order.place).await.unwrap();
}

#[tokio::test]
async fn a_container_that_cannot_live_says_why() {
    let Some(engine) = engine().await else { return };
    let kept = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(kept.path()).unwrap();
    let package = image(&engine, root, "/busybox echo no database\nexit 3\n").await;
    let target = Target::Docker(Arc::new(DockerTarget::new(engine, root.join("instances"))));
    let order = order(place(root.as_str()), package, &[]);
    target.ensure(&order).await.unwrap();
    let state = soon(async {
        loop {
            let state = target.observe(&order.place).await.unwrap().remove(0);
            if state.restarts > 0 && state.exit.is_some() {
                return state;
            }
        }
    })
    .await;
    assert_eq!(state.exit, Some(Exit::Code(3)));
    assert!(!state.alive);
    assert_eq!(
        state.log_tail.last().map(String::as_str),
        Some("no database")
    );
    target.remove(&order.place).await.unwrap();
}
