//! The crate against a real engine, with images made of nothing but a static busybox. Without an
//! engine, or without that busybox, each test says so and ends.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use cutover_docker::{BuildRequest, ContainerOrder, Engine, Error};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const BUSYBOX: &str = "/bin/busybox";

#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn host() -> Option<String> {
    std::env::var("DOCKER_HOST").ok()
}

/// The engine, or the reason why there is none, said loudly.
async fn engine() -> Option<Engine> {
    if !Path::new(BUSYBOX).exists() {
        eprintln!("SKIPPED: because there is no {BUSYBOX} (busybox-static)");
        return None;
    }
    match Engine::connect(host().as_deref()).await {
        Ok(engine) => Some(engine),
        Err(error) => {
            eprintln!("SKIPPED: because {error}");
            None
        }
    }
}

/// A name that no earlier test run has used.
#[expect(clippy::disallowed_methods, reason = "a test needs a name of its own")]
fn fresh(word: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    format!("cutover-test-{word}-{}", now.unwrap().as_nanos())
}

fn context(dockerfile: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::copy(BUSYBOX, root.path().join("busybox")).unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(root.path().join("busybox"), mode).unwrap();
    fs::write(root.path().join("index.html"), "hello from inside").unwrap();
    fs::write(root.path().join("secret.pem"), "not for you").unwrap();
    fs::write(root.path().join(".dockerignore"), "*.pem\nDockerfile\n").unwrap();
    fs::write(root.path().join("Dockerfile"), dockerfile).unwrap();
    root
}

async fn build(
    engine: &Engine,
    dockerfile: &str,
    repository: Option<String>,
) -> (Result<String, Error>, Vec<String>) {
    let root = context(dockerfile);
    let mut lines = Vec::new();
    let request = BuildRequest {
        context: root.path().to_owned(),
        dockerfile: root.path().join("Dockerfile"),
        labels: BTreeMap::from([("cutover.test".to_owned(), "yes".to_owned())]),
        repository,
    };
    let built = engine
        .build(&request, &mut |line: &str| lines.push(line.to_owned()))
        .await;
    (built, lines)
}

const SERVER: &str = "FROM scratch\nCOPY . /\n\
    RUN [\"/busybox\", \"sh\", \"-c\", \"[ ! -e /secret.pem ]\"]\n\
    CMD [\"/busybox\", \"sh\", \"-c\", \"/busybox echo on $PORT; exec /busybox httpd -f -p $PORT\"]\n";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn order(name: &str, image: &str) -> ContainerOrder {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    ContainerOrder {
        name: name.to_owned(),
        image: image.to_owned(),
        env: BTreeMap::from([pair("PORT", "8080")]),
        labels: BTreeMap::from([pair("cutover.test", "yes"), pair("cutover.name", name)]),
        remarks: BTreeMap::from([pair("cutover.generation", "1")]),
        port: 8080,
        host_port: free_port(),
    }
}

/// Asks until somebody answers: the server inside needs a moment. Bounded by the caller.
async fn get(port: u16) -> String {
    loop {
        let answer = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream
                .write_all(b"GET /index.html HTTP/1.0\r\n\r\n")
                .await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            std::io::Result::Ok(text)
        };
        match answer.await {
            Ok(text) if text.contains("hello") => return text,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what)
        .await
        .unwrap()
}

#[tokio::test]
async fn builds_runs_stops_and_removes() {
    let Some(engine) = engine().await else { return };
    engine.ping().await.unwrap();
    let (built, lines) = build(&engine, SERVER, Some("cutover-test/server".to_owned())).await;
    let image = built.unwrap();
    assert!(image.starts_with("sha256:") && image.len() == 71, "{image}");
    // That the secret was not sent is asked by the image's own `RUN`, once: then it is cached.
    let last = lines.iter().rfind(|line| line.starts_with("Successfully"));
    assert_eq!(last, Some(&format!("Successfully built {}", &image[7..19])));
    assert!(engine.image_exists(&image).await.unwrap());
    let short = format!("cutover-test/server:{}", &image[7..19]);
    assert!(engine.image_exists(&short).await.unwrap(), "{short}");
    assert!(
        !engine
            .image_exists(&format!("sha256:{}", "0".repeat(64)))
            .await
            .unwrap()
    );

    let name = fresh("serve");
    let order = order(&name, &image);
    assert_eq!(engine.inspect(&name).await.unwrap(), None);
    let first = engine.run(&order).await.unwrap();
    assert_eq!(first.host_port, order.host_port);
    assert!(
        soon(get(first.host_port))
            .await
            .contains("hello from inside")
    );

    // Asked again, even with another port in mind: the same one.
    let again = ContainerOrder {
        host_port: free_port(),
        ..order.clone()
    };
    assert_eq!(engine.run(&again).await.unwrap(), first);
    let state = engine.inspect(&name).await.unwrap().unwrap();
    assert!(state.running && state.pid.is_some(), "{state:?}");
    assert_eq!(state.exit_code, None);
    assert_eq!(state.labels["cutover.generation"], "1");
    assert_eq!(engine.logs_tail(&name, 5).await.unwrap(), ["on 8080"]);
    let listed = engine.list(&format!("cutover.name={name}")).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].running && listed[0].name == name);

    engine.stop(&name, Duration::from_secs(1)).await.unwrap();
    engine.stop(&name, Duration::from_secs(1)).await.unwrap();
    let state = engine.inspect(&name).await.unwrap().unwrap();
    assert!(!state.running && !state.restarting, "{state:?}");
    assert!(state.exit_code.is_some(), "{state:?}");
    assert_eq!(engine.run(&order).await.unwrap(), first, "started again");
    assert!(
        soon(get(first.host_port))
            .await
            .contains("hello from inside")
    );

    engine.remove(&name).await.unwrap();
    engine.remove(&name).await.unwrap();
    engine.stop(&name, Duration::ZERO).await.unwrap();
    assert_eq!(engine.inspect(&name).await.unwrap(), None);
    assert!(matches!(
        engine.wait(&name).await,
        Err(Error::Absent { .. })
    ));
    assert!(matches!(
        engine.logs_tail(&name, 1).await,
        Err(Error::Absent { .. })
    ));
}

