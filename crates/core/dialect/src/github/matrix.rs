//! `strategy:`: its matrix as JSON, checked as far as it can be without evaluating anything.
//!
//! Which combinations there are when its turn comes, the engine says; here they are only counted.

use std::collections::BTreeSet;

use cutover_model::plan::{MAX_LEGS, MatrixSpec};
use serde_json::{Map, Value as Json};

use super::{context, value};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    suggest,
    yaml::{Kind, Node, Value},
};

const STRATEGY: Schema = Schema {
    what: "`strategy`",
    keys: &["matrix", "fail-fast", "max-parallel"],
    required: &[],
    later: &[],
};
const EXTRA: [&str; 2] = ["include", "exclude"];
/// Above this many combinations nothing is counted exactly: they are too many in any case.
const MAX_COUNTED: usize = 16 * MAX_LEGS;

/// `strategy:` of a job; without a matrix there is none.
pub(crate) fn strategy(node: &Node, sink: &mut Sink) -> Option<MatrixSpec> {
    if node
        .scalar()
        .is_some_and(|scalar| value::is_dynamic(&scalar.text))
    {
        let strategy = value::template(node, "`strategy`", context::STRATEGY, sink)?;
        return Some(MatrixSpec {
            strategy: Some(strategy),
            at: node.at,
            ..MatrixSpec::new(Json::Null)
        });
    }
    let scope = context::STRATEGY;
    let fields = Fields::open(node, &STRATEGY, sink)?;
    let fail_fast = fields
        .get("fail-fast")
        .and_then(|node| value::truth(node, "`fail-fast`", scope, sink));
    let max_parallel = fields
        .get("max-parallel")
        .and_then(|node| value::whole(node, "`max-parallel`", scope, sink));
    let matrix = fields.get("matrix")?;
    Some(MatrixSpec {
        values: values(matrix, sink)?,
        fail_fast,
        max_parallel,
        strategy: None,
        only: Vec::new(),
        at: matrix.at,
    })
}

fn values(node: &Node, sink: &mut Sink) -> Option<Json> {
    if let Some(scalar) = node.scalar() {
        if value::is_dynamic(&scalar.text) {
            return value::template(node, "`matrix`", context::STRATEGY, sink)
                .map(|template| Json::String(template.text));
        }
        shape::wrong(node, "`matrix`", "a mapping or an expression", sink);
        return None;
    }
    let mut matrix = Map::new();
    let mut places = Vec::new();
    for entry in value::names(node, "`matrix`", sink) {
        let holds = if EXTRA.contains(&entry.key.as_str()) {
            extra(&entry.value, &entry.key, sink)
        } else {
            axis(&entry.value, &entry.key, sink)
        };
        if holds {
            matrix.insert(entry.key.clone(), json(&entry.value, sink));
            places.push((entry.key.as_str(), &entry.value));
        }
    }
    if node.is_empty() {
        sink.error(Code::Matrix, node.at, "`matrix` needs at least one name");
    }
    let exclude = places.iter().find(|(key, _)| *key == "exclude");
    if let Some((_, exclude)) = exclude {
        check_exclude(exclude, &matrix, sink);
    }
    if count(&matrix).is_some_and(|count| count > MAX_LEGS) {
        let message = format!("the matrix has more than {MAX_LEGS} combinations");
        sink.error(Code::Matrix, node.at, message);
    }
    Some(Json::Object(matrix))
}

/// A list of values, or an expression for it.
fn axis(node: &Node, key: &str, sink: &mut Sink) -> bool {
    if is_expression(node) {
        return true;
    }
    if shape::list(node, &format!("`{key}` of the matrix"), sink).is_none() {
        return false;
    }
    if node.is_empty() {
        let message = format!("`{key}` of the matrix needs at least one value");
        sink.error(Code::Matrix, node.at, message);
    }
    !node.is_empty()
}

/// A list of mappings, or an expression for it.
fn extra(node: &Node, key: &str, sink: &mut Sink) -> bool {
    if is_expression(node) {
        return true;
    }
    let what = format!("`{key}` of the matrix");
    let Some(items) = shape::list(node, &what, sink) else {
        return false;
    };
    let mut holds = true;
    for item in items {
        if !is_expression(item)
            && shape::entries(item, &format!("an entry of {what}"), sink).is_none()
        {
            holds = false;
        }
    }
    holds
}

fn is_expression(node: &Node) -> bool {
    node.scalar()
        .is_some_and(|scalar| value::is_dynamic(&scalar.text))
}

