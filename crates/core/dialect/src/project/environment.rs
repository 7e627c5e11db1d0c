//! One entry of `environments:`.

use cutover_model::{
    Duration,
    gate::ApprovalRule,
    guard::{Guards, OnSuperseded, RollbackRule, USUAL_DEADLINE, USUAL_PAUSE_LIMIT},
    project::{Environment, TargetSpec},
};

use super::{freeze, hook, judge, strategy, traffic, trigger, value};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema, Spanned},
    yaml::{Entry, Node},
};

const ENVIRONMENT: Schema = Schema {
    what: "an environment",
    keys: &[
        "after",
        "target",
        "listen",
        "approvals",
        "strategy",
        "rollback_triggers",
        "judge",
        "env",
        "vars",
        "hooks",
        "smoke",
        "progress_deadline",
        "pause_limit",
        "rollback",
        "on_superseded",
        "freeze",
        "traffic",
    ],
    required: &[],
    later: &[],
};
const ROLLBACK: Schema = Schema {
    what: "`rollback`",
    keys: &["hold", "window"],
    required: &[],
    later: &[],
};
const TARGETS: Schema = Schema {
    what: "`target`",
    keys: &["process", "docker"],
    required: &[],
    later: &[("ecs", USE_LOCAL), ("kubernetes", USE_LOCAL)],
};
const USE_LOCAL: &str = "use `process` or `docker`";
const TARGET: Schema = Schema {
    what: "a target",
    keys: &["instances"],
    required: &[],
    later: &[],
};
const APPROVALS: Schema = Schema {
    what: "`approvals`",
    keys: &["required", "from", "expires"],
    required: &[],
    later: &[],
};
/// More copies than this are a slip.
const MAX_INSTANCES: u32 = 1_000;

/// An environment, and where its `after` stands.
pub(super) fn environment(
    entry: &Entry,
    sink: &mut Sink,
) -> Option<(Environment, Option<Spanned>)> {
    let fields = if entry.value.is_null() {
        None
    } else {
        Some(Fields::open(&entry.value, &ENVIRONMENT, sink)?)
    };
    let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
    let after = get("after").and_then(|node| {
        let text = value::filled(node, "`after`", sink)?;
        Some(Spanned { text, at: node.at })
    });
    let environment = Environment {
        after: after.as_ref().map(|after| after.text.clone()),
        target: get("target")
            .and_then(|node| target(node, sink))
            .unwrap_or(TargetSpec::Process { instances: 1 }),
        listen: get("listen").and_then(|node| address(node, "`listen`", sink)),
        approvals: get("approvals").and_then(|node| approvals(node, sink)),
        strategy: strategy::strategy(get("strategy"), sink),
        rollback_triggers: get("rollback_triggers")
            .map_or_else(Vec::new, |node| trigger::triggers(node, sink)),
        judge: get("judge").and_then(|node| judge::judge(node, sink)),
        env: value::env(get("env"), sink),
        guards: guards(fields.as_ref(), sink),
        rollback: get("rollback")
            .and_then(|node| rollback(node, sink))
            .unwrap_or_default(),
        on_superseded: get("on_superseded")
            .and_then(|node| on_superseded(node, sink))
            .unwrap_or_default(),
        freeze: get("freeze").map_or_else(Vec::new, |node| freeze::windows(node, sink)),
        traffic: get("traffic").and_then(|node| traffic::traffic(node, sink)),
    };
    Some((environment, after))
}

fn guards(fields: Option<&Fields<'_>>, sink: &mut Sink) -> Guards {
    let Some(fields) = fields else {
        return Guards::default();
    };
    Guards {
        hooks: fields
            .get("hooks")
            .map_or_else(Vec::new, |node| hook::hooks(node, sink)),
        smoke: fields.get("smoke").and_then(|node| hook::smoke(node, sink)),
        progress_deadline: value::some_time(fields, "progress_deadline", USUAL_DEADLINE, sink),
        pause_limit: value::some_time(fields, "pause_limit", USUAL_PAUSE_LIMIT, sink),
    }
}

fn rollback(node: &Node, sink: &mut Sink) -> Option<RollbackRule> {
    let fields = Fields::open(node, &ROLLBACK, sink)?;
    let usual = RollbackRule::default();
    Some(RollbackRule {
        hold: fields
            .get("hold")
            .and_then(|node| shape::truth(node, "`hold`", sink))
            .unwrap_or(usual.hold),
        window: fields
            .get("window")
            .and_then(|node| shape::whole(node, "`window`", 1..=1_000, sink))
            .unwrap_or(usual.window),
    })
}

fn on_superseded(node: &Node, sink: &mut Sink) -> Option<OnSuperseded> {
    let word = shape::word(node, "`on_superseded`", &["queue", "replace"], sink)?;
    Some(if word == "replace" {
        OnSuperseded::Replace
    } else {
        OnSuperseded::Queue
    })
}

fn target(node: &Node, sink: &mut Sink) -> Option<TargetSpec> {
    let (kind, settings) = shape::choice(node, &TARGETS, sink)?;
    let instances = match settings {
        Some(settings) => Fields::open(settings, &TARGET, sink)?.get("instances"),
        None => None,
    };
    let instances = match instances {
        Some(node) => shape::whole(node, "`instances`", 1..=MAX_INSTANCES, sink)?,
        None => 1,
    };
    Some(match kind {
        "docker" => TargetSpec::Docker { instances },
        _ => TargetSpec::Process { instances },
    })
}

/// `host:port`, with the host in brackets when it is an IPv6 address.
pub(super) fn address(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let text = value::filled(node, what, sink)?;
    let holds = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && (bracketed || !host.contains(':'))
            && !host.contains(|c: char| c.is_whitespace() || c == '/')
            && port.parse::<u16>().is_ok()
    });
    if !holds {
        let message = format!("{what} must be `host:port`, and is `{text}`");
        let hint = "for example `127.0.0.1:8080`".to_owned();
        sink.error_hint(Code::BadValue, node.at, message, hint);
        return None;
    }
    Some(text)
}

fn approvals(node: &Node, sink: &mut Sink) -> Option<ApprovalRule> {
    let fields = Fields::open(node, &APPROVALS, sink)?;
    let mut from = fields
        .get("from")
        .map_or_else(Vec::new, |node| value::texts(node, "`from`", sink));
    from.sort();
    from.dedup();
    let required = fields
        .get("required")
        .and_then(|node| shape::whole(node, "`required`", 1..=100, sink))
        .unwrap_or(1);
    let too_few = !from.is_empty() && u32::try_from(from.len()).is_ok_and(|count| count < required);
    if too_few {
        let count = from.len();
        let message = format!("{required} approvals are required, and only {count} may give one");
        sink.error(Code::BadValue, node.at, message);
    }
    Some(ApprovalRule {
        required,
        from,
        expires: value::some_time(&fields, "expires", Duration::from_secs(7 * 86_400), sink),
    })
}
