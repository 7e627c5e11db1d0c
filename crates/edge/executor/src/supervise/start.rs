//! The beginning of a step: its mark on disk, its script, its files, its process.

use std::{
    fs::{self, OpenOptions},
    io::{self, PipeReader, PipeWriter, Write as _},
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    sync::Arc,
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
pub(super) fn start(job: &Arc<Job>, work: &Work) -> (Reply, Option<Begun>) {
    let Some(step) = job.enter(&work.step) else {
        return (Reply::Done, None);
    };
    let mark = job.layout.started(&work.step);
    // Under a supervisor before us.
    if mark.exists() {
        job.leave(&work.step);
        return (Reply::Done, None);
    }
    match launch(job, &step, work, &mark) {
        Ok(Some(begun)) => (Reply::Started, Some(begun)),
        Ok(None) => (Reply::Done, None),
        Err(error) => {
            fs::remove_file(&mark).ok();
            job.leave(&step.name);
            (Reply::Refused(error.to_string()), None)
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

fn launch(
    job: &Arc<Job>,
    step: &Arc<Step>,
    work: &Work,
    mark: &Utf8Path,
) -> io::Result<Option<Begun>> {
    let exchange = job.layout.exchange(&work.step);
    let known = Known::read(&job.layout).map_err(io::Error::other)?;
    job.spare.open(&exchange, &known.list())?;
    let mut matchers = lock(&job.matchers).clone();
    matchers.begin_anew();
    let mounts = work.containers.as_ref();
    let mounts = mounts.map(|helped| helped.order.mounts.clone());
    let (secrets, known_masks) = job.secrets(&work.masks);
    let filter = Filter::new(secrets)
        .map_err(io::Error::other)?
        .with_matchers(matchers, Place::new(job.layout.workspace(), mounts))
        .with_manners(Manners::of(&work.env, work.untrusted));
    let exit = job.layout.ended(&work.step);
    let exit = Reserved::new(&exit, EXIT_BYTES, job.survives).map_err(io::Error::other)?;
    let mut run = Run {
        job: Arc::clone(job),
        step: Arc::clone(step),
        filter,
        known_masks,
        log: Log::open(&job.layout.log(&work.step))?,
        exit,
        exchange,
        untrusted: work.untrusted,
        mask_faults: Vec::new(),
        contained: work.containers.as_deref().map(contained::seen),
    };
    run.say(&work.preface);
    record::write_for(mark, &Started { builtin: false }, job.survives).map_err(io::Error::other)?;
    match spawn(job, work, &run.exchange)? {
        Ok((child, output)) => {
            let cancelled = step.runs(child.identity.clone());
            Ok(Some(Begun {
                run,
                child,
                output,
                cancelled,
            }))
        }
        Err(reason) => {
            drop(run.end(None, vec![reason]));
            step.is_drained();
            Ok(None)
        }
    }
}

/// The inner error is the step's failure: its shell or its directory is not there.
fn spawn(
    job: &Job,
    work: &Work,
    exchange: &Utf8Path,
) -> io::Result<Result<(Child, PipeReader), String>> {
    if let Some(helped) = &work.containers {
        return contained::spawn(job, work, helped, exchange);
    }
    let mut directory = job.layout.workspace();
    directory.extend(&work.directory);
    if !directory.is_dir() {
        return Ok(Err(format!(
            "working directory `{directory}` does not exist"
        )));
    }
    let argv = match command_line(work, exchange)? {
        Ok(argv) => argv,
        Err(reason) => return Ok(Err(reason)),
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
    match job.reaper.spawn(&mut command) {
        Ok(child) => Ok(Ok((child, reader))),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ArgumentListTooLong
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(Err(format!("could not execute `{}`: {error}", argv[0])))
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
