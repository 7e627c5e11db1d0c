//! Connections that nobody uses just now, last in, first out: the few that are enough stay warm, the
//! others grow old and are dropped.

use std::sync::Mutex;

use crate::{connection::Connection, lock::locked, worker};

/// Shelves of one upstream. Each worker takes from and puts on its own, so that a connection stays
/// with the thread that watches its socket, and the locks are hardly ever contended.
const SHELVES: usize = 16;
/// Connections on one shelf.
const LIMIT: usize = 512;

/// The unused connections to one upstream.
#[derive(Debug, Default)]
pub(crate) struct Idle([Mutex<Vec<Connection>>; SHELVES]);

impl Idle {
    fn shelf(&self) -> Option<&Mutex<Vec<Connection>>> {
        self.0.get(worker::current() % SHELVES)
    }

    pub(crate) fn pop(&self) -> Option<Connection> {
        locked(self.shelf()?).pop()
    }

    /// Keeps it, if there is room.
    pub(crate) fn push(&self, connection: Connection) {
        let Some(shelf) = self.shelf() else { return };
        let mut shelf = locked(shelf);
        if shelf.len() < LIMIT {
            shelf.push(connection);
        }
    }

    /// Drops those of all shelves that are not to be kept.
    pub(crate) fn retain(&self, keep: impl Fn(&Connection) -> bool) {
        for shelf in &self.0 {
            locked(shelf).retain(&keep);
        }
    }
}
