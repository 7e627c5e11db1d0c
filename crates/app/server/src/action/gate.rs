//! `cutover/gate@v1`: reports in the workspace → evidence → verdict.

use std::io::Read as _;

use camino::Utf8Path;
use cutover_executor::BuiltinLog;
use cutover_model::gate::{GateSpec, Verdict};
use cutover_quality::{Evidence, Found, coverage, gate, junit};

use super::{Context, Done, Left};
use crate::{Error, glob};

/// Reports that are larger than this, alone or together, are not read.
const MAX_REPORTS: u64 = 64 << 20;

pub(super) async fn perform(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let (name, spec) = spec(context)?;
    let workspace = context.place.workspace.clone();
    let read = spec.clone();
    let evidence = tokio::task::spawn_blocking(move || gather(&workspace, &read))
        .await
        .map_err(|error| Error::Refused(format!("the reports could not be read: {error}")))?;
    let verdict = gate::evaluate(&spec, &evidence);
    let word = match &verdict {
        Verdict::Pass(_) => "pass",
        Verdict::Fail(_) => "fail",
        Verdict::Wait(_) => "wait",
    };
    log.line(&format!("gate {name}: {word}"));
    for reason in verdict.reasons() {
        log.line(&format!("  {reason}"));
    }
    let lines: Vec<String> = verdict
        .reasons()
        .iter()
        .map(|reason| format!("- {reason}"))
        .collect();
    let summary = format!("### Gate `{name}`: {word}\n\n{}\n", lines.join("\n"));
    let left = Left::default().output("verdict", word).summary(summary);
    Ok(match verdict {
        Verdict::Pass(_) => Done::Succeeded(left),
        Verdict::Fail(reasons) | Verdict::Wait(reasons) => {
            let reasons = reasons
                .iter()
                .map(|reason| format!("gate {name}: {reason}"))
                .collect();
            Done::Failed(left, reasons)
        }
    })
}

/// The gate that is meant: the one named, else the only one; `junit:` and `coverage:` of the step
/// say where the reports are instead of the file.
fn spec(context: &Context) -> Result<(String, GateSpec), Error> {
    let gates = &context.project()?.gates;
    let names = || gates.keys().cloned().collect::<Vec<_>>().join("`, `");
    let (name, spec) = match context.input("gate") {
        Some(name) => gates.get_key_value(name).ok_or_else(|| {
            Error::NotFound(format!(
                "no gate `{name}` in `cutover.yml`; there is `{}`",
                names()
            ))
        })?,
        None => match gates.iter().next() {
            Some(only) if gates.len() == 1 => only,
            Some(_) => {
                return Err(Error::Refused(format!(
                    "say which with `gate:`: `{}`",
                    names()
                )));
            }
            None => return Err(Error::NotFound("`cutover.yml` has no `gates:`".to_owned())),
        },
    };
    let mut spec = spec.clone();
    let paths = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect();
    match (context.input("junit"), &mut spec.tests) {
        (Some(text), Some(rule)) => rule.junit = paths(text),
        (Some(_), None) => return Err(Error::Refused(format!("gate `{name}` has no `tests:`"))),
        (None, _) => {}
    }
    match (context.input("coverage"), &mut spec.coverage) {
        (Some(text), Some(rule)) => rule.files = paths(text),
        (Some(_), None) => return Err(Error::Refused(format!("gate `{name}` has no `coverage:`"))),
        (None, _) => {}
    }
    Ok((name.clone(), spec))
}

fn gather(workspace: &Utf8Path, spec: &GateSpec) -> Evidence {
    let tests = spec
        .tests
        .as_ref()
        .map(|rule| rule.junit.as_slice())
        .unwrap_or_default();
    let covered = spec
        .coverage
        .as_ref()
        .map(|rule| rule.files.as_slice())
        .unwrap_or_default();
    Evidence {
        tests: found(workspace, tests, |files| junit::read_all(tests, files)),
        coverage: found(workspace, covered, |files| {
            coverage::read_all(covered, files)
        }),
    }
}

/// Every file that a pattern finds, with its bytes; one that cannot be had spoils all, for a gate
/// must not pass on half of the evidence.
fn found<T>(
    workspace: &Utf8Path,
    patterns: &[String],
    read: impl FnOnce(Vec<(&str, &[u8])>) -> Found<T>,
) -> Found<T> {
    let files = match glob::find(workspace, patterns) {
        Ok(files) => files,
        Err(why) => {
            return Found::Unreadable {
                file: patterns.join(", "),
                why,
            };
        }
    };
    let mut bytes = Vec::new();
    let mut left = MAX_REPORTS;
    for file in &files {
        let name = file.strip_prefix(workspace).unwrap_or(file).as_str();
        match contents(file, &mut left) {
            Ok(contents) => bytes.push((name, contents)),
            Err(why) => {
                return Found::Unreadable {
                    file: name.to_owned(),
                    why,
                };
            }
        }
    }
    read(
        bytes
            .iter()
            .map(|(name, contents)| (*name, contents.as_slice()))
            .collect(),
    )
}

/// Reads a file that takes no more than is left, and says that there is less left.
fn contents(file: &Utf8Path, left: &mut u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(*left + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    *left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
        format!(
            "with it the reports are larger than {} MiB",
            MAX_REPORTS >> 20
        )
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_too_large_together_as_well_as_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("junit.xml");
        std::fs::write(&file, "123456").unwrap();
        let mut left = 10;
        assert_eq!(contents(&file, &mut left).unwrap(), b"123456");
        assert_eq!(left, 4);
        assert!(contents(&file, &mut left).is_err());
    }
}
