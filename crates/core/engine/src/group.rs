//! Concurrency groups as a run sees them: it asks for one, waits, holds it, or loses it to another. Who
//! has it is known to the [`Groups`](crate::Groups) of all runs.

use std::sync::Arc;

use cutover_model::{
    Timestamp,
    event::RunEvent,
    plan::{Concurrency, GroupUse, JobSpec, Queue},
    run::{JobKey, Outcome, State, WaitingOn},
};

use crate::{
    Fault, call::Call, condition, decide::Draft, expression, job, job::Leg, run::Run, schedule,
    scope::Scope,
};

/// The longest name of a group, in characters.
const MAX_NAME: usize = 400;

/// What a run, or a leg of it, has to do with a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The leg, or all that a leg calls ([`JobKey::frame`]); absent for the whole run.
    pub job: Option<JobKey>,
    /// The group.
    pub group: GroupUse,
    /// Since when it waits; absent when it holds the group.
    pub waits_since: Option<Timestamp>,
}

/// The group that `concurrency:` comes to.
pub(crate) fn evaluate(
    scope: &Scope<'_>,
    written: &Concurrency,
    file: &str,
) -> Result<GroupUse, Fault> {
    let group = expression::text(scope, &written.group, file)?;
    let wrong = |message: &str| Err(Fault::of(file, &written.group, message.to_owned()));
    if group.is_empty() {
        return wrong("the name of the concurrency group is empty");
    }
    if group.chars().count() > MAX_NAME {
        return wrong("the name of the concurrency group is longer than 400 characters");
    }
    let cancel_in_progress = match &written.cancel_in_progress {
        Some(template) => condition::truth(scope, template, file)?,
        None => false,
    };
    if cancel_in_progress && written.queue == Queue::Max {
        return wrong("`queue: max` and `cancel-in-progress: true` do not go together");
    }
    Ok(GroupUse {
        group,
        cancel_in_progress,
        queue: written.queue,
    })
}

/// The whole run begins: it asks for its group, if it has one. Whether it may go on.
pub(crate) fn begin(draft: &mut Draft) -> bool {
    let run = &draft.run;
    let Some(written) = run.plan().and_then(|plan| plan.concurrency.as_ref()) else {
        return true;
    };
    let scope = Scope::workflow(run);
    let file = run.plan().map_or("", |plan| plan.path.as_str());
    match evaluate(&scope, written, file) {
        Ok(group) => draft.say(RunEvent::GroupAsked { job: None, group }),
        Err(fault) => end_all(draft, Outcome::Faulted, &fault.to_string()),
    }
    false
}

/// Whether a leg may go on as far as its group is concerned; it asks when it has not yet.
pub(crate) fn before(draft: &mut Draft, spec: &JobSpec, key: &JobKey) -> bool {
    let Some(leg) = draft.run.leg(key) else {
        return false;
    };
    let Some(group) = leg.spec.concurrency.clone() else {
        return true;
    };
    if leg.asked_group {
        return leg.holds_group;
    }
    if let Some(reason) = held_around(&draft.run, key, &group) {
        job::end(draft, spec, key, Outcome::Cancelled, Some(reason));
        return false;
    }
    let job = Some(key.clone());
    draft.say(RunEvent::GroupAsked { job, group });
    false
}

/// Whether what a leg has called may begin as far as the group of the called file is concerned; it asks
/// when it has not yet.
pub(crate) fn before_call(draft: &mut Draft, spec: &JobSpec, key: &JobKey, call: &Call) -> bool {
    let run = &draft.run;
    let written = run.callee(key).and_then(|call| call.concurrency.as_ref());
    let Some(written) = written.filter(|_| !call.holds_group) else {
        return true;
    };
    if let Some(stop) = run.leg(key).and_then(|leg| leg.stop.clone()) {
        end_call(draft, spec, key, stop.outcome, stop.reason);
        return false;
    }
    if call.group.is_some() {
        return false;
    }
    let group = match evaluate(&Scope::called(run, key), written, &call.path) {
        Ok(group) => group,
        Err(fault) => {
            end_call(draft, spec, key, Outcome::Faulted, fault.to_string());
            return false;
        }
    };
    if let Some(reason) = held_around(run, &key.frame(), &group) {
        end_call(draft, spec, key, Outcome::Cancelled, reason);
        return false;
    }
    let job = Some(key.frame());
    draft.say(RunEvent::GroupAsked { job, group });
    false
}

