//! What is left of a step: its outcome, what it handed on, and why it did not succeed.

use std::{collections::BTreeMap, sync::Mutex};

use camino::Utf8Path;
use cutover_model::run::{Annotation, HandedOn, Level, Outcome, StepReport};
use cutover_supervisor::{log::Log, reaper::Status};

use super::job::lock;
use crate::{
    files::{self, Malformed},
    filter::Heard,
    mask::Masker,
    protocol::Withheld,
    subjects::Declares,
};

/// Letters of a line that cannot be understood, with what is wrong with it.
const REASON: usize = 400;

/// What is known at the end of a step.
pub(super) struct Source<'a> {
    pub(super) heard: Heard,
    /// Absent when there was no process.
    pub(super) status: Option<Status>,
    pub(super) cancelled: bool,
    pub(super) untrusted: bool,
    /// Why it could not be done, when it was not the step that said no.
    pub(super) fault: Option<String>,
    /// Where its files are.
    pub(super) exchange: &'a Utf8Path,
    /// Who it is that says to have made something.
    pub(super) declares: Declares<'a>,
    /// Nobody else adds to that meanwhile.
    pub(super) one_at_a_time: &'a Mutex<()>,
    pub(super) masker: &'a Masker,
    pub(super) log: &'a Log,
}

/// What becomes of it.
pub(super) struct Made {
    pub(super) outcome: Outcome,
    pub(super) report: StepReport,
    /// Values with secrets in them, when there are any.
    pub(super) withheld: Option<Withheld>,
}

pub(super) fn build(source: Source<'_>) -> Made {
    let mut report = StepReport {
        exit_code: source.status.and_then(|status| status.code),
        signal: source.status.and_then(|status| status.signal),
        annotations: source.heard.annotations,
        reasons: source.heard.reasons,
        log_bytes: source.log.length(),
        ..StepReport::default()
    };
    let said = Said {
        outputs: source.heard.outputs,
        state: source.heard.state,
        env: source.heard.env,
        path: source.heard.path,
        untrusted: source.untrusted,
    };
    let withheld = read_files(source.exchange, source.masker, said, &mut report);
    {
        let _alone = lock(source.one_at_a_time);
        declare(
            source.exchange,
            &source.declares,
            source.masker,
            &mut report,
        );
    }
    match &source.fault {
        Some(fault) => report.reasons.push(fault.clone()),
        None => explain(source.status, source.cancelled, source.log, &mut report),
    }
    mask(source.masker, &mut report);
    let faulted = source.fault.is_some();
    let failed = report.exit_code != Some(0) || !report.reasons.is_empty();
    let outcome = match (source.cancelled, failed) {
        (true, _) => Outcome::Cancelled,
        (false, true) if faulted => Outcome::Faulted,
        (false, true) => Outcome::Failed,
        (false, false) => Outcome::Succeeded,
    };
    Made {
        outcome,
        report,
        withheld,
    }
}

/// What a step handed on by commands, and whether strangers have written it.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) outputs: Vec<(String, String)>,
    pub(crate) state: Vec<(String, String)>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) path: Vec<String>,
    pub(crate) untrusted: bool,
}

/// Puts what the files of a step hand on into its report. Values with secrets in them come back, when
/// there are any.
pub(crate) fn read_files(
    exchange: &Utf8Path,
    masker: &Masker,
    said: Said,
    report: &mut StepReport,
) -> Option<Withheld> {
    let mut withheld = Withheld::default();
    let file = |variable, name: &str| {
        let text = files::read(variable, &exchange.join(name))?;
        files::pairs(variable, &text)
    };
    let outputs = file("GITHUB_OUTPUT", "output");
    let outputs = or_reason(outputs, masker, &mut report.reasons);
    let mut outputs: Vec<(String, String)> = said.outputs.into_iter().chain(outputs).collect();
    outputs.retain(|(name, _)| is_public(name, "GITHUB_OUTPUT", masker, report));
    report.outputs = hand_on(outputs, masker, &mut withheld.outputs);
    let state = or_reason(file("GITHUB_STATE", "state"), masker, &mut report.reasons);
    let mut state: Vec<(String, String)> = said.state.into_iter().chain(state).collect();
    state.retain(|(name, _)| is_public(name, "GITHUB_STATE", masker, report));
    report.state = hand_on(state, masker, &mut withheld.state);
    let mut env = said.env;
    env.extend(or_reason(
        file("GITHUB_ENV", "env"),
        masker,
        &mut report.reasons,
    ));
    env.retain(|(name, _)| {
        is_public(name, "GITHUB_ENV", masker, report)
            && may_set(name, said.untrusted, &mut report.annotations)
    });
    report.env = hand_on(env, masker, &mut withheld.env);
    report.path = paths(exchange, masker, &said.path, report);
    report.summary = summary(exchange, masker, report);
    let any =
        !(withheld.outputs.is_empty() && withheld.env.is_empty() && withheld.state.is_empty());
    any.then_some(withheld)
}

