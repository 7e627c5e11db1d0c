//! `strategy:` of an environment.

use cutover_model::{
    Duration,
    delivery::{Step, Strategy, Weight},
};

use super::{traffic, value};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::{Node, Value},
};

const STRATEGIES: Schema = Schema {
    what: "`strategy`",
    keys: &["rolling", "blue_green", "canary", "linear", "recreate"],
    required: &[],
    later: &[],
};
const ROLLING: Schema = Schema {
    what: "`rolling`",
    keys: &["surge", "batch", "max_unavailable", "bake"],
    required: &[],
    later: &[],
};
const BLUE_GREEN: Schema = Schema {
    what: "`blue_green`",
    keys: &["canary", "bake"],
    required: &[],
    later: &[],
};
const CANARY: Schema = Schema {
    what: "`canary`",
    keys: &["steps", "interval", "instances", "bake"],
    required: &[],
    later: &[],
};
const LINEAR: Schema = Schema {
    what: "`linear`",
    keys: &["increment", "interval", "bake"],
    required: &[],
    later: &[],
};
const RECREATE: Schema = Schema {
    what: "`recreate`",
    keys: &["hold", "bake"],
    required: &[],
    later: &[],
};
const STEP: Schema = Schema {
    what: "a step",
    keys: &["weight", "for", "pause", "match"],
    required: &["weight"],
    later: &[],
};
/// Steps that have a name: their shares.
const PRESETS: [&str; 2] = ["10/50/100", "1/5/25/50/100"];
const USUAL_STEPS: [u16; 3] = [10, 50, 100];
const USUAL_BAKE: Duration = Duration::from_mins(5);
const LONG_BAKE: Duration = Duration::from_mins(10);
const USUAL_HOLD: Duration = Duration::from_secs(10);

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
        "linear" => linear(settings, sink),
        "recreate" => recreate(settings, sink),
        _ => rolling(settings, sink),
    }
}

fn rolling(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let fields = node.and_then(|node| Fields::open(node, &ROLLING, sink));
    let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
    if let (Some(_), Some(batch)) = (get("surge"), get("batch")) {
        let message = "`batch` is another word for `surge`";
        let hint = "keep one of them".to_owned();
        sink.error_hint(Code::Conflict, batch.at, message, hint);
    }
    let mut count = |key: &'static str, low| get(key).and_then(|node| whole(node, key, low, sink));
    let unavailable = count("max_unavailable", 0).unwrap_or(0);
    let surge = count("surge", 0).or_else(|| count("batch", 1)).unwrap_or(1);
    if let (0, 0, Some(node)) = (surge, unavailable, node) {
        let message = "with a `surge` of 0 nothing could ever be replaced";
        let hint = "let `max_unavailable` be at least 1, or `surge`".to_owned();
        sink.error_hint(Code::Conflict, node.at, message, hint);
    }
    Strategy::Rolling {
        batch: surge,
        max_unavailable: unavailable,
        bake: length(fields.as_ref(), "bake", Duration::ZERO, sink),
    }
}

fn whole(node: &Node, key: &str, low: u32, sink: &mut Sink) -> Option<u32> {
    shape::whole(node, &format!("`{key}`"), low..=1_000, sink)
}

fn blue_green(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let fields = node.and_then(|node| Fields::open(node, &BLUE_GREEN, sink));
    let canary = fields
        .as_ref()
        .and_then(|fields| fields.get("canary"))
        .and_then(|node| {
            let steps = steps(node, "`canary`", sink)?;
            if steps.last().is_some_and(|step| step.weight == Weight::ALL) {
                let message = "the steps of `canary` come before the switch, which is the 100";
                sink.error(Code::BadValue, node.at, message);
                return None;
            }
            Some(steps)
        });
    Strategy::BlueGreen {
        canary: canary.unwrap_or_default(),
        bake: length(fields.as_ref(), "bake", USUAL_BAKE, sink),
    }
}

fn canary(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let fields = node.and_then(|node| Fields::open(node, &CANARY, sink));
    let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
    let steps = get("steps").and_then(|node| whole_way(node, sink));
    let scaled = get("instances")
        .and_then(|node| shape::word(node, "`instances`", &["full", "scaled"], sink));
    let usual = || {
        USUAL_STEPS
            .into_iter()
            .filter_map(Weight::from_percent)
            .map(Step::of)
            .collect()
    };
    Strategy::Canary {
        steps: steps.unwrap_or_else(usual),
        interval: length(fields.as_ref(), "interval", USUAL_BAKE, sink),
        scaled: scaled == Some("scaled"),
        bake: length(fields.as_ref(), "bake", LONG_BAKE, sink),
    }
}