/// Why something would wait for a group until it has ended itself: its run, or what calls it, holds it.
fn held_around(run: &Run, key: &JobKey, group: &GroupUse) -> Option<String> {
    let is_same = |held: &&GroupUse| held.key() == group.key();
    let mut holder = run.group.as_ref().filter(is_same).map(|_| "its run");
    let mut around = key.caller();
    while let Some(caller) = around {
        let own = run
            .leg(&caller)
            .and_then(|leg| leg.spec.concurrency.as_ref());
        let called = run.call(&caller).and_then(|call| call.group.as_ref());
        if own.iter().chain(&called).any(is_same) {
            holder = Some("what calls it");
        }
        around = caller.caller();
    }
    let name = &group.group;
    holder.map(|holder| {
        format!(
            "{holder} holds concurrency group `{name}` until it ends: they would wait for each other"
        )
    })
}

/// Ends a leg none of whose called jobs has begun.
fn end_call(draft: &mut Draft, spec: &JobSpec, key: &JobKey, outcome: Outcome, reason: String) {
    let jobs = draft.run.call(key).map(|call| call.jobs.clone());
    for inner in jobs.iter().flatten() {
        draft.say(schedule::ended(inner, outcome, reason.clone()));
    }
    job::end(draft, spec, key, outcome, Some(reason));
}

/// The group is free for it.
pub(crate) fn taken(draft: &mut Draft, job: Option<JobKey>) {
    if !waits(&draft.run, job.as_ref()) {
        return;
    }
    let whole = job.is_none();
    draft.say(RunEvent::GroupTaken { job });
    if whole {
        draft.say(RunEvent::RunStarted);
    }
}

/// Somebody else holds the group.
pub(crate) fn held(draft: &mut Draft, job: Option<JobKey>, holder: String) {
    let known = match state(&draft.run, job.as_ref()) {
        Some(State::Waiting {
            on: WaitingOn::Group { holder, .. },
            ..
        }) => holder.clone(),
        _ => return,
    };
    if known.as_deref() != Some(&holder) {
        draft.say(RunEvent::GroupAwaited { job, holder });
    }
}

/// Another one takes its place: in the queue, or in the group.
pub(crate) fn lost(draft: &mut Draft, job: Option<JobKey>, by: &str) {
    let waits = waits(&draft.run, job.as_ref());
    match job {
        None if waits => {
            let reason = superseded(draft.run.group.as_ref(), by);
            end_all(draft, Outcome::Superseded, &reason);
        }
        None => {
            let holds = draft.run.group.clone().filter(|_| draft.run.is_live());
            let cancelled = draft.run.cancels.iter().any(|cancel| cancel.by == by);
            if let Some(group) = holds.filter(|_| !cancelled) {
                let reason = in_progress(&group);
                schedule::cancel(draft, by.to_owned(), Some(reason));
            }
        }
        Some(job) => {
            let key = job.framed().unwrap_or_else(|| job.clone());
            let group = draft.run.group_of(&job);
            let (Some(group), Some(spec)) = (group.cloned(), draft.run.spec(key.job()).cloned())
            else {
                return;
            };
            if waits && job.framed().is_some() {
                let reason = superseded(Some(&group), by);
                end_call(draft, &spec, &key, Outcome::Superseded, reason);
            } else if waits {
                let reason = superseded(Some(&group), by);
                job::end(draft, &spec, &key, Outcome::Superseded, Some(reason));
            } else if holds(&draft.run, &job) {
                let reason = format!("cancelled by {by}: {}", in_progress(&group));
                schedule::stop(draft, &key, Outcome::Cancelled, false, &reason);
            }
        }
    }
}

fn superseded(group: Option<&GroupUse>, by: &str) -> String {
    let name = group.map_or("", |group| group.group.as_str());
    format!("superseded by {by} in concurrency group `{name}`")
}

fn in_progress(group: &GroupUse) -> String {
    format!(
        "in concurrency group `{}` the newer one goes on",
        group.group
    )
}

/// Ends a run none of whose jobs has begun.
pub(crate) fn end_all(draft: &mut Draft, outcome: Outcome, reason: &str) {
    let Some(head) = draft.run.head.clone() else {
        return;
    };
    // When it is done once more, some have their end from before.
    let has_ended = |spec: &&JobSpec| condition::conclusion(&draft.run, &spec.id).is_some();
    let open: Vec<&JobSpec> = head
        .plan
        .jobs
        .iter()
        .filter(|spec| !has_ended(spec))
        .collect();
    for spec in open {
        let event = schedule::ended(spec, outcome, reason.to_owned());
        draft.say(event);
    }
    draft.say(RunEvent::RunFinished { outcome });
}

