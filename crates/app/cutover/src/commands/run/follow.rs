//! A run on the terminal while it goes on: for each leg its steps in order, each with its log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cutover_engine::{Run, StepView};
use cutover_executor::StepKey;
use cutover_model::{
    RunId,
    run::{Attempt, JobKey, Outcome, State, StepPath, WaitingOn},
};
use cutover_server::{Control, view::RunView};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use super::{result, screen::Screen};
use crate::render;

/// Whether a gate, and not a script, said no.
pub(super) fn refused(run: &Run) -> bool {
    run.jobs().flat_map(|job| job.steps).any(|step| {
        let gate = |reason: &String| reason.starts_with("gate ");
        step.outcome == Some(Outcome::Failed)
            && step
                .report
                .is_some_and(|report| report.reasons.iter().any(gate))
    })
}

/// Follows to the end, and gives the run as it is then.
pub(super) async fn follow(
    control: &Control,
    id: &RunId,
    as_json: bool,
) -> anyhow::Result<Arc<Run>> {
    let mut state = control.watch_run(id).await?;
    let mut legs: BTreeSet<JobKey> = BTreeSet::new();
    let mut tasks = JoinSet::new();
    let mut waits: BTreeMap<String, String> = BTreeMap::new();
    let last = loop {
        let run = state.borrow_and_update().clone();
        for (name, on) in run.waits() {
            let line = format!("{name} waits on {on}");
            let is_news = !matches!(on, WaitingOn::Runner { .. }) && !as_json;
            if is_news && waits.insert(name.to_owned(), line.clone()).as_ref() != Some(&line) {
                render::talk(&format!("{} {line}", render::mark("waiting")));
            }
        }
        let many = run.has_many_legs();
        for (key, name) in run.started_legs() {
            // What ended in an earlier try has been shown then.
            let is_of_now = run
                .resumption(key)
                .is_some_and(|leg| leg.attempt == run.attempt());
            if is_of_now && legs.insert(key.clone()) {
                let leg = Leg {
                    control: control.clone(),
                    run: id.clone(),
                    key: key.clone(),
                    prefix: many.then(|| format!("{name} │ ")),
                    as_json,
                };
                tasks.spawn(leg.follow(state.clone()));
            }
        }
        if run.state().is_finished() {
            break run;
        }
        if state.changed().await.is_err() {
            // Nobody drives it any more: what is stored is all there will be.
            break control.run(id).await?;
        }
    };
    while tasks.join_next().await.is_some() {}
    end(&last, as_json);
    Ok(last)
}

fn end(run: &Run, as_json: bool) {
    let Some(view) = RunView::of(run) else { return };
    if as_json {
        render::json_line(&json!({ "event": "run", "run": view }));
        return;
    }
    result::say(&view);
}

/// One leg being followed.
#[derive(Clone)]
struct Leg {
    control: Control,
    run: RunId,
    key: JobKey,
    prefix: Option<String>,
    as_json: bool,
}

impl Leg {
    async fn follow(self, mut state: watch::Receiver<Arc<Run>>) {
        let mut shown: BTreeSet<(StepPath, Attempt)> = BTreeSet::new();
        let mut beside = JoinSet::new();
        loop {
            let run = state.borrow_and_update().clone();
            let Some(resumption) = run.resumption(&self.key) else {
                return;
            };
            for (path, attempt) in run.begun_steps(&self.key) {
                let is_old = resumption.from.is_some_and(|from| path < from);
                if is_old || !shown.insert((path.clone(), attempt)) {
                    continue;
                }
                let Some(step) = run.step_view(&self.key, path) else {
                    continue;
                };
                if step.outcome == Some(Outcome::Skipped) {
                    continue;
                }
                if step.background {
                    let (leg, state) = (self.beside(&step.name), state.clone());
                    beside.spawn(leg.follow_step(state, step.path, attempt, step.name));
                    continue;
                }
                let one = self.clone();
                one.follow_step(state.clone(), step.path, attempt, step.name)
                    .await;
            }
            if run.leg_outcome(&self.key).is_some() || state.changed().await.is_err() {
                break;
            }
        }
        while beside.join_next().await.is_some() {}
    }

    /// For a step in the background, whose lines come between those of others.
    fn beside(&self, name: &str) -> Self {
        let before = self.prefix.as_deref().unwrap_or_default();
        Self {
            prefix: Some(format!("{before}{name} │ ")),
            ..self.clone()
        }
    }

