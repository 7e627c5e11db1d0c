//! `cutover explain`: a code of a diagnostic, why jobs and steps of a run did or did not run, or whether an
//! event would start a workflow.

use anyhow::bail;
use camino::Utf8Path;
use cutover_dialect as dialect;
use serde_json::json;

use super::{
    run::trigger::{Said, trigger},
    tree::Tree,
};
use crate::{cli, exit::Exit, known::Known, render};

pub(crate) async fn run(args: cli::Explain) -> anyhow::Result<Exit> {
    match &args.what {
        Some(code) if is_code(code) => {
            let code = code.clone();
            Ok(explain_code(&code))
        }
        what => {
            if args.event.is_some() || what.as_deref().is_some_and(is_file) {
                filters(args).await
            } else {
                of_run(args).await
            }
        }
    }
}

/// Whether it names a workflow's file rather than a run.
fn is_file(text: &str) -> bool {
    let ending = Utf8Path::new(text).extension();
    ending.is_some_and(|ending| ending == "yml" || ending == "yaml")
}

fn is_code(text: &str) -> bool {
    text.to_ascii_uppercase().starts_with("CUT-")
}

fn explain_code(code: &str) -> Exit {
    if let Some(text) = dialect::explain(&code.to_uppercase()) {
        render::data(text);
        Exit::Ok
    } else {
        render::talk(&format!(
            "there is no code `{code}`; codes look like `CUT-1001`"
        ));
        Exit::Usage
    }
}

/// What is known about a run.
async fn of_run(args: cli::Explain) -> anyhow::Result<Exit> {
    let known = Known::find(&args.listing.connection, &args.local, args.what.as_deref());
    let known = known.await?;
    let run = if let Some(run) = args.what {
        run
    } else {
        let newest = known.runs(1, false).await?;
        match newest["runs"][0]["id"].as_str() {
            Some(id) => id.to_owned(),
            None => bail!("there is no run yet: push something"),
        }
    };
    let answer = known.explain(&run, args.job, args.step).await?;
    if args.listing.json {
        render::json(&answer);
    } else {
        render::data(answer["text"].as_str().unwrap_or_default().trim_end());
    }
    Ok(Exit::Ok)
}

/// Whether an event would start workflows of a working tree, filter by filter.
async fn filters(args: cli::Explain) -> anyhow::Result<Exit> {
    let directory = args.local.directory.as_deref().unwrap_or(".".into());
    let tree = Tree::open(directory).await?;
    let paths = match &args.what {
        Some(named) => vec![tree.workflow(named)?],
        None => dialect::workflows(&tree.files),
    };
    let mut any = false;
    let mut found = Vec::new();
    for path in paths {
        let said = Said {
            event: args.event,
            git_ref: args.git_ref.as_deref(),
            ..Said::default()
        };
        let mut trigger = trigger(&tree, &path, said);
        if let Some(file) = &args.event_file {
            super::run::event_from_file(&mut trigger, file)?;
        }
        match dialect::checks(&tree.files, &path, &trigger) {
            Ok(checks) => {
                let starts = checks.iter().all(|check| check.holds);
                any |= starts;
                found.push((path, trigger.kind, starts, checks));
            }
            Err(diagnostics) => render::diagnostics(&diagnostics, |path| tree.text(path)),
        }
    }
    if args.listing.json {
        let workflows: Vec<_> = found
            .iter()
            .map(|(path, event, starts, checks)| {
                let checks = checks.iter();
                let checks: Vec<_> = checks
                    .map(|check| json!({ "holds": check.holds, "text": check.text }))
                    .collect();
                json!({ "workflow": path, "event": event, "starts": starts, "checks": checks })
            })
            .collect();
        render::json(&json!({ "workflows": workflows }));
    } else {
        for (path, event, starts, checks) in &found {
            let verdict = if *starts { "starts" } else { "does not start" };
            render::data(&format!("{event} {verdict} {path}"));
            for check in checks {
                let mark = if check.holds { "yes" } else { "no " };
                render::data(&format!("  {mark} {}", check.text));
            }
        }
    }
    Ok(if any { Exit::Ok } else { Exit::Nothing })
}
