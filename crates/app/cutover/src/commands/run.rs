//! `cutover run`: workflows of the working tree, here and now, by the same engine and event log as
//! the server's.

mod event;
mod follow;
pub(super) mod given;
mod result;
mod screen;
mod select;
mod shell;
pub(crate) mod trigger;

use std::sync::Arc;

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use cutover_dialect::{self as dialect, Lacking};
use cutover_engine::Wish;
use cutover_executor::Supervisors;
use cutover_model::{
    Diagnostic, RunId, Severity,
    plan::{JobSpec, Plan},
    run::Outcome,
    source::{Trigger, TriggerKind},
};
use cutover_server::{Control, Options, Understanding, view};
use cutover_store::RunFilter;
use futures_util::FutureExt as _;
use serde_json::json;

use self::trigger::{Said, trigger};
pub(crate) use self::{event::from_file as event_from_file, given::places};
use super::tree::Tree;
use crate::{cli, config, exit::Exit, render, signals, space};

pub(crate) async fn run(args: cli::Run) -> anyhow::Result<Exit> {
    // While git looks at the tree, it is born.
    let supervisors = given::supervisors()?;
    let shells = args.on_failure.map(|_| shell::Shells::new()).transpose()?;
    let (tree, control) = if let Some(git) = Tree::plain(&args.directory) {
        // Git and the database have nothing to do with each other.
        let root = git.root().to_owned();
        let control = open(&args, &root, supervisors);
        let (tree, control) = tokio::join!(Tree::read(git), control);
        (tree?, control?)
    } else {
        let tree = Tree::open(&args.directory).await?;
        let control = open(&args, &tree.root, supervisors).await?;
        (tree, control)
    };
    if let Some(shells) = shells {
        control.on_failure(Arc::new(shells));
    }
    let done = if args.resume {
        resume(&args, &control).await
    } else {
        start(&args, &tree, &control).await
    };
    control.settle().await;
    done
}

/// The first run directory of this repository that nobody else uses: two at once do not meet.
async fn open(
    args: &cli::Run,
    root: &Utf8Path,
    supervisors: Supervisors,
) -> anyhow::Result<Control> {
    let base = config::run_dir(args.data_dir.as_deref(), root)?;
    let secrets = given::secrets(args.secret_file.as_deref(), &args.secrets)?;
    let actions = config::actions(&args.actions, args.data_dir.as_deref())?;
    let mut options = Options {
        vars: args.vars.iter().cloned().collect(),
        supervisors: Some(supervisors),
        ..given::options(base.clone(), args.jobs, secrets, root, actions)?
    };
    for data_dir in given::places(&base) {
        if data_dir != base && options.numbers.is_none() {
            options.numbers = Some(given::numbers(&base).await?);
        }
        let there = Options {
            data_dir,
            ..options.clone()
        };
        match Control::open(there).await {
            Err(cutover_server::Error::Store(cutover_store::Error::InUse { .. })) => {}
            Err(error @ cutover_server::Error::Store(_)) => {
                return Err(error).with_context(|| format!("runs are kept in `{base}`"));
            }
            opened => return Ok(opened?),
        }
    }
    bail!("64 runs of this repository go on at once; end some, or say where with --data-dir")
}

async fn interrupted(control: &Control) -> anyhow::Result<Vec<cutover_store::RunRow>> {
    let filter = RunFilter {
        unfinished_only: true,
        limit: 100,
        ..RunFilter::default()
    };
    Ok(control.store().runs(&filter).await?)
}

async fn resume(args: &cli::Run, control: &Control) -> anyhow::Result<Exit> {
    let rows = interrupted(control).await?;
    if rows.is_empty() {
        render::talk("no run was interrupted here");
        return Ok(Exit::Nothing);
    }
    let mut exit = Exit::Ok;
    let mut wishes = signals::Wishes::listen();
    for row in rows {
        render::talk(&format!("goes on with run #{} ({})", row.number, row.name));
        exit = worse(exit, finish(control, &row.id, &Telling::of(args)).await?);
        if wishes.next().now_or_never().is_some() {
            break;
        }
    }
    Ok(exit)
}

