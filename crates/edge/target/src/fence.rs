//! Late orders are not carried out: what has been seen of each deployment is kept on disk.

use std::fmt;

use camino::Utf8Path;
use cutover_model::DeploymentId;
use cutover_supervisor::record;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The age of an order.
///
/// The instances of a deployment are later stopped by its successor, which counts its asks from
/// one again: alone, the count would make the successor's orders look late. Hence the fence in
/// front, which grows with each holder of the environment's lock.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Generation {
    /// Of the lock under which it was ordered.
    pub fence: u64,
    /// The generation of the effect.
    pub ask: u64,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}.{}", self.fence, self.ask)
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Seen {
    generation: Generation,
    /// The place was cleared: what was ordered until then is over.
    removed: bool,
}

const FILE: &str = "seen.json";

/// Lets an order pass that is not late, and remembers it. `starts` is for orders that make something:
/// after a removal they must be younger than everything before it.
pub(crate) fn admit(
    directory: &Utf8Path,
    deployment: &DeploymentId,
    given: Generation,
    starts: bool,
) -> Result<(), Error> {
    let path = directory.join(FILE);
    let seen: Option<Seen> = record::read(&path)?;
    let Some(seen) = seen else {
        return remember(directory, given, false);
    };
    if given < seen.generation || (starts && seen.removed && given == seen.generation) {
        return Err(Error::Stale {
            deployment: deployment.clone(),
            given,
            seen: seen.generation,
        });
    }
    if given == seen.generation {
        return Ok(());
    }
    remember(directory, given, seen.removed && !starts)
}

/// Remembers that the place was cleared.
pub(crate) fn close(directory: &Utf8Path) -> Result<(), Error> {
    let seen: Option<Seen> = record::read(&directory.join(FILE))?;
    remember(directory, seen.unwrap_or_default().generation, true)
}

fn remember(directory: &Utf8Path, generation: Generation, removed: bool) -> Result<(), Error> {
    std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
    let seen = Seen {
        generation,
        removed,
    };
    Ok(record::write(&directory.join(FILE), &seen)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn generation(fence: u64, ask: u64) -> Generation {
        Generation { fence, ask }
    }

    #[test]
    fn late_orders_are_refused_and_repeated_ones_pass() {
        let kept = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(kept.path()).unwrap().join("dep");
        let id = DeploymentId::derived(&["x"]);
        let admit = |given, starts| admit(&directory, &id, given, starts);
        admit(generation(1, 7), true).unwrap();
        admit(generation(1, 7), true).unwrap();
        assert!(matches!(
            admit(generation(1, 6), true),
            Err(Error::Stale { .. })
        ));
        // The next deployment counts from one again.
        admit(generation(2, 1), false).unwrap();
        assert!(matches!(
            admit(generation(1, 8), false),
            Err(Error::Stale { .. })
        ));

        close(&directory).unwrap();
        assert!(matches!(
            admit(generation(2, 1), true),
            Err(Error::Stale { .. })
        ));
        admit(generation(2, 1), false).unwrap();
        admit(generation(2, 2), false).unwrap();
        assert!(matches!(
            admit(generation(2, 2), true),
            Err(Error::Stale { .. })
        ));
        admit(generation(2, 3), true).unwrap();
        admit(generation(2, 3), true).unwrap();
    }
}