    async fn follow_step(
        self,
        mut state: watch::Receiver<Arc<Run>>,
        path: StepPath,
        attempt: Attempt,
        name: String,
    ) {
        self.talk(&format!("{} {name}", render::mark("running")));
        self.log(&path, attempt).await;
        self.step_end(&mut state, &path, attempt).await;
    }

    fn talk(&self, text: &str) {
        if !self.as_json {
            render::talk(&format!(
                "{}{text}",
                self.prefix.as_deref().unwrap_or_default()
            ));
        }
    }

    async fn log(&self, step: &StepPath, attempt: Attempt) {
        let key = StepKey {
            run: self.run.clone(),
            job: self.key.clone(),
            step: step.clone(),
            attempt,
        };
        // A step that could not even be resolved has no log.
        let Ok(mut log) = self.control.follow_log(&key, 0).await else {
            return;
        };
        let mut rest: Vec<u8> = Vec::new();
        let colours = (!self.as_json).then(render::screen).flatten();
        let mut screen = colours.map(Screen::new);
        while let Ok(Some(chunk)) = log.next().await {
            let chunk = match &mut screen {
                Some(screen) => screen.push(&chunk).into(),
                None => chunk,
            };
            if self.as_json {
                let text = String::from_utf8_lossy(&chunk);
                render::json_line(&json!({
                    "event": "log", "job": self.key, "step": step, "attempt": attempt, "text": text,
                }));
            } else if let Some(prefix) = &self.prefix {
                rest.extend_from_slice(&chunk);
                lines(prefix, &mut rest, false);
            } else {
                render::bytes(&chunk);
            }
        }
        let last = screen.map(|mut screen| screen.finish()).unwrap_or_default();
        match &self.prefix {
            Some(prefix) => {
                rest.extend_from_slice(&last);
                lines(prefix, &mut rest, true);
            }
            None => render::bytes(&last),
        }
    }

    fn say_end(&self, run: &Run, step: &StepView<'_>) {
        if self.as_json {
            let view = RunView::of(run).map(|view| view.jobs).unwrap_or_default();
            let job = view.into_iter().find(|job| job.key == self.key);
            let steps = job.map(|job| job.steps).unwrap_or_default();
            if let Some(step) = steps.into_iter().find(|other| other.path == step.path) {
                render::json_line(&json!({ "event": "step", "job": self.key, "step": step }));
            }
            return;
        }
        let took = match (step.started_at, &step.state) {
            (Some(from), State::Finished { at, .. }) => format!(" {}", at.since(from)),
            _ => String::new(),
        };
        let word = step.outcome.map_or("", Outcome::word);
        self.talk(&format!(
            "{} {} {word}{took}",
            render::mark(word),
            step.name
        ));
        let reasons = step.report.map(|report| report.reasons.as_slice());
        for reason in reasons.unwrap_or_default() {
            self.talk(&format!("  {reason}"));
        }
        if let Some(reason) = step.reason {
            self.talk(&format!("  {reason}"));
        }
    }

    /// Says how the step ended, once that is known.
    async fn step_end(
        &self,
        state: &mut watch::Receiver<Arc<Run>>,
        path: &StepPath,
        attempt: Attempt,
    ) {
        loop {
            let run = state.borrow_and_update().clone();
            // The steps of an action are shown while it runs, and before its end.
            if run.has_steps_inside(&self.key, path) {
                return;
            }
            let Some(step) = run.step_view(&self.key, path) else {
                return;
            };
            if step.attempt.is_some_and(|other| other != attempt) {
                return;
            }
            if step.outcome.is_some() {
                self.say_end(&run, &step);
                return;
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    }
}

/// How much of one line is held back at most while its end has not come.
const MOST_HELD: usize = 64 * 1024;

/// Prints whole lines with the leg's name before each.
fn lines(prefix: &str, held: &mut Vec<u8>, all: bool) {
    let mut from = 0;
    while let Some(length) = held[from..].iter().position(|&byte| byte == b'\n') {
        let mut line = prefix.as_bytes().to_vec();
        line.extend_from_slice(&held[from..=from + length]);
        render::bytes(&line);
        from += length + 1;
    }
    held.drain(..from);
    if held.len() > MOST_HELD || (all && !held.is_empty()) {
        let mut line = prefix.as_bytes().to_vec();
        line.append(held);
        line.push(b'\n');
        render::bytes(&line);
    }
}
