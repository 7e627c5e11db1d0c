//! `strategy:` of an environment.

use cutover_model::{
    Duration,
    delivery::{Strategy, Weight},
};

use super::value;
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::Node,
};

const STRATEGIES: Schema = Schema {
    what: "`strategy`",
    keys: &["rolling", "blue_green", "canary"],
    required: &[],
    later: &[
        ("linear", "use `canary` with equal `steps`"),
        ("recreate", "use `rolling`"),
    ],
};
const ROLLING: Schema = Schema {
    what: "`rolling`",
    keys: &["batch", "bake"],
    required: &[],
    later: &[],
};
const BLUE_GREEN: Schema = Schema {
    what: "`blue_green`",
    keys: &["bake"],
    required: &[],
    later: &[],
};
const CANARY: Schema = Schema {
    what: "`canary`",
    keys: &["steps", "interval", "bake"],
    required: &[],
    later: &[],
};
const USUAL_STEPS: [u16; 3] = [10, 50, 100];
const USUAL_BAKE: Duration = Duration::from_mins(5);
const LONG_BAKE: Duration = Duration::from_mins(10);

/// A word, or a word with its settings; nothing means `rolling`.
pub(super) fn strategy(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let (word, settings) = node
        .and_then(|node| shape::choice(node, &STRATEGIES, sink))
        .unwrap_or(("rolling", None));
    by_word(word, settings, sink)
}

/// The one of this word, with the figures that it has when none are given.
pub(super) fn usual(word: &str) -> Option<Strategy> {
    let known = STRATEGIES.keys.contains(&word);
    known.then(|| by_word(word, None, &mut Sink::new("")))
}

fn by_word(word: &str, settings: Option<&Node>, sink: &mut Sink) -> Strategy {
    match word {
        "blue_green" => blue_green(settings, sink),
        "canary" => canary(settings, sink),
        _ => rolling(settings, sink),
    }
}

fn rolling(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let fields = node.and_then(|node| Fields::open(node, &ROLLING, sink));
    let batch = fields
        .as_ref()
        .and_then(|fields| fields.get("batch"))
        .and_then(|node| shape::whole(node, "`batch`", 1..=1_000, sink));
    Strategy::Rolling {
        batch: batch.unwrap_or(1),
        bake: length(fields.as_ref(), "bake", Duration::ZERO, sink),
    }
}

fn blue_green(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let fields = node.and_then(|node| Fields::open(node, &BLUE_GREEN, sink));
    Strategy::BlueGreen {
        bake: length(fields.as_ref(), "bake", USUAL_BAKE, sink),
    }
}

fn canary(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let fields = node.and_then(|node| Fields::open(node, &CANARY, sink));
    let steps = fields
        .as_ref()
        .and_then(|fields| fields.get("steps"))
        .and_then(|node| steps(node, sink));
    let usual = || {
        USUAL_STEPS
            .into_iter()
            .filter_map(Weight::from_percent)
            .collect()
    };
    Strategy::Canary {
        steps: steps.unwrap_or_else(usual),
        interval: length(fields.as_ref(), "interval", USUAL_BAKE, sink),
        bake: length(fields.as_ref(), "bake", LONG_BAKE, sink),
    }
}

fn length(fields: Option<&Fields<'_>>, key: &str, usual: Duration, sink: &mut Sink) -> Duration {
    fields.map_or(usual, |fields| value::length(fields, key, usual, sink))
}

/// Percent of traffic, each more than the one before, the last all of it.
fn steps(node: &Node, sink: &mut Sink) -> Option<Vec<Weight>> {
    let mut steps: Vec<Weight> = Vec::new();
    for item in shape::list(node, "`steps`", sink)? {
        let points = shape::percent(item, "a step", sink)?;
        let weight = u16::try_from(points)
            .ok()
            .and_then(Weight::from_basis_points)?;
        let before = steps.last().copied().unwrap_or(Weight::NONE);
        if weight <= before {
            let message = format!("`steps` must grow, and {weight} follows {before}");
            sink.error(Code::BadValue, item.at, message);
            return None;
        }
        steps.push(weight);
    }
    if steps.last() != Some(&Weight::ALL) {
        let message = "the last of `steps` must be 100";
        let hint = "for example `[10, 50, 100]`".to_owned();
        sink.error_hint(Code::BadValue, node.at, message, hint);
        return None;
    }
    Some(steps)
}
