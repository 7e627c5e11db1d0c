//! The threads that carry requests.

use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The number of the worker that this thread is; the others are all 0.
pub(crate) fn current() -> usize {
    CURRENT.get()
}
