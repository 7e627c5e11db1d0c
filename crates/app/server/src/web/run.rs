//! The page of a run: its graph, what waits for people, what was remarked and said at length, and the steps
//! of its jobs beside the log of one of them.

use cutover_model::{
    Timestamp,
    run::{Annotation, JobKey, Level, Outcome},
};
use cutover_results::Artifact;
use maud::{Markup, html};

use super::{
    graph,
    page::{Lists, approvals, badge, frame, mark, of, services, took, with_lists},
    summary,
};
use crate::view::{JobView, RunView, Status, StepView};

/// Remarks that are seen without asking for more.
const SEEN: usize = 10;

/// Jobs of a run whose steps are all seen; of more, those that did what they should are folded.
const UNFOLDED: usize = 3;

/// Bytes of a summary that is unfolded, so that what comes behind it is not far.
const SHORT: usize = 4 * 1024;

/// What stands for a job in an address.
pub(super) fn anchor(key: &JobKey) -> String {
    key.0.replace('#', "%23")
}

pub(super) fn page(
    run: &RunView,
    kept: &[Artifact],
    lists: &Lists,
    status: &Status,
    now: Timestamp,
) -> Markup {
    let questions = of(&status.approvals, run.id.as_str());
    let head = html! {
        (card(run, !kept.is_empty(), now))
        (approvals(&questions))
        (remarks(run))
        @for traffic in &status.services { (services(traffic)) }
    };
    let content = html! {
        div.head data-part="head" { (head) }
        div.jobs data-part="jobs" {
            @for job in &run.jobs { (job_steps(run, job, now)) }
        }
        (log())
        div.tail data-part="tail" {
            (summaries(run))
            (artifacts(run, kept))
            (made(run))
        }
    };
    let state = if questions.is_empty() {
        run.state.replace('_', " ")
    } else {
        "waits for an approval".to_owned()
    };
    let name = format!("#{} {}", run.number, run.name);
    let main = with_lists(lists, now, run.id.as_str(), &content);
    frame(
        &format!("{name} · {state}"),
        Some(&format!("{name}: {state}")),
        &main,
    )
}

fn card(run: &RunView, has_kept: bool, now: Timestamp) -> Markup {
    html! {
        section.card {
            h1 { "#" (run.number) " " (run.name) " " (badge(run.state)) }
            @if run.state == "waiting" {
                @if let Some(on) = &run.waiting_on { p.facts { "waits on " (on) } }
            }
            p.facts {
                (run.trigger) " of " b { (run.git_ref.short()) } " at " code { (run.revision.short()) }
                " by " b { (run.actor) }
                @if run.attempt.0 > 1 { ", attempt " (run.attempt) " by " b { (run.wanted_by) } }
                " in " (run.repository) " · "
                (took(Some(run.created_at), run.finished_at, now))
                @if has_summary(run) { " · " a href="#-summary" { "summary" } }
                @if has_kept { " · " a href="#-artifacts" { "artifacts" } }
            }
            @if run.jobs.is_empty() { p.facts { "No job has been planned yet." } }
            @else { (graph::picture(&run.jobs)) }
        }
    }
}

/// What all steps have remarked, the worst first, each with the way to its line.
fn remarks(run: &RunView) -> Markup {
    let mut found: Vec<_> = run
        .jobs
        .iter()
        .flat_map(|job| job.steps.iter().map(move |step| (job, step)))
        .flat_map(|(job, step)| {
            let numbered = step.annotations.iter().enumerate();
            numbered.map(move |(number, remark)| (job, step, number, remark))
        })
        .collect();
    found.sort_by_key(|(.., remark)| match remark.level {
        Level::Error => 0,
        Level::Warning => 1,
        Level::Notice => 2,
    });
    let (seen, more) = found.split_at(found.len().min(SEEN));
    html! {
        @if !found.is_empty() {
            section.remarks {
                h2 { "Annotations" small { (found.len()) } }
                ul { @for (job, step, number, it) in seen { (remark(run, job, step, *number, it)) } }
                @if !more.is_empty() {
                    details id="-remarks" {
                        summary { (more.len()) " more" }
                        ul { @for (job, step, number, it) in more { (remark(run, job, step, *number, it)) } }
                    }
                }
            }
        }
    }
}

fn remark(
    run: &RunView,
    job: &JobView,
    step: &StepView,
    number: usize,
    remark: &Annotation,
) -> Markup {
    let level = match remark.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let line = format!(
        "/runs/{}/remark?job={}&step={}&attempt={}&number={number}",
        run.id,
        anchor(&job.key),
        step.path,
        step.attempt
    );
    html! {
        li class=(level) {
            span.level { (level) }
            div {
                @if let Some(title) = &remark.title { b { (title) } " " }
                span.message { (remark.message) }
                small {
                    @if let Some(place) = remark.place() { code { (place) } " · " }
                    a href=(line) { (job.name) " / " (step.name) }
                }
            }
        }
    }
}

fn has_summary(run: &RunView) -> bool {
    let mut steps = run.jobs.iter().flat_map(|job| &job.steps);
    steps.any(|step| step.summary.is_some())
}

fn summaries(run: &RunView) -> Markup {
    let of_step = |job: &JobView, step: &StepView, text: &str| {
        html! {
            details.summary id={ "-summary-" (job.key.0) "-" (step.path) } open[text.len() <= SHORT] {
                summary { (job.name) " / " (step.name) }
                (summary::shown(text))
            }
        }
    };
    html! {
        @if has_summary(run) {
            section.summaries id="-summary" {
                h2 { "Summary" }
                @for job in &run.jobs {
                    @for step in &job.steps {
                        @if let Some(text) = &step.summary { (of_step(job, step, text)) }
                    }
                }
            }
        }
    }
}

