//! The beginning of a step that has to do with containers: its script and its variables as they are
//! seen inside, and the process of ours that asks the engine.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, PipeReader, Seek as _, Write as _},
    os::unix::{fs::DirBuilderExt as _, process::CommandExt as _},
    process::Command,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_supervisor::reaper::Child;
use rustix::fs::{MemfdFlags, memfd_create};

use super::{
    exchange::SCRIPT,
    job::Job,
    start::{EXCHANGE, output, write_script},
};
use crate::{
    container::{ContainerWork, FAULT, INSIDE_MARKER, Mounts, Order, Task, mark},
    protocol::{Helped, JOB_MARKER, STEP_MARKER, Work},
    shell::Shell,
};

/// The files of a step, as a step that is a container sees them.
const FILE_COMMANDS: &str = "/github/file_commands";
/// The home of whoever runs inside.
const HOME: &str = "/github/home";

/// The inner error is the step's failure.
pub(super) fn spawn(
    job: &Job,
    work: &Work,
    helped: &Helped,
    exchange: &Utf8Path,
) -> io::Result<Result<(Child, PipeReader), String>> {
    for mount in &helped.order.mounts.0 {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&mount.outside)?;
    }
    let task = match task(job, work, helped, exchange)? {
        Ok(task) => task,
        Err(reason) => return Ok(Err(reason)),
    };
    let order = Order {
        engine: helped.order.engine.clone(),
        patience: helped.patience,
        fault: exchange.join(FAULT),
        task,
    };
    let Some((program, args)) = helped.command.split_first() else {
        return Ok(Err("there is nobody to ask the engine".to_owned()));
    };
    let (reader, writer) = output()?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env(JOB_MARKER, &job.name)
        .env(STEP_MARKER, job.mark(&work.step))
        .stdin(unseen(&order)?)
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    Ok(Ok((job.reaper.spawn(&mut command)?, reader)))
}

/// What of the machine is seen inside.
pub(super) fn seen(helped: &Helped) -> Mounts {
    helped.order.mounts.clone()
}

/// The order where nobody else can read it: it holds secrets.
fn unseen(order: &Order) -> io::Result<File> {
    let mut file = File::from(memfd_create("order", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(order)?)?;
    file.rewind()?;
    Ok(file)
}

fn task(
    job: &Job,
    work: &Work,
    helped: &Helped,
    exchange: &Utf8Path,
) -> io::Result<Result<Task, String>> {
    let mounts = &helped.order.mounts;
    Ok(Ok(match &helped.order.work {
        ContainerWork::Script {
            container, limited, ..
        } => {
            let inside = script(job, work, mounts, exchange)?;
            return Ok(inside.map(|inside| Task::Script {
                container: container.clone(),
                argv: inside.argv,
                env: inside.env,
                directory: inside.directory,
                mark: inside.mark,
                // What others run is not everybody's to see or to end.
                signal_as: (!limited).then(|| "0".to_owned()),
            }));
        }
        ContainerWork::Call(order) => {
            let seen = mounts.clone().first(exchange, FILE_COMMANDS);
            Task::Call {
                order: order.clone(),
                env: environment(work, &seen, exchange),
                volumes: seen.volumes(),
            }
        }
        ContainerWork::SetUp(order) => Task::SetUp {
            order: order.clone(),
            volumes: mounts.volumes(),
            output: exchange.join("output"),
        },
    }))
}

/// A script as it is seen inside.
struct Inside {
    argv: Vec<String>,
    directory: String,
    env: Vec<String>,
    mark: String,
}

fn script(
    job: &Job,
    work: &Work,
    mounts: &Mounts,
    exchange: &Utf8Path,
) -> io::Result<Result<Inside, String>> {
    let mut directory = Utf8PathBuf::from(mounts.inside(job.layout.workspace().as_str()));
    directory.extend(&work.directory);
    if mounts
        .outside(directory.as_str())
        .is_some_and(|outside| !outside.is_dir())
    {
        return Ok(Err(format!(
            "working directory `{directory}` does not exist"
        )));
    }
    let argv = match command_line(work, mounts, exchange)? {
        Ok(argv) => argv,
        Err(reason) => return Ok(Err(reason)),
    };
    let mark = mark(&job.mark(&work.step));
    let mut env = environment(work, mounts, exchange);
    env.push(mark.clone());
    Ok(Ok(Inside {
        argv,
        directory: directory.into_string(),
        env,
        mark,
    }))
}

/// What is started inside; a script is written down for its shell. The inner error is the step's failure.
fn command_line(
    work: &Work,
    mounts: &Mounts,
    exchange: &Utf8Path,
) -> io::Result<Result<Vec<String>, String>> {
    if !work.program.is_empty() {
        let argv = work.program.iter().map(|word| mounts.inside(word));
        return Ok(Ok(argv.collect()));
    }
    let shell = match Shell::inside(work.shell.as_deref()) {
        Ok(shell) => shell,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let script = exchange.join(format!("{SCRIPT}{}", shell.ending));
    write_script(&script, &shell.file(&work.script))?;
    let script = mounts.inside(script.as_str());
    Ok(Ok(shell.argv(Utf8Path::new(&script))))
}

/// The variables as they are seen inside: paths by their names there.
fn environment(work: &Work, mounts: &Mounts, exchange: &Utf8Path) -> Vec<String> {
    let files = EXCHANGE
        .into_iter()
        .map(|(name, file)| format!("{name}={}", mounts.inside(exchange.join(file).as_str())));
    let has_home = work.env.contains_key("HOME");
    let home = (!has_home).then(|| format!("HOME={HOME}"));
    let given = work.env.iter().map(|(name, value)| {
        debug_assert!(name != INSIDE_MARKER, "the mark is ours");
        // Each part of a path of paths has its own name.
        let value = if name == "PATH" {
            let parts: Vec<String> = value.split(':').map(|part| mounts.inside(part)).collect();
            parts.join(":")
        } else {
            mounts.inside(value)
        };
        format!("{name}={value}")
    });
    given.chain(home).chain(files).collect()
}

/// Why it could not be done, when it was not the step that said no.
pub(super) fn fault(exchange: &Utf8Path) -> Option<String> {
    let text = fs::read_to_string(exchange.join(FAULT)).ok()?;
    Some(text).filter(|text| !text.is_empty())
}
