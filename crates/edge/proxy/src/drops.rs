//! The drop ledger of a side: requests that were lost between releases, by cause and since when.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{clock, control::Dropped, metrics::Cause};

/// What may cost a request when a release takes the place of another. Other causes are the
/// client's, or the application's alone.
const CAUSES: [Cause; 8] = [
    Cause::NoUpstream,
    Cause::ConnectFailed,
    Cause::Reset,
    Cause::AnswerCut,
    Cause::DrainCut,
    Cause::HoldFull,
    Cause::HoldTimedOut,
    Cause::ClosedAfterGrace,
];

/// Entries by cause.
#[derive(Debug, Default)]
pub(crate) struct Drops([Entry; CAUSES.len()]);

#[derive(Debug, Default)]
struct Entry {
    requests: AtomicU64,
    /// Those that no second has told of yet.
    untold: AtomicU64,
    first_unix_ms: AtomicU64,
    last_unix_ms: AtomicU64,
}

impl Drops {
    /// Enters a request. Causes that are none of a deployment's are not entered.
    pub(crate) fn enter(&self, cause: Cause) {
        let Some(index) = CAUSES.iter().position(|known| *known == cause) else {
            return;
        };
        let (entry, now) = (&self.0[index], clock::unix_ms());
        entry.requests.fetch_add(1, Ordering::Relaxed);
        entry.untold.fetch_add(1, Ordering::Relaxed);
        let first = &entry.first_unix_ms;
        let _known = first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        entry.last_unix_ms.fetch_max(now, Ordering::Relaxed);
    }

    /// What was entered since the last call.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        let named = CAUSES.iter().zip(&self.0);
        named
            .map(|(cause, entry)| (cause, entry.untold.swap(0, Ordering::Relaxed)))
            .filter(|(_, requests)| *requests > 0)
            .map(|(cause, requests)| (cause.name().to_owned(), requests))
            .collect()
    }

    /// All entries since the start.
    pub(crate) fn entries(&self) -> Vec<Dropped> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let entry = |(cause, entry): (&Cause, &Entry)| Dropped {
            cause: cause.name().to_owned(),
            requests: read(&entry.requests),
            first_unix_ms: read(&entry.first_unix_ms),
            last_unix_ms: read(&entry.last_unix_ms),
        };
        let all = CAUSES.iter().zip(&self.0).map(entry);
        all.filter(|entry| entry.requests > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_have_a_cause_and_a_time() {
        let drops = Drops::default();
        for cause in [
            Cause::Reset,
            Cause::Reset,
            Cause::NoUpstream,
            Cause::BadRequest,
        ] {
            drops.enter(cause);
        }
        let second = drops.take();
        assert_eq!(
            second,
            BTreeMap::from([("no_upstream".into(), 1), ("reset".into(), 2)])
        );
        assert!(drops.take().is_empty());
        let entries = drops.entries();
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| (entry.cause.as_str(), entry.requests))
            .collect();
        assert_eq!(seen, [("no_upstream", 1), ("reset", 2)]);
        assert!(entries.iter().all(|entry| entry.first_unix_ms > 0));
        assert!(
            entries
                .iter()
                .all(|entry| entry.last_unix_ms >= entry.first_unix_ms)
        );
    }
}
