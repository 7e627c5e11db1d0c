//! How the body of a request fares: how far it is, and whose fault it is when sending fails.
//!
//! Whoever reads the body tells, in `request`; whoever sends, counts or logs the request asks.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use crate::errors::BadRequest;

const WHOLE: u8 = 1;
const BROKEN: u8 = 2;
const STALLED: u8 = 3;
const TOO_LARGE: u8 = 4;

/// The fate of one body. Most requests have none, and then there is nothing to share.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyFate(Option<Arc<Fate>>);

#[derive(Debug, Default)]
struct Fate {
    state: AtomicU8,
    pieces: AtomicU64,
    bytes: AtomicU64,
}

impl BodyFate {
    /// Of a body that is still to come.
    pub(crate) fn of_some() -> Self {
        Self(Some(Arc::default()))
    }

    fn state(&self) -> u8 {
        let state = |fate: &Arc<Fate>| fate.state.load(Ordering::Acquire);
        self.0.as_ref().map_or(WHOLE, state)
    }

    fn set(&self, state: u8) {
        if let Some(fate) = &self.0 {
            fate.state.store(state, Ordering::Release);
        }
    }

    /// All of it was handed over.
    pub(crate) fn is_over(&self) {
        self.set(WHOLE);
    }

    /// It broke off.
    pub(crate) fn broke(&self) {
        self.set(BROKEN);
    }

    /// It stood still for too long.
    pub(crate) fn stalled(&self) {
        self.set(STALLED);
    }

    /// It is larger than it may be.
    pub(crate) fn grew_too_large(&self) {
        self.set(TOO_LARGE);
    }

    /// A piece was handed over.
    pub(crate) fn passed(&self, bytes: u64) {
        if let Some(fate) = &self.0 {
            fate.bytes.fetch_add(bytes, Ordering::Relaxed);
            fate.pieces.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the client did wrong, if anything.
    pub(crate) fn fault(&self) -> Option<BadRequest> {
        match self.state() {
            BROKEN => Some(BadRequest::BodyBroken),
            STALLED => Some(BadRequest::BodyStalled),
            TOO_LARGE => Some(BadRequest::BodyTooLarge),
            _ => None,
        }
    }

    /// Whether all of it was handed over.
    pub(crate) fn is_whole(&self) -> bool {
        self.state() == WHOLE
    }

    /// Bytes handed over.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |fate: &Arc<Fate>| fate.bytes.load(Ordering::Relaxed);
        self.0.as_ref().map_or(0, bytes)
    }

    /// Grows with every piece handed over.
    pub(crate) fn progress(&self) -> u64 {
        let pieces = |fate: &Arc<Fate>| fate.pieces.load(Ordering::Relaxed);
        self.0.as_ref().map_or(0, pieces)
    }
}
