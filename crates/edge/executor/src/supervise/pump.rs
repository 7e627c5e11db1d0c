//! From the first byte that a step prints to the record of its end, and what is printed after that.

use std::{
    io::{self, PipeReader, Read as _},
    sync::Arc,
    thread,
    time::Duration,
};

use camino::Utf8PathBuf;
use cutover_model::run::{Annotation, Level};
use cutover_supervisor::{
    log::Log,
    reaper::{Child, Status},
    record::Reserved,
    tree,
};
use rustix::{
    event::{PollFd, PollFlags},
    io::ioctl_fionread,
};
use tokio::time::Instant;

use super::{
    contained,
    job::{Job, STACK},
    report,
    step::Step,
};
use crate::{container::Mounts, filter::Filter, protocol::Ended, subjects::Declares};

const CHUNK: usize = 64 * 1024;
/// How long something in the background may keep the output open before we go on without it.
const LINGER: Duration = Duration::from_millis(100);

/// A step on its way.
pub(super) struct Run {
    pub(super) job: Arc<Job>,
    pub(super) step: Arc<Step>,
    pub(super) filter: Filter,
    /// How many of the masks that steps have added its filter knows.
    pub(super) known_masks: usize,
    pub(super) log: Log,
    pub(super) exit: Reserved,
    /// Its files; removed at its end.
    pub(super) exchange: Utf8PathBuf,
    /// What the steps before it had made when it began.
    pub(super) list: String,
    pub(super) untrusted: bool,
    /// Masks that could not be written down.
    pub(super) mask_faults: Vec<String>,
    /// What of the machine it sees, when it has to do with containers.
    pub(super) contained: Option<Mounts>,
}

impl Run {
    /// Lines of ours, before those of the step.
    pub(super) fn say(&mut self, lines: &[String]) {
        let mut masked = Vec::new();
        for line in lines {
            self.filter
                .push(format!("{line}\n").as_bytes(), &mut masked);
        }
        self.job.log(&mut self.log, &masked);
    }
}

/// What is left to write to when a step has ended.
pub(super) struct Rest {
    job: Arc<Job>,
    filter: Filter,
    log: Log,
}

/// Stays with a step to its end; and then with its output, as long as somebody writes: who writes
/// into a pipe that nobody reads would hang or die.
pub(super) fn pump(mut run: Run, child: &Child, output: PipeReader) {
    let mut source = Source {
        output: Some(output),
        chunk: vec![0; CHUNK],
        masked: Vec::with_capacity(CHUNK),
    };
    while !source.turn(&mut run, child) {}
    run.step.child_has_ended();
    source.linger(&mut run);
    let status = run.job.reaper.status(&child.identity);
    run.step.await_sweep();
    let step = Arc::clone(&run.step);
    let is_open = source.output.is_some();
    let rest = run.end(Some(status), Vec::new());
    let drain = move || {
        source.drain(rest);
        step.is_drained();
    };
    if is_open {
        // For as long as somebody has it open; whoever brought us here may want the next step meanwhile.
        // Without a thread they end with their next line.
        drop(thread::Builder::new().stack_size(STACK).spawn(drain));
    } else {
        drain();
    }
}

struct Source {
    /// Absent when everybody has closed it.
    output: Option<PipeReader>,
    chunk: Vec<u8>,
    masked: Vec<u8>,
}

