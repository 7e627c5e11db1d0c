//! What the edge and people say, in a few words.

use cutover_engine::{Input, TimerKey};
use cutover_model::run::{
    Attempt, HandedOn, JobKey, Outcome, Runner, RunnerPlace, StepPath, StepReport,
};

pub(crate) fn runner(leg: &str) -> Input {
    Input::RunnerAssigned {
        job: JobKey(leg.to_owned()),
        runner: Runner {
            name: "here".to_owned(),
            os: "Linux".to_owned(),
            arch: "X64".to_owned(),
            place: Some(below("/machine")),
            inside: Some(below("/container")),
        },
    }
}

fn below(root: &str) -> RunnerPlace {
    RunnerPlace {
        server: "http://ci.example".to_owned(),
        temp: format!("{root}/temp"),
        tool_cache: format!("{root}/tools"),
        workspace: format!("{root}/work"),
        actions: format!("{root}/actions"),
    }
}

/// `build/0/1` and how it ended.
pub(crate) fn exited(address: &str, outcome: Outcome) -> Input {
    reported(address, outcome, StepReport::default())
}

pub(crate) fn ok(address: &str) -> Input {
    exited(address, Outcome::Succeeded)
}

pub(crate) fn failed(address: &str) -> Input {
    exited(address, Outcome::Failed)
}

pub(crate) fn reported(address: &str, outcome: Outcome, report: StepReport) -> Input {
    let (job, step, attempt) = place(address);
    Input::StepExited {
        job,
        step,
        attempt,
        outcome,
        report,
    }
}

/// Succeeded, with these outputs.
pub(crate) fn gave(address: &str, outputs: &[(&str, &str)]) -> Input {
    let plain =
        |(name, value): &(&str, &str)| ((*name).to_owned(), HandedOn::Plain((*value).to_owned()));
    let report = StepReport {
        outputs: outputs.iter().map(plain).collect(),
        ..StepReport::default()
    };
    reported(address, Outcome::Succeeded, report)
}

pub(crate) fn place(address: &str) -> (JobKey, StepPath, Attempt) {
    let mut parts = address.split('/');
    let mut next = || parts.next().unwrap();
    (
        JobKey(next().to_owned()),
        next().parse().unwrap(),
        Attempt(next().parse().unwrap()),
    )
}

pub(crate) fn cancel(by: &str) -> Input {
    Input::Cancel {
        by: by.to_owned(),
        reason: None,
    }
}

pub(crate) fn woke(timer: TimerKey) -> Input {
    Input::Woke { timer }
}
