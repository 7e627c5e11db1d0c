//! `cutover expr`: the expression language alone, for those who want to know what a text comes to.

use anyhow::{Context as _, bail};
use cutover_expr::{Error, Object, Value, evaluate, lexes};
use serde::Deserialize;
use serde_json::json;

use crate::{cli, exit::Exit, render};

/// One question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    expr: String,
    #[serde(default)]
    contexts: Option<Value>,
}

pub(crate) fn run(args: &cli::Expr) -> anyhow::Result<Exit> {
    if args.stdin_ndjson {
        return each_line(std::io::stdin().lock());
    }
    let contexts = match &args.contexts {
        Some(text) => serde_json::from_str(text).context("--contexts is not JSON")?,
        None => None,
    };
    let question = Question {
        expr: args.expression.clone().unwrap_or_default(),
        contexts,
    };
    let (answer, exit) = match answer(&question) {
        Ok(value) => (value, Exit::Ok),
        Err(Wrong::Contexts) => bail!("--contexts is not an object of contexts"),
        Err(Wrong::Expression(error)) => bail!("{error}"),
    };
    render::json(&answer.to_json());
    Ok(exit)
}

/// Answers line by line, so that a program may ask one thing after the other.
fn each_line(input: impl std::io::BufRead) -> anyhow::Result<Exit> {
    for line in input.lines() {
        let line = line.context("could not read the questions")?;
        if line.trim().is_empty() {
            continue;
        }
        render::json_line(&respond(&line));
    }
    Ok(Exit::Ok)
}

fn respond(line: &str) -> serde_json::Value {
    let error =
        |phase: &str, message: String| json!({ "error": { "phase": phase, "message": message } });
    let question: Question = match serde_json::from_str(line) {
        Ok(question) => question,
        Err(wrong) => return error("input", wrong.to_string()),
    };
    match answer(&question) {
        Ok(value) => json!({ "kind": value.kind(), "value": value.to_json() }),
        Err(Wrong::Contexts) => error("input", "`contexts` is not an object".to_owned()),
        Err(Wrong::Expression(wrong)) => {
            let phase = match &wrong {
                Error::Evaluate(_) => "evaluation",
                Error::Parse(_) if lexes(&question.expr) => "parsing",
                Error::Parse(_) => "lexing",
            };
            error(phase, wrong.to_string())
        }
    }
}

enum Wrong {
    Contexts,
    Expression(Error),
}

fn answer(question: &Question) -> Result<Value, Wrong> {
    let contexts = match &question.contexts {
        None | Some(Value::Null) => Object::new(),
        Some(Value::Object(object)) => object.as_ref().clone(),
        Some(_) => return Err(Wrong::Contexts),
    };
    evaluate(&question.expr, &contexts).map_err(Wrong::Expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_answered_by_its_kind_or_by_where_it_went_wrong() {
        let ask = |line: &str| respond(line).to_string();
        let sum = ask(r#"{"expr":"1 + 1"}"#);
        assert!(
            sum.contains(r#""phase":"lexing""#),
            "there is no `+`: {sum}"
        );
        assert_eq!(
            ask(r#"{"expr":"a.b","contexts":{"a":{"b":[1,"x"]}}}"#),
            r#"{"kind":"Array","value":[1,"x"]}"#
        );
        assert_eq!(
            ask(r#"{"expr":"'a' == 'A'"}"#),
            r#"{"kind":"Boolean","value":true}"#
        );
        assert!(ask(r#"{"expr":"nope.x"}"#).contains(r#""phase":"parsing""#));
        assert!(ask(r#"{"expr":"format('{0}')"}"#).contains(r#""phase":"evaluation""#));
        assert!(ask("no JSON").contains(r#""phase":"input""#));
        assert!(ask(r#"{"expr":"1","context":{}}"#).contains("unknown field"));
    }
}