#[tokio::test]
async fn somebody_elses_container_and_port_are_left_alone() {
    let Some(engine) = engine().await else { return };
    let (built, _) = build(&engine, SERVER, None).await;
    let image = built.unwrap();
    let name = fresh("taken");
    let mine = order(&name, &image);
    engine.run(&mine).await.unwrap();

    let mut theirs = mine.clone();
    theirs
        .labels
        .insert("cutover.name".to_owned(), "other".to_owned());
    let error = engine.run(&theirs).await.unwrap_err();
    assert!(matches!(&error, Error::Taken { .. }), "{error}");
    assert!(error.to_string().contains("`cutover.name`"), "{error}");

    let second = fresh("port");
    let mut same_port = order(&second, &image);
    same_port.host_port = mine.host_port;
    let error = engine.run(&same_port).await.unwrap_err();
    assert!(
        matches!(error, Error::PortTaken { port } if port == mine.host_port),
        "{error}"
    );
    assert_eq!(
        engine.inspect(&second).await.unwrap(),
        None,
        "nothing is left"
    );

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    same_port.host_port = listener.local_addr().unwrap().port();
    let error = engine.run(&same_port).await.unwrap_err();
    assert!(matches!(error, Error::PortTaken { .. }), "{error}");

    let mut no_image = order(&second, &format!("sha256:{}", "0".repeat(64)));
    no_image.image.truncate(71);
    let error = engine.run(&no_image).await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused { status: 404, .. }),
        "{error}"
    );
    engine.remove(&name).await.unwrap();
}

#[tokio::test]
async fn one_that_dies_is_started_again_and_says_so() {
    let Some(engine) = engine().await else { return };
    let dies = "FROM scratch\nCOPY busybox /\n\
        CMD [\"/busybox\", \"sh\", \"-c\", \"/busybox echo no database; exit 3\"]\n";
    let (built, _) = build(&engine, dies, None).await;
    let name = fresh("dies");
    engine.run(&order(&name, &built.unwrap())).await.unwrap();
    assert_eq!(soon(engine.wait(&name)).await.unwrap(), 3);
    let state = soon(async {
        loop {
            let state = engine.inspect(&name).await.unwrap().unwrap();
            if state.restarts > 0 && state.exit_code.is_some() {
                return state;
            }
        }
    })
    .await;
    assert_eq!(state.exit_code, Some(3), "{state:?}");
    assert_eq!(engine.logs_tail(&name, 1).await.unwrap(), ["no database"]);
    engine.stop(&name, Duration::ZERO).await.unwrap();
    assert!(!engine.inspect(&name).await.unwrap().unwrap().restarting);
    engine.remove(&name).await.unwrap();
}

#[tokio::test]
async fn a_dockerfile_that_says_no_is_told_from_an_engine_that_fails() {
    let Some(engine) = engine().await else { return };
    for dockerfile in [
        "FROM scratch\nCOPY busybox /\nRUN [\"/busybox\", \"false\"]\n",
        "FROM scratch\nCOPY absent /\n",
        "FORM scratch\n",
        "",
    ] {
        let (built, _) = build(&engine, dockerfile, None).await;
        assert!(
            matches!(built, Err(Error::BuildFailed { .. })),
            "{dockerfile}: {built:?}"
        );
    }
    let request = BuildRequest {
        context: "/nonexistent".into(),
        dockerfile: "/nonexistent/Dockerfile".into(),
        labels: BTreeMap::new(),
        repository: None,
    };
    let built = engine.build(&request, &mut |_: &str| {}).await;
    assert!(matches!(built, Err(Error::Context { .. })), "{built:?}");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named() {
    let error = Engine::connect(Some("unix:///nonexistent/docker.sock"))
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::Unreachable { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("unix:///nonexistent/docker.sock"),
        "{error}"
    );
    let error = Engine::connect(Some("ssh://x")).await.unwrap_err();
    assert!(matches!(error, Error::Address { .. }), "{error}");
}

#[tokio::test]
async fn an_engine_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let error = soon(Engine::connect(Some(&host))).await.unwrap_err();
    assert!(
        error.to_string().contains("no answer within 3 s"),
        "{error}"
    );
}
