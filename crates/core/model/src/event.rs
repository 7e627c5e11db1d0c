//! Everything that is ever stored: past tense, never changed, versioned.
//!
//! A stored event is a fact. Old kinds stay readable for ever: `tests/golden` holds one file for each
//! kind and version, and those files are only ever added to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Duration, GateId, RunId, Timestamp,
    delivery::{DeploymentSpec, Judgement, Release, Side, Weight},
    gate::ApprovalRule,
    guard::{HookPoint, HookVerdict},
    plan::{GroupUse, Plan},
    run::{Attempt, JobKey, Outcome, Runner, StepPath, StepReport, WaitingOn},
    source::{Taint, Trigger},
};

/// The version of the shapes below; stored beside each event.
pub const SCHEMA: u16 = 1;

/// An event as it stands in its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded<E> {
    /// Its place in the stream, from 1 without gaps.
    pub version: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: E,
}

/// One combination of a matrix job; a plain job has one leg with an empty combination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Its key in the run.
    pub key: JobKey,
    /// For people: the job's name with the combination.
    pub name: String,
    /// The combination, in the order of the axes.
    pub matrix: serde_json::Map<String, serde_json::Value>,
    /// The labels it asks a runner for.
    pub runs_on: Vec<String>,
    /// The environment it works in.
    pub environment: Option<String>,
    /// The concurrency group that it has to hold before it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<GroupUse>,
}

/// A leg that is done once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetriedLeg {
    /// Its key; that of a whole job when it ended before it had legs.
    pub key: JobKey,
    /// The step of the job at which it goes on, with what the steps before it have left; absent when it
    /// begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<StepPath>,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RunEvent {
    /// A trigger met a workflow.
    RunCreated {
        /// The run.
        run: RunId,
        /// The number people say aloud.
        number: u64,
        /// What is to be done.
        plan: Box<Plan>,
        /// Why.
        trigger: Box<Trigger>,
        /// Variables: values that may be seen.
        vars: BTreeMap<String, String>,
        /// The names of the secrets that there are: a condition may ask whether one is there. Absent
        /// in runs that were stored before it was known; then every name counts as there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secrets: Option<BTreeSet<String>>,
    },
    /// It touched something untrusted.
    RunTainted {
        /// What.
        taint: Taint,
    },
    /// The first job may go.
    RunStarted,
    /// A job's needs are met: these are its legs.
    JobExpanded {
        /// The job's id.
        job: String,
        /// Its legs, in order.
        legs: Vec<Leg>,
        /// Whether the first leg that fails cancels the others.
        fail_fast: bool,
        /// How many legs at once.
        max_parallel: Option<u32>,
    },
    /// A whole job need not run.
    JobSkipped {
        /// The job's id.
        job: String,
        /// Why, for people.
        reason: String,
    },
    /// A leg could go on but for this.
    JobWaiting {
        /// The leg.
        job: JobKey,
        /// On what.
        on: WaitingOn,
    },
    /// A leg calls a workflow: its jobs are part of the run from now on, behind this leg's key.
    JobCalled {
        /// The leg that calls.
        job: JobKey,
        /// Its inputs, of the declared kinds.
        inputs: BTreeMap<String, serde_json::Value>,
    },
    /// People were asked.
    ApprovalRequested {
        /// The question.
        gate: GateId,
        /// The leg that waits.
        job: JobKey,
        /// The step that waits; absent when the leg has not started.
        step: Option<StepPath>,
        /// What it is about.
        subject: String,
        /// Who may answer and how many must.
        rule: ApprovalRule,
    },
    /// A person said yes.
    ApprovalGiven {
        /// The question.
        gate: GateId,
        /// Who.
        by: String,
        /// Why.
        comment: Option<String>,
    },
    /// A person said no.
    ApprovalRefused {
        /// The question.
        gate: GateId,
        /// Who.
        by: String,
        /// Why.
        comment: Option<String>,
    },
    /// Nobody answered in time.
    ApprovalExpired {
        /// The question.
        gate: GateId,
    },
    /// A leg has a runner.
    JobStarted {
        /// The leg.
        job: JobKey,
        /// Which try.
        attempt: Attempt,
        /// The runner.
        runner: Runner,
    },
    /// A step is about to be done. It is stored before anything is done.
    StepStarted {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
        /// Its name, evaluated.
        name: String,
    },
    /// A step need not be done.
    StepSkipped {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Its name, evaluated.
        name: String,
        /// Why, for people.
        reason: String,
    },
    /// The `if:` of a step asks for the digest of files, which only the edge can see; its turn waits
    /// for the answer.
    FilesAsked {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which files.
        patterns: Vec<String>,
    },
    /// The digest is known, or why there is none.
    FilesHashed {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which files.
        patterns: Vec<String>,
        /// The digest; empty when there are no such files.
        digest: Option<String>,
        /// Why there is none, for people.
        reason: Option<String>,
    },
    /// A step has ended.
    StepFinished {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
        /// How it ended.
        outcome: Outcome,
        /// How it counts (`continue-on-error`).
        conclusion: Outcome,
        /// What it left.
        report: StepReport,
    },
    /// A step had its time: it is being ended, and its end still comes.
    StepTimedOut {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
        /// The time it had.
        after: Duration,
    },
    /// Nobody knows how a step ended: its process and its record are gone.
    StepLost {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Which try.
        attempt: Attempt,
        /// What was found.
        reason: String,
    },
    /// A leg is to end before its time: what runs in it is told so, and only steps that ask for it
    /// (`always()`, `cancelled()`) still start.
    JobStopRequested {
        /// The leg.
        job: JobKey,
        /// How it will have ended: `Cancelled` or `TimedOut`.
        outcome: Outcome,
        /// Whether even steps that ask for it do not start any more.
        force: bool,
        /// Why, for people.
        reason: String,
    },
    /// A leg has ended. With the key of a whole job that has no legs yet, the job ended without them.
    JobFinished {
        /// The leg.
        job: JobKey,
        /// How it ended.
        outcome: Outcome,
        /// How it counts (`continue-on-error`).
        conclusion: Outcome,
        /// Its outputs.
        outputs: BTreeMap<String, String>,
        /// Where to look at what was deployed (`environment.url`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment_url: Option<String>,
        /// Why, for people, when it did not succeed.
        reason: Option<String>,
    },
    /// A person or a rule wants it ended.
    CancelRequested {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// It has ended.
    RunFinished {
        /// How.
        outcome: Outcome,
    },
    /// The turn of a step in the background has come, and as many as may go at once do already.
    StepQueued {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// Its name, evaluated.
        name: String,
    },
    /// A concurrency group is asked for.
    GroupAsked {
        /// The leg; absent when the whole run asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobKey>,
        /// The group, and what becomes of others in it.
        group: GroupUse,
    },
    /// Somebody else holds the group.
    GroupAwaited {
        /// The leg; absent when the whole run waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobKey>,
        /// Who holds it, for people.
        holder: String,
    },
    /// Nobody else in the group goes on until this ends.
    GroupTaken {
        /// The leg; absent when the whole run holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobKey>,
    },
    /// It had ended, and a person wants some of it done once more. What is not named here stays as it was.
    RunRetried {
        /// Who.
        by: String,
        /// Which try of the run begins with it.
        attempt: Attempt,
        /// The legs that go on or begin anew.
        legs: Vec<RetriedLeg>,
        /// The jobs behind them: as if they had never been.
        jobs: Vec<String>,
    },
    /// A step failed, and a person who looked at it wants it done once more: another try of it follows.
    StepRetried {
        /// The leg.
        job: JobKey,
        /// The step.
        step: StepPath,
        /// The try that failed.
        attempt: Attempt,
        /// Who.
        by: String,
    },
}

