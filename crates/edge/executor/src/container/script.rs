//! A script in the container of its job.

use std::time::Duration;

use cutover_docker::{Engine, ExecOrder};

use super::{
    INSIDE_MARKER,
    main::{Fault, hand_on, say},
    signals::{Signals, Told},
};

/// Finds the processes of a step by their mark, and signals them. Whoever has no `tr` and `grep` inside
/// goes without: the end of the job ends them.
const SIGNAL: &str = "for d in /proc/[0-9]*; do p=${d#/proc/}; [ \"$p\" = \"$$\" ] || { \
     tr '\\000' '\\n' <\"$d/environ\" | grep -qxF \"$1\" && kill -s \"$2\" \"$p\"; }; \
     done 2>/dev/null; :";
/// How often the exit code is asked for when the output has ended and the engine says that the program
/// runs: it closes the one a moment before it knows the other.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// What runs.
pub(super) struct Program {
    pub(super) container: String,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) directory: String,
    pub(super) mark: String,
    pub(super) signal_as: Option<String>,
}

pub(super) async fn run(
    engine: &Engine,
    program: Program,
    signals: &mut Signals,
) -> Result<i64, Fault> {
    let order = ExecOrder {
        argv: program.argv.clone(),
        env: program.env.clone(),
        directory: Some(program.directory.clone()),
        user: None,
    };
    let (id, mut output) = match engine.exec(&program.container, &order).await {
        Err(cutover_docker::Error::Refused {
            status: 400..=499,
            message,
            ..
        }) => {
            say(&format!(
                "could not execute `{}` in the container: {message}",
                program.argv.join(" ")
            ));
            return Ok(127);
        }
        started => started?,
    };
    let mut was_told = false;
    loop {
        tokio::select! {
            piece = output.next() => match piece {
                Some(piece) => hand_on(&piece?)?,
                None => break,
            },
            told = signals.next() => {
                was_told = true;
                tell(engine, &program, told).await?;
            }
        }
    }
    // What it has started has heard all that it has heard, and ends with it.
    if was_told {
        tell(engine, &program, Told::Kill).await?;
    }
    exit(engine, &id).await
}

async fn exit(engine: &Engine, id: &str) -> Result<i64, Fault> {
    for _ in 0..TRIES {
        if let Some(code) = engine.exec_exit(id).await? {
            return Ok(code);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Fault::Service(
        "the engine does not say how the program in the container has ended".to_owned(),
    ))
}

async fn tell(engine: &Engine, program: &Program, told: Told) -> Result<(), Fault> {
    let words = ["sh", "-c", SIGNAL, "sh", &program.mark, told.name()];
    let order = ExecOrder {
        argv: words.map(str::to_owned).into(),
        user: program.signal_as.clone(),
        ..ExecOrder::default()
    };
    let (_, mut said) = engine.exec(&program.container, &order).await?;
    while let Some(piece) = said.next().await {
        drop(piece?);
    }
    Ok(())
}

/// The mark of a step's processes inside.
pub(crate) fn mark(step: &str) -> String {
    format!("{INSIDE_MARKER}={step}")
}
