//! `concurrency:` of a workflow or a job. What cannot go together is told by the reader of the whole
//! language.

use cutover_model::plan::{Concurrency, Queue};

use super::super::{context::Scope, value};
use crate::{
    diagnostic::Sink,
    shape::{self, Fields, Schema},
    yaml::Node,
};

const CONCURRENCY: Schema = Schema {
    what: "`concurrency`",
    keys: &["group", "cancel-in-progress", "queue"],
    required: &["group"],
    later: &[],
};

/// A name, or a mapping with one.
pub(super) fn read(node: &Node, scope: Scope, sink: &mut Sink) -> Option<Concurrency> {
    if node.scalar().is_some() {
        return Some(Concurrency {
            group: value::filled(node, "`concurrency`", scope, sink)?,
            cancel_in_progress: None,
            queue: Queue::Single,
        });
    }
    let fields = Fields::open(node, &CONCURRENCY, sink)?;
    let cancel_in_progress = fields
        .get("cancel-in-progress")
        .and_then(|node| value::truth(node, "`cancel-in-progress`", scope, sink));
    let queue = fields
        .get("queue")
        .and_then(|node| shape::word(node, "`queue`", &["single", "max"], sink));
    Some(Concurrency {
        group: value::filled(fields.present("group")?, "`group`", scope, sink)?,
        cancel_in_progress,
        queue: match queue {
            Some("max") => Queue::Max,
            Some(_) | None => Queue::Single,
        },
    })
}
