//! The concurrency groups of all runs: who holds one, who waits, and who is told.
//!
//! The truth is in the logs of the runs: that one asks, and that it has the group. What is here is made
//! of that after a start, before anybody asks again.

use std::sync::Arc;

use cutover_engine::{Groups, Input, Run, Said};
use cutover_model::{RunId, plan::GroupUse, run::JobKey};
use parking_lot::Mutex;

use super::Mailbox;
use crate::{Control, Error};

/// A run, or a leg of it, in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    run: RunId,
    job: Option<JobKey>,
    /// The number of the run, for people.
    number: u64,
}

impl Member {
    fn of(run: &Run, job: Option<&JobKey>) -> Option<Self> {
        Some(Self {
            run: run.id()?.clone(),
            job: job.cloned(),
            number: run.number()?,
        })
    }

    fn name(&self) -> String {
        if let Some(caller) = self.job.as_ref().and_then(JobKey::framed) {
            return format!("what job {caller} of run #{} calls", self.number);
        }
        match &self.job {
            Some(job) => format!("job {job} of run #{}", self.number),
            None => format!("run #{}", self.number),
        }
    }
}

/// The groups. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub(crate) struct ConcurrencyGroups(Arc<Mutex<Groups<Member>>>);

impl ConcurrencyGroups {
    /// A run asks; it and all others whom that concerns are told.
    pub(crate) fn ask(
        &self,
        control: &Control,
        run: &Run,
        job: Option<&JobKey>,
        group: &GroupUse,
        mailbox: &Mailbox<Run>,
    ) {
        let Some(member) = Member::of(run, job) else {
            return;
        };
        // Told under the lock: what comes second is heard second.
        let mut groups = self.0.lock();
        for said in groups.ask(place(run), group, &member) {
            tell(control, said, Some((&member.run, mailbox)));
        }
    }

    /// A run, or a leg of it, has ended or waits no longer.
    pub(crate) fn release(
        &self,
        control: &Control,
        run: &Run,
        job: Option<&JobKey>,
        group: &GroupUse,
    ) {
        let Some(member) = Member::of(run, job) else {
            return;
        };
        let mut groups = self.0.lock();
        for said in groups.release(place(run), group, &member) {
            tell(control, said, None);
        }
    }

    /// After a start: who holds what, and who waits in which order, as the logs say.
    pub(crate) async fn adopt(&self, control: &Control, runs: &[RunId]) -> Result<(), Error> {
        let mut waiting = Vec::new();
        for id in runs {
            let run = control.run(id).await?;
            for claim in run.claims() {
                let Some(member) = Member::of(&run, claim.job.as_ref()) else {
                    continue;
                };
                match claim.waits_since {
                    None => drop(self.0.lock().hold(place(&run), &claim.group, &member)),
                    Some(since) => {
                        let order = (since, member.number);
                        waiting.push((order, place(&run).to_owned(), claim.group, member));
                    }
                }
            }
        }
        waiting.sort_by_key(|(order, ..)| *order);
        let mut groups = self.0.lock();
        for (_, place, group, member) in waiting {
            groups.enqueue(&place, &group, &member);
        }
        drop(groups);
        Ok(())
    }
}

/// Groups of the same name in two repositories are two.
fn place(run: &Run) -> &str {
    run.trigger()
        .map_or("", |trigger| trigger.repository.as_str())
}

/// Tells a run. One that is not driven yet asks when it is; who asks just now is not found otherwise.
fn tell(control: &Control, said: Said<Member>, asker: Option<(&RunId, &Mailbox<Run>)>) {
    let (member, input) = match said {
        Said::Taken(member) => {
            let job = member.job.clone();
            (member, Input::GroupTaken { job })
        }
        Said::Held { member, holder } => {
            let (job, holder) = (member.job.clone(), holder.name());
            (member, Input::GroupHeld { job, holder })
        }
        Said::Lost { member, by } => {
            let (job, by) = (member.job.clone(), by.name());
            (member, Input::GroupLost { job, by })
        }
    };
    match asker.filter(|(run, _)| **run == member.run) {
        Some((_, mailbox)) => mailbox.observe(input),
        None => control.tell_run(&member.run, input),
    }
}
