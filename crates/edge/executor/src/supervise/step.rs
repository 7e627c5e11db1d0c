//! What is known about a step while it runs, and who wants to know.

use std::{
    os::unix::net::UnixStream,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use cutover_supervisor::{identity::Identity, tree};
use rustix::{
    event::{PollFd, PollFlags},
    net::{SendFlags, send},
};

use super::job::lock;
use crate::protocol::{GREW, Grace, OVER};

/// How far it is; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Progress {
    #[default]
    Running,
    /// Its first process has ended.
    ChildEnded,
    /// Its record is written.
    Ended,
    /// Nobody can print anything any more, and all that was printed is in the log.
    Drained,
}

/// Whether it is to be started: it may have been made ready for somebody who is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Word {
    #[default]
    Awaited,
    Given,
    Never,
}

#[derive(Debug, Default)]
struct State {
    word: Word,
    child: Option<Identity>,
    progress: Progress,
    /// Somebody wants it to end, and this patient they are.
    cancel: Option<Grace>,
    /// Whoever cancels it is done with it.
    swept: bool,
    watchers: Vec<Watcher>,
}

/// Somebody who is told that the log has grown, and of the end.
#[derive(Debug)]
struct Watcher {
    stream: Arc<UnixStream>,
    /// Whether it has more to ask for after the end.
    stays: bool,
}

impl Watcher {
    /// Whether it is still there.
    fn tell(&self, news: &[u8]) -> bool {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        !matches!(send(&self.stream, news, flags), Err(error) if error != rustix::io::Errno::AGAIN)
    }

    fn send_home(&self) {
        // One that has not read what it was told before is told by the end of the stream.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let told = self.stays && send(&self.stream, OVER, flags).is_ok();
        if !told {
            // Gone already is as good.
            self.stream.shutdown(std::net::Shutdown::Both).ok();
        }
    }
}

/// A step that was started here.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    state: Mutex<State>,
    changed: Condvar,
}

impl Step {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// It is started now, unless it was given up.
    pub(super) fn goes(&self) -> bool {
        let mut state = lock(&self.state);
        let goes = state.word != Word::Never;
        if goes {
            state.word = Word::Given;
        }
        drop(state);
        self.changed.notify_all();
        goes
    }

    /// It is not started any more if it has not been; whether that is so.
    pub(super) fn is_given_up(&self) -> bool {
        let mut state = lock(&self.state);
        if state.word == Word::Awaited {
            state.word = Word::Never;
        }
        let never = state.word == Word::Never;
        drop(state);
        self.changed.notify_all();
        never
    }

    /// Waits until it is known whether it is started, not longer than this; whether it was given up.
    pub(super) fn was_given_up(&self, limit: Duration) -> bool {
        let state = lock(&self.state);
        let waited = self
            .changed
            .wait_timeout_while(state, limit, |state| state.word == Word::Awaited);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.word == Word::Never
    }

    pub(super) fn child(&self) -> Option<Identity> {
        lock(&self.state).child.clone()
    }

    /// Its process is there; returns the grace when it was cancelled before.
    pub(super) fn runs(&self, child: Identity) -> Option<Grace> {
        let mut state = lock(&self.state);
        state.child = Some(child);
        state.cancel
    }

    /// Notes that it is to end; returns whether the caller has to see to it.
    pub(super) fn wants_cancel(&self, grace: Grace) -> bool {
        let mut state = lock(&self.state);
        let first = state.cancel.is_none() && state.progress == Progress::Running;
        if first {
            state.cancel = Some(grace);
        }
        first && state.child.is_some()
    }

    /// Everything is about to be killed: whatever its exit code, it was cancelled.
    pub(super) fn give_up(&self) {
        let mut state = lock(&self.state);
        if state.progress == Progress::Running {
            state.cancel.get_or_insert_default();
            state.swept = true;
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        lock(&self.state).cancel.is_some()
    }

    pub(super) fn has_ended(&self) -> bool {
        lock(&self.state).progress >= Progress::Ended
    }

    pub(super) fn child_has_ended(&self) {
        lock(&self.state).progress = Progress::ChildEnded;
        self.changed.notify_all();
    }

    /// Waits for the end of its first process, not longer than this.
    pub(super) fn await_child(&self, limit: Duration) {
        let state = lock(&self.state);
        let waited = self
            .changed
            .wait_timeout_while(state, limit, |state| state.progress < Progress::ChildEnded);
        drop(waited);
    }

    pub(super) fn is_swept(&self) {
        lock(&self.state).swept = true;
        self.changed.notify_all();
    }

    /// Waits until whoever cancels it is done.
    pub(super) fn await_sweep(&self) {
        self.wait_while(|state| state.cancel.is_some() && !state.swept);
    }

    pub(super) fn is_drained(&self) {
        lock(&self.state).progress = Progress::Drained;
        self.changed.notify_all();
    }

    /// Waits until its record is written, and, not longer than this, for the rest of its output.
    pub(super) fn await_end(&self, limit: Duration) {
        self.wait_while(|state| state.progress < Progress::Ended);
        let state = lock(&self.state);
        let waited = self
            .changed
            .wait_timeout_while(state, limit, |state| state.progress < Progress::Drained);
        drop(waited);
    }

    fn wait_while(&self, condition: impl Fn(&mut State) -> bool) {
        let state = lock(&self.state);
        let waited = self
            .changed
            .wait_while(state, condition)
            .unwrap_or_else(PoisonError::into_inner);
        drop(waited);
    }

    /// Its record is written: whoever watches is sent home.
    pub(super) fn ends(&self) {
        let mut state = lock(&self.state);
        state.progress = Progress::Ended;
        for watcher in state.watchers.drain(..) {
            watcher.send_home();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Its log has grown. One who has not read the last notice yet needs no other.
    pub(super) fn grew(&self) {
        lock(&self.state)
            .watchers
            .retain(|watcher| watcher.tell(GREW));
    }

    /// Takes on a watcher that reads until it is told the end, and may then ask for more. One that goes
    /// away before is noticed by the next notice.
    pub(super) fn keep_watcher(&self, visitor: &Arc<UnixStream>) {
        lock(&self.state).watchers.push(Watcher {
            stream: Arc::clone(visitor),
            stays: true,
        });
    }

    /// Keeps a watcher until it goes away or the step has ended.
    pub(super) fn watch(&self, visitor: &Arc<UnixStream>) {
        let mut state = lock(&self.state);
        if state.progress >= Progress::Ended {
            return;
        }
        state.watchers.push(Watcher {
            stream: Arc::clone(visitor),
            stays: false,
        });
        drop(state);
        // What was written while the visitor stood at the door is news, too.
        self.grew();
        let mut fds = [PollFd::new(&**visitor, PollFlags::IN)];
        tree::poll_for(&mut fds, None).ok();
        lock(&self.state)
            .watchers
            .retain(|watcher| !Arc::ptr_eq(&watcher.stream, visitor));
    }
}
