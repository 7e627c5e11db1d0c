//! Scalars with `${{ }}` in them → one expression. What stands around the expressions goes into the
//! first argument of a call of `format`, so that each scalar is one thing to evaluate.

use cutover_expr::Allowed;

use super::token::{Token, Value};

const OPEN: &str = "${{";
const CLOSE: &str = "}}";
const INSERT: &str = "insert";

enum Segment {
    Text(String),
    Expression(String),
}

/// What a text is; an error is told in the words of the official reader, at the scalar's place.
pub(super) fn parse(token: Token, allowed: &Allowed) -> Result<Token, (Token, String)> {
    let value = match token.text() {
        Some(text) if text.contains(OPEN) => read(text, allowed),
        _ => return Ok(token),
    };
    match value {
        Ok(value) => Ok(Token { value, ..token }),
        Err(message) => Err((token, message)),
    }
}

fn read(text: &str, allowed: &Allowed) -> Result<Value, String> {
    let mut segments = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(OPEN) {
        let (before, inside) = rest.split_at(open);
        if !before.is_empty() {
            segments.push(Segment::Text(before.to_owned()));
        }
        let inside = &inside[OPEN.len()..];
        let Some(length) = length(inside) else {
            return Err("The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found.".to_owned());
        };
        let expression = inside[..length].trim();
        rest = &inside[length + CLOSE.len()..];
        if is_insert(expression)? {
            if !segments.is_empty() || !rest.is_empty() {
                return Err(format!(
                    "The directive '{INSERT}' is not allowed in this context. Directives are not supported for expressions that are embedded within a string. Directives are only supported when the entire value is an expression."
                ));
            }
            return Ok(Value::Insert);
        }
        check(expression, allowed)?;
        segments.push(Segment::Expression(expression.to_owned()));
    }
    if !rest.is_empty() {
        segments.push(Segment::Text(rest.to_owned()));
    }
    if let [Segment::Expression(only)] = segments.as_slice() {
        let literal = literal(only).map(Value::Text);
        return Ok(literal.unwrap_or_else(|| Value::Expression(only.clone())));
    }
    let whole = formatted(&segments);
    check(&whole, allowed)?;
    Ok(Value::Expression(whole))
}

/// Whether an expression parses and uses what is there.
pub(super) fn check(expression: &str, allowed: &Allowed) -> Result<(), String> {
    cutover_expr::parse(expression, allowed)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// How much is before the `}}` that closes: one inside of a string does not.
fn length(text: &str) -> Option<usize> {
    let mut in_string = false;
    let mut last = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'\'' {
            in_string = !in_string;
        } else if byte == b'}' && last == b'}' && !in_string {
            return Some(at - 1);
        }
        last = byte;
    }
    None
}

/// Whether it is the directive `insert`, which takes nothing behind it.
fn is_insert(expression: &str) -> Result<bool, String> {
    let Some(behind) = expression.strip_prefix(INSERT) else {
        return Ok(false);
    };
    if behind.is_empty() {
        return Ok(true);
    }
    if !behind.starts_with(char::is_whitespace) {
        return Ok(false);
    }
    let mut depth = 0_i32;
    let mut in_string = false;
    let words = behind.split(|letter: char| {
        match letter {
            '\'' => in_string = !in_string,
            '(' if !in_string => depth += 1,
            ')' if !in_string => depth -= 1,
            _ => {}
        }
        letter.is_whitespace() && !in_string && depth == 0
    });
    let count = words.filter(|word| !word.is_empty()).count();
    Err(format!(
        "Exactly 0 parameter(s) were expected following the directive '{INSERT}'. Actual parameter count: {count}"
    ))
}

/// The text of an expression that is nothing but a string.
fn literal(expression: &str) -> Option<String> {
    let inner = expression.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut text = String::new();
    let mut pieces = inner.split("''").peekable();
    while let Some(piece) = pieces.next() {
        if piece.contains('\'') {
            return None;
        }
        text.push_str(piece);
        if pieces.peek().is_some() {
            text.push('\'');
        }
    }
    Some(text)
}

fn formatted(segments: &[Segment]) -> String {
    let mut format = String::new();
    let mut arguments = String::new();
    let mut count = 0_usize;
    for segment in segments {
        match segment {
            Segment::Text(text) => {
                for letter in text.chars() {
                    if matches!(letter, '\'' | '{' | '}') {
                        format.push(letter);
                    }
                    format.push(letter);
                }
            }
            Segment::Expression(expression) => {
                format.push('{');
                format.push_str(&count.to_string());
                format.push('}');
                arguments.push_str(", ");
                arguments.push_str(expression);
                count += 1;
            }
        }
    }
    format!("format('{format}'{arguments})")
}
