//! `cutover lint` and `cutover plan`: compile, and say what is wrong, or what would be done.

mod format;
mod mend;

use anyhow::bail;
use cutover_dialect as dialect;
use cutover_forge::Reach;
use cutover_model::{
    Diagnostic, Severity,
    plan::{ActionSource, JobSpec, StepBody},
    project::Project,
    run::StepPath,
};
use cutover_server::Understanding;
use serde_json::json;

use super::{
    run::trigger::{Said, trigger},
    tree::Tree,
};
use crate::{
    cli::{self, Format},
    config,
    exit::Exit,
    render,
};
use mend::Mended;

pub(crate) async fn lint(args: cli::Lint) -> anyhow::Result<Exit> {
    let mut tree = Tree::open(&args.directory).await?;
    let mut said = look(&tree, &args).await?;
    if let Some(kind) = args.fix {
        let mut mended = Mended::new(kind);
        for _ in 0..mend::MOST_ROUNDS {
            if !mended.round(&mut tree.files, &said.found) {
                break;
            }
            said = look(&tree, &args).await?;
        }
        if args.diff {
            mended.show(&tree.files);
            let is_right = mended.made.is_empty();
            return Ok(if is_right { Exit::Ok } else { Exit::Failed });
        }
        mended.write(&tree.root, &tree.files)?;
    }
    let has_errors = said.found.iter().any(|one| one.severity == Severity::Error);
    said.print(&tree, if args.json { Format::Json } else { args.format });
    Ok(if has_errors { Exit::Failed } else { Exit::Ok })
}

/// What there is to say.
struct Findings {
    files: Vec<String>,
    found: Vec<Diagnostic>,
    project: Option<Project>,
}

async fn look(tree: &Tree, args: &cli::Lint) -> anyhow::Result<Findings> {
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut files = Vec::new();
    let mut project = None;
    if args.files.is_empty() {
        files = dialect::workflows(&tree.files);
        let (read, diagnostics) = dialect::project(&tree.files);
        project = read;
        found.extend(diagnostics);
    }
    for wanted in &args.files {
        match wanted.trim_start_matches("./") {
            name @ ("cutover.yml" | "cutover.yaml") => {
                if tree.files.get(name).is_none() {
                    bail!("there is no `{name}` in `{}`", tree.root);
                }
                let (read, diagnostics) = dialect::project(&tree.files);
                project = read;
                found.extend(diagnostics);
            }
            _ => files.push(tree.workflow(wanted)?),
        }
    }
    let actions = config::actions(&args.actions, None)?;
    let mut understanding = Understanding::new(&actions, &tree.files, Reach::Here);
    for path in &files {
        found.extend(understanding.lint(path).await);
    }
    found.extend(understanding.faults().iter().cloned());
    found.sort_by(|a, b| (&a.path, a.at).cmp(&(&b.path, b.at)));
    found.dedup();
    Ok(Findings {
        files,
        found,
        project,
    })
}

impl Findings {
    fn print(&self, tree: &Tree, format: Format) {
        let triggers = self.project.as_ref().map_or_else(Vec::new, meant);
        let found = &self.found;
        match format {
            Format::Text => self.talk(tree, triggers),
            Format::Json => {
                let triggers: Vec<_> = triggers
                    .into_iter()
                    .map(|(environment, means)| {
                        json!({ "environment": environment, "means": means })
                    })
                    .collect();
                let found = format::plain(found, &mend::fixes(&tree.files, found));
                let files = &self.files;
                render::json(
                    &json!({ "files": files, "diagnostics": found, "triggers": triggers }),
                );
            }
            Format::Sarif => {
                render::json(&format::sarif(found, &mend::fixes(&tree.files, found)));
            }
            Format::Github => render::bytes(format::commands(found).as_bytes()),
        }
    }

