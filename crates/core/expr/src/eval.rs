//! A tree and its contexts into a value.

use std::collections::BTreeMap;

use crate::{
    allowed::Present,
    ast::{Ast, Node},
    context::{Contexts, JobStatus},
    error::{Error, EvalError},
    format,
    function::Function,
    index::{self, Found, Index},
    json,
    memory::{self, Memory},
    parser, text,
    token::Operator,
    value::Value,
};

/// What a bare expression may hold while it is evaluated.
const BARE_LIMIT: usize = 1024 * 1024;
/// What an expression of a workflow may hold, and how large its result may be.
pub(crate) const WORKFLOW_LIMIT: usize = 10 * 1024 * 1024;

/// Parses and evaluates one bare expression (without `${{` and `}}`).
///
/// It may hold 1 MiB at a time, as the original allows a bare expression; those of a workflow go
/// through [`crate::condition`] and [`crate::template`], which allow 10 MiB.
pub fn evaluate(text: &str, contexts: &dyn Contexts) -> Result<Value, Error> {
    evaluate_within(text, contexts, BARE_LIMIT)
}

/// Parses and evaluates within a limit of memory.
pub(crate) fn evaluate_within(
    text: &str,
    contexts: &dyn Contexts,
    limit: usize,
) -> Result<Value, Error> {
    let ast = parser::parse_with(text, &Present(contexts))?;
    Ok(run(&ast, text, contexts, limit)?)
}

/// Evaluates what was parsed from `text`.
pub(crate) fn run(
    ast: &Ast,
    text: &str,
    contexts: &dyn Contexts,
    limit: usize,
) -> Result<Value, EvalError> {
    let mut evaluation = Evaluation {
        contexts,
        roots: BTreeMap::new(),
        memory: Memory::new(limit, text),
    };
    Ok(evaluation.node(&ast.root, 0)?.value)
}

struct Evaluation<'a> {
    contexts: &'a dyn Contexts,
    /// Contexts that were asked for: the same array must be the same each time.
    roots: BTreeMap<String, Value>,
    memory: Memory<'a>,
}

type Outcome = Result<Found, EvalError>;