/// What a deployment asks on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Check {
    /// The smoke test.
    Smoke,
    /// A hook.
    Hook {
        /// When.
        point: HookPoint,
        /// The candidate's share that the step is about.
        weight: Weight,
        /// Its place in the list of hooks, from 0.
        index: u32,
    },
}

/// What happened to a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DeploymentEvent {
    /// Somebody wants a release at an environment.
    DeploymentCreated {
        /// All that it needs to know.
        spec: Box<DeploymentSpec>,
    },
    /// People were asked.
    ApprovalRequested {
        /// The question.
        gate: GateId,
        /// What it is about.
        subject: String,
        /// Who may answer and how many must.
        rule: ApprovalRule,
    },
    /// A person said yes.
    ApprovalGiven {
        /// The question.
        gate: GateId,
        /// Who.
        by: String,
        /// Why.
        comment: Option<String>,
    },
    /// A person said no.
    ApprovalRefused {
        /// The question.
        gate: GateId,
        /// Who.
        by: String,
        /// Why.
        comment: Option<String>,
    },
    /// Nobody answered in time.
    ApprovalExpired {
        /// The question.
        gate: GateId,
    },
    /// Another deployment is at this environment.
    LockAwaited {
        /// Who holds it.
        holder: String,
    },
    /// Nobody else deploys here until this ends.
    LockTaken {
        /// Grows with each holder; what carries an older one is refused.
        fence: u64,
        /// What served when we came; `None` for the first deployment.
        current: Option<Box<Release>>,
        /// How many instances it had, when that is known; else as many as there are to be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instances: Option<u32>,
    },
    /// Nothing may be deployed here now.
    FreezeAwaited {
        /// Why, for people.
        reason: String,
        /// Until when, when that is known.
        until: Option<Timestamp>,
    },
    /// An earlier rollback pins what serves here, and nobody has lifted that.
    HoldMet {
        /// Why, for people.
        reason: String,
    },
    /// Instances were asked for.
    InstancesRequested {
        /// Of which side.
        side: Side,
        /// How many there should be.
        count: u32,
        /// How many asks so far; the target does nothing for an older one.
        generation: u64,
    },
    /// They all run and are healthy.
    InstancesReady {
        /// Of which side.
        side: Side,
        /// How many.
        count: u32,
    },
    /// They did not become healthy.
    InstancesFailed {
        /// Of which side.
        side: Side,
        /// Last status, head of the body, last log lines, exit code, port.
        detail: Vec<String>,
    },
    /// Another share of traffic was asked for.
    ShiftRequested {
        /// The candidate's share.
        weight: Weight,
        /// How many asks so far; the balancer does nothing for an older one.
        generation: u64,
    },
    /// The balancer works by it.
    Shifted {
        /// The candidate's share.
        weight: Weight,
        /// Which ask.
        generation: u64,
    },
    /// The triggers look until then.
    BakeStarted {
        /// Which step of the strategy, from 0.
        step: u32,
        /// Until when.
        until: Timestamp,
    },
    /// The triggers looked to the end and saw nothing.
    BakeEnded {
        /// Which step of the strategy, from 0.
        step: u32,
    },
    /// A trigger saw what it looks for.
    TriggerFired {
        /// Which, as people read it.
        trigger: String,
        /// What it saw.
        observed: String,
    },
    /// The judge was asked at the end of a step, or held it in the middle of one.
    StepJudged {
        /// Which step of the strategy, from 0.
        step: u32,
        /// What follows.
        judgement: Judgement,
        /// What was seen, with the bound of what is not known; for people.
        reason: String,
    },
    /// A person wants it held, or its strategy, or a hook that cannot tell.
    Paused {
        /// Who.
        by: String,
    },
    /// A person wants it to go on.
    Resumed {
        /// Who.
        by: String,
    },
    /// A person wants the present step to be enough.
    Promoted {
        /// Who.
        by: String,
        /// Whether all that is left of the steps is skipped.
        full: bool,
    },
    /// A hook or the smoke test is about to be asked. It is stored before anything is done.
    CheckStarted {
        /// What is asked.
        check: Check,
        /// Which try, from 1.
        attempt: u32,
        /// How many asks so far; a later one makes this one void.
        generation: u64,
    },
    /// It has answered, or could not.
    CheckEnded {
        /// What was asked.
        check: Check,
        /// Which try, from 1.
        attempt: u32,
        /// What came of it.
        verdict: HookVerdict,
        /// Why, for people.
        reason: String,
        /// When it is asked again; absent when it has had its say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again_at: Option<Timestamp>,
    },
    /// A hook or the smoke test sends it back.
    CheckFailed {
        /// Which, and what it said, for people.
        reason: String,
    },
    /// Requests are to wait in the balancer, or to wait no longer.
    ParkRequested {
        /// Whether they are to wait.
        parked: bool,
        /// How many asks so far; the balancer does nothing for an older one.
        generation: u64,
    },
    /// The balancer lets them wait, or lets them go.
    Parked {
        /// Whether they wait.
        parked: bool,
    },
    /// Nothing has come of what was asked for, for too long.
    DeadlinePassed {
        /// What it waited for, for people.
        waited_for: String,
    },
    /// Something takes too long on the way back, or after all the traffic has moved. Instances that do
    /// not stop are left behind; all else is waited for still.
    Overdue {
        /// What it waits for, for people.
        waited_for: String,
        /// The side whose instances are left behind, when it is that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_behind: Option<Side>,
    },
    /// A newer deployment takes its place.
    Superseded {
        /// Which.
        by: String,
    },
    /// A person wants it stopped, and traffic back where it was.
    AbortRequested {
        /// Who.
        by: String,
    },
    /// Traffic is to go back.
    RollbackStarted {
        /// Why.
        reason: String,
    },
    /// A side takes no new requests.
    DrainStarted {
        /// Which.
        side: Side,
        /// How many of its instances; all when absent.
        count: Option<u32>,
    },
    /// A side has no request left, or time ran out.
    Drained {
        /// Which.
        side: Side,
        /// Requests that were cut off.
        cut_off: u64,
    },
    /// Instances were told to stop.
    StopRequested {
        /// Which side.
        side: Side,
        /// How many there should be after it.
        remaining: u32,
        /// How many asks so far.
        generation: u64,
    },
    /// They are gone.
    InstancesStopped {
        /// Which side.
        side: Side,
        /// How many are left.
        remaining: u32,
    },
    /// It has ended.
    DeploymentFinished {
        /// How.
        outcome: Outcome,
        /// Why, for people.
        reason: String,
    },
}
