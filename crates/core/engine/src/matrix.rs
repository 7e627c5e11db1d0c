//! Which legs a matrix has: the product of its axes, without what `exclude` takes out, with what
//! `include` adds. The order is the one in which people wrote the axes.

use cutover_expr::template;
use cutover_model::plan::{MAX_LEGS, MatrixSpec};
use serde_json::{Map, Value};

use crate::{Fault, choice, scope::Scope};

/// One combination.
pub(crate) type Combination = Map<String, Value>;

/// All combinations of a matrix, in order.
pub(crate) fn expand(
    scope: &Scope<'_>,
    spec: &MatrixSpec,
    file: &str,
) -> Result<Vec<Combination>, Fault> {
    let values = evaluate(&spec.values, scope);
    let values = values.map_err(|message| Fault::new(file, spec.at, message))?;
    of_values(values, spec, file)
}

/// All combinations of a matrix whose values are known.
pub(crate) fn of_values(
    values: Value,
    spec: &MatrixSpec,
    file: &str,
) -> Result<Vec<Combination>, Fault> {
    let wrong = |message: String| Fault::new(file, spec.at, message);
    let Value::Object(values) = values else {
        return Err(wrong(format!(
            "the matrix is {}, not a map of axes",
            kind(&values)
        )));
    };
    let mut axes: Vec<(&String, &Vec<Value>)> = Vec::new();
    for (name, value) in &values {
        if is_word(name) {
            continue;
        }
        match value {
            Value::Array(items) if items.is_empty() => {
                return Err(wrong(format!("matrix axis `{name}` has no values")));
            }
            Value::Array(items) => axes.push((name, items)),
            other => {
                return Err(wrong(format!(
                    "matrix axis `{name}` is {}, not a list",
                    kind(other)
                )));
            }
        }
    }
    let exclude = entries(&values, "exclude").map_err(wrong)?;
    let include = entries(&values, "include").map_err(wrong)?;
    let size = axes
        .iter()
        .try_fold(1_usize, |size, (_, items)| size.checked_mul(items.len()))
        .filter(|size| size.saturating_sub(exclude.len()) <= MAX_LEGS * MAX_LEGS);
    if size.is_none() {
        return Err(wrong(too_many("more than 65536")));
    }
    let mut legs = product(&axes);
    legs.retain(|leg| !exclude.iter().any(|entry| covers(leg, entry)));
    let mut legs = add(legs, &axes, &include);
    if !legs.is_empty() && !legs.iter().any(|leg| is_wanted(leg, &spec.only)) {
        return Err(wrong(format!(
            "no combination of the matrix is {}; {}",
            choice::pairs(&spec.only),
            choice::there_is(&legs)
        )));
    }
    legs.retain(|leg| is_wanted(leg, &spec.only));
    match legs.len() {
        0 => Err(wrong("the matrix has no combination left".to_owned())),
        count if count > MAX_LEGS => Err(wrong(too_many(&count.to_string()))),
        _ => Ok(legs),
    }
}

/// Whether a leg has the values that were asked for. What it has no axis for does not count against
/// it: another job may have.
pub(crate) fn is_wanted(leg: &Combination, only: &[(String, String)]) -> bool {
    let mut names: Vec<&String> = only.iter().map(|(name, _)| name).collect();
    names.dedup();
    names.into_iter().all(|name| {
        let Some(value) = leg.get(name) else {
            return true;
        };
        let text = cutover_expr::Value::from(value.clone()).to_text();
        only.iter()
            .any(|(key, value)| key == name && *value == text)
    })
}

fn too_many(count: &str) -> String {
    format!("the matrix has {count} combinations; {MAX_LEGS} are the most")
}

/// `include` and `exclude` are no axes.
fn is_word(name: &str) -> bool {
    name.eq_ignore_ascii_case("include") || name.eq_ignore_ascii_case("exclude")
}

/// Replaces the expressions in all texts; a text that is one expression becomes its value.
fn evaluate(value: &Value, scope: &Scope<'_>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) if text.contains("${{") => template::evaluate_value(text, scope)
            .map_err(|error| error.to_string())?
            .to_json(),
        Value::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                match (item, evaluate(item, scope)?) {
                    // A list in the place of an item is all of its items.
                    (Value::String(_), Value::Array(inside)) => list.extend(inside),
                    (_, value) => list.push(value),
                }
            }
            list.into()
        }
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| Ok((name.clone(), evaluate(value, scope)?)))
            .collect::<Result<Map<_, _>, String>>()?
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    })
}

/// The maps under `include` or `exclude`.
fn entries<'a>(values: &'a Combination, word: &str) -> Result<Vec<&'a Combination>, String> {
    let found = values
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, value)| value);
    match found {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                item.as_object()
                    .ok_or_else(|| format!("an entry of `{word}` is {}, not a map", kind(item)))
            })
            .collect(),
        Some(other) => Err(format!("`{word}` is {}, not a list of maps", kind(other))),
    }
}

/// Every combination of the axes; the last axis turns fastest. Without axes there is none.
fn product(axes: &[(&String, &Vec<Value>)]) -> Vec<Combination> {
    if axes.is_empty() {
        return Vec::new();
    }
    let mut legs = vec![Combination::new()];
    for (name, items) in axes {
        legs = legs
            .iter()
            .flat_map(|leg| {
                items.iter().map(move |item| {
                    let mut leg = leg.clone();
                    leg.insert((*name).clone(), item.clone());
                    leg
                })
            })
            .collect();
    }
    legs
}

/// Adds each entry of `include` to the combinations whose axes it does not change; one that fits
/// none becomes a combination of its own, which later entries leave alone.
fn add(
    mut legs: Vec<Combination>,
    axes: &[(&String, &Vec<Value>)],
    include: &[&Combination],
) -> Vec<Combination> {
    let mut own = Vec::new();
    for entry in include {
        let wanted: Combination = entry
            .iter()
            .filter(|(name, _)| axes.iter().any(|(axis, _)| axis == name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut fits = false;
        for leg in &mut legs {
            if covers(leg, &wanted) {
                fits = true;
                for (name, value) in *entry {
                    if !wanted.contains_key(name) {
                        leg.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        if !fits {
            own.push((*entry).clone());
        }
    }
    legs.extend(own);
    legs
}

/// Whether a combination has all that an entry says.
fn covers(leg: &Combination, entry: &Combination) -> bool {
    entry
        .iter()
        .all(|(name, wanted)| leg.get(name).is_some_and(|value| matches(value, wanted)))
}

/// Maps match when they have all that is wanted, lists when they are as long, texts in any case.
fn matches(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => covers(value, wanted),
        (Value::Array(value), Value::Array(wanted)) => {
            value.len() == wanted.len()
                && value
                    .iter()
                    .zip(wanted)
                    .all(|(value, wanted)| matches(value, wanted))
        }
        (Value::String(value), Value::String(wanted)) => value.eq_ignore_ascii_case(wanted),
        (Value::Number(value), Value::Number(wanted)) => value.as_f64() == wanted.as_f64(),
        (value, wanted) => value == wanted,
    }
}

/// For people: the combination as GitHub writes it behind a job's name.
pub(crate) fn label(leg: &Combination) -> String {
    let mut parts = Vec::new();
    for value in leg.values() {
        leaves(value, &mut parts);
    }
    parts.join(", ")
}

fn leaves(value: &Value, parts: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::String(text) => parts.push(text.clone()),
        Value::Bool(_) | Value::Number(_) => parts.push(value.to_string()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, parts)),
        Value::Object(object) => object.values().for_each(|item| leaves(item, parts)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
