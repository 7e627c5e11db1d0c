//! The page's parts, from the top down. That of a deployment has a file of its own.

use cutover_model::{
    Duration, Timestamp,
    run::{Annotation, Level},
};
use cutover_results::Artifact;
use cutover_store::{ApprovalRow, DeploymentRow, RunRow};
use maud::{DOCTYPE, Markup, html};

use super::graph;
use crate::view::{JobView, RunView, SideView, Status, StepView, TrafficView};

/// What the column on the left shows.
pub(super) struct Lists {
    pub(super) runs: Vec<RunRow>,
    pub(super) deployments: Vec<DeploymentRow>,
}

pub(super) fn frame(title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · cutover" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/cutover.css";
                script src="/assets/cutover.js" defer {}
            }
            body {
                header {
                    a.brand href="/" { "cutover" }
                    span.tagline { "from git push to safe production traffic" }
                    span.live title="whether this page hears of changes" { "connecting" }
                }
                (main)
                p.answer role="status" hidden {}
                section.log hidden {
                    h2 { "Log" span.of {} }
                    pre tabindex="0" aria-live="off" {}
                }
            }
        }
    }
}

/// Before the first push.
pub(super) fn empty(address: &str) -> Markup {
    let main = html! {
        main {
            section {
                h1 { "Nothing has been pushed yet" }
                p { "Push a repository with a workflow in " code { ".github/workflows" } ":" }
                pre.hint { "git push " (address) "/git/NAME.git HEAD:main" }
                p { "The user name is yours, the password is the token in the data directory's file "
                    code { "token" } "." }
            }
        }
    };
    frame("nothing yet", &main)
}

/// An address that has nothing, or something that went wrong.
pub(super) fn fault(status: u16, why: &str) -> Markup {
    let title = if status == 404 {
        "Not here"
    } else {
        "This did not work"
    };
    let main = html! {
        main {
            section {
                h1 { (title) }
                p { (why) }
                p.facts { (status) " · " a href="/" { "what runs and what is deployed" } }
            }
        }
    };
    frame(title, &main)
}

/// A run.
pub(super) fn run(
    run: &RunView,
    kept: &[Artifact],
    lists: &Lists,
    status: &Status,
    now: Timestamp,
) -> Markup {
    let main = html! {
        main {
            (column(lists, now))
            div.content {
                section {
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
                    }
                    (graph::picture(&run.jobs))
                }
                (approvals(&of(&status.approvals, run.id.as_str())))
                (artifacts(run, kept))
                (made(run))
                @for traffic in &status.services { (services(traffic)) }
                @for job in &run.jobs { (job_steps(run, job, now)) }
            }
        }
    };
    frame(&format!("#{} {}", run.number, run.name), &main)
}

/// What a run has kept.
fn artifacts(run: &RunView, kept: &[Artifact]) -> Markup {
    html! {
        @if !kept.is_empty() {
            section {
                h2 { "Artifacts" }
                ul {
                    @for artifact in kept {
                        li { a href={ "/runs/" (run.id) "/artifacts/" (artifact.id) } download { (artifact.name) }
                            small { " " (artifact.size) " bytes · by " (artifact.job) } }
                    }
                }
            }
        }
    }
}

/// What the steps of a run say to have made.
fn made(run: &RunView) -> Markup {
    html! {
        @if run.made().next().is_some() {
            section {
                h2 { "Made" }
                ul {
                    @for made in run.made() {
                        li { (made.subject.name) " " code { (made.subject.digest) }
                            small { " " (made.subject.kind.word()) " · by " (made.job) " / " (made.step) } }
                    }
                }
            }
        }
    }
}

pub(super) fn column(lists: &Lists, now: Timestamp) -> Markup {
    html! {
        nav {
            h2 { "Runs" }
            ul {
                @for row in &lists.runs {
                    li { a href={ "/runs/" (row.id) } {
                        (badge(&row.state)) " #" (row.number) " " (row.name)
                        small { (row.git_ref.short()) " · " (took(Some(row.created_at), row.finished_at, now)) }
                    } }
                }
            }
            h2 { "Deployments" }
            ul {
                @for row in &lists.deployments {
                    li { a href={ "/deployments/" (row.id) } {
                        (badge(&row.state)) " " (row.version) " → " (row.environment)
                        small { (row.service) " · " (row.strategy.replace('_', "-")) }
                    } }
                }
            }
        }
    }
}

/// The questions of one run or deployment.
pub(super) fn of(open: &[ApprovalRow], stream: &str) -> Vec<ApprovalRow> {
    open.iter()
        .filter(|question| question.stream == stream)
        .cloned()
        .collect()
}

pub(super) fn approvals(open: &[ApprovalRow]) -> Markup {
    html! {
        @for question in open {
            section.question {
                h2 { "Waits for an approval" }
                p { (question.subject) }
                p.verbs {
                    @for verb in ["approve", "reject"] {
                        button type="button" data-post={ "/api/v1/approvals/" (question.gate) "/" (verb) }
                            data-sure=[(verb == "reject").then_some("Say no? It cannot be unsaid.")] { (verb) }
                    }
                }
                p.facts { "with a reason: " code { "cutover approve " (question.gate) " -m 'why'" } }
            }
        }
    }
}

