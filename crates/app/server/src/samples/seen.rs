//! What was counted of a deployment, judged and summed up for whoever looks at it. It is remembered how far
//! that went: the next look pays for the seconds since, and not for the hours before.

use std::collections::BTreeMap;

use cutover_model::{DeploymentId, delivery::DeploymentSpec};
use cutover_rollout::{
    Deployment,
    watch::{Verdict, Watch},
};
use parking_lot::Mutex;

use super::{
    live::live,
    record::{Record, Second},
    told,
};
use crate::{Control, Error, deliver::inspect::Cost};

/// How many deployments are remembered; they that were looked at last.
const REMEMBERED: usize = 16;

/// What is remembered.
#[derive(Default)]
pub(crate) struct Looks(Mutex<Known>);

#[derive(Default)]
struct Known {
    looks: BTreeMap<DeploymentId, Look>,
    /// Counts looks, to tell which was the last.
    count: u64,
}

/// A deployment's seconds up to one of them.
#[derive(Clone)]
struct Look {
    watch: Watch,
    cost: Cost,
    /// The first second that has not been told.
    next: u64,
    /// Where the row begins that was read last.
    row: u64,
    /// The number of the last look at it.
    last: u64,
}

impl Look {
    fn new(spec: &DeploymentSpec) -> Self {
        Self {
            watch: Watch::of(spec),
            cost: Cost::default(),
            next: 0,
            row: 0,
            last: 0,
        }
    }

    fn tell(&mut self, seconds: &[Second]) {
        for second in seconds {
            if second.at >= self.next {
                self.next = second.at + 1;
                self.watch.sample(&told(second));
                self.cost.add(second);
            }
        }
    }

    /// What the judge says, if anything was counted: of a step that lasts what is known, and only at the
    /// end what follows from that.
    fn verdict(&self, is_over: bool) -> Option<Verdict> {
        let verdict = || self.watch.verdict(is_over);
        (self.next > 0).then(verdict).flatten()
    }
}

impl Looks {
    fn look(&self, spec: &DeploymentSpec) -> Look {
        let mut known = self.0.lock();
        known.count += 1;
        let last = known.count;
        let look = known.looks.get_mut(&spec.id).map(|look| {
            look.last = last;
            look.clone()
        });
        look.unwrap_or_else(|| Look {
            last,
            ..Look::new(spec)
        })
    }

    fn remember(&self, id: &DeploymentId, look: Look) {
        let looks = &mut self.0.lock().looks;
        looks.insert(id.clone(), look);
        while looks.len() > REMEMBERED {
            let oldest = looks.iter().min_by_key(|(_, look)| look.last);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                break;
            };
            looks.remove(&oldest);
        }
    }
}

/// What the judge knows of a deployment by now, and what it has cost.
pub(crate) async fn seen(
    control: &Control,
    deployment: &Deployment,
) -> Result<(Option<Verdict>, Cost), Error> {
    let Some(spec) = deployment.spec() else {
        return Ok((None, Cost::default()));
    };
    let mut look = control.looks().look(spec);
    let (kept, row) = Record::since(control, &spec.id, look.row).await?;
    look.row = row;
    look.tell(&kept);
    control.looks().remember(&spec.id, look.clone());
    // What only the balancer has is not all that will be kept of these seconds: it is told anew.
    look.tell(&live(control, deployment, look.next).await);
    Ok((look.verdict(deployment.is_finished()), look.cost))
}

#[cfg(test)]
mod tests {
    use cutover_model::delivery::Weight;
    use cutover_proxy::SideSample;

    use super::*;

    fn second(at: u64) -> Second {
        let counted = |lost| SideSample {
            requests: 10,
            drops: BTreeMap::from([("reset".to_owned(), lost)]),
            ..SideSample::default()
        };
        Second {
            at,
            weight: Weight::from_percent(50).unwrap(),
            candidate: counted(2),
            current: Some(counted(1)),
            slow_ms: None,
            external: BTreeMap::new(),
            drops: BTreeMap::from([("no_upstream".to_owned(), 1)]),
        }
    }

    #[test]
    fn a_second_is_told_once_and_what_was_lost_in_it_is_the_deployments() {
        let mut look = Look {
            watch: Watch::new(&[], None),
            cost: Cost::default(),
            next: 0,
            row: 0,
            last: 0,
        };
        look.tell(&[second(5), second(6)]);
        look.tell(&[second(6), second(7)]);
        assert_eq!((look.next, look.cost.seconds), (8, 3));
        assert_eq!(look.cost.candidate.requests, 30);
        let ledger = [("no_upstream".to_owned(), 3), ("reset".to_owned(), 9)];
        assert_eq!(look.cost.ledger, BTreeMap::from(ledger));
    }

    #[test]
    fn in_the_middle_of_a_step_nobody_speaks_of_its_end() {
        let judge = cutover_model::delivery::JudgeSpec::default();
        let mut look = Look {
            watch: Watch::new(&[], Some(&judge)),
            cost: Cost::default(),
            next: 0,
            row: 0,
            last: 0,
        };
        assert_eq!(look.verdict(true), None, "nothing was counted");
        look.tell(&[second(5)]);
        let says = |is_over| look.verdict(is_over).unwrap().sentence;
        assert!(!says(false).contains("on_insufficient"), "{}", says(false));
        assert!(says(true).contains("on_insufficient"), "{}", says(true));
    }

    #[test]
    fn the_oldest_look_is_forgotten_and_the_newest_stay() {
        let seen = Looks::default();
        let id = |number: usize| DeploymentId::derived(&[&number.to_string()]);
        for number in 0..=REMEMBERED {
            let look = Look {
                watch: Watch::new(&[], None),
                cost: Cost::default(),
                next: 1,
                row: 0,
                last: number as u64,
            };
            seen.remember(&id(number), look);
        }
        let looks = &seen.0.lock().looks;
        assert_eq!(looks.len(), REMEMBERED);
        assert!(!looks.contains_key(&id(0)) && looks.contains_key(&id(REMEMBERED)));
    }
}
