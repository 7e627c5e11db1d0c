//! The beginning of a step: its mark on disk, its script, its files, its process.

use std::{
    fs::{self, OpenOptions},
    io::{self, PipeReader, PipeWriter, Write as _},
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_supervisor::{log::Log, reaper::Child, record, record::Reserved};

use super::{
    cancel, contained,
    exchange::SCRIPT,
    job::{Job, lock},
    pump,
    pump::Run,
    step::Step,
};
use crate::{
    filter::{Filter, Manners},
    place::Place,
    protocol::{Grace, JOB_MARKER, Reply, STEP_MARKER, Started, Work},
    shell::Shell,
    subjects::{self, Known},
};

/// Enough for the record of an ordinary end.
const EXIT_BYTES: u64 = 64 * 1024;
/// How long somebody who has had a step made ready may think about it while another wants it started.
const WORD: Duration = Duration::from_secs(10);
/// The more a pipe holds, the less often writer and reader wait for each other.
const PIPE: usize = 256 * 1024;

/// The files by which a step hands values on, and the variables that tell it where they are.
pub(crate) const EXCHANGE: [(&str, &str); 7] = [
    ("GITHUB_ARTIFACTS", "artifacts"),
    ("GITHUB_ARTIFACTS_LIST", subjects::LIST),
    ("GITHUB_ENV", "env"),
    ("GITHUB_OUTPUT", "output"),
    ("GITHUB_PATH", "path"),
    ("GITHUB_STATE", "state"),
    ("GITHUB_STEP_SUMMARY", "summary"),
];

/// Starts a step, unless it was started before: then, however it ended, nothing happens.
pub(super) fn start(job: &Arc<Job>, work: Work) -> (Reply, Option<Begun>) {
    match make_ready(job, work) {
        Ok(Some(ready)) => ready.go(),
        Ok(None) => (Reply::Done, None),
        Err(error) => (Reply::Refused(error.to_string()), None),
    }
}

/// Does all that comes before a step is started; `None` when it was started before.
pub(super) fn make_ready(job: &Arc<Job>, work: Work) -> io::Result<Option<Ready>> {
    let Some(step) = enter(job, &work.step) else {
        return Ok(None);
    };
    // Under a supervisor before us.
    if job.layout.started(&work.step).exists() {
        leave(job, &step);
        return Ok(None);
    }
    let ready = gather(job, &step, work);
    if ready.is_err() {
        leave(job, &step);
    }
    ready.map(Some)
}

/// Takes the name of a step; `None` when the step was started. One that somebody else had made ready, who
/// has gone since, is given up in a moment.
fn enter(job: &Job, name: &str) -> Option<Arc<Step>> {
    for _ in 0..2 {
        if let Some(step) = job.enter(name) {
            return Some(step);
        }
        let other = job.step(name);
        if other.is_some_and(|other| !other.was_given_up(WORD)) {
            break;
        }
    }
    None
}

/// Gives the name back: nothing was started under it.
fn leave(job: &Job, step: &Step) {
    job.leave(&step.name);
    step.is_given_up();
}

/// A step of which nothing has happened yet but that its files are there.
pub(super) struct Ready {
    run: Run,
    work: Work,
    way: Way,
}

/// How it will be started.
enum Way {
    /// By this command line, whose output is read here.
    Here(Box<Command>, PipeReader),
    /// By whoever asks the engine of containers.
    Contained,
    /// Not at all: its shell or its directory is not there.
    Failed(String),
}

impl Ready {
    /// Starts it.
    pub(super) fn go(self) -> (Reply, Option<Begun>) {
        let (job, step) = (Arc::clone(&self.run.job), Arc::clone(&self.run.step));
        let mark = job.layout.started(&step.name);
        if !step.goes() {
            self.abandon();
            return (Reply::Refused("its job is being ended".to_owned()), None);
        }
        match self.launch(&mark) {
            Ok(Some(begun)) => (Reply::Started, Some(begun)),
            Ok(None) => (Reply::Done, None),
            Err(error) => {
                fs::remove_file(&mark).ok();
                job.leave(&step.name);
                (Reply::Refused(error.to_string()), None)
            }
        }
    }

    /// Nobody wants it any more.
    pub(super) fn abandon(self) {
        fs::remove_dir_all(&self.run.exchange).ok();
        leave(&self.run.job, &self.run.step);
    }

    fn launch(mut self, mark: &Utf8Path) -> io::Result<Option<Begun>> {
        let (job, step) = (Arc::clone(&self.run.job), Arc::clone(&self.run.step));
        record::write_for(mark, &Started { builtin: false }, job.survives)
            .map_err(io::Error::other)?;
        self.run.say(&self.work.preface);
        let spawned = match (self.way, &self.work.containers) {
            (Way::Here(mut command, output), _) => {
                spawn(&job, &mut command)?.map(|child| (child, output))
            }
            (Way::Contained, Some(helped)) => {
                contained::spawn(&job, &self.work, helped, &self.run.exchange)?
            }
            (Way::Contained, None) => Err("it has no container".to_owned()),
            (Way::Failed(reason), _) => Err(reason),
        };
        match spawned {
            Ok((child, output)) => {
                let cancelled = step.runs(child.identity.clone());
                Ok(Some(Begun {
                    run: self.run,
                    child,
                    output,
                    cancelled,
                }))
            }
            Err(reason) => {
                drop(self.run.end(None, vec![reason]));
                step.is_drained();
                Ok(None)
            }
        }
    }
}

/// A step whose process is there. Somebody has to stay with it.
pub(super) struct Begun {
    pub(super) run: Run,
    child: Child,
    output: PipeReader,
    /// It was cancelled before its process was there.
    cancelled: Option<Grace>,
}

impl Begun {
    /// Stays with it to its end.
    pub(super) fn stay(self) {
        if let Some(grace) = self.cancelled {
            cancel::begin(&self.run.job, &self.run.step, grace);
        }
        pump::pump(self.run, &self.child, self.output);
    }
}

fn gather(job: &Arc<Job>, step: &Arc<Step>, work: Work) -> io::Result<Ready> {
    let exchange = job.layout.exchange(&work.step);
    let known = Known::read(&job.layout).map_err(io::Error::other)?;
    let list = known.list();
    job.spare.open(&exchange, &list)?;
    let mut matchers = lock(&job.matchers).clone();
    matchers.begin_anew();
    let mounts = work.containers.as_deref().map(contained::seen);
    let (secrets, known_masks) = job.secrets(&work.masks);
    let filter = Filter::new(secrets)
        .map_err(io::Error::other)?
        .with_matchers(matchers, Place::new(job.layout.workspace(), mounts.clone()))
        .with_manners(Manners::of(&work.env, work.untrusted));
    let exit = job.layout.ended(&work.step);
    let exit = Reserved::new(&exit, EXIT_BYTES, job.survives).map_err(io::Error::other)?;
    let run = Run {
        job: Arc::clone(job),
        step: Arc::clone(step),
        filter,
        known_masks,
        log: Log::open(&job.layout.log(&work.step))?,
        exit,
        exchange,
        list,
        untrusted: work.untrusted,
        mask_faults: Vec::new(),
        contained: mounts,
    };
    let way = match work.containers {
        Some(_) => Way::Contained,
        None => here(job, &work, &run.exchange)?,
    };
    Ok(Ready { run, work, way })
}

/// The process of a step on this machine, not started yet.
fn here(job: &Job, work: &Work, exchange: &Utf8Path) -> io::Result<Way> {
    let mut directory = job.layout.workspace();
    directory.extend(&work.directory);
    if !directory.is_dir() {
        let reason = format!("working directory `{directory}` does not exist");
        return Ok(Way::Failed(reason));
    }
    let argv = match command_line(work, exchange)? {
        Ok(argv) => argv,
        Err(reason) => return Ok(Way::Failed(reason)),
    };
    let (reader, writer) = output()?;
    let mut command = Command::new(&argv[0]);
    command
        .args(&argv[1..])
        .env_clear()
        .envs(&work.env)
        .envs(environment(job, work, exchange))
        .current_dir(&directory)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    Ok(Way::Here(Box::new(command), reader))
}

/// The inner error is the step's failure: its shell or its directory is not there.
fn spawn(job: &Job, command: &mut Command) -> io::Result<Result<Child, String>> {
    match job.reaper.spawn(command) {
        Ok(child) => Ok(Ok(child)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ArgumentListTooLong
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            let program = command.get_program().to_string_lossy();
            Ok(Err(format!("could not execute `{program}`: {error}")))
        }
        Err(error) => Err(error),
    }
}

/// What is started; a script is written down for its shell. The inner error is the step's failure.
fn command_line(work: &Work, exchange: &Utf8Path) -> io::Result<Result<Vec<String>, String>> {
    if !work.program.is_empty() {
        return Ok(Ok(work.program.clone()));
    }
    let path = work.env.get("PATH").map_or("", String::as_str);
    let shell = match Shell::find(work.shell.as_deref(), path) {
        Ok(shell) => shell,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let script = exchange.join(format!("{SCRIPT}{}", shell.ending));
    write_script(&script, &shell.file(&work.script))?;
    Ok(Ok(shell.argv(&script)))
}

/// What a step prints into.
pub(super) fn output() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    // Without the right to a larger one, the usual size does.
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE).ok();
    Ok((reader, writer))
}

fn environment(job: &Job, work: &Work, exchange: &Utf8Path) -> Vec<(&'static str, String)> {
    let mut env: Vec<(&str, String)> = EXCHANGE
        .into_iter()
        .map(|(name, file)| (name, exchange.join(file).into_string()))
        .collect();
    env.extend([
        ("GITHUB_WORKSPACE", job.layout.workspace().into_string()),
        ("RUNNER_TEMP", job.layout.temp().into_string()),
        (JOB_MARKER, job.name.clone()),
        (STEP_MARKER, job.mark(&work.step)),
    ]);
    env
}

/// Over what is left of the script before it, if anything is.
pub(super) fn write_script(path: &Utf8PathBuf, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o700)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if file.metadata()?.len() == length {
        return Ok(());
    }
    file.set_len(length)
}