impl Evaluation<'_> {
    fn node(&mut self, node: &Node, depth: usize) -> Outcome {
        let found = match node {
            Node::Literal(value) => value.clone().into(),
            Node::Wildcard => Value::from("*").into(),
            Node::Context(name) => self.root(name).into(),
            Node::Index(left, right) => self.index(left, right, depth)?,
            Node::Not(inner) => Value::Bool(!self.node(inner, depth + 1)?.value.truthy()).into(),
            Node::And(items) => self.first(items, depth, |value| !value.truthy())?,
            Node::Or(items) => self.first(items, depth, Value::truthy)?,
            Node::Compare(operator, left, right) => {
                let left = self.node(left, depth + 1)?.value;
                let right = self.node(right, depth + 1)?.value;
                Value::Bool(compare(*operator, &left, &right)).into()
            }
            Node::Call(function, parameters) => self.call(*function, parameters, depth)?,
        };
        let bytes = match node {
            Node::Call(Function::FromJson, _) => memory::deep_size(&found.value),
            _ => memory::size(&found.value),
        };
        self.memory.hold(depth, bytes)?;
        Ok(found)
    }

    fn root(&mut self, name: &str) -> Value {
        let name = name.to_ascii_lowercase();
        if let Some(value) = self.roots.get(&name) {
            return value.clone();
        }
        let value = self.contexts.get(&name).unwrap_or_default();
        self.roots.insert(name, value.clone());
        value
    }

    fn index(&mut self, left: &Node, right: &Node, depth: usize) -> Outcome {
        let left = self.node(left, depth + 1)?;
        if left.value.is_primitive() {
            let empty = (*right == Node::Wildcard).then(Vec::new);
            return Ok(empty.map_or_else(Found::default, Found::filtered));
        }
        let index = match right {
            Node::Wildcard => Index::Wildcard,
            right => Index::At(self.node(right, depth + 1)?.value),
        };
        Ok(index::apply(&left, &index))
    }

    /// The first that decides, else the last.
    fn first(&mut self, items: &[Node], depth: usize, decides: fn(&Value) -> bool) -> Outcome {
        let mut found = Found::default();
        for item in items {
            found = self.node(item, depth + 1)?;
            if decides(&found.value) {
                break;
            }
        }
        Ok(found)
    }

    fn call(&mut self, function: Function, parameters: &[Node], depth: usize) -> Outcome {
        if function == Function::Case {
            return self.case(parameters, depth);
        }
        let mut values = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            values.push(self.node(parameter, depth + 1)?.value);
        }
        let value = match (function, values.as_slice()) {
            (Function::Contains, [within, part]) => contains(within, part).into(),
            (Function::StartsWith, [text, start]) => {
                both_text(text, start, text::starts_with).into()
            }
            (Function::EndsWith, [text, end]) => both_text(text, end, text::ends_with).into(),
            (Function::Format, [format, arguments @ ..]) => self.format(format, arguments)?,
            (Function::Join, [items, separator @ ..]) => self.join(items, separator.first())?,
            (Function::ToJson, [value]) => {
                let mut text = self.memory.text();
                json::write(value, 0, &mut text)?;
                text.finish().into()
            }
            (Function::FromJson, [text]) => from_json(&text.to_text())?,
            (Function::HashFiles, patterns) => {
                let patterns: Vec<String> = patterns.iter().map(Value::to_text).collect();
                let hash = self.contexts.hash_files(&patterns);
                hash.map_err(|why| EvalError::HashFiles { why })?.into()
            }
            (status, jobs) => self.status(status, jobs).into(),
        };
        Ok(value.into())
    }

    fn case(&mut self, parameters: &[Node], depth: usize) -> Outcome {
        let mut pairs = parameters.chunks_exact(2);
        for pair in pairs.by_ref() {
            let [predicate, value] = pair else { continue };
            match self.node(predicate, depth + 1)?.value {
                Value::Bool(true) => return self.node(value, depth + 1),
                Value::Bool(false) => {}
                _ => return Err(EvalError::CasePredicate),
            }
        }
        match pairs.remainder() {
            [otherwise, ..] => self.node(otherwise, depth + 1),
            [] => Ok(Found::default()),
        }
    }

    fn format(&self, format: &Value, arguments: &[Value]) -> Result<Value, EvalError> {
        let mut text = self.memory.text();
        format::fill(&format.to_text(), &mut text, &|place| {
            let argument = arguments.get(place)?;
            Some((argument.to_text(), argument.kind()))
        })?;
        Ok(text.finish().into())
    }

    fn join(&self, items: &Value, separator: Option<&Value>) -> Result<Value, EvalError> {
        let Value::Array(items) = items else {
            let text = if items.is_primitive() {
                items.to_text()
            } else {
                String::new()
            };
            return Ok(text.into());
        };
        let separator = match separator {
            Some(separator) if separator.is_primitive() => separator.to_text(),
            _ => ",".to_owned(),
        };
        let mut text = self.memory.text();
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                text.push(&separator)?;
            }
            text.push(&item.to_text())?;
        }
        Ok(text.finish().into())
    }

    fn status(&self, function: Function, jobs: &[Value]) -> bool {
        let status = self.contexts.status();
        let named = || {
            jobs.iter()
                .map(|job| self.contexts.status_of(&job.to_text()))
        };
        match function {
            Function::Cancelled => status == JobStatus::Cancelled,
            Function::Success if jobs.is_empty() => status == JobStatus::Success,
            Function::Failure if jobs.is_empty() => status == JobStatus::Failure,
            Function::Success => named().all(|status| status == Some(JobStatus::Success)),
            Function::Failure => named().any(|status| status == Some(JobStatus::Failure)),
            _ => true,
        }
    }
}

fn compare(operator: Operator, left: &Value, right: &Value) -> bool {
    let order = || left.loosely_compared(right);
    match operator {
        Operator::Equal => left.loosely_equals(right),
        Operator::NotEqual => !left.loosely_equals(right),
        Operator::Less => order().is_some_and(std::cmp::Ordering::is_lt),
        Operator::LessOrEqual => order().is_some_and(std::cmp::Ordering::is_le),
        Operator::Greater => order().is_some_and(std::cmp::Ordering::is_gt),
        Operator::GreaterOrEqual => order().is_some_and(std::cmp::Ordering::is_ge),
        // Evaluated in `Evaluation::first`, never here.
        Operator::And => left.truthy() && right.truthy(),
        Operator::Or => left.truthy() || right.truthy(),
    }
}

fn contains(within: &Value, part: &Value) -> bool {
    match within {
        Value::Array(items) => items.iter().any(|item| item.loosely_equals(part)),
        _ => both_text(within, part, text::contains),
    }
}

fn both_text(left: &Value, right: &Value, holds: fn(&str, &str) -> bool) -> bool {
    left.is_primitive() && right.is_primitive() && holds(&left.to_text(), &right.to_text())
}

fn from_json(text: &str) -> Result<Value, EvalError> {
    json::read(text).map_err(|error| EvalError::InvalidJson {
        why: error.to_string(),
    })
}
