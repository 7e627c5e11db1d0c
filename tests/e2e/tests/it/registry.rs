//! Images of a registry that asks who is there: for the container of a job, for its services, and for nobody
//! with the wrong word.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    containers::{docker, engine, nothing_is_left, run},
    docker::{Engine, is_there},
    repository::Repository,
};

const PASSWORD: &str = "s3same-Kx82";
/// Of that, for `me`; made by `htpasswd -B -C 4`, which need not be here.
const KNOWN: &str = "me:$2y$04$xKzzglm0zdORg2akAdHOau6A.LOEGlQ6yxRvCeMyl51VQpQFXrsja\n";

/// A registry on loopback; it ends with the test.
struct Registry {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Registry {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        fs::write(place("known"), KNOWN).unwrap();
        let config = format!(
            "version: 0.1
storage: {{ filesystem: {{ rootdirectory: '{}' }} }}
http: {{ addr: '127.0.0.1:0' }}
auth: {{ htpasswd: {{ realm: mine, path: '{}' }} }}
",
            place("images"),
            place("known")
        );
        fs::write(place("config.yml"), config).unwrap();
        let mut child = Command::new("docker-registry")
            .args(["serve", &place("config.yml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("listening on ")?;
                let end = rest.find(|c: char| !c.is_ascii_digit() && !".:".contains(c));
                Some(rest[..end.unwrap_or(rest.len())].to_owned())
            })
            .expect("an address in its log");
        // Somebody has to read what else it says.
        thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address,
            folder,
        }
    }

    /// Puts an image of the engine there, and takes it from the engine.
    fn take(&self, engine: &Engine, image: &str) -> String {
        let name = format!("{}/private/{image}:1", self.address);
        docker(engine, &["tag", "tiny", &name]);
        let config = self.folder.path().join("docker");
        let config = config.to_str().unwrap();
        let login = ["login", "--username", "me", "--password", PASSWORD];
        let words = [&["--config", config][..], &login, &[&self.address]].concat();
        docker(engine, &words);
        let pushed = docker(engine, &["--config", config, "push", "--quiet", &name]);
        assert!(pushed.contains(image), "{pushed}");
        docker(engine, &["rmi", &name]);
        name
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        drop(self.child.wait());
    }
}

#[test]
fn a_registry_is_told_who_asks_and_nobody_else_is() {
    if !is_there("docker-registry") {
        return eprintln!(
            "SKIPPED: credentials of containers, because there is no `docker-registry`"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = engine(folder.path()) else {
        return;
    };
    let registry = Registry::start();
    let (of_job, of_service) = (registry.take(&engine, "job"), registry.take(&engine, "web"));
    let world = engine.world();
    let repository = Repository::new(&world, "small");
    repository.workflow(&format!(
        "on: push
jobs:
  a:
    runs-on: ubuntu-latest
    container:
      image: {of_job}
      credentials: {{ username: me, password: '${{{{ secrets.WORD }}}}' }}
    services:
      web:
        image: {of_service}
        credentials: {{ username: '${{{{ vars.WHO }}}}', password: '${{{{ vars.WORD }}}}' }}
        command: httpd -f -p 80 -h /www
    steps:
      - name: look
        run: wget -q -O- http://web/ && echo 'the word is ${{{{ vars.WORD }}}}'
"
    ));
    let wrong = [
        "--secret",
        "WORD=no-Kx82",
        "--var",
        "WHO=me",
        "--var",
        "WORD=no-Kx82",
    ];
    let refused = run(&world, &repository, &wrong).exits(1);
    let refused = refused.says(&[&of_service, "unauthorized"]);
    assert!(!refused.said().contains("no-Kx82"), "{}", refused.said());
    let (secret, var) = (format!("WORD={PASSWORD}"), format!("WORD={PASSWORD}"));
    let right = ["--secret", &secret, "--var", "WHO=me", "--var", &var];
    let done = run(&world, &repository, &right).exits(0);
    let done = done.says(&["it is here", "the word is ***"]);
    assert!(!done.said().contains(PASSWORD), "{}", done.said());
    // The engine's own client would have written it down.
    assert!(!world.path("home/.docker").exists());
    nothing_is_left(&engine);
}
