//! The log of a step that is one of ours: no process, but the same log, the same masks, the same
//! record of its end.

use std::{fmt, fs, sync::PoisonError};

use cutover_model::run::{Outcome, StepReport};
use cutover_supervisor::{log::Log, record, record::Survives};
use tokio::sync::watch;

use crate::{
    error::Error,
    layout::{Layout, StepKey},
    mask::Masker,
    process::Local,
    protocol::{Ended, Started},
};

/// A log that a built-in step writes. Dropped without `finish`, its step counts as lost.
pub struct BuiltinLog {
    layout: Layout,
    key: StepKey,
    masker: Masker,
    log: Log,
    local: Local,
    survives: Survives,
}

impl fmt::Debug for BuiltinLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltinLog")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl BuiltinLog {
    pub(crate) fn open(
        layout: Layout,
        key: StepKey,
        mut masks: Vec<String>,
        local: Local,
        survives: Survives,
    ) -> Result<Self, Error> {
        let added: Option<Vec<String>> = record::read(&layout.masks())?;
        masks.extend(added.unwrap_or_default());
        let masker = Masker::new(masks.iter().map(String::as_str))
            .map_err(|error| Error::Refused(error.to_string()))?;
        let path = layout.log(&key.name());
        let log = Log::open(&path).map_err(Error::io("open", path))?;
        record::write_for(
            &layout.started(&key.name()),
            &Started { builtin: true },
            survives,
        )?;
        let (growth, _) = watch::channel(());
        local
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.clone(), growth);
        Ok(Self {
            layout,
            key,
            masker,
            log,
            local,
            survives,
        })
    }

    /// Adds bytes as they are, but for secrets.
    pub fn write(&mut self, bytes: &[u8]) {
        let mut out = Vec::with_capacity(bytes.len());
        self.masker.push(bytes, &mut out);
        self.put(&out);
    }

    /// Adds a line.
    pub fn line(&mut self, text: &str) {
        self.write(format!("{text}\n").as_bytes());
    }

    /// A text without secrets, as it may stand in a report.
    pub fn mask(&self, text: &str) -> String {
        self.masker.text(text)
    }

    /// Whether a secret is in it: then it must not be handed on plainly.
    pub fn is_secret(&self, text: &str) -> bool {
        self.masker.is_in(text)
    }

    /// Writes the record of its end; the number of bytes in the report is filled in here.
    pub fn finish(mut self, outcome: Outcome, mut report: StepReport) -> Result<(), Error> {
        let mut out = Vec::new();
        self.masker.finish(&mut out);
        self.put(&out);
        report.log_bytes = self.log.length();
        let path = self.layout.ended(&self.key.name());
        if !fs::exists(&path).map_err(Error::io("look for", &path))? {
            record::write_for(&path, &Ended { outcome, report }, self.survives)?;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.log.write(bytes);
        let local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(growth) = local.get(&self.key) {
            growth.send_replace(());
        }
    }
}

impl Drop for BuiltinLog {
    fn drop(&mut self) {
        // With the sender the notices end: whoever waits looks for the record.
        self.local
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}
