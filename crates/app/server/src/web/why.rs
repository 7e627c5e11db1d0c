//! The page that tells why jobs and steps of a run did or did not run.

use cutover_engine::explain::{Explanation, Looked};
use cutover_model::{Timestamp, run::JobKey};
use cutover_store::RunRow;
use maud::{Markup, html};

use super::{
    page::{Lists, badge, frame, with_lists},
    run::anchor,
};

pub(super) fn page(row: &RunRow, found: &[Explanation], lists: &Lists, now: Timestamp) -> Markup {
    let back = match found.first() {
        Some(first) => format!("#{}", anchor(&JobKey(first.job.clone()))),
        None => String::new(),
    };
    let content = html! {
        p.crumbs { a href={ "/runs/" (row.id) (back) } { "‹ #" (row.number) " " (row.name) } }
        h1 { "Why it did or did not run" }
        @if found.is_empty() { section { p.facts { "Nothing has been decided yet." } } }
        @for one in found { (explained(one)) }
    };
    let about = found
        .first()
        .map_or("all jobs", |first| first.name.as_str());
    let title = format!("Why: {about} · #{} {}", row.number, row.name);
    let main = with_lists(lists, now, row.id.as_str(), &content);
    frame(&title, None, &main)
}

fn explained(one: &Explanation) -> Markup {
    html! {
        section.why {
            h2 { (one.name) " " (badge(&one.decided))
                small { (one.job) @if let Some(step) = &one.step { " · step " (step) } } }
            @if let Some(reason) = &one.reason { p { (reason) } }
            dl {
                @if !one.needs.is_empty() {
                    dt { "needs" }
                    dd { @for (job, end) in &one.needs { span.need { (job) " " (badge(end)) } " " } }
                }
                dt { "before it" }
                dd { (one.status) }
                dt { "if" }
                dd { @match &one.condition {
                    None => "none: it runs when what went before it succeeded",
                    Some(looked) => (condition(looked, one.status)),
                } }
            }
        }
    }
}

fn condition(looked: &Looked, status: &str) -> Markup {
    html! {
        code { (looked.text) } " " small { (looked.at) }
        ul.parts {
            @if looked.implied_success {
                li { code { "success()" } " = " b { (status == "success") }
                    small { " put in front, since no other status is asked for" } }
            }
            @for part in &looked.parts {
                li data-depth=(part.depth.min(6)) { code { (part.text) } " = " b { (part.value) } }
            }
        }
    }
}
