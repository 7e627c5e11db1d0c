//! An executor in a directory of its own, and short ways to say what a test is about.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    process::Command,
    time::Duration,
};

use camino::Utf8PathBuf;
use cutover_executor::{Grace, ProcessExecutor, StepEnd, StepKey, StepOrder, Supervisors};
use cutover_model::{
    RunId, Secret,
    run::{Attempt, JobKey, Outcome, StepPath, StepReport},
};
use cutover_supervisor::identity::{Identity, Stat};

pub(crate) struct World {
    pub(crate) root: Utf8PathBuf,
    pub(crate) executor: ProcessExecutor,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(directory.path().canonicalize().unwrap()).unwrap();
        Self {
            executor: executor(&root),
            root,
            _directory: directory,
        }
    }

    /// As after a restart of ours: nothing is known but what is on disk.
    pub(crate) fn restart(&mut self) {
        self.executor = executor(&self.root);
    }

    pub(crate) async fn start(&self, order: StepOrder) {
        self.executor.start(&order).await.unwrap();
    }

    pub(crate) async fn end(&self, key: &StepKey) -> (Outcome, StepReport) {
        match self.executor.wait(key).await.unwrap() {
            StepEnd::Exited { outcome, report } => (outcome, report),
            StepEnd::Lost { reason } => panic!("{reason}"),
        }
    }

    /// Runs a script as the step of this index, to its end.
    pub(crate) async fn run(&self, index: usize, script: &str) -> (Outcome, StepReport) {
        self.run_order(order(index, script)).await
    }

    pub(crate) async fn run_order(&self, order: StepOrder) -> (Outcome, StepReport) {
        let key = order.key.clone();
        self.start(order).await;
        self.end(&key).await
    }

    pub(crate) fn log(&self, key: &StepKey) -> String {
        fs::read_to_string(self.executor.log_path(key)).unwrap()
    }

    /// A named pipe beside the jobs, by which a script can talk to the test.
    pub(crate) fn fifo(&self, name: &str) -> Utf8PathBuf {
        let path = self.root.join(name);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        path
    }

    /// Waits for a line in a named pipe.
    pub(crate) async fn line(&self, name: &str) -> String {
        let path = self.root.join(name);
        tokio::task::spawn_blocking(move || {
            let file = BufReader::new(fs::File::open(path).unwrap());
            file.lines().next().unwrap().unwrap()
        })
        .await
        .unwrap()
    }

    pub(crate) fn supervisor(&self) -> u32 {
        let text = fs::read(self.root.join(run().as_str()).join("build/supervisor.json")).unwrap();
        serde_json::from_slice::<Identity>(&text).unwrap().pid
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (executor, run) = (self.executor.clone(), run());
        let destroyed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(executor.destroy(&run, &job()))
        });
        let destroyed = destroyed.join();
        if !std::thread::panicking() {
            destroyed.unwrap().unwrap();
        }
    }
}

fn executor(root: &Utf8PathBuf) -> ProcessExecutor {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    ProcessExecutor::new(
        root.clone(),
        Supervisors::new(vec![env!("CARGO_BIN_EXE_cutover-executor-test").to_owned()]),
        BTreeMap::from([
            ("PATH".to_owned(), path.to_owned()),
            ("HOME".to_owned(), root.to_string()),
            ("WORLD".to_owned(), root.to_string()),
        ]),
    )
    .with_grace(Grace {
        interrupt: Duration::from_millis(200),
        terminate: Duration::from_millis(200),
    })
}

/// One for each test: processes are found by it, over the whole machine.
pub(crate) fn run() -> RunId {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    RunId::derived(&[&test, &std::process::id().to_string()])
}

pub(crate) fn job() -> JobKey {
    JobKey::single("build")
}

pub(crate) fn key(index: usize) -> StepKey {
    StepKey {
        run: run(),
        job: job(),
        step: StepPath::top(index),
        attempt: Attempt::FIRST,
    }
}

pub(crate) fn order(index: usize, script: &str) -> StepOrder {
    StepOrder {
        key: key(index),
        script: script.to_owned(),
        program: Vec::new(),
        preface: Vec::new(),
        shell: None,
        working_directory: None,
        env: BTreeMap::new(),
        path_prepend: Vec::new(),
        masks: vec![Secret::new("hunter2")],
        untrusted: false,
        containers: None,
    }
}

pub(crate) fn is_alive(pid: u32) -> bool {
    Stat::read(pid).is_some_and(|stat| !stat.zombie)
}

pub(crate) fn kill(pid: u32) {
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}