async fn start(args: &cli::Run, tree: &Tree, control: &Control) -> anyhow::Result<Exit> {
    let paths = wanted(args, tree)?;
    if paths.is_empty() {
        render::talk(
            "a push of this branch would run nothing; name a workflow to run it all the same",
        );
        return Ok(Exit::Nothing);
    }
    let mut exit = Exit::Ok;
    let mut plans = Vec::new();
    let mut triggers = Vec::new();
    for path in paths {
        let mut trigger = trigger(tree, &path, said(args));
        if let Some(file) = &args.event_file {
            event::from_file(&mut trigger, file)?;
        }
        match compile(args, tree, &path, &mut trigger).await? {
            Some(plan) => {
                plans.push(plan);
                triggers.push(trigger);
            }
            None => exit = worse(exit, Exit::Usage),
        }
    }
    // What is wanted of them is looked at before the first one begins.
    let chosen = select::choose(&mut plans, &select::Wanted::of(args))?;
    let mut ready = Vec::new();
    for ((mut plan, trigger), is_chosen) in plans.into_iter().zip(triggers).zip(chosen) {
        if is_chosen {
            prepare(args, control, &mut plan).await?;
            ready.push((plan, trigger));
        }
    }
    cancel_interrupted(control).await?;
    let mut wishes = signals::Wishes::listen();
    for (plan, trigger) in ready {
        let started = control.start_run(plan, trigger).await?;
        exit = worse(
            exit,
            finish(control, &started.run, &Telling::of(args)).await?,
        );
        // Who wanted this one to end does not want the next one to begin.
        if wishes.next().now_or_never().is_some() {
            break;
        }
    }
    Ok(exit)
}

/// What was interrupted is over when another one begins.
async fn cancel_interrupted(control: &Control) -> anyhow::Result<()> {
    for row in interrupted(control).await? {
        render::talk(&format!(
            "run #{} was interrupted; it is cancelled now (`cutover run --resume` would have gone on)",
            row.number
        ));
        control
            .cancel(&row.id, "cutover run", Some("interrupted".to_owned()))
            .await?;
        control.cancel(&row.id, "cutover run", None).await.ok();
        control.run_ended(&row.id).await?;
    }
    Ok(())
}

fn said(args: &cli::Run) -> Said<'_> {
    Said {
        event: args.event,
        git_ref: None,
        actor: args.actor.as_deref(),
        inputs: &args.inputs,
    }
}

/// The workflow that is named, else all that a push would run.
fn wanted(args: &cli::Run, tree: &Tree) -> anyhow::Result<Vec<String>> {
    if let Some(named) = args.workflow.as_ref().or(args.file.as_ref()) {
        return Ok(vec![tree.workflow(named)?]);
    }
    let mut paths = Vec::new();
    for path in dialect::workflows(&tree.files) {
        let event = Some(args.event.unwrap_or(TriggerKind::Push));
        let mut trigger = trigger(
            tree,
            &path,
            Said {
                event,
                ..said(args)
            },
        );
        if let Some(file) = &args.event_file {
            event::from_file(&mut trigger, file)?;
        }
        match dialect::triggered_by(&tree.files, &path, &trigger) {
            dialect::Triggered::Yes | dialect::Triggered::Invalid(_) => paths.push(path),
            dialect::Triggered::No(reason) => render::talk(&format!("{path}: not run: {reason}")),
        }
    }
    Ok(paths)
}

async fn compile(
    args: &cli::Run,
    tree: &Tree,
    path: &str,
    trigger: &mut Trigger,
) -> anyhow::Result<Option<Plan>> {
    if let dialect::Triggered::No(reason) = dialect::triggered_by(&tree.files, path, trigger) {
        render::talk(&format!(
            "note: {} would not trigger {path}: {reason}",
            trigger.kind.event_name()
        ));
    }
    let (inputs, wrong) = dialect::inputs(&tree.files, path, trigger);
    let is_error = |one: &Diagnostic| one.severity == Severity::Error;
    if !wrong.iter().any(is_error) {
        trigger.take_inputs(inputs);
    }
    let lacking = if args.as_far_as_possible {
        Lacking::FaultWhenReached
    } else {
        Lacking::Refuse
    };
    let options = dialect::Options {
        lacking,
        ..dialect::Options::default()
    };
    let reach = Understanding::reach_of(trigger);
    let actions = config::actions(&args.actions, args.data_dir.as_deref())?;
    let compiled = Understanding::new(&actions, &tree.files, reach)
        .compile(path, trigger, options)
        .await;
    let mut diagnostics = compiled.diagnostics;
    for diagnostic in wrong {
        // Both read the file, and both say it when it cannot be read.
        if !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }
    if args.json {
        for diagnostic in &diagnostics {
            render::json_line(&json!({ "event": "diagnostic", "diagnostic": diagnostic }));
        }
    } else {
        render::diagnostics(&diagnostics, |path| tree.text(path));
    }
    if diagnostics.iter().any(is_error) && compiled.plan.is_some() {
        return Ok(None);
    }
    let is_lacking = |one: &Diagnostic| one.code == dialect::LACKING_ACTION;
    if compiled.plan.is_none() && diagnostics.iter().any(is_lacking) {
        render::talk("run all that can be run of it with --as-far-as-possible");
    }
    Ok(compiled.plan)
}