/// Puts what a step says to have made into its report, and into the list of its job.
pub(crate) fn declare(
    exchange: &Utf8Path,
    declares: &Declares<'_>,
    masker: &Masker,
    report: &mut StepReport,
) {
    let text = files::read("GITHUB_ARTIFACTS", &exchange.join("artifacts"));
    let declared = text.map_err(|error| error.to_string()).and_then(|text| {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        declares.take(&text, masker)
    });
    match declared {
        Ok(subjects) => report.subjects = subjects,
        Err(reason) => report.reasons.push(reason),
    }
}

/// What was wrong is told with the line as it stands there: masked whole, and only then cut.
fn or_reason<T: Default>(
    read: Result<T, Malformed>,
    masker: &Masker,
    reasons: &mut Vec<String>,
) -> T {
    read.unwrap_or_else(|error| {
        let text = masker.text(&error.to_string());
        reasons.push(match text.char_indices().nth(REASON) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        });
        T::default()
    })
}

/// Names are kept and shown as they are, so none may hold a secret.
fn is_public(name: &str, file: &str, masker: &Masker, report: &mut StepReport) -> bool {
    let is_secret = masker.is_in(name);
    if is_secret {
        report.annotations.push(Annotation::new(
            Level::Error,
            format!("a name in `${file}` is refused: it contains a secret"),
        ));
    }
    !is_secret
}

fn hand_on(
    values: Vec<(String, String)>,
    masker: &Masker,
    withheld: &mut BTreeMap<String, String>,
) -> BTreeMap<String, HandedOn> {
    let mut handed = BTreeMap::new();
    for (name, value) in values {
        if masker.is_in(&value) {
            withheld.insert(name.clone(), value);
            handed.insert(name, HandedOn::Withheld);
        } else {
            withheld.remove(&name);
            handed.insert(name, HandedOn::Plain(value));
        }
    }
    handed
}

fn may_set(name: &str, untrusted: bool, annotations: &mut Vec<Annotation>) -> bool {
    let refused = files::is_refused(name, untrusted);
    if refused {
        annotations.push(Annotation::new(
            Level::Error,
            format!(
                "`{name}` in `$GITHUB_ENV` is refused: it could take over the programs of later \
                 steps; set it with `env:` where it is needed"
            ),
        ));
    }
    !refused
}

fn paths(
    exchange: &Utf8Path,
    masker: &Masker,
    said: &[String],
    report: &mut StepReport,
) -> Vec<String> {
    let text = files::read("GITHUB_PATH", &exchange.join("path"));
    let text = or_reason(text, masker, &mut report.reasons);
    let said = said.iter().map(String::as_str);
    let (secret, plain): (Vec<&str>, Vec<&str>) = said
        .chain(text.lines())
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .partition(|line| masker.is_in(line));
    if !secret.is_empty() {
        report.annotations.push(Annotation::new(
            Level::Error,
            "a line in `$GITHUB_PATH` is refused: it contains a secret".to_owned(),
        ));
    }
    plain.into_iter().map(str::to_owned).collect()
}

fn summary(exchange: &Utf8Path, masker: &Masker, report: &mut StepReport) -> Option<String> {
    let file = "GITHUB_STEP_SUMMARY";
    let path = exchange.join("summary");
    let left_out = match files::bytes(file, &path) {
        Ok(bytes) if bytes.is_empty() => return None,
        Ok(bytes) => return Some(masker.text(&String::from_utf8_lossy(&bytes))),
        Err(Malformed::Large { .. }) => {
            let length = path.metadata().map_or(0, |metadata| metadata.len());
            format!(
                "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got \
                 {}k",
                length / 1024
            )
        }
        Err(error) => format!("{error}; it is left out"),
    };
    report
        .annotations
        .push(Annotation::new(Level::Error, left_out));
    None
}

fn explain(status: Option<Status>, cancelled: bool, log: &Log, report: &mut StepReport) {
    match status {
        Some(Status {
            code: Some(code), ..
        }) if code != 0 => report.reasons.push(format!("exited with code {code}")),
        // What we have ended ourselves is no news, but for how.
        Some(Status {
            signal: Some(9), ..
        }) if cancelled => report
            .reasons
            .push("killed, as it had not ended by itself".to_owned()),
        Some(Status {
            signal: Some(_), ..
        }) if cancelled => {}
        Some(Status {
            signal: Some(9), ..
        }) => report.reasons.push(
            "ended by signal 9 (SIGKILL): most often the machine was out of memory".to_owned(),
        ),
        Some(Status {
            signal: Some(signal),
            ..
        }) => report.reasons.push(format!("ended by signal {signal}")),
        _ => {}
    }
    if let Some((bytes, cause)) = log.lost() {
        report.annotations.push(Annotation::new(
            Level::Warning,
            format!("log truncated: {bytes} bytes lost: {cause}"),
        ));
    }
}

/// Takes secrets out of what people read.
pub(crate) fn mask(masker: &Masker, report: &mut StepReport) {
    for reason in &mut report.reasons {
        *reason = masker.text(reason);
    }
    for annotation in &mut report.annotations {
        annotation.message = masker.text(&annotation.message);
        annotation.title = annotation.title.take().map(|text| masker.text(&text));
        annotation.file = annotation.file.take().map(|text| masker.text(&text));
    }
}