pub(super) fn services(traffic: &TrafficView) -> Markup {
    html! {
        section.traffic {
            h2 { (traffic.name)
                @if let Some(address) = &traffic.address { small { " at " (address) } }
            }
            div.sides {
                @for side in &traffic.sides { (side_card(side)) }
            }
        }
    }
}

fn side_card(side: &SideView) -> Markup {
    html! {
        div.side {
            p { b { (side.name) } " " span.share { (percent(side.percent)) } }
            meter min="0" max="100" value=(side.percent) {}
            p.facts {
                (side.healthy) " of " (side.instances.len()) " healthy · "
                (side.requests) " requests · "
                span class=(if side.errors_5xx > 0 { "bad" } else { "" }) { (side.errors_5xx) " × 5xx" }
            }
            ul.instances {
                @for instance in &side.instances {
                    li { (badge(&instance.state)) " " (instance.address)
                        small { (instance.in_flight) " in flight" } }
                }
            }
        }
    }
}

fn job_steps(run: &RunView, job: &JobView, now: Timestamp) -> Markup {
    html! {
        section.steps {
            h2 { (job.name) " " (badge(job.state))
                @if let (Some(outcome), Some(conclusion)) = (job.outcome, job.conclusion)
                    && outcome != conclusion { small { " counts as " (conclusion) } }
                @if let Some(environment) = &job.environment { small { " in " (environment) } } }
            @if let Some(on) = &job.waiting_on { p.facts { "waits on " (on) } }
            @if let Some(url) = job.environment_url.as_deref().filter(|url| is_address(url)) {
                p.facts { a href=(url) rel="noopener noreferrer" { (url) } }
            }
            @if let Some(reason) = &job.reason { p.facts { (reason) } }
            @if job.outcome.is_some() || !job.steps.is_empty() { p.facts { (why(run, job, None)) } }
            ol {
                @for step in &job.steps { (step_line(run, job, step, now)) }
            }
        }
    }
}

fn step_line(run: &RunView, job: &JobView, step: &StepView, now: Timestamp) -> Markup {
    let log = format!(
        "/runs/{}/log?job={}&step={}&attempt={}",
        run.id,
        job.key.0.replace('#', "%23"),
        step.path,
        step.attempt
    );
    let reached = step.started_at.is_some();
    html! {
        li class=(if step.path.0.len() > 1 { "inner" } else { "" }) {
            @if reached {
                button type="button" data-log=(log) data-name={ (job.name) " / " (step.name) }
                    data-running=(step.outcome.is_none()) { (badge(step.state)) " " (step.name) }
            } @else {
                span { (badge(step.state)) " " (step.name) }
            }
            small {
                @if step.attempt.0 > 1 { "attempt " (step.attempt) " · " }
                (took(step.started_at, step.finished_at, now))
            }
            @for reason in &step.reasons { p.bad { (reason) } }
            @if step.state == "skipped" { (why(run, job, Some(step))) }
            @for annotation in &step.annotations { (remark(annotation)) }
            @if let Some(summary) = &step.summary {
                details { summary { "Summary" } pre { (summary) } }
            }
        }
    }
}

/// What a step remarked, with the place it is about.
fn remark(annotation: &Annotation) -> Markup {
    let class = match annotation.level {
        Level::Error => "bad",
        Level::Warning | Level::Notice => "facts",
    };
    html! {
        p class=(class) {
            @if let Some(place) = annotation.place() { code { (place) } " " }
            @if let Some(title) = &annotation.title { b { (title) } " " }
            (annotation.message)
        }
    }
}

/// Where it is told why something did or did not run.
fn why(run: &RunView, job: &JobView, step: Option<&StepView>) -> Markup {
    let key = job.key.0.replace('#', "%23");
    let step = step.map_or_else(String::new, |step| format!("&step={}", step.path));
    let address = format!("/runs/{}/explain?job={key}{step}", run.id);
    html! { a href=(address) { "why?" } }
}

/// Whether a text of a workflow may be a link: nothing that a browser would run.
fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

pub(super) fn badge(state: &str) -> Markup {
    html! { span class={ "badge " (state) } { (state.replace('_', " ")) } }
}

pub(super) fn percent(share: f64) -> String {
    format!("{share} %")
}

pub(super) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// How long it took, or takes so far, to the tenth of a second below a minute.
pub(super) fn took(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> String {
    let Some(from) = from else {
        return String::new();
    };
    let length = to.unwrap_or(now).since(from);
    let millis = length.as_millis();
    if millis < 60_000 {
        return format!("{}.{} s", millis / 1_000, millis % 1_000 / 100);
    }
    Duration::from_secs(millis / 1_000).to_string()
}
