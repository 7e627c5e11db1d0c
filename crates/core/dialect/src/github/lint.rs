//! What there is to say about a workflow, whoever runs it: its syntax, its expressions, and rules about
//! what is allowed but cannot be meant.
//!
//! `syntax` and its siblings turn nodes into `model`; the rules look at that. Nothing here knows plans.

mod check;
mod contexts;
mod deploys;
mod events;
mod expressions;
mod fix;
mod glob;
mod jobs;
mod matrix;
mod model;
mod needed;
mod permissions;
mod rules;
mod security;
mod steps;
mod syntax;
mod taint;
mod types;
mod untrusted;
mod uses;
mod webhooks;

use cutover_model::Diagnostic;

pub(crate) use self::{fix::fixes, taint::Files};
use self::{model::Event, syntax::Syntax};
use crate::{
    Lock,
    diagnostic::{Code, Sink},
    yaml::Document,
};

/// What is said only when the actions of others are at hand.
const UNSURE: &[Code] = &[Code::Unlocked];
/// What is said only when the caller is looked at.
const UNSURE_IF_CALLED: &[Code] = &[Code::Unlocked, Code::Untrusted];

/// Says everything about a file that has been read.
pub(crate) fn check(document: &Document, sink: &mut Sink) {
    for (at, fault) in &document.faults {
        sink.yaml(*at, fault);
    }
    for anchor in document.anchors.iter().filter(|anchor| !anchor.used) {
        let message = format!("nothing uses the anchor `&{}`", anchor.name);
        sink.warning(Code::UnusedAnchor, anchor.at, message, None);
    }
    let Some(root) = &document.root else {
        if document.faults.is_empty() {
            let at = cutover_model::Position::new(1, 1);
            sink.error(Code::Syntax, at, "the file is empty");
        }
        return;
    };
    let mut syntax = Syntax { sink };
    let workflow = syntax.workflow(root);
    webhooks::check(&workflow.events, sink);
    rules::check(&workflow, sink);
    security::check(&workflow, sink);
    matrix::check(&workflow.jobs, sink);
    uses::check(&workflow, sink);
    expressions::check(&workflow, sink);
}

/// Says what lint alone says, of a file that is right or wrong: what its jobs may do, how they deploy,
/// and where text of strangers goes by detours. Gives what there is to say about other files.
pub(crate) fn advise(
    files: &Files<'_>,
    path: &str,
    document: &Document,
    sink: &mut Sink,
) -> Vec<Diagnostic> {
    let Some(root) = &document.root else {
        return Vec::new();
    };
    // With errors not everything was looked at.
    let is_whole = !sink.has_errors();
    let mut aside = sink.aside();
    let workflow = Syntax { sink: &mut aside }.workflow(root);
    needed::check(&workflow, sink);
    deploys::check(&workflow, sink);
    if let (Some(lock), _) = Lock::read(files.tree) {
        uses::movable(&lock, &workflow, sink);
    }
    let others = taint::check(files, path, &workflow, sink);
    if is_whole {
        let is_called = workflow
            .events
            .iter()
            .any(|event| matches!(event, Event::Call(_)));
        sink.unused_ignores(if is_called { UNSURE_IF_CALLED } else { UNSURE });
    }
    others
}