    fn talk(&self, tree: &Tree, triggers: Vec<(String, String)>) {
        render::diagnostics(&self.found, |path| tree.text(path));
        for (environment, means) in triggers {
            render::talk(&format!("{environment}: {means}"));
        }
        let count = |severity| {
            let all = self.found.iter();
            all.filter(|one| one.severity == severity).count()
        };
        let told = [
            (self.files.len(), "file"),
            (count(Severity::Error), "error"),
            (count(Severity::Warning), "warning"),
            (count(Severity::Note), "note"),
        ];
        let told = told.map(|(number, word)| render::count(number, word));
        render::talk(&told.join(", "));
    }
}

/// What each rollback trigger is taken to mean, with its environment.
fn meant(project: &Project) -> Vec<(String, String)> {
    let environments = project.environments.iter();
    environments
        .flat_map(|(name, environment)| {
            let triggers = environment.rollback_triggers.iter();
            triggers.map(|trigger| (name.clone(), trigger.explain()))
        })
        .collect()
}

pub(crate) async fn plan(args: cli::Plan) -> anyhow::Result<Exit> {
    let tree = Tree::open(&args.directory).await?;
    let named = args.workflow.unwrap_or_default();
    let path = tree.workflow(&named)?;
    let trigger = trigger(&tree, &path, Said::default());
    let actions = config::actions(&args.actions, None)?;
    let options = dialect::Options {
        inputs_come_later: true,
        ..dialect::Options::default()
    };
    let compiled = Understanding::new(&actions, &tree.files, Reach::Here)
        .compile(&path, &trigger, options)
        .await;
    render::diagnostics(&compiled.diagnostics, |path| tree.text(path));
    let Some(plan) = compiled.plan else {
        return Ok(Exit::Usage);
    };
    if args.json {
        render::json(&serde_json::to_value(&plan)?);
        return Ok(Exit::Ok);
    }
    let mut rows = Vec::new();
    for job in &plan.jobs {
        add_rows(job, "", &mut rows);
    }
    render::data(&render::table(
        &["job", "needs", "environment", "step"],
        rows,
    ));
    Ok(Exit::Ok)
}

/// A job with its steps, or with the jobs of the workflow that it calls.
fn add_rows(job: &JobSpec, around: &str, rows: &mut Vec<Vec<String>>) {
    let name = format!("{around}{}", job.id);
    let environment = job.environment.as_ref().map(|used| used.name.text.clone());
    let calls = job.call.as_ref().map(|call| format!("calls {}", call.path));
    rows.push(vec![
        name.clone(),
        job.needs.join(", "),
        environment.unwrap_or_default(),
        calls.unwrap_or_default(),
    ]);
    for (place, step) in job.steps.iter().enumerate() {
        rows.push(vec![
            format!("  {}", StepPath::top(place)),
            String::new(),
            String::new(),
            what(&step.body),
        ]);
    }
    for inner in job.call.iter().flat_map(|call| &call.jobs) {
        add_rows(inner, &format!("{name} / "), rows);
    }
}

fn what(body: &StepBody) -> String {
    match body {
        StepBody::Run { script, .. } => {
            format!("run {}", script.text.lines().next().unwrap_or_default())
        }
        StepBody::Builtin { action, .. } => format!("uses {}", action.name()),
        StepBody::Composite { source, path, .. } => match source {
            ActionSource::Workspace => format!("uses ./{path}"),
            ActionSource::Own => format!("uses $/{path}"),
            ActionSource::Foreign(tree) => {
                format!("uses {} {path} ({})", tree.name(), tree.tree)
            }
        },
        StepBody::Action(action) => match &action.source {
            ActionSource::Foreign(tree) => {
                format!("uses {} ({})", action.uses, tree.tree)
            }
            ActionSource::Workspace | ActionSource::Own => format!("uses {}", action.uses),
        },
        StepBody::Wait { steps } => format!("waits for {}", steps.join(", ")),
        StepBody::WaitAll => "waits for all".to_owned(),
        StepBody::CancelStep { step } => format!("cancels {step}"),
        StepBody::Lacking { uses, .. } => format!("lacks {uses}"),
        StepBody::Container(step) => format!("uses {}", step.uses),
        StepBody::SetUpContainers => "containers of the job".to_owned(),
    }
}
