//! Plans in a few words, and the protocol that tests are written in.

use std::collections::BTreeMap;

use cutover_engine::{Effect, Input, Refusal, Run, decide, effects, evolve, outstanding};
use cutover_model::{
    Duration, GateId, Position, RunId, Timestamp,
    delivery::Strategy,
    event::RunEvent,
    gate::ApprovalRule,
    guard::{Guards, OnSuperseded, RollbackRule},
    plan::{
        ActionSource, ActionUse, EnvironmentUse, Expression, Hook, JobSpec, MatrixSpec, Plan,
        StepBody, StepSpec, Template,
    },
    project::{Environment, Project, TargetSpec},
    source::{GitRef, Revision, Trigger, TriggerKind, Trust},
};
use serde_json::json;

pub(crate) use crate::saying::{cancel, exited, failed, gave, ok, place, reported, runner, woke};

/// A script step. `id=script` gives it an id, `… ? condition` an `if:`.
pub(crate) fn step(text: &str) -> StepSpec {
    let (text, condition) = match text.split_once(" ? ") {
        Some((text, condition)) => (text, Some(expression(condition))),
        None => (text, None),
    };
    let (id, script) = match text.split_once('=') {
        Some((id, script)) => (Some(id.to_owned()), script),
        None => (None, text),
    };
    StepSpec {
        id,
        condition,
        at: Position::new(1, 1),
        ..StepSpec::new(StepBody::Run {
            script: Template::plain(script),
            shell: None,
            working_directory: None,
        })
    }
}

/// A composite step.
pub(crate) fn action(id: &str, steps: Vec<StepSpec>) -> StepSpec {
    StepSpec {
        id: Some(id.to_owned()),
        body: StepBody::Composite {
            source: ActionSource::Workspace,
            path: "./actions/it".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            steps,
        },
        ..step("")
    }
}

/// A JavaScript action; a phase that it has is named with its condition, empty for none.
pub(crate) fn program(id: &str, pre: Option<&str>, post: Option<&str>) -> StepSpec {
    let hook = |file: &str, condition: &str| Hook {
        file: file.to_owned(),
        condition: (!condition.is_empty()).then(|| expression(condition)),
    };
    StepSpec {
        id: Some(id.to_owned()),
        body: StepBody::Action(Box::new(ActionUse {
            uses: format!("some/{id}@v1"),
            source: ActionSource::Own,
            path: id.to_owned(),
            node: 20,
            main: "main.js".to_owned(),
            pre: pre.map(|condition| hook("pre.js", condition)),
            post: post.map(|condition| hook("post.js", condition)),
            inputs: bindings(&[("who is", "${{ github.actor }}")]),
        })),
        ..step("")
    }
}

pub(crate) fn expression(text: &str) -> Expression {
    Expression {
        text: text.to_owned(),
        at: Position::new(7, 13),
    }
}

pub(crate) fn bindings(pairs: &[(&str, &str)]) -> Vec<(String, Template)> {
    let bind = |(name, text): &(&str, &str)| ((*name).to_owned(), Template::plain(*text));
    pairs.iter().map(bind).collect()
}

/// A job with these needs and steps.
pub(crate) fn job(id: &str, needs: &[&str], steps: Vec<StepSpec>) -> JobSpec {
    JobSpec {
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        runs_on: vec![Template::plain("linux")],
        at: Position::new(1, 1),
        ..JobSpec::new(id, steps)
    }
}

pub(crate) fn matrix(values: serde_json::Value) -> MatrixSpec {
    MatrixSpec {
        at: Position::new(9, 9),
        ..MatrixSpec::new(values)
    }
}

pub(crate) fn environment(name: &str) -> EnvironmentUse {
    EnvironmentUse::new(Template::plain(name))
}

pub(crate) fn rule(required: u32, from: &[&str]) -> ApprovalRule {
    ApprovalRule {
        required,
        from: from.iter().map(|user| (*user).to_owned()).collect(),
        expires: Duration::from_mins(60),
    }
}

pub(crate) fn plan(jobs: Vec<JobSpec>) -> Plan {
    Plan {
        name: "ci".to_owned(),
        jobs,
        ..Plan::new("ci.yml")
    }
}

/// A project in which this environment asks people.
pub(crate) fn guarded(name: &str, rule: ApprovalRule) -> Project {
    let environment = Environment {
        after: None,
        target: TargetSpec::Process { instances: 1 },
        listen: None,
        approvals: Some(rule),
        strategy: Strategy::BlueGreen {
            canary: Vec::new(),
            bake: Duration::ZERO,
        },
        rollback_triggers: Vec::new(),
        judge: None,
        env: BTreeMap::new(),
        guards: Guards::default(),
        rollback: RollbackRule::default(),
        on_superseded: OnSuperseded::default(),
        freeze: Vec::new(),
        traffic: None,
    };
    Project {
        environments: BTreeMap::from([(name.to_owned(), environment)]),
        ..Project::default()
    }
}

pub(crate) fn trigger() -> Trigger {
    Trigger {
        kind: TriggerKind::Push,
        repository: "acme/hello".to_owned(),
        git_ref: GitRef("refs/heads/main".to_owned()),
        revision: Revision("abc123".to_owned()),
        before: None,
        actor: "ada".to_owned(),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        inputs: BTreeMap::new(),
        payload: json!({ "ref": "refs/heads/main" }),
        trust: Trust::Trusted,
    }
}

/// A run that is told things.
pub(crate) struct World {
    pub(crate) run: Run,
    pub(crate) log: Vec<(Timestamp, RunEvent)>,
    done: Vec<Effect>,
}

/// A run of this plan, pushed by ada.
pub(crate) fn given(plan: Plan) -> World {
    given_trigger(plan, trigger())
}

