//! Steps that will start in a moment. The event of a start is stored before the step is started; what can be
//! done without anything having happened is done meanwhile: its files, its script, its masks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    error::Error,
    layout::{Layout, StepKey},
    lines::Line,
    order::StepOrder,
    process::ProcessExecutor,
    protocol::{Request, line},
};

/// Bytes that a stream takes which nobody has written to, by far.
const FITS: usize = 64 * 1024;

/// What was foreseen and has not been started yet.
pub(crate) type AllForeseen = Arc<Mutex<BTreeMap<StepKey, Foreseen>>>;

/// A step that its supervisor has made ready, or is about to.
#[derive(Debug)]
pub struct Foreseen {
    /// What was ordered.
    pub order: StepOrder,
    /// Where it is waited for.
    pub ready: ReadyStep,
}

/// The stream on which a supervisor waits for the word.
#[derive(Debug)]
pub struct ReadyStep(Line);

impl ProcessExecutor {
    /// Has a step made ready, when its job has a supervisor that has nothing else to do. It is started by
    /// [`ProcessExecutor::start_foreseen`], or never.
    pub async fn foresee(&self, order: StepOrder) {
        let layout = self.layout(&order.key);
        if order.containers.is_some() || self.is_foreseen(&order.key) {
            return;
        }
        let Some(mut stream) = self.free_line(&layout) else {
            return;
        };
        let request = self
            .whole_work(&layout, &order)
            .ok()
            .and_then(|work| line(&Request::Prepare(Box::new(work))).ok());
        // What fits is taken at once, whether or not the supervisor reads just now: nobody waits for it here.
        let Some(request) = request.filter(|request| request.len() <= FITS) else {
            return;
        };
        // Whoever starts it finds out what is wrong.
        if stream.send(&request).await.is_ok() {
            let (key, ready) = (order.key.clone(), ReadyStep(stream));
            self.foreseen().insert(key, Foreseen { order, ready });
        }
    }

    /// The step, when it was foreseen: from now on it is the caller's to start.
    pub fn take_foreseen(&self, key: &StepKey) -> Option<Foreseen> {
        self.foreseen().remove(key)
    }

    /// Starts a step that was foreseen; whether there was anybody to do it.
    pub async fn start_foreseen(&self, key: &StepKey, ready: ReadyStep) -> Result<bool, Error> {
        let layout = self.layout(key);
        let talk = || Error::io("talk to the supervisor of", &layout.dir);
        let go = line(&Request::Go).map_err(talk())?;
        let ReadyStep(mut stream) = ready;
        match stream.begin(&go).await.map_err(talk())? {
            Some(reply) => self.begun_by(&layout, key, reply, stream).map(|()| true),
            None => Ok(false),
        }
    }

    pub(crate) fn forget_foreseen(&self, layout: &Layout) {
        let is_other = |key: &StepKey| self.layout(key).dir != layout.dir;
        self.foreseen().retain(|key, _| is_other(key));
    }

    fn is_foreseen(&self, key: &StepKey) -> bool {
        self.foreseen().contains_key(key)
    }

    fn foreseen(&self) -> std::sync::MutexGuard<'_, BTreeMap<StepKey, Foreseen>> {
        self.foreseen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