/// Whatever YAML says, as JSON; expressions inside are checked and stay as texts.
fn json(node: &Node, sink: &mut Sink) -> Json {
    match &*node.value {
        Value::Scalar(scalar) => match scalar.kind {
            Kind::Null => Json::Null,
            Kind::Bool(value) => Json::Bool(value),
            Kind::Number(value) => number(value),
            Kind::Text => {
                value::check(node, &scalar.text, context::STRATEGY, sink);
                Json::String(scalar.text.clone())
            }
        },
        Value::Sequence(items) => items.iter().map(|item| json(item, sink)).collect(),
        Value::Mapping(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), json(&entry.value, sink)))
            .collect(),
    }
}

/// Whole numbers stay whole, so that `16` is not `16.0` to whoever prints it.
fn number(value: f64) -> Json {
    let whole = (value.fract() == 0.0 && value.abs() < 9e15)
        .then(|| format!("{value:.0}").parse::<i64>().ok())
        .flatten();
    match whole {
        Some(whole) => Json::from(whole),
        // JSON has no infinity; the language prints it as this text.
        None => serde_json::Number::from_f64(value).map_or_else(
            || Json::String(cutover_expr::Value::Number(value).to_text()),
            Json::Number,
        ),
    }
}

fn check_exclude(node: &Node, matrix: &Map<String, Json>, sink: &mut Sink) {
    let Value::Sequence(items) = &*node.value else {
        return;
    };
    let axes: BTreeSet<&str> = matrix
        .keys()
        .map(String::as_str)
        .filter(|key| !EXTRA.contains(key))
        .collect();
    for item in items {
        let Value::Mapping(entries) = &*item.value else {
            continue;
        };
        for entry in entries
            .iter()
            .filter(|entry| !axes.contains(entry.key.as_str()))
        {
            let message = format!("`{}` in `exclude` is no name of the matrix", entry.key);
            let hint = suggest::hint(&entry.key, axes.iter().copied());
            sink.error_hint(Code::Matrix, entry.at, message, hint);
        }
    }
}

/// How many combinations there are; `None` when only an evaluation could tell. Stops counting when
/// there are too many in any case.
fn count(matrix: &Map<String, Json>) -> Option<usize> {
    if matrix.values().any(is_dynamic) {
        return None;
    }
    let list = |key: &str| {
        matrix
            .get(key)
            .and_then(Json::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let axes: Vec<(&str, &[Json])> = matrix
        .iter()
        .filter(|(key, _)| !EXTRA.contains(&key.as_str()))
        .filter_map(|(key, values)| Some((key.as_str(), values.as_array()?.as_slice())))
        .collect();
    let product = axes.iter().fold(1_usize, |count, (_, values)| {
        count.saturating_mul(values.len())
    });
    let (include, exclude) = (list("include"), list("exclude"));
    if product > MAX_COUNTED {
        return Some(usize::MAX);
    }
    // To count exactly would take too long; the engine counts again when the legs are made.
    if include.len() + exclude.len() > MAX_COUNTED {
        return None;
    }
    let mut legs: Vec<Map<String, Json>> = Vec::new();
    if !axes.is_empty() {
        legs.push(Map::new());
    }
    for (key, values) in &axes {
        legs = legs
            .iter()
            .flat_map(|leg| {
                values.iter().map(|value| {
                    let mut leg = leg.clone();
                    leg.insert((*key).to_owned(), value.clone());
                    leg
                })
            })
            .collect();
    }
    legs.retain(|leg| {
        !exclude
            .iter()
            .filter_map(Json::as_object)
            .any(|out| out.iter().all(|(key, value)| leg.get(key) == Some(value)))
    });
    let names: BTreeSet<&str> = axes.iter().map(|(key, _)| *key).collect();
    let added = include
        .iter()
        .filter_map(Json::as_object)
        .filter(|extra| !extends_any(extra, &legs, &names))
        .count();
    Some(legs.len().saturating_add(added))
}

/// An entry of `include` extends every combination whose values it does not overwrite.
fn extends_any(
    extra: &Map<String, Json>,
    legs: &[Map<String, Json>],
    axes: &BTreeSet<&str>,
) -> bool {
    legs.iter().any(|leg| {
        extra
            .iter()
            .filter(|(key, _)| axes.contains(key.as_str()))
            .all(|(key, value)| leg.get(key) == Some(value))
    })
}

fn is_dynamic(value: &Json) -> bool {
    match value {
        Json::String(text) => value::is_dynamic(text),
        Json::Array(items) => items.iter().any(is_dynamic),
        Json::Object(entries) => entries.values().any(is_dynamic),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