pub(crate) fn given_trigger(plan: Plan, trigger: Trigger) -> World {
    given_secrets(plan, trigger, &["TOKEN"])
}

/// A run that knows of these secrets.
pub(crate) fn given_secrets(plan: Plan, trigger: Trigger, secrets: &[&str]) -> World {
    let mut world = World {
        run: Run::default(),
        log: Vec::new(),
        done: Vec::new(),
    };
    world.say(
        0,
        Input::Create {
            run: RunId::from_parts(1, 1),
            number: 7,
            plan: Box::new(plan),
            trigger: Box::new(trigger),
            vars: BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]),
            secrets: secrets.iter().map(|&name| name.to_owned()).collect(),
        },
    );
    world
}

impl World {
    /// Says something so many minutes after the beginning.
    pub(crate) fn when(mut self, minute: i64, input: Input) -> Self {
        self.say(minute, input);
        self
    }

    /// Says something without looking back: for runs so wide that a replay each time takes long.
    pub(crate) fn tell(&mut self, minute: i64, input: Input) {
        let at = Timestamp(minute * 60_000);
        self.done.clear();
        for event in decide(&self.run, at, input).expect("not refused") {
            evolve(&mut self.run, at, &event);
            self.done.extend(effects(&self.run, at, &event));
            self.log.push((at, event));
        }
    }

    fn say(&mut self, minute: i64, input: Input) {
        self.try_say(minute, input).expect("not refused");
    }

    fn try_say(&mut self, minute: i64, input: Input) -> Result<(), Refusal> {
        let at = Timestamp(minute * 60_000);
        let events = decide(&self.run, at, input.clone())?;
        assert_eq!(
            serde_json::to_string(&events).unwrap(),
            serde_json::to_string(&decide(&self.run, at, input).unwrap()).unwrap(),
            "the same input gives the same bytes"
        );
        self.done.clear();
        for event in events {
            evolve(&mut self.run, at, &event);
            self.done.extend(effects(&self.run, at, &event));
            self.log.push((at, event));
        }
        let mut replayed = Run::default();
        for (at, event) in &self.log {
            evolve(&mut replayed, *at, event);
        }
        assert_eq!(replayed, self.run, "a replay of the log gives the state");
        Ok(())
    }

    /// What is done, timers left out; in the order in which it is said, separated by `; `.
    #[track_caller]
    pub(crate) fn then(self, expected: &str) -> Self {
        assert_eq!(
            text(self.done.iter().filter(|one| !is_timer(one))),
            expected
        );
        self
    }

    /// The timers that are set, with minutes from the beginning.
    #[track_caller]
    pub(crate) fn timers(self, expected: &str) -> Self {
        let timers: Vec<String> = self
            .done
            .iter()
            .filter_map(|effect| match effect {
                Effect::WakeAt { at, timer } => {
                    let seconds = match at.0 % 60_000 / 1_000 {
                        0 => String::new(),
                        seconds => format!("m{seconds}s"),
                    };
                    Some(format!("{timer} at {}{seconds}", at.0 / 60_000))
                }
                _ => None,
            })
            .collect();
        assert_eq!(timers.join("; "), expected);
        self
    }

    /// What is refused, and the words for it.
    #[track_caller]
    pub(crate) fn refuses(mut self, minute: i64, input: Input, expected: &str) -> Self {
        let refusal = self.try_say(minute, input).expect_err("refused");
        assert_eq!(refusal.to_string(), expected);
        self
    }

    /// What would be done after a restart, timers left out.
    #[track_caller]
    pub(crate) fn owes(self, expected: &str) -> Self {
        let owed = outstanding(&self.run);
        assert_eq!(text(owed.iter().filter(|one| !is_timer(one))), expected);
        self
    }

    /// How each leg stands: `build succeeded; deploy waiting on build`.
    #[track_caller]
    pub(crate) fn jobs(self, expected: &str) -> Self {
        let words: Vec<String> = self
            .run
            .jobs()
            .map(|job| format!("{} {}", job.name, word(&job.state)))
            .collect();
        assert_eq!(words.join("; "), expected);
        self
    }

    /// How each step of a leg stands: `0 succeeded; 1 skipped`.
    #[track_caller]
    pub(crate) fn steps(self, leg: &str, expected: &str) -> Self {
        let words: Vec<String> = self
            .run
            .jobs()
            .filter(|job| job.key.0 == leg)
            .flat_map(|job| job.steps)
            .map(|step| format!("{} {}", step.path, word(&step.state)))
            .collect();
        assert_eq!(words.join("; "), expected);
        self
    }

    /// Why a leg ended as it did.
    #[track_caller]
    pub(crate) fn because(self, leg: &str, expected: &str) -> Self {
        let reason = self
            .run
            .jobs()
            .find(|job| job.key.0 == leg)
            .and_then(|job| job.reason.map(str::to_owned));
        assert_eq!(reason.as_deref(), Some(expected));
        self
    }

    /// The first question that waits for people.
    pub(crate) fn gate(&self) -> GateId {
        self.run.approvals().next().unwrap().approval.gate.clone()
    }
}

fn is_timer(effect: &Effect) -> bool {
    matches!(effect, Effect::WakeAt { .. })
}

fn text<'a>(effects: impl Iterator<Item = &'a Effect>) -> String {
    let lines: Vec<String> = effects.map(ToString::to_string).collect();
    lines.join("; ")
}

fn word(state: &cutover_model::run::State) -> String {
    use cutover_model::run::State;
    match state {
        State::Pending => "pending".to_owned(),
        State::Waiting { on, .. } => format!("waiting on {on}"),
        State::Running { .. } => "running".to_owned(),
        State::Finished { outcome, .. } => outcome.to_string(),
    }
}
