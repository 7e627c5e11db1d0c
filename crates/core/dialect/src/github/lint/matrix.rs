//! Matrices: values that are there twice, and exclusions that exclude nothing.

use std::collections::BTreeMap;

use super::model::{Combination, Job, Matrix, Row};
use crate::{
    diagnostic::{Code, Sink},
    suggest,
    yaml::{Node, Value},
};

/// More comparisons than these are not made: what is larger is no matrix that runs.
const MAX_COMPARISONS: usize = 100_000;

pub(super) fn check(jobs: &[Job<'_>], sink: &mut Sink) {
    for job in jobs {
        if let Some(matrix) = &job.strategy.matrix
            && matrix.expression.is_none()
        {
            for (name, row) in &matrix.rows {
                if let Row::Values(values) = row {
                    twice(name.text(), values, sink);
                }
            }
            exclusions(matrix, sink);
        }
    }
}

fn twice(name: &str, values: &[Node], sink: &mut Sink) {
    if values.len().saturating_mul(values.len()) > MAX_COMPARISONS {
        return;
    }
    for (index, value) in values.iter().enumerate() {
        if let Some(first) = values[..index].iter().find(|other| same(other, value)) {
            let message = format!(
                "`{name}` has this value twice; the first is in line {}",
                first.at.line
            );
            sink.error(Code::MatrixValue, value.at, message);
        }
    }
}

fn exclusions(matrix: &Matrix<'_>, sink: &mut Sink) {
    let excluded = &matrix.exclude.items;
    let include = &matrix.include;
    let dynamic = include.expression.is_some()
        || include
            .items
            .iter()
            .any(|item| matches!(item, Combination::Expression(_)));
    if excluded.is_empty() || dynamic {
        return;
    }
    if matrix.rows.is_empty() && include.items.is_empty() {
        sink.error(
            Code::MatrixValue,
            matrix.at,
            "there is nothing from which `exclude` could take",
        );
        return;
    }
    // `None`: known only when it runs.
    let mut rows: BTreeMap<String, Option<Vec<&Node>>> = BTreeMap::new();
    for (name, row) in &matrix.rows {
        let values = match row {
            Row::Values(values) => Some(values.iter().collect()),
            Row::Expression(_) => None,
        };
        rows.insert(name.lower(), values);
    }
    for item in &include.items {
        if let Combination::Values(values) = item {
            for (name, value) in values {
                if let Some(row) = rows.entry(name.lower()).or_insert_with(|| Some(Vec::new())) {
                    row.push(value);
                }
            }
        }
    }
    let mut comparisons = 0_usize;
    for item in excluded {
        let Combination::Values(values) = item else {
            continue;
        };
        for (name, value) in values {
            let Some(row) = rows.get(&name.lower()) else {
                let hint = suggest::hint(name.text(), rows.keys().map(String::as_str));
                let message = format!("the matrix has no `{}` to exclude", name.text());
                sink.error_hint(Code::MatrixValue, name.at(), message, hint);
                continue;
            };
            let Some(row) = row else {
                continue;
            };
            comparisons = comparisons.saturating_add(row.len());
            if comparisons > MAX_COMPARISONS {
                return;
            }
            if !row.iter().any(|own| contains(own, value)) {
                let message = format!(
                    "`{}` never has this value, so that nothing is excluded",
                    name.text()
                );
                sink.error(Code::MatrixValue, value.at, message);
            }
        }
    }
}

fn is_dynamic(node: &Node) -> bool {
    node.scalar()
        .is_some_and(|scalar| scalar.text.contains("${{") && scalar.text.contains("}}"))
}

fn same(one: &Node, two: &Node) -> bool {
    match (&*one.value, &*two.value) {
        (Value::Scalar(one), Value::Scalar(two)) => one.text == two.text,
        (Value::Sequence(one), Value::Sequence(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Mapping(one), Value::Mapping(two)) => {
            one.len() == two.len()
                && one.iter().all(|entry| {
                    find(two, &entry.key).is_some_and(|other| same(&entry.value, other))
                })
        }
        _ => false,
    }
}

/// Whether a filter takes a value: of a mapping it may name a part.
fn contains(value: &Node, filter: &Node) -> bool {
    if is_dynamic(value) || is_dynamic(filter) {
        return true;
    }
    match (&*value.value, &*filter.value) {
        (Value::Mapping(own), Value::Mapping(wanted)) => wanted
            .iter()
            .all(|entry| find(own, &entry.key).is_some_and(|own| contains(own, &entry.value))),
        (Value::Sequence(own), Value::Sequence(wanted)) => {
            own.len() == wanted.len()
                && own
                    .iter()
                    .zip(wanted)
                    .all(|(own, wanted)| contains(own, wanted))
        }
        _ => same(value, filter),
    }
}

fn find<'a>(entries: &'a [crate::yaml::Entry], key: &str) -> Option<&'a Node> {
    let entry = entries
        .iter()
        .find(|entry| entry.key.eq_ignore_ascii_case(key));
    entry.map(|entry| &entry.value)
}