fn linear(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let fields = node.and_then(|node| Fields::open(node, &LINEAR, sink));
    let increment = fields
        .as_ref()
        .and_then(|fields| fields.get("increment"))
        .and_then(|node| some_share(node, "`increment`", sink));
    Strategy::Linear {
        increment: increment
            .or(Weight::from_percent(10))
            .unwrap_or(Weight::ALL),
        interval: length(fields.as_ref(), "interval", Duration::from_mins(1), sink),
        bake: length(fields.as_ref(), "bake", LONG_BAKE, sink),
    }
}

fn recreate(node: Option<&Node>, sink: &mut Sink) -> Strategy {
    let fields = node.and_then(|node| Fields::open(node, &RECREATE, sink));
    Strategy::Recreate {
        hold: length(fields.as_ref(), "hold", USUAL_HOLD, sink),
        bake: length(fields.as_ref(), "bake", Duration::ZERO, sink),
    }
}

fn length(fields: Option<&Fields<'_>>, key: &str, usual: Duration, sink: &mut Sink) -> Duration {
    fields.map_or(usual, |fields| value::length(fields, key, usual, sink))
}

/// Steps that end with everything.
fn whole_way(node: &Node, sink: &mut Sink) -> Option<Vec<Step>> {
    let steps = steps(node, "`steps`", sink)?;
    if steps.last().map(|step| step.weight) != Some(Weight::ALL) {
        let message = "the last of `steps` must be 100";
        let hint = "for example `[10, 50, 100]`".to_owned();
        sink.error_hint(Code::BadValue, node.at, message, hint);
        return None;
    }
    Some(steps)
}

/// Shares of traffic, each more than the one before; a preset, or a list of numbers and mappings.
fn steps(node: &Node, what: &str, sink: &mut Sink) -> Option<Vec<Step>> {
    if node.scalar().is_some() {
        return preset(shape::word(node, what, &PRESETS, sink)?);
    }
    let mut steps: Vec<Step> = Vec::new();
    for item in shape::list(node, what, sink)? {
        let step = step(item, sink)?;
        let before = steps.last().map_or(Weight::NONE, |step| step.weight);
        if step.weight <= before {
            let weight = step.weight;
            let message = format!("{what} must grow, and {weight} follows {before}");
            sink.error(Code::BadValue, item.at, message);
            return None;
        }
        steps.push(step);
    }
    Some(steps)
}

fn preset(word: &str) -> Option<Vec<Step>> {
    word.split('/')
        .map(|percent| {
            let weight = percent.parse().ok().and_then(Weight::from_percent)?;
            Some(Step::of(weight))
        })
        .collect()
}

fn step(node: &Node, sink: &mut Sink) -> Option<Step> {
    if !matches!(&*node.value, Value::Mapping(_)) {
        return some_weight(node, "a step", sink).map(Step::of);
    }
    let fields = Fields::open(node, &STEP, sink)?;
    let weight = fields
        .get("weight")
        .and_then(|node| some_weight(node, "`weight`", sink));
    Some(Step {
        weight: weight?,
        length: fields
            .get("for")
            .and_then(|node| shape::duration(node, "`for`", sink)),
        pause: fields
            .get("pause")
            .and_then(|node| shape::truth(node, "`pause`", sink))
            .unwrap_or(false),
        matches: fields
            .get("match")
            .map_or_else(Vec::new, |node| traffic::matches(node, sink)),
    })
}

fn some_weight(node: &Node, what: &str, sink: &mut Sink) -> Option<Weight> {
    let points = shape::percent(node, what, sink)?;
    u16::try_from(points)
        .ok()
        .and_then(Weight::from_basis_points)
}

/// A share that is more than none.
fn some_share(node: &Node, what: &str, sink: &mut Sink) -> Option<Weight> {
    let weight = some_weight(node, what, sink)?;
    if weight == Weight::NONE {
        sink.error(
            Code::BadValue,
            node.at,
            format!("{what} must be more than 0"),
        );
        return None;
    }
    Some(weight)
}
