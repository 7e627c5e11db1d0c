//! A deployment in a test: `.when(input)` says something to it, `.then(text)` is what it asks for.

use std::collections::BTreeMap;

use cutover_model::{
    DeploymentId, Duration, ReleaseId, RunId, Timestamp,
    delivery::{
        Cause, Contents, DeploymentSpec, Digest, HealthCheck, Package, Release, Side, Step,
        Strategy, Weight,
    },
    event::DeploymentEvent,
    guard::{Guards, OnSuperseded, RollbackRule},
    project::TargetSpec,
    source::Revision,
};

use crate::{Deployment, Effect, Input, TimerKey, decide, effects, evolve, notice};

pub(super) fn release(version: &str) -> Release {
    Release {
        id: ReleaseId::derived(&["hello", version]),
        service: "hello".to_owned(),
        version: version.to_owned(),
        package: Package::Bundle {
            digest: Digest(format!("sha256:{:064}", 7)),
        },
        revision: Revision("abc1234def".to_owned()),
        command: vec!["./hello".to_owned()],
        port: None,
        env: BTreeMap::new(),
        contents: Contents::default(),
        run: RunId::derived(&["run"]),
        created_at: Timestamp(0),
    }
}

pub(super) fn spec(instances: u32, strategy: Strategy) -> DeploymentSpec {
    DeploymentSpec {
        id: DeploymentId::derived(&["d"]),
        environment: "production".to_owned(),
        release: release("1.1.0"),
        target: TargetSpec::Process { instances },
        strategy,
        triggers: Vec::new(),
        judge: None,
        health: HealthCheck::default(),
        start_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(30),
        stop_grace: Duration::from_secs(10),
        env: BTreeMap::new(),
        listen: None,
        approval: None,
        cause: Cause::Person {
            by: "ada".to_owned(),
        },
        notify: Vec::new(),
        guards: Guards::default(),
        rollback: RollbackRule {
            hold: false,
            window: 5,
        },
        on_superseded: OnSuperseded::Queue,
        lift_hold: false,
        break_glass: None,
        traffic: None,
    }
}

pub(super) fn canary() -> Strategy {
    Strategy::Canary {
        steps: [10, 50, 100]
            .into_iter()
            .filter_map(Weight::from_percent)
            .map(Step::of)
            .collect(),
        interval: Duration::from_secs(300),
        scaled: false,
        bake: Duration::from_secs(600),
    }
}

pub(super) fn blue_green() -> Strategy {
    Strategy::BlueGreen {
        canary: Vec::new(),
        bake: Duration::from_secs(120),
    }
}

pub(super) fn rolling(batch: u32) -> Strategy {
    Strategy::Rolling {
        batch,
        max_unavailable: 0,
        bake: Duration::from_secs(60),
    }
}

/// A deployment, its clock in seconds, and what it asked for last.
pub(super) struct Story {
    pub(super) deployment: Deployment,
    pub(super) events: Vec<(Timestamp, DeploymentEvent)>,
    now: Timestamp,
    said: Vec<Effect>,
}

impl Story {
    pub(super) fn of(spec: DeploymentSpec) -> Self {
        let story = Self {
            deployment: Deployment::default(),
            events: Vec::new(),
            now: Timestamp(0),
            said: Vec::new(),
        };
        story.when(Input::Create {
            spec: Box::new(spec),
        })
    }

    /// One that has the lock, over 1.0.0.
    pub(super) fn over_current(spec: DeploymentSpec) -> Self {
        Self::of(spec).when(lock_taken(Some("1.0.0")))
    }

    #[track_caller]
    pub(super) fn when(mut self, input: Input) -> Self {
        self.said.clear();
        let events = decide(&self.deployment, self.now, input).expect("not refused");
        for event in events {
            evolve(&mut self.deployment, self.now, &event);
            self.said
                .extend(effects(&self.deployment, self.now, &event));
            self.events.push((self.now, event));
        }
        self
    }