/// What else the command line says of a plan.
async fn prepare(args: &cli::Run, control: &Control, plan: &mut Plan) -> anyhow::Result<()> {
    event::environment(plan, &args.env);
    let images = args.runs_on.iter().filter_map(|(label, place)| {
        let image = place.strip_prefix("docker://")?;
        Some((label.clone(), image.to_owned()))
    });
    plan.map_runners(&images.collect());
    if plan.jobs.iter().any(JobSpec::needs_containers) {
        let lacking = "this workflow needs containers; on Debian: `apt-get install docker.io`";
        control.check_containers().await.context(lacking)?;
    }
    Ok(())
}

/// How a run is told of.
pub(super) struct Telling {
    /// One JSON event a line.
    pub(super) as_json: bool,
    /// In the end, why each job did or did not run.
    pub(super) explain: bool,
    /// The options that `cutover retry` needs to find it again.
    pub(super) how_to: String,
}

impl Telling {
    fn of(args: &cli::Run) -> Self {
        Self {
            as_json: args.json,
            explain: args.explain,
            how_to: given::how_to(args),
        }
    }
}

/// How to leave a run that cannot go on, for lack of space.
const LEAVING: &str =
    "; or leave it with Ctrl-C three times, and go on later with `cutover run --resume`";

/// Follows a run to its end; Ctrl-C cancels it, a second one harder.
/// After a failure says the command that goes on from there, with the options it needs.
pub(super) async fn finish(
    control: &Control,
    id: &RunId,
    telling: &Telling,
) -> anyhow::Result<Exit> {
    let Telling {
        as_json,
        explain,
        how_to,
    } = telling;
    let as_json = *as_json;
    let mut wishes = signals::Wishes::listen();
    let cancelling = async {
        for what in [
            "cancelling; once more ends even what cleans up",
            "ending all of it; once more leaves it as it is",
        ] {
            wishes.next().await;
            render::talk(what);
            let (control, id) = (control.clone(), id.clone());
            // While nothing can be stored there is no answer, and the next wish is to be heard.
            drop(tokio::spawn(async move {
                if let Err(error) = control.cancel(&id, &config::user(), None).await {
                    render::talk(&error.to_string());
                }
            }));
        }
        // Where nothing can be stored any more, nothing ends either.
        wishes.next().await;
        render::talk("left as it is; its steps may go on: `cutover run --resume` finds them");
    };
    let run = tokio::select! {
        followed = follow::follow(control, id, as_json) => followed?,
        () = cancelling => return Ok(Exit::Failed),
        never = space::tell(&control.options().data_dir, as_json, LEAVING) => match never {},
    };
    if *explain && !as_json {
        let explanations = control.explain(id, &view::About::default()).await?;
        render::talk(&view::explanation(&explanations));
    }
    if !as_json {
        for (artifact, file) in control.artifacts(id).await? {
            render::talk(&format!("artifact `{}`: {file}", artifact.name));
        }
    }
    let gate = follow::refused(&run);
    if !as_json && run.wished(&Wish::Failed).is_ok() {
        render::talk(&format!("go on from there: cutover retry {id}{how_to}"));
    }
    Ok(match run.state().outcome() {
        Some(Outcome::Succeeded | Outcome::Skipped) => Exit::Ok,
        _ if gate => Exit::Refused,
        _ => Exit::Failed,
    })
}

fn worse(a: Exit, b: Exit) -> Exit {
    if a == Exit::Ok { b } else { a }
}
