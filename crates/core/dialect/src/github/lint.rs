//! What there is to say about a workflow, whoever runs it: its syntax, its expressions, and rules about
//! what is allowed but cannot be meant.
//!
//! `syntax` and its siblings turn nodes into `model`; the rules look at that. Nothing here knows plans.

mod check;
mod contexts;
mod events;
mod expressions;
mod glob;
mod jobs;
mod matrix;
mod model;
mod permissions;
mod rules;
mod security;
mod steps;
mod syntax;
mod types;
mod untrusted;
mod uses;
mod webhooks;

use self::syntax::Syntax;
use crate::{
    diagnostic::{Code, Sink},
    yaml::Document,
};

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