    #[track_caller]
    pub(super) fn refuses(self, input: Input, why: &str) -> Self {
        let refusal = decide(&self.deployment, self.now, input).expect_err("refused");
        assert_eq!(refusal.to_string(), why);
        self
    }

    /// What it wants is so: nothing happens, and that is said.
    #[track_caller]
    pub(super) fn already(self, input: Input, why: &str) -> Self {
        assert_eq!(notice(&self.deployment, &input).as_deref(), Some(why));
        assert_eq!(decide(&self.deployment, self.now, input), Ok(Vec::new()));
        self
    }

    /// Lets the clock stand at this second.
    pub(super) fn at(mut self, second: i64) -> Self {
        self.now = Timestamp(second * 1_000);
        self
    }

    #[track_caller]
    pub(super) fn then(self, wanted: &str) -> Self {
        let said: Vec<String> = self
            .said
            .iter()
            .filter(|effect| is_told(effect))
            .map(say)
            .collect();
        assert_eq!(said.join("; "), wanted);
        self
    }

    #[track_caller]
    pub(super) fn is(self, word: &str) -> Self {
        assert_eq!(self.deployment.state().word(), word);
        self
    }

    #[track_caller]
    pub(super) fn because(self, reason: &str) -> Self {
        assert_eq!(self.deployment.reason(), Some(reason));
        self
    }
}

/// Deadlines are everywhere; the tests that are about them look at them themselves.
fn is_told(effect: &Effect) -> bool {
    !matches!(
        effect,
        Effect::WakeAt {
            timer: TimerKey::Deadline { .. } | TimerKey::PauseLimit { .. },
            ..
        }
    )
}

/// As `Display` has it, but with times in seconds of the story.
fn say(effect: &Effect) -> String {
    match effect {
        Effect::WakeAt { at, timer } => {
            let timer = match timer {
                TimerKey::StartTimeout { generation } => format!("start timeout g{generation}"),
                TimerKey::Bake { step } => format!("bake {step}"),
                TimerKey::ApprovalExpiry => "approval expiry".to_owned(),
                TimerKey::CheckTimeout { generation } => format!("check timeout g{generation}"),
                TimerKey::CheckAgain { generation } => format!("check again g{generation}"),
                TimerKey::Deadline { generation } => format!("deadline g{generation}"),
                TimerKey::PauseLimit { .. } => "pause limit".to_owned(),
            };
            format!("wake at {} s: {timer}", at.0 / 1_000)
        }
        Effect::Notify { topic, .. } => format!("notify {topic}"),
        other => other.to_string(),
    }
}

pub(super) fn lock_taken(current: Option<&str>) -> Input {
    Input::LockTaken {
        fence: 1,
        current: current.map(release).map(Box::new),
        instances: None,
        hold: None,
    }
}

pub(super) fn ready(side: Side, generation: u64) -> Input {
    Input::InstancesReady { side, generation }
}

pub(super) fn failed(side: Side, generation: u64, detail: &str) -> Input {
    Input::InstancesFailed {
        side,
        generation,
        detail: vec![detail.to_owned()],
    }
}

pub(super) fn shifted(generation: u64) -> Input {
    Input::Shifted { generation }
}

pub(super) fn drained(side: Side, generation: u64) -> Input {
    Input::Drained {
        side,
        generation,
        cut_off: 0,
    }
}

pub(super) fn stopped(side: Side, generation: u64) -> Input {
    Input::InstancesStopped { side, generation }
}

pub(super) fn baked(step: u32) -> Input {
    Input::Woke {
        timer: TimerKey::Bake { step },
    }
}

pub(super) fn fired() -> Input {
    Input::TriggerFired {
        trigger: "HTTPCode_Target_5XX_Count > 10 for 1m".to_owned(),
        observed: "23 in the last minute".to_owned(),
    }
}

pub(super) fn abort() -> Input {
    Input::Abort {
        by: "ada".to_owned(),
    }
}
