//! Who holds which concurrency group, and who waits for it, over all runs. Plain values: whoever asks
//! is a member by whatever name the caller has for it, and the caller tells members what was said.

use std::collections::{BTreeMap, VecDeque};

use cutover_model::plan::{GroupUse, MAX_QUEUED, Queue};

/// What a member is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said<M> {
    /// The group is its own.
    Taken(M),
    /// It waits, and this one holds the group.
    Held {
        /// Who waits.
        member: M,
        /// Who holds it.
        holder: M,
    },
    /// Another one takes its place: in the queue, or, in a group whose newest member goes on, in the
    /// group itself, which it still holds until it has ended.
    Lost {
        /// Who has lost it.
        member: M,
        /// To whom.
        by: M,
    },
}

/// All groups that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups<M> {
    groups: BTreeMap<String, Group<M>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group<M> {
    holder: M,
    queue: VecDeque<M>,
}

impl<M> Default for Groups<M> {
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
        }
    }
}

impl<M: Clone + Eq> Groups<M> {
    /// A member asks. `place` sets groups of the same name apart (a repository). Whoever has asked
    /// before is told where it stands, and nobody else is told anything.
    pub fn ask(&mut self, place: &str, group: &GroupUse, member: &M) -> Vec<Said<M>> {
        let Some(found) = self.groups.get_mut(&key(place, group)) else {
            self.hold(place, group, member);
            return vec![Said::Taken(member.clone())];
        };
        if found.holder == *member {
            return vec![Said::Taken(member.clone())];
        }
        let mut said = Vec::new();
        if !found.queue.contains(member) {
            match group.queue {
                Queue::Max if found.queue.len() >= MAX_QUEUED => {
                    // There is no place: the newest of those that wait is the last in the queue.
                    let by = found.queue.back().unwrap_or(&found.holder).clone();
                    let member = member.clone();
                    return vec![Said::Lost { member, by }];
                }
                Queue::Max => {}
                Queue::Single => {
                    let lost = found.queue.drain(..);
                    said.extend(lost.map(|lost| Said::Lost {
                        member: lost,
                        by: member.clone(),
                    }));
                }
            }
            found.queue.push_back(member.clone());
            if group.cancel_in_progress {
                said.push(Said::Lost {
                    member: found.holder.clone(),
                    by: member.clone(),
                });
            }
        }
        said.push(Said::Held {
            member: member.clone(),
            holder: found.holder.clone(),
        });
        said
    }

    /// Writes down who holds a group, as its log says. False when another does.
    pub fn hold(&mut self, place: &str, group: &GroupUse, member: &M) -> bool {
        let held = self
            .groups
            .entry(key(place, group))
            .or_insert_with(|| Group {
                holder: member.clone(),
                queue: VecDeque::new(),
            });
        held.holder == *member
    }

    /// Writes down who waits, as its log says, behind those that are written down already. With
    /// nobody before it, it has the group, and is told when it asks.
    pub fn enqueue(&mut self, place: &str, group: &GroupUse, member: &M) {
        if self.hold(place, group, member) {
            return;
        }
        if let Some(found) = self.groups.get_mut(&key(place, group))
            && found.holder != *member
            && !found.queue.contains(member)
        {
            found.queue.push_back(member.clone());
        }
    }

    /// A member has ended, or waits no longer; the next one has the group.
    pub fn release(&mut self, place: &str, group: &GroupUse, member: &M) -> Vec<Said<M>> {
        let key = key(place, group);
        let Some(found) = self.groups.get_mut(&key) else {
            return Vec::new();
        };
        if found.holder != *member {
            found.queue.retain(|waiting| waiting != member);
            return Vec::new();
        }
        let Some(next) = found.queue.pop_front() else {
            self.groups.remove(&key);
            return Vec::new();
        };
        found.holder = next.clone();
        let rest = found.queue.iter().map(|waiting| Said::Held {
            member: waiting.clone(),
            holder: next.clone(),
        });
        std::iter::once(Said::Taken(next.clone()))
            .chain(rest)
            .collect()
    }

