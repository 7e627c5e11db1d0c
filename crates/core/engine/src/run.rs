//! The state of a run, and the questions it answers. It is changed by `evolve` alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cutover_model::{
    GateId, RunId, Timestamp,
    gate::Approval,
    plan::{GroupUse, JobSpec, Plan},
    run::{Attempt, JobKey, Outcome, State, StepPath},
    source::{Taint, Trigger, Trust},
};

use crate::{call::Call, job::Leg, retry::Tries, step::Step};

/// One run. The default is one that nobody has created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub(crate) version: u64,
    pub(crate) head: Option<Arc<Head>>,
    /// What its `run-name:` came to when it was created.
    pub(crate) title: Option<String>,
    pub(crate) taints: Vec<Taint>,
    pub(crate) state: State,
    /// The concurrency group that all of it asked for.
    pub(crate) group: Option<GroupUse>,
    pub(crate) cancels: Vec<Cancel>,
    /// What became of each job that is no longer waiting for its needs.
    pub(crate) groups: BTreeMap<String, Group>,
    /// Shared, so that a decision copies only the legs that it touches.
    pub(crate) legs: BTreeMap<JobKey, Arc<Leg>>,
    /// What legs have called.
    pub(crate) calls: BTreeMap<JobKey, Arc<Call>>,
    pub(crate) questions: BTreeMap<GateId, Question>,
    /// Which try of it this is.
    pub(crate) attempt: Attempt,
    /// When it began, and who wanted it, when it is not the first.
    pub(crate) attempt_at: Option<Timestamp>,
    pub(crate) retried_by: Option<String>,
    /// The tries of steps that were dropped when their legs were done once more.
    pub(crate) tries: BTreeMap<JobKey, Tries>,
}

/// What is fixed when a run is created.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: RunId,
    pub(crate) number: u64,
    pub(crate) plan: Plan,
    pub(crate) trigger: Trigger,
    pub(crate) vars: BTreeMap<String, String>,
    /// The names of the secrets that there are; absent when that is not known.
    pub(crate) secrets: Option<BTreeSet<String>>,
    pub(crate) created_at: Timestamp,
}

/// One wish to end the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cancel {
    pub(crate) by: String,
    pub(crate) reason: Option<String>,
}

impl Cancel {
    /// For people.
    pub(crate) fn text(&self) -> String {
        match &self.reason {
            Some(reason) => format!("cancelled by {}: {reason}", self.by),
            None => format!("cancelled by {}", self.by),
        }
    }
}

/// A job once its needs are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    /// It has legs.
    Expanded {
        legs: Vec<JobKey>,
        fail_fast: bool,
        max_parallel: Option<u32>,
    },
    /// It ended without any.
    Ended {
        outcome: Outcome,
        conclusion: Outcome,
        reason: String,
        at: Timestamp,
    },
}

/// A question, whom it holds up, and how it was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) approval: Approval,
    pub(crate) job: JobKey,
    pub(crate) step: Option<StepPath>,
    pub(crate) answer: Settled,
}

/// How a question was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is not, unless enough people said yes.
    Open,
    /// Somebody said no.
    Refused { by: String, comment: Option<String> },
    /// Nobody answered in time.
    Expired,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            version: 0,
            head: None,
            title: None,
            taints: Vec::new(),
            state: State::Pending,
            group: None,
            cancels: Vec::new(),
            groups: BTreeMap::new(),
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            questions: BTreeMap::new(),
            attempt: Attempt::FIRST,
            attempt_at: None,
            retried_by: None,
            tries: BTreeMap::new(),
        }
    }
}

impl Run {
    /// How many events made it.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Its id, once created.
    pub fn id(&self) -> Option<&RunId> {
        self.head.as_ref().map(|head| &head.id)
    }

    /// The number people say aloud, once created.
    pub fn number(&self) -> Option<u64> {
        self.head.as_ref().map(|head| head.number)
    }

    /// What people see of it: its `run-name:`, else the name of its workflow. Empty before it is created.
    pub fn title(&self) -> &str {
        let name = self.head.as_ref().map_or("", |head| &head.plan.name);
        self.title.as_deref().unwrap_or(name)
    }

    /// What is to be done, once created.
    pub fn plan(&self) -> Option<&Plan> {
        self.head.as_ref().map(|head| &head.plan)
    }

    /// Why there is a run, once created.
    pub fn trigger(&self) -> Option<&Trigger> {
        self.head.as_ref().map(|head| &head.trigger)
    }

    /// Since when there is a run, once created.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.head.as_ref().map(|head| head.created_at)
    }

    /// Whether what the trigger brings may see secrets, once created.
    pub fn trust(&self) -> Option<&Trust> {
        self.trigger().map(|trigger| &trigger.trust)
    }

    /// The names of the secrets that there were when it began; `None` when that is not known.
    pub fn secret_names(&self) -> Option<&BTreeSet<String>> {
        self.head.as_ref().and_then(|head| head.secrets.as_ref())
    }

    /// Which untrusted things it has touched, in order.
    pub fn taints(&self) -> &[Taint] {
        &self.taints
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Who wanted it ended, in order.
    pub fn cancelled_by(&self) -> impl Iterator<Item = &str> {
        self.cancels.iter().map(|cancel| cancel.by.as_str())
    }

    /// Whether it may see secrets: it came through a door that asks who is there, and has touched
    /// nothing untrusted since.
    pub fn may_see_secrets(&self) -> bool {
        matches!(self.trust(), Some(Trust::Trusted)) && self.taints.is_empty()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.head.is_some() && !self.state.is_finished()
    }

    /// The job with this id; also one of a called workflow, once it is called.
    pub fn spec(&self, job: &str) -> Option<&JobSpec> {
        match self.frame(job) {
            Some((_, call)) => call.jobs.iter().find(|spec| spec.id == job),
            None => self.plan().and_then(|plan| plan.job(job)),
        }
    }

    pub(crate) fn leg(&self, key: &JobKey) -> Option<&Leg> {
        self.legs.get(key).map(Arc::as_ref)
    }

    pub(crate) fn leg_mut(&mut self, key: &JobKey) -> Option<&mut Leg> {
        self.legs.get_mut(key).map(Arc::make_mut)
    }

    pub(crate) fn step(&self, key: &JobKey, path: &StepPath) -> Option<&Step> {
        self.leg(key).and_then(|leg| leg.steps.get(path))
    }

    /// The legs of a job, in order; none before it is expanded.
    pub(crate) fn legs_of(&self, job: &str) -> &[JobKey] {
        match self.groups.get(job) {
            Some(Group::Expanded { legs, .. }) => legs,
            Some(Group::Ended { .. }) | None => &[],
        }
    }
}
