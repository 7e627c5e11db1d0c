//! What all pages have, and the small ones. Those of a run and of a deployment have files of their own.

use cutover_model::{Duration, Timestamp};
use cutover_store::{ApprovalRow, DeploymentRow, RunRow};
use maud::{DOCTYPE, Markup, html};

use crate::view::{SideView, TrafficView};

/// What the column on the left shows.
pub(super) struct Lists {
    pub(super) runs: Vec<RunRow>,
    pub(super) deployments: Vec<DeploymentRow>,
}

/// What is on every page. The state is what is said aloud when it changes.
pub(super) fn frame(title: &str, state: Option<&str>, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · cutover" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/cutover.css";
                script src="/assets/cutover.js" defer {}
            }
            body {
                a.skip href="#-main" { "To the content" }
                header.top {
                    a.brand href="/" { "cutover" }
                    a href="/runs" { "All runs" }
                    span.live title="whether this page hears of changes" { "connecting" }
                }
                main id="-main" tabindex="-1" data-state=[state] { (main) }
                p.said role="status" {}
                p.answer role="status" hidden {}
            }
        }
    }
}

/// A page with the lists beside it.
pub(super) fn with_lists(lists: &Lists, now: Timestamp, current: &str, content: &Markup) -> Markup {
    html! {
        (column(lists, now, current))
        div.content data-part="content" { (content) }
    }
}

/// Before the first push.
pub(super) fn empty(address: &str) -> Markup {
    let main = html! {
        div.content data-part="content" {
            section {
                h1 { "Nothing has been pushed yet" }
                p { "Push a repository with a workflow in " code { ".github/workflows" } ":" }
                pre.hint { "git push " (address) "/git/NAME.git HEAD:main" }
                p { "The user name is yours, the password is the token in the data directory's file "
                    code { "token" } "." }
                p.facts { "This page shows the run as soon as there is one." }
            }
        }
    };
    frame("nothing yet", None, &main)
}

/// An address that has nothing, or something that went wrong.
pub(super) fn fault(status: u16, why: &str, lists: Option<(&Lists, Timestamp)>) -> Markup {
    let title = if status == 404 {
        "Not here"
    } else {
        "This did not work"
    };
    let content = html! {
        section {
            h1 { (title) }
            p { (why) }
            ul.ways {
                li { a href="/" { "The newest run" } }
                li { a href="/runs" { "All runs and deployments" } }
            }
            p.facts { "status " (status) }
        }
    };
    let main = if let Some((lists, now)) = lists {
        with_lists(lists, now, "", &content)
    } else {
        html! { div.content data-part="content" { (content) } }
    };
    frame(title, None, &main)
}

/// All that was lately.
pub(super) fn all(lists: &Lists, open: &[ApprovalRow], now: Timestamp) -> Markup {
    let main = html! {
        div.content data-part="content" {
            h1 { "Runs" }
            (approvals(open))
            section.rows {
                @if lists.runs.is_empty() { p.facts { "There is no run yet. Push something." } }
                ul { @for row in &lists.runs { li { (run_row(row, now, "")) } } }
            }
            @if !lists.deployments.is_empty() {
                h1 { "Deployments" }
                section.rows { ul { @for row in &lists.deployments { li { (deployment_row(row, "")) } } } }
            }
        }
    };
    frame("Runs", None, &main)
}

fn column(lists: &Lists, now: Timestamp, current: &str) -> Markup {
    html! {
        nav data-part="lists" aria-label="runs and deployments" {
            h2 { a href="/runs" { "Runs" } }
            ul { @for row in &lists.runs { li { (run_row(row, now, current)) } } }
            @if !lists.deployments.is_empty() {
                h2 { "Deployments" }
                ul { @for row in &lists.deployments { li { (deployment_row(row, current)) } } }
            }
        }
    }
}

fn run_row(row: &RunRow, now: Timestamp, current: &str) -> Markup {
    let is_current = (row.id.as_str() == current).then_some("page");
    html! {
        a href={ "/runs/" (row.id) } aria-current=[is_current] {
            (mark(&row.state))
            span.what { "#" (row.number) " " (row.name) }
            small { (row.git_ref.short()) " · " (took(Some(row.created_at), row.finished_at, now))
                " · " (row.trigger.replace('_', " ")) }
        }
    }
}

fn deployment_row(row: &DeploymentRow, current: &str) -> Markup {
    let is_current = (row.id.as_str() == current).then_some("page");
    html! {
        a href={ "/deployments/" (row.id) } aria-current=[is_current] {
            (mark(&row.state))
            span.what { (row.version) " → " (row.environment) }
            small { (row.service) " · " (row.strategy.replace('_', "-")) }
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

pub(super) fn badge(state: &str) -> Markup {
    html! { span class={ "badge " (state) } { (state.replace('_', " ")) } }
}

/// A state in one sign, with its word for whoever does not see it.
pub(super) fn mark(state: &str) -> Markup {
    let word = state.replace('_', " ");
    html! { span class={ "mark " (state) } role="img" aria-label=(word) title=(word) {} }
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
