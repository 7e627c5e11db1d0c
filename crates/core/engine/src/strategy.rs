//! `strategy:` of a job: its legs, and how they bear on each other. All of it may be one expression.

use cutover_model::plan::{JobSpec, MatrixSpec, Template};
use serde_json::{Map, Value};

use crate::{
    Fault, condition, expression,
    matrix::{self, Combination},
    scope::Scope,
};

/// What a strategy comes to.
pub(crate) struct Strategy {
    /// At least one; the only one is empty when there is no matrix.
    pub(crate) combinations: Vec<Combination>,
    /// Whether the legs have numbers.
    pub(crate) has_matrix: bool,
    pub(crate) fail_fast: bool,
    pub(crate) max_parallel: Option<u32>,
}

impl Strategy {
    fn none() -> Self {
        Self {
            combinations: vec![Combination::new()],
            has_matrix: false,
            fail_fast: true,
            max_parallel: None,
        }
    }
}

/// The strategy of a job whose turn has come.
pub(crate) fn of(scope: &Scope<'_>, spec: &JobSpec, file: &str) -> Result<Strategy, Fault> {
    let Some(written) = &spec.matrix else {
        return Ok(Strategy::none());
    };
    if let Some(template) = &written.strategy {
        return computed(scope, template, written, file);
    }
    let fail_fast = match &written.fail_fast {
        Some(template) => condition::truth(scope, template, file)?,
        None => true,
    };
    let max_parallel = match &written.max_parallel {
        Some(template) => count(scope, template, file)?,
        None => None,
    };
    Ok(Strategy {
        combinations: matrix::expand(scope, written, file)?,
        has_matrix: true,
        fail_fast,
        max_parallel,
    })
}

/// All of it is the value of one expression: whatever stands in it, nothing more is evaluated.
fn computed(
    scope: &Scope<'_>,
    template: &Template,
    written: &MatrixSpec,
    file: &str,
) -> Result<Strategy, Fault> {
    let wrong = |message: String| Fault::of(file, template, message);
    let Value::Object(values) = expression::json(scope, template, file)? else {
        return Err(wrong("`strategy` must come to a map".to_owned()));
    };
    let mut strategy = Strategy::none();
    for (name, value) in values {
        match (name.as_str(), value) {
            ("fail-fast", Value::Bool(fail_fast)) => strategy.fail_fast = fail_fast,
            ("max-parallel", value) => strategy.max_parallel = whole(&value).map_err(wrong)?,
            ("matrix", value) => {
                let values = unwrapped(value);
                strategy.combinations = matrix::of_values(values, written, file)?;
                strategy.has_matrix = true;
            }
            (name, value) => {
                return Err(wrong(format!("`strategy` cannot have `{name}: {value}`")));
            }
        }
    }
    Ok(strategy)
}

/// A matrix of nothing is one without axes, which is told as such.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Null => Value::Object(Map::new()),
        other => other,
    }
}

fn whole(value: &Value) -> Result<Option<u32>, String> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0);
    number
        .and_then(|_| value.to_string().trim_end_matches(".0").parse().ok())
        .map(above_zero)
        .ok_or_else(|| format!("`max-parallel: {value}` is not a number of legs"))
}

fn count(scope: &Scope<'_>, template: &Template, file: &str) -> Result<Option<u32>, Fault> {
    let text = expression::text(scope, template, file)?;
    text.trim().parse().map(above_zero).map_err(|_| {
        let message = format!("`{text}` is not a number of legs");
        Fault::of(file, template, message)
    })
}

/// As on GitHub, 0 sets no limit.
fn above_zero(count: u32) -> Option<u32> {
    (count > 0).then_some(count)
}
