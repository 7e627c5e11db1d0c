//! What is known of the place of a job: told when its runner comes, for conditions and outputs, and again
//! for each step.

use cutover_engine::{
    Run,
    resolve::{RunnerFacts, ServerFacts},
};
use cutover_executor::JobPlace;
use cutover_model::{
    RunId,
    run::{JobKey, Runner},
};

use crate::{Control, containers, results::server_url};

/// The words that workflows have for this machine.
const OS: &str = "Linux";
const ARCH: &str = if cfg!(target_arch = "aarch64") {
    "ARM64"
} else {
    "X64"
};

/// The runner of a leg, without its name.
pub(super) fn runner(control: &Control, (run, id): (&Run, &RunId), job: &JobKey) -> Runner {
    let place = control.executor().place_of(id, job);
    let (facts, server) = (facts(&place), server(control));
    let inside = containers::names_inside(run, job, &place, &facts);
    Runner {
        name: String::new(),
        os: OS.to_owned(),
        arch: ARCH.to_owned(),
        place: Some(facts.place(&server)),
        inside: inside.map(|inside| inside.place(&server)),
    }
}

/// What expressions see of a runner that works here.
pub(super) fn facts(place: &JobPlace) -> RunnerFacts {
    RunnerFacts {
        name: "local".to_owned(),
        os: OS.to_owned(),
        arch: ARCH.to_owned(),
        temp: place.temp.to_string(),
        tool_cache: place.dir.join("tools").to_string(),
        workspace: place.workspace.to_string(),
        actions: place.actions.to_string(),
        exchange: String::new(),
    }
}

/// What expressions see of whoever runs it.
pub(super) fn server(control: &Control) -> ServerFacts {
    ServerFacts {
        url: server_url(control.options().address.as_deref()),
    }
}