/// What a run has kept.
fn artifacts(run: &RunView, kept: &[Artifact]) -> Markup {
    html! {
        @if !kept.is_empty() {
            section id="-artifacts" {
                h2 { "Artifacts" }
                ul.kept {
                    @for artifact in kept {
                        li { a href={ "/runs/" (run.id) "/artifacts/" (artifact.id) } download { (artifact.name) }
                            small { (size(artifact.size)) " · by " (artifact.job) } }
                    }
                }
            }
        }
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// What the steps of a run say to have made.
fn made(run: &RunView) -> Markup {
    html! {
        @if run.made().next().is_some() {
            section {
                h2 { "Made" }
                ul.kept {
                    @for made in run.made() {
                        li { (made.subject.name) " " code { (made.subject.digest) }
                            small { (made.subject.kind.word()) " · by " (made.job) " / " (made.step) } }
                    }
                }
            }
        }
    }
}

fn job_steps(run: &RunView, job: &JobView, now: Timestamp) -> Markup {
    let is_skipped = job.outcome == Some(Outcome::Skipped);
    // A step that failed says it itself.
    let is_said = job
        .steps
        .iter()
        .any(|step| !step.reasons.is_empty() && tone(step.outcome) == "bad");
    let reason = job.reason.as_ref().filter(|_| !is_said);
    let is_done = is_skipped || job.outcome == Some(Outcome::Succeeded);
    html! {
        details.steps id=(job.key.0) open[!is_done || run.jobs.len() <= UNFOLDED] {
            summary {
                (mark(job.state)) h2 { (job.name) }
                small { (took(job.started_at, job.finished_at, now)) }
            }
            @if let (Some(outcome), Some(conclusion)) = (job.outcome, job.conclusion)
                && outcome != conclusion { p.facts { "counts as " (conclusion) } }
            @if let Some(environment) = &job.environment { p.facts { "in " (environment) } }
            @if let Some(on) = &job.waiting_on { p.facts { "waits on " (on) } }
            @if let Some(url) = job.environment_url.as_deref().filter(|url| is_address(url)) {
                p.facts { a href=(url) rel="noopener noreferrer" { (url) } }
            }
            @if let Some(reason) = reason { p class=(tone(job.outcome)) { (reason) } }
            // What was never to run has no steps that could still come.
            @if !is_skipped && !job.steps.is_empty() {
                ol { @for step in &job.steps { (step_line(run, job, step, now)) } }
            }
            @if job.outcome.is_some() || !job.steps.is_empty() {
                p.facts { (why(run, job, None, "why this job?")) }
            }
        }
    }
}

/// How a reason is said: that something was skipped is no fault.
const fn tone(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Failed | Outcome::Faulted | Outcome::TimedOut | Outcome::RolledBack) => "bad",
        Some(Outcome::Skipped | Outcome::Succeeded | Outcome::Cancelled | Outcome::Superseded)
        | None => "facts",
    }
}

fn step_line(run: &RunView, job: &JobView, step: &StepView, now: Timestamp) -> Markup {
    let at = format!("{}:{}", job.key.0, step.path);
    let log = format!(
        "/runs/{}/log?job={}&step={}&attempt={}",
        run.id,
        anchor(&job.key),
        step.path,
        step.attempt
    );
    let state = if job.outcome.is_some() && step.state == "pending" {
        "not_run"
    } else {
        step.state
    };
    html! {
        li.inner[step.path.indices().len() > 1] {
            @if step.started_at.is_some() {
                a.step id=(at) href={ "#" (anchor(&job.key)) ":" (step.path) } data-log=(log)
                    data-name={ (job.name) " / " (step.name) } data-running=(step.outcome.is_none()) {
                    (mark(state)) span.what { (step.name) }
                    small { (took(step.started_at, step.finished_at, now)) }
                }
            } @else {
                div.step { (mark(state)) span.what { (step.name) } }
            }
            @if step.attempt.0 > 1 { p.facts { "attempt " (step.attempt) } }
            @if step.state == "skipped" {
                p.facts { @for reason in &step.reasons { (reason) " · " } (why(run, job, Some(step), "why?")) }
            } @else {
                @for reason in &step.reasons { p class=(tone(step.outcome)) { (reason) } }
            }
        }
    }
}

/// The place of a log; the page's script fills it.
fn log() -> Markup {
    html! {
        section.log aria-label="log" hidden {
            header {
                a.back href="#-main" { "‹ Steps" }
                h2 { "Log" }
                button.end type="button" { "To the end" }
                a.raw { "As text" }
            }
            button.earlier type="button" hidden { "Show earlier lines" }
            div.lines tabindex="0" role="region" aria-label="lines of the log" {}
            button.later type="button" hidden { "Show later lines" }
        }
    }
}

/// Where it is told why something did or did not run.
fn why(run: &RunView, job: &JobView, step: Option<&StepView>, words: &str) -> Markup {
    let key = anchor(&job.key);
    let step = step.map_or_else(String::new, |step| format!("&step={}", step.path));
    let address = format!("/runs/{}/explain?job={key}{step}", run.id);
    html! { a href=(address) { (words) } }
}

/// Whether a text of a workflow may be a link: nothing that a browser would run.
fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

#[cfg(test)]
mod tests;
