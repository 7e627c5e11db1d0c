//! `cutover explain`: a code of a diagnostic, why jobs and steps of a run did or did not run, or whether an
//! event would start a workflow.

use anyhow::bail;
use cutover_dialect as dialect;
use serde_json::json;

use super::{
    run::trigger::{Said, trigger},
    tree::Tree,
};
use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::Explain) -> anyhow::Result<Exit> {
    match &args.what {
        Some(code) if is_code(code) => {
            let code = code.clone();
            Ok(explain_code(&code))
        }
        what => {
            let is_file = what
                .as_ref()
                .is_some_and(|what| what.ends_with(".yml") || what.ends_with(".yaml"));
            if args.event.is_some() || is_file {
                filters(args).await
            } else {
                of_run(args).await
            }
        }
    }
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

/// What a server knows about a run.
async fn of_run(args: cli::Explain) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    let run = match &args.what {
        Some(run) => run.trim_start_matches('#').to_owned(),
        None => {
            let newest = client
                .get("/api/v1/runs", &[("limit", "1".to_owned())])
                .await?;
            match newest["runs"][0]["id"].as_str() {
                Some(id) => id.to_owned(),
                None => bail!("there is no run yet: push something"),
            }
        }
    };
    let mut query = Vec::new();
    query.extend(args.job.map(|job| ("job", job)));
    query.extend(args.step.map(|step| ("step", step)));
    let path = format!("/api/v1/runs/{run}/explain");
    let answer = client.get(&path, &query).await?;
    if args.listing.json {
        render::json(&answer);
    } else {
        render::data(answer["text"].as_str().unwrap_or_default().trim_end());
    }
    Ok(Exit::Ok)
}

/// Whether an event would start workflows of a working tree, filter by filter.
async fn filters(args: cli::Explain) -> anyhow::Result<Exit> {
    let tree = Tree::open(&args.directory).await?;
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
