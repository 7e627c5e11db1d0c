//! Events: that they exist, have the types and filters that they are given, and that patterns and times
//! hold.

use std::collections::BTreeSet;

use super::{
    glob,
    model::{Event, Input, Text, Webhook},
};
use crate::{
    diagnostic::{Code, Sink},
    github::{cron, template},
    suggest,
};

const BRANCHES: [&str; 5] = [
    "merge_group",
    "push",
    "pull_request",
    "pull_request_target",
    "workflow_run",
];
const PATHS: [&str; 3] = ["push", "pull_request", "pull_request_target"];
/// Schedules may not be closer together than this, in minutes.
const LEAST_GAP: u32 = 5;
/// The most inputs that people fill in by hand.
const MAX_INPUTS: usize = 25;
/// The parts of the world that time zones are named after.
const AREAS: [&str; 11] = [
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Etc",
    "Europe",
    "Indian",
    "Pacific",
];

pub(super) fn check(events: &[Event<'_>], sink: &mut Sink) {
    for event in events {
        match event {
            Event::Webhook(webhook) => check_webhook(webhook, sink),
            Event::Schedule(times) => {
                for (cron, zone) in times {
                    check_time(*cron, *zone, sink);
                }
            }
            Event::Dispatch(name, inputs) => check_inputs(*name, inputs, sink),
            Event::RepositoryDispatch(_) | Event::Call(_) => {}
        }
    }
}

/// Inputs that people fill in by hand: how many, and that defaults are among what there is.
fn check_inputs(event: Text<'_>, inputs: &[Input<'_>], sink: &mut Sink) {
    if inputs.len() > MAX_INPUTS {
        let message = format!(
            "`inputs` may have {MAX_INPUTS} names, and has {}",
            inputs.len()
        );
        sink.error(Code::EventFilter, event.at(), message);
    }
    for input in inputs {
        let name = input.name.text();
        match (&input.options, input.kind) {
            (None, "choice") => {
                let message = format!("input `{name}` of type `choice` needs `options`");
                sink.error(Code::EventFilter, input.name.at(), message);
            }
            (Some(options), "choice") => check_options(input, options, sink),
            (Some(options), _) if !options.is_empty() => {
                let message =
                    format!("input `{name}` has `options`, which belong to type `choice`");
                let hint = "add `type: choice`".to_owned();
                sink.error_hint(Code::EventFilter, input.name.at(), message, hint);
            }
            _ => {}
        }
        let Some(default) = input.default else {
            continue;
        };
        let wanted = match input.kind {
            "boolean" if !matches!(default.text(), "true" | "false") => "`true` or `false`",
            "number" if default.text().parse::<f64>().is_err() => "a number",
            _ => continue,
        };
        let message = format!("the default of input `{name}` must be {wanted}");
        sink.error(Code::EventFilter, default.at(), message);
    }
}

fn check_options(input: &Input<'_>, options: &[Text<'_>], sink: &mut Sink) {
    let mut seen = BTreeSet::new();
    for option in options {
        if !seen.insert(option.text()) {
            let message = format!("`{}` can be chosen twice", option.text());
            sink.error(Code::EventFilter, option.at(), message);
        }
    }
    if let Some(default) = input.default
        && !seen.is_empty()
        && !seen.contains(default.text())
    {
        let hint = suggest::hint(default.text(), seen.iter().copied());
        let message = format!("the default `{}` is none of the `options`", default.text());
        sink.error_hint(Code::EventFilter, default.at(), message, hint);
    }
}

fn check_time(pattern: Option<Text<'_>>, zone: Option<Text<'_>>, sink: &mut Sink) {
    if let Some(text) = pattern {
        match cron::parse(text.text()) {
            Err(error) => {
                let message = format!("`{}` is no pattern of times: {error}", text.text());
                sink.error(Code::Schedule, text.at(), message);
            }
            Ok(times) if times.least_gap() < LEAST_GAP => {
                let message = format!("the least time between two runs is {LEAST_GAP} minutes");
                sink.error(Code::Schedule, text.at(), message);
            }
            Ok(_) => {}
        }
    }
    if let Some(text) = zone
        && !is_zone(text.text())
    {
        let hint = "for example `Europe/Zurich`".to_owned();
        let message = format!("`{}` is no name of a time zone", text.text());
        sink.error_hint(Code::Schedule, text.at(), message, hint);
    }
}