    /// Who holds a group.
    pub fn holder(&self, place: &str, group: &GroupUse) -> Option<&M> {
        self.groups
            .get(&key(place, group))
            .map(|found| &found.holder)
    }
}

fn key(place: &str, group: &GroupUse) -> String {
    format!("{place}\n{}", group.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(cancel_in_progress: bool, queue: Queue) -> GroupUse {
        GroupUse {
            group: "Deploy".to_owned(),
            cancel_in_progress,
            queue,
        }
    }

    fn lost(member: u32, by: u32) -> Said<u32> {
        Said::Lost { member, by }
    }

    fn held(member: u32, holder: u32) -> Said<u32> {
        Said::Held { member, holder }
    }

    #[test]
    fn one_holds_one_waits_and_the_next_takes_its_place() {
        let mut groups = Groups::default();
        let use_of = group(false, Queue::Single);
        assert_eq!(groups.ask("a/b", &use_of, &1), [Said::Taken(1)]);
        assert_eq!(groups.ask("a/b", &use_of, &2), [held(2, 1)]);
        assert_eq!(groups.ask("a/b", &use_of, &3), [lost(2, 3), held(3, 1)]);
        assert_eq!(groups.ask("a/b", &use_of, &3), [held(3, 1)], "asked twice");
        assert_eq!(groups.ask("a/c", &use_of, &4), [Said::Taken(4)]);
        assert_eq!(groups.release("a/b", &use_of, &2), []);
        assert_eq!(groups.release("a/b", &use_of, &1), [Said::Taken(3)]);
        assert_eq!(groups.release("a/b", &use_of, &3), []);
        assert_eq!(groups.holder("a/b", &use_of), None);
    }

    #[test]
    fn names_are_compared_without_regard_to_case() {
        let mut groups = Groups::default();
        let mut other = group(false, Queue::Single);
        other.group = "deploy".to_owned();
        groups.ask("", &group(false, Queue::Single), &1);
        assert_eq!(groups.ask("", &other, &2), [held(2, 1)]);
    }

    #[test]
    fn the_newest_ends_who_is_in_progress_and_waits_for_that() {
        let mut groups = Groups::default();
        let use_of = group(true, Queue::Single);
        groups.ask("", &use_of, &1);
        assert_eq!(groups.ask("", &use_of, &2), [lost(1, 2), held(2, 1)]);
        assert_eq!(
            groups.ask("", &use_of, &3),
            [lost(2, 3), lost(1, 3), held(3, 1)]
        );
        assert_eq!(groups.release("", &use_of, &1), [Said::Taken(3)]);
    }

    #[test]
    fn a_hundred_wait_in_order_and_no_more() {
        let mut groups = Groups::default();
        let use_of = group(false, Queue::Max);
        for member in 0..=100 {
            groups.ask("", &use_of, &member);
        }
        assert_eq!(groups.ask("", &use_of, &101), [lost(101, 100)]);
        let said = groups.release("", &use_of, &0);
        assert_eq!(said[0], Said::Taken(1));
        assert_eq!(said[1], held(2, 1));
        assert_eq!(said.len(), 100);
        assert_eq!(groups.ask("", &use_of, &101), [held(101, 1)]);
    }

    #[test]
    fn after_a_restart_all_are_where_they_were() {
        let mut groups = Groups::default();
        let use_of = group(false, Queue::Max);
        assert!(groups.hold("", &use_of, &1));
        assert!(!groups.hold("", &use_of, &9));
        groups.enqueue("", &use_of, &2);
        groups.enqueue("", &use_of, &3);
        assert_eq!(groups.ask("", &use_of, &3), [held(3, 1)]);
        assert_eq!(groups.ask("", &use_of, &2), [held(2, 1)]);
        assert_eq!(groups.release("", &use_of, &1)[0], Said::Taken(2));
    }
}
