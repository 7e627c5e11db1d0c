//! A world of its own for each test: directories, an environment, the binary, and the promise that
//! nothing that was started here outlives it. What a test does in it is in the other files.

use std::{
    cell::RefCell,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{binary, server::Server};

/// Longer than this no command may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where a test lives.
pub(crate) struct World {
    root: TempDir,
    binary: PathBuf,
    /// What `cutover serve` is given besides.
    serve_with: Vec<String>,
    /// What programs find in their environment besides.
    environment: RefCell<Vec<(String, String)>>,
    server: RefCell<Option<Server>>,
    has_served: RefCell<bool>,
    /// Others may go on beside us, or not; it goes last.
    _turn: File,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Both of what it said.
    pub(crate) fn said(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Its answer as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// Insists on an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.said());
        self
    }

    /// Insists that it said each of these.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        let said = self.said();
        for part in parts {
            assert!(said.contains(part), "`{part}` is not in:\n{said}");
        }
        self
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With more arguments for `cutover serve`.
    pub(crate) fn with(serve_with: &[&str]) -> Self {
        let turn = turn();
        turn.lock_shared().expect("a turn beside others");
        Self::create(serve_with, turn)
    }

    /// Whoever else goes on: for what mostly waits, for long, and does not mind.
    pub(crate) fn apart() -> Self {
        Self::create(&[], turn())
    }

    /// With the machine to itself: what sends traffic at a rate measures nothing on a busy one.
    pub(crate) fn alone() -> Self {
        let turn = turn();
        turn.lock().expect("a turn alone");
        Self::create(&[], turn)
    }

    fn create(serve_with: &[&str], turn: File) -> Self {
        let root = tempfile::Builder::new().prefix("cut-").tempdir().unwrap();
        for folder in ["home", "tmp", "run"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self {
            root,
            binary: binary::path(),
            serve_with: serve_with.iter().map(|&text| text.to_owned()).collect(),
            environment: RefCell::default(),
            server: RefCell::default(),
            has_served: RefCell::default(),
            _turn: turn,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// A program in this world's environment and nothing of the tester's own.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let path = std::env::var("PATH").unwrap_or_default();
        let home = self.path("home");
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", &home)
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("TMPDIR", self.path("tmp"))
            .env("USER", "tester")
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("NO_PROXY", "127.0.0.1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .current_dir(self.root.path())
            .stdin(Stdio::null());
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "Tester")
                .env(format!("GIT_{who}_EMAIL"), "tester@localhost");
        }
        command.envs(self.environment.borrow().iter().cloned());
        command
    }

    /// Puts something into the environment of programs that are started from now on.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let pair = (name.to_owned(), value.to_owned());
        self.environment.borrow_mut().push(pair);
    }

    /// `cutover`, meaning this world's server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(&self.binary);
        command
            .env("CUTOVER_DATA_DIR", self.data_dir())
            .args(arguments);
        command
    }

    /// Runs `cutover` to its end.
    #[track_caller]
    pub(crate) fn cutover(&self, arguments: &[&str]) -> Done {
        finish(self.command(arguments))
    }

    /// Asks `cutover` for JSON, which must succeed.
    #[track_caller]
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        self.cutover(&all).exits(0).json()
    }

    /// Starts the server, and waits until it says where it serves.
    #[track_caller]
    pub(crate) fn serve(&self) {
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--log", "info"];
        arguments.extend(self.serve_with.iter().map(String::as_str));
        let mut command = self.command(&arguments);
        *self.has_served.borrow_mut() = true;
        let server = Server::start(&mut command, &self.path("server.log"));
        *self.server.borrow_mut() = Some(server);
    }

    /// `kill -9` of the server.
    pub(crate) fn kill(&self) {
        if let Some(server) = self.server.borrow_mut().take() {
            server.kill();
        }
    }

    /// Ends the server as Ctrl-C does. Instances and balancer go on.
    pub(crate) fn stop(&self) -> Option<i32> {
        self.server.borrow_mut().take()?.stop()
    }

    /// Where the server is now.
    pub(crate) fn address(&self) -> String {
        let server = self.server.borrow();
        server.as_ref().expect("a server").address().to_owned()
    }

    /// Whether the server is there.
    pub(crate) fn is_served(&self) -> bool {
        let mut server = self.server.borrow_mut();
        server.as_mut().is_some_and(Server::is_alive)
    }

    /// What the server said.
    pub(crate) fn server_log(&self) -> String {
        fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    /// The owner's token.
    pub(crate) fn token(&self) -> String {
        let text = fs::read_to_string(self.data_dir().join("token")).expect("the owner's token");
        text.trim().to_owned()
    }

    /// Processes that this world started and that have not ended.
    pub(crate) fn processes(&self) -> Vec<(Pid, String)> {
        let root = self.root.path().to_str().expect("UTF-8");
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let read = |name: &str| {
                let bytes = fs::read(entry.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let command = read("cmdline");
            let ours = command.contains(root) || read("environ").contains(root);
            if ours && !command.is_empty() {
                found.extend(Pid::from_raw(pid).map(|pid| (pid, command)));
            }
        }
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.server_log();
            let from = log.len().saturating_sub(6_000);
            eprintln!(
                "the server's last words:\n{}",
                log.get(from..).unwrap_or(&log)
            );
        }
        if *self.has_served.borrow() && self.is_served() {
            let down = finish(self.command(&["down"]));
            if down.code != Some(0) {
                eprintln!("`cutover down`: {}", down.said());
            }
            self.stop();
        }
        for (pid, command) in self.processes() {
            eprintln!("ends what is left: {} {command}", pid.as_raw_nonzero());
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

/// Whose turn it is, over all processes that run these tests.
fn turn() -> File {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e-turn");
    File::create(path).expect("the file of turns")
}

/// Runs a command to its end; one that does not end is ended, and the test fails.
#[track_caller]
pub(crate) fn finish(mut command: Command) -> Done {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    finish_child(child, &format!("{command:?}"))
}

/// Waits for a child whose output is piped.
#[track_caller]
pub(crate) fn finish_child(child: Child, what: &str) -> Done {
    let pid = Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || drop(sender.send(child.wait_with_output())));
    let Ok(output) = receiver.recv_timeout(PATIENCE) else {
        kill_process(pid, Signal::KILL).ok();
        panic!("{what} did not end within {PATIENCE:?}");
    };
    let output = output.expect("its output");
    Done {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