/// Whether a text looks like `Area/Place`. Which places there are is the business of whoever runs it.
fn is_zone(text: &str) -> bool {
    text.split_once('/').is_some_and(|(area, place)| {
        AREAS.contains(&area)
            && !place.is_empty()
            && place.chars().all(|letter| {
                letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '+' | '/')
            })
    })
}

fn check_webhook(webhook: &Webhook<'_>, sink: &mut Sink) {
    let name = webhook.name.text();
    let Some(types) = template::event_types(name) else {
        let hint = suggest::hint(name, template::event_names());
        let message = format!("unknown event `{name}`");
        sink.error_hint(Code::UnknownEvent, webhook.name.at(), message, hint);
        return;
    };
    let find = |key: &str| webhook.filters.iter().find(|(own, _)| own.text() == key);
    if name == "workflow_run" && find("workflows").is_none() {
        sink.error(
            Code::EventFilter,
            webhook.name.at(),
            "`workflow_run` needs `workflows`",
        );
    }
    for (key, values) in &webhook.filters {
        match key.text() {
            "types" => check_types(webhook, values, types, sink),
            "workflows" if name != "workflow_run" && !values.is_empty() => {
                only_for(*key, webhook.name.at(), name, &["workflow_run"], sink);
            }
            "names" | "versions" if name != "image_version" => {
                only_for(*key, key.at(), name, &["image_version"], sink);
            }
            "versions" => glob::check_refs(values, sink),
            "branches" | "branches-ignore" if !BRANCHES.contains(&name) => {
                only_for(*key, key.at(), name, &BRANCHES, sink);
            }
            "tags" | "tags-ignore" if name != "push" => {
                only_for(*key, key.at(), name, &["push"], sink);
            }
            "paths" | "paths-ignore" if !PATHS.contains(&name) => {
                only_for(*key, key.at(), name, &PATHS, sink);
            }
            "branches" | "branches-ignore" | "tags" | "tags-ignore" => {
                glob::check_refs(values, sink);
            }
            "paths" | "paths-ignore" => glob::check_paths(values, sink),
            _ => {}
        }
    }
    for (key, events) in [
        ("branches", &BRANCHES[..]),
        ("tags", &["push"]),
        ("paths", &PATHS),
    ] {
        let both = (find(key), find(&format!("{key}-ignore")));
        if let (Some((only, _)), Some((ignore, _))) = both
            && events.contains(&name)
        {
            let at = only.at().min(ignore.at());
            let message = format!("`{key}` and `{key}-ignore` exclude each other");
            let hint = format!("use `{key}` with patterns that begin with `!`");
            sink.error_hint(Code::EventFilter, at, message, hint);
        }
    }
}

fn only_for(
    key: Text<'_>,
    at: cutover_model::Position,
    event: &str,
    events: &[&str],
    sink: &mut Sink,
) {
    let message = format!("event `{event}` has no filter `{}`", key.text());
    let hint = format!("these have it: `{}`", events.join("`, `"));
    sink.error_hint(Code::EventFilter, at, message, hint);
}

fn check_types(webhook: &Webhook<'_>, values: &[Text<'_>], types: &[&str], sink: &mut Sink) {
    let name = webhook.name.text();
    if types.is_empty() {
        if !values.is_empty() {
            let message = format!("event `{name}` has no types");
            sink.error(Code::EventFilter, webhook.name.at(), message);
        }
        return;
    }
    for value in values {
        if !types.contains(&value.text()) {
            let hint = suggest::hint(value.text(), types.iter().copied());
            let message = format!("event `{name}` has no type `{}`", value.text());
            sink.error_hint(Code::EventFilter, value.at(), message, hint);
        }
    }
}