impl Source {
    /// Waits for the next thing to happen; `true` when it was the end of the first process.
    fn turn(&mut self, run: &mut Run, child: &Child) -> bool {
        let mut fds = vec![PollFd::new(&child.handle, PollFlags::IN)];
        fds.extend(
            self.output
                .as_ref()
                .map(|output| PollFd::new(output, PollFlags::IN)),
        );
        if tree::poll_for(&mut fds, None).is_err() {
            return true;
        }
        let ended = !fds[0].revents().is_empty();
        if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
            self.copy(run);
        }
        ended
    }

    /// Takes what was in the pipe when the process ended, and waits a moment for the end of the rest.
    fn linger(&mut self, run: &mut Run) {
        let pending = self.output.as_ref().map(ioctl_fionread);
        let mut pending = pending.and_then(Result::ok).unwrap_or(0);
        let end = Instant::now() + LINGER;
        while let Some(output) = &self.output {
            let rest = end.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(output, PollFlags::IN)];
            let limit = if pending > 0 { None } else { Some(rest) };
            if !matches!(tree::poll_for(&mut fds, limit), Ok(1..)) {
                return;
            }
            let count = self.copy(run);
            pending = pending.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
            if pending == 0 && rest.is_zero() {
                return;
            }
        }
    }

    fn copy(&mut self, run: &mut Run) -> usize {
        let count = self.read();
        if count > 0 {
            self.masked.clear();
            run.hear_masks();
            run.filter.push(&self.chunk[..count], &mut self.masked);
            // Before it can be read what is masked elsewhere, too.
            run.share_masks();
            run.write(&self.masked);
        }
        count
    }

    fn read(&mut self) -> usize {
        let Some(output) = &mut self.output else {
            return 0;
        };
        match output.read(&mut self.chunk) {
            Ok(count) if count > 0 => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            _ => {
                self.output = None;
                0
            }
        }
    }

    fn drain(mut self, mut rest: Rest) {
        while self.output.is_some() {
            let count = self.read();
            self.masked.clear();
            rest.filter.push(&self.chunk[..count], &mut self.masked);
            rest.job.log(&mut rest.log, &self.masked);
        }
    }
}

impl Run {
    fn write(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.job.log(&mut self.log, bytes);
            self.step.grew();
        }
    }

    /// Takes over what steps beside it want masked.
    fn hear_masks(&mut self) {
        let masks = self.job.masks_since(self.known_masks);
        self.known_masks += masks.len();
        self.filter.add_secrets(masks);
    }

    /// What it wants masked holds for the steps beside it from now on.
    fn share_masks(&mut self) {
        if let Err(error) = self.job.add_masks(self.filter.new_masks()) {
            self.mask_faults
                .push(format!("a mask is not remembered: {error}"));
        }
    }

    /// Writes the record of the end, and lets everybody know. `reasons` say why there was no process.
    pub(super) fn end(mut self, status: Option<Status>, reasons: Vec<String>) -> Rest {
        let mut out = Vec::new();
        self.hear_masks();
        let mut heard = self.filter.finish(&mut out);
        let taken_over = self.job.take_over(&self.step.name, self.filter.matchers());
        if let Err(error) = taken_over {
            let text = format!("problem matchers are forgotten with this try: {error}");
            heard
                .annotations
                .push(Annotation::new(Level::Warning, text));
        }
        for reason in &reasons {
            out.extend_from_slice(reason.as_bytes());
            out.push(b'\n');
        }
        self.write(&out);
        heard.reasons.extend(reasons);
        heard.reasons.append(&mut self.mask_faults);
        if let Err(error) = self.job.add_masks(std::mem::take(&mut heard.masks)) {
            heard
                .reasons
                .push(format!("a mask is not remembered: {error}"));
        }
        let made = report::build(report::Source {
            heard,
            status,
            cancelled: self.step.is_cancelled(),
            untrusted: self.untrusted,
            fault: self
                .contained
                .is_some()
                .then(|| contained::fault(&self.exchange))
                .flatten(),
            exchange: &self.exchange,
            declares: Declares {
                layout: &self.job.layout,
                step: &self.step.name,
                seen: self.contained.as_ref(),
                survives: self.job.survives,
            },
            one_at_a_time: &self.job.subjects,
            masker: self.filter.masker(),
            log: &self.log,
        });
        self.keep(made);
        // Nobody needs to wait for what follows.
        self.step.ends();
        self.job.spare.take_back(self.exchange, self.list);
        Rest {
            job: self.job,
            filter: self.filter,
            log: self.log,
        }
    }

    fn keep(&mut self, made: report::Made) {
        let report::Made {
            outcome,
            mut report,
            withheld,
        } = made;
        if let Some(withheld) = withheld {
            let path = self.job.layout.withheld(&self.step.name);
            let kept = Reserved::new(&path, 0, self.job.survives)
                .and_then(|mut file| file.commit_patiently(&withheld));
            if let Err(error) = kept {
                report.reasons.push(format!("values are lost: {error}"));
            }
        }
        // If it cannot be written at all, there is nobody left to tell: it will count as lost.
        self.exit.commit_patiently(&Ended { outcome, report }).ok();
    }
}
