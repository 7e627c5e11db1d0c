//! The log of a step that is one of ours: no process, but the same log, the same masks, the same
//! record of its end.

use std::{collections::BTreeMap, fmt, fs, sync::PoisonError};

use cutover_model::run::{Annotation, HandedOn, Level, Outcome, StepReport};
use cutover_supervisor::{log::Log, record, record::Survives};
use tokio::sync::watch;

use crate::{
    commands,
    error::Error,
    filter::ANNOTATIONS,
    layout::{Layout, StepKey},
    mask::Masker,
    process::Local,
    protocol::{Ended, Started, Withheld},
};

/// A log that a built-in step writes. Dropped without `finish`, its step counts as lost.
pub struct BuiltinLog {
    layout: Layout,
    key: StepKey,
    masks: Vec<String>,
    masker: Masker,
    log: Log,
    remarks: Vec<Annotation>,
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

/// Secrets that built-in steps of a job have come by.
pub(crate) fn added_by_builtins(layout: &Layout) -> Result<Vec<String>, Error> {
    let added: Option<Vec<String>> = record::read(&layout.builtin_masks())?;
    Ok(added.unwrap_or_default())
}

/// What a built-in step hands on.
#[derive(Default)]
pub struct Handed {
    /// As through `GITHUB_OUTPUT`.
    pub outputs: BTreeMap<String, String>,
    /// As through `GITHUB_ENV`.
    pub env: BTreeMap<String, String>,
    /// As through `GITHUB_STATE`.
    pub state: BTreeMap<String, String>,
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
        masks.extend(added_by_builtins(&layout)?);
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
            masks,
            masker,
            log,
            remarks: Vec::new(),
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

    /// Adds a remark: a line of the log, as a script would print it, and an annotation of the step.
    pub fn remark(&mut self, level: Level, text: &str) {
        let text = self.mask(text);
        self.line(&commands::written(level, &text));
        let alike = self.remarks.iter().filter(|known| known.level == level);
        if alike.count() < ANNOTATIONS {
            self.remarks.push(Annotation::new(level, text));
        }
    }

    /// A text without secrets, as it may stand in a report.
    pub fn mask(&self, text: &str) -> String {
        self.masker.text(text)
    }

    /// Whether a secret is in it: then it must not be handed on plainly.
    pub fn is_secret(&self, text: &str) -> bool {
        self.masker.is_in(text)
    }

    /// Takes these for secrets from here on: in this log, and in whatever a later step of the job prints.
    pub fn add_masks(&mut self, added: &[&str]) -> Result<(), Error> {
        let path = self.layout.builtin_masks();
        let known: Option<Vec<String>> = record::read(&path)?;
        let mut known = known.unwrap_or_default();
        let added = added.iter().filter(|text| !text.trim().is_empty());
        for text in added {
            if !known.iter().any(|known| known == text) {
                known.push((*text).to_owned());
            }
        }
        record::write_for(&path, &known, self.survives)?;
        let mut out = Vec::new();
        self.masker.finish(&mut out);
        self.put(&out);
        self.masks.extend(known);
        self.masker = Masker::new(self.masks.iter().map(String::as_str))
            .map_err(|error| Error::Refused(error.to_string()))?;
        Ok(())
    }

    /// Hands values on to later steps: what has a secret in it goes beside the job, not into the report.
    pub fn hand_on(&self, handed: Handed, report: &mut StepReport) -> Result<(), Error> {
        let mut withheld = Withheld::default();
        let sorted = |values: BTreeMap<String, String>, away: &mut BTreeMap<String, String>| {
            let mut seen = BTreeMap::new();
            for (name, value) in values {
                let is_secret = self.masker.is_in(&value);
                let shown = if is_secret {
                    away.insert(name.clone(), value);
                    HandedOn::Withheld
                } else {
                    HandedOn::Plain(value)
                };
                seen.insert(name, shown);
            }
            seen
        };
        report.outputs = sorted(handed.outputs, &mut withheld.outputs);
        report.env = sorted(handed.env, &mut withheld.env);
        report.state = sorted(handed.state, &mut withheld.state);
        let path = self.layout.withheld(&self.key.name());
        record::write_for(&path, &withheld, self.survives)?;
        Ok(())
    }

    /// Writes the record of its end; the number of bytes and the remarks in the report are filled in here.
    /// Says the report as it was written.
    pub fn finish(mut self, outcome: Outcome, mut report: StepReport) -> Result<StepReport, Error> {
        let mut out = Vec::new();
        self.masker.finish(&mut out);
        self.put(&out);
        report.log_bytes = self.log.length();
        report.annotations.append(&mut self.remarks);
        let path = self.layout.ended(&self.key.name());
        if !fs::exists(&path).map_err(Error::io("look for", &path))? {
            let ended = Ended { outcome, report };
            record::write_for(&path, &ended, self.survives)?;
            return Ok(ended.report);
        }
        Ok(report)
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