fn state<'a>(run: &'a Run, job: Option<&JobKey>) -> Option<&'a State> {
    match job {
        None => Some(&run.state),
        Some(job) => leg_of(run, job).map(|leg| &leg.state),
    }
}

/// The leg that asks: for itself, or for what it calls.
fn leg_of<'a>(run: &'a Run, job: &JobKey) -> Option<&'a Leg> {
    match job.framed() {
        Some(caller) => run.leg(&caller),
        None => run.leg(job),
    }
}

/// Whether a leg has the group that it asked for, for itself or for what it calls.
fn holds(run: &Run, job: &JobKey) -> bool {
    match job.framed() {
        Some(caller) => run.call(&caller).is_some_and(|call| call.holds_group),
        None => run.leg(job).is_some_and(|leg| leg.holds_group),
    }
}

/// Whether it waits for a group.
pub(crate) fn waits(run: &Run, job: Option<&JobKey>) -> bool {
    let is_open = job.is_none_or(|job| run.group_of(job).is_some() && !holds(run, job));
    let on_group = matches!(
        state(run, job),
        Some(State::Waiting {
            on: WaitingOn::Group { .. },
            ..
        })
    );
    is_open && on_group
}

/// Remembers that a group is asked for, and who has it.
pub(crate) fn evolve(run: &mut Run, at: Timestamp, event: &RunEvent) {
    match event {
        RunEvent::GroupAsked { job, group } => {
            let waiting = State::Waiting {
                on: WaitingOn::Group {
                    group: group.group.clone(),
                    holder: None,
                },
                since: at,
            };
            match job {
                None => (run.group, run.state) = (Some(group.clone()), waiting),
                Some(job) => {
                    let caller = job.framed();
                    if let Some(call) = caller.as_ref().and_then(|key| run.calls.get_mut(key)) {
                        Arc::make_mut(call).group = Some(group.clone());
                    }
                    if let Some(leg) = run.leg_mut(caller.as_ref().unwrap_or(job)) {
                        leg.asked_group |= caller.is_none();
                        leg.state = waiting;
                    }
                }
            }
        }
        RunEvent::GroupAwaited { job, holder } => {
            let state = match job {
                None => Some(&mut run.state),
                Some(job) => {
                    let key = job.framed().unwrap_or_else(|| job.clone());
                    run.leg_mut(&key).map(|leg| &mut leg.state)
                }
            };
            if let Some(State::Waiting {
                on: WaitingOn::Group { holder: known, .. },
                ..
            }) = state
            {
                *known = Some(holder.clone());
            }
        }
        RunEvent::GroupTaken { job: Some(job) } => match job.framed() {
            Some(caller) => {
                if let Some(call) = run.calls.get_mut(&caller) {
                    Arc::make_mut(call).holds_group = true;
                }
                if let Some(leg) = run.leg_mut(&caller) {
                    let since = leg.started_at.unwrap_or(at);
                    leg.state = State::Running { since };
                }
            }
            None => {
                if let Some(leg) = run.leg_mut(job) {
                    leg.holds_group = true;
                    leg.state = State::Pending;
                }
            }
        },
        // That it goes on is said by the next event.
        _ => {}
    }
}

impl Run {
    /// The group that a leg has asked for, for itself or for what it calls ([`JobKey::frame`]).
    pub fn group_of(&self, job: &JobKey) -> Option<&GroupUse> {
        if let Some(caller) = job.framed() {
            return self.call(&caller)?.group.as_ref();
        }
        let leg = self.leg(job).filter(|leg| leg.asked_group)?;
        leg.spec.concurrency.as_ref()
    }

    /// The groups that it asks for or holds, now.
    pub fn claims(&self) -> Vec<Claim> {
        let since = |state: &State| match state {
            State::Waiting {
                on: WaitingOn::Group { .. },
                since,
            } => Some(*since),
            _ => None,
        };
        let whole = self.group.iter().filter(|_| self.is_live());
        let whole = whole.map(|group| Claim {
            job: None,
            group: group.clone(),
            waits_since: since(&self.state),
        });
        let open = self.legs.iter().filter(|(_, leg)| !leg.state.is_finished());
        let legs = open.flat_map(|(key, leg)| {
            [key.clone(), key.frame()]
                .into_iter()
                .filter_map(move |job| {
                    Some(Claim {
                        group: self.group_of(&job)?.clone(),
                        waits_since: since(&leg.state).filter(|_| !holds(self, &job)),
                        job: Some(job),
                    })
                })
        });
        whole.chain(legs).collect()
    }
}
