//! Tokens into a tree: operator precedence with a stack, so that no text, however nested, exhausts ours.

use crate::{
    allowed::{Allowed, Names},
    ast::{Ast, Node},
    error::{ParseError, ParseErrorKind},
    function::Function,
    lexer::Lexer,
    memory,
    token::{Kind, Operator, Token},
    value::Value,
};

/// Parses one bare expression (without `${{` and `}}`) and checks its names.
pub fn parse(text: &str, allowed: &Allowed) -> Result<Ast, ParseError> {
    parse_with(text, allowed)
}

/// Parses, asking about names whoever knows them.
pub(crate) fn parse_with(text: &str, names: &dyn Names) -> Result<Ast, ParseError> {
    if memory::units(text) > ParseErrorKind::MAX_LENGTH {
        return Err(plain(ParseErrorKind::ExceededMaxLength, text));
    }
    let mut lexer = Lexer::new(text);
    let mut parser = Parser {
        text,
        names,
        operators: Vec::new(),
        operands: Vec::new(),
        calls: Vec::new(),
        too_deep: false,
    };
    let mut last = None;
    while let Some(token) = lexer.next_token() {
        parser.accept(&token)?;
        last = Some(token);
    }
    match last {
        None => Err(plain(ParseErrorKind::ExpressionExpected, text)),
        Some(token) if lexer.has_unclosed() || stops_early(&token) => Err(parser.error(
            ParseErrorKind::UnexpectedEndOfExpression,
            (token.start, token.end),
        )),
        Some(_) => parser.finish(),
    }
}

fn stops_early(last: &Token) -> bool {
    last.kind.awaits_operand() || matches!(last.kind, Kind::Dereference | Kind::Function)
}

fn plain(kind: ParseErrorKind, text: &str) -> ParseError {
    ParseError {
        kind,
        token: None,
        offset: 0,
        position: 1,
        expression: text.to_owned(),
    }
}

/// A node and how deep it is.
type Operand = (Node, usize);

/// What waits on the stack for its right operand or its closing bracket.
#[derive(Clone, Copy, PartialEq)]
enum Waiting {
    Bracket,
    Not,
    Binary(Operator),
}

impl Waiting {
    fn precedence(self) -> u8 {
        match self {
            Self::Bracket => 0,
            Self::Binary(operator) => operator.precedence(),
            Self::Not => u8::MAX,
        }
    }
}

/// A call whose `)` has not come yet.
struct Call {
    function: Function,
    name: (usize, usize),
    least: usize,
    greatest: usize,
    /// How many operands there were before its parameters.
    base: usize,
}

/// Whether the text consists of tokens, sensible or not: what does not is wrong before it is parsed.
pub fn lexes(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    while lexer.next_token().is_some() {}
    !lexer.is_malformed()
}

struct Parser<'a> {
    text: &'a str,
    names: &'a dyn Names,
    operators: Vec<Waiting>,
    operands: Vec<Operand>,
    calls: Vec<Call>,
    too_deep: bool,
}

impl Parser<'_> {
    fn accept(&mut self, token: &Token) -> Result<(), ParseError> {
        let place = (token.start, token.end);
        let raw = self.text.get(token.start..token.end).unwrap_or_default();
        match &token.kind {
            Kind::Unexpected => return Err(self.error(ParseErrorKind::UnexpectedSymbol, place)),
            Kind::Null => self.push(Node::Literal(Value::Null), 0),
            Kind::Boolean(value) => self.push(Node::Literal(Value::Bool(*value)), 0),
            Kind::Number(value) => self.push(Node::Literal(Value::Number(*value)), 0),
            Kind::String(value) => self.push(Node::Literal(Value::String(value.clone())), 0),
            Kind::NamedValue if self.names.knows_root(raw) => {
                self.push(Node::Context(raw.to_owned()), 0);
            }
            Kind::NamedValue => {
                return Err(self.error(ParseErrorKind::UnrecognizedNamedValue, place));
            }
            Kind::Function => self.start_call(raw, place)?,
            Kind::PropertyName => self.index(Node::Literal(Value::String(raw.to_owned())), 1),
            Kind::Wildcard if self.after_dot(token) => self.index(Node::Wildcard, 1),
            Kind::Wildcard => self.push(Node::Wildcard, 0),
            Kind::Dereference => {}
            Kind::Not => self.operators.push(Waiting::Not),
            Kind::Binary(operator) => {
                self.reduce(operator.precedence());
                self.operators.push(Waiting::Binary(*operator));
            }
            Kind::StartGroup | Kind::StartIndex | Kind::StartParameters => {
                self.operators.push(Waiting::Bracket);
            }
            Kind::Separator => self.reduce(1),
            Kind::EndGroup => self.close(),
            Kind::EndIndex => {
                self.close();
                let (node, depth) = self.pop();
                self.index(node, depth);
            }
            Kind::EndParameters => {
                self.close();
                self.finish_call()?;
            }
        }
        Ok(())
    }

    /// Whether the character before the token is a dot; blanks may be between.
    fn after_dot(&self, token: &Token) -> bool {
        self.text
            .get(..token.start)
            .is_some_and(|before| before.trim_end().ends_with('.'))
    }

    fn start_call(&mut self, raw: &str, name: (usize, usize)) -> Result<(), ParseError> {
        let known =
            Function::named(raw).and_then(|function| Some((function, self.names.arity(function)?)));
        let Some((function, (least, greatest))) = known else {
            return Err(self.error(ParseErrorKind::UnrecognizedFunction, name));
        };
        self.calls.push(Call {
            function,
            name,
            least,
            greatest,
            base: self.operands.len(),
        });
        Ok(())
    }

    fn finish_call(&mut self) -> Result<(), ParseError> {
        let Some(call) = self.calls.pop() else {
            return Ok(());
        };
        let parameters = self.operands.split_off(call.base.min(self.operands.len()));
        let wrong = if parameters.len() < call.least {
            Some(ParseErrorKind::TooFewParameters)
        } else if parameters.len() > call.greatest {
            Some(ParseErrorKind::TooManyParameters)
        } else if call.function == Function::Case && parameters.len().is_multiple_of(2) {
            Some(ParseErrorKind::EvenParameters)
        } else {
            None
        };
        if let Some(kind) = wrong {
            return Err(self.error(kind, call.name));
        }
        let depth = parameters.iter().map(|(_, depth)| *depth).max();
        let nodes = parameters.into_iter().map(|(node, _)| node).collect();
        self.push(Node::Call(call.function, nodes), depth.unwrap_or_default());
        Ok(())
    }

    /// Puts a node on the stack whose parts are at most `below` deep. One that is too deep is
    /// forgotten at once: dropping it later would need as much of our stack as it is deep.
    fn push(&mut self, node: Node, below: usize) {
        if below >= ParseErrorKind::MAX_DEPTH {
            self.too_deep = true;
            self.operands.push((Node::Wildcard, 1));
        } else {
            self.operands.push((node, below + 1));
        }
    }

    fn pop(&mut self) -> Operand {
        self.operands.pop().unwrap_or((Node::Wildcard, 1))
    }

    fn index(&mut self, index: Node, index_depth: usize) {
        let (left, depth) = self.pop();
        self.push(
            Node::Index(Box::new(left), Box::new(index)),
            depth.max(index_depth),
        );
    }

    /// Gives the operators that bind at least so tightly their right operands.
    fn reduce(&mut self, precedence: u8) {
        while let Some(waiting) = self.operators.pop_if(|top| top.precedence() >= precedence) {
            let (right, depth) = self.pop();
            match waiting {
                Waiting::Bracket => {}
                Waiting::Not => self.push(Node::Not(Box::new(right)), depth),
                Waiting::Binary(operator) => {
                    let left = self.pop();
                    self.binary(operator, left, (right, depth));
                }
            }
        }
    }

    /// A chain of the same `&&` or `||` is one node, so it counts as one level.
    fn binary(&mut self, operator: Operator, left: Operand, right: Operand) {
        let (left, left_depth) = left;
        let (right, right_depth) = right;
        let below = left_depth.max(right_depth);
        match (operator, left) {
            (Operator::And, Node::And(mut items)) => {
                items.push(right);
                self.push(Node::And(items), (left_depth - 1).max(right_depth));
            }
            (Operator::Or, Node::Or(mut items)) => {
                items.push(right);
                self.push(Node::Or(items), (left_depth - 1).max(right_depth));
            }
            (Operator::And, left) => self.push(Node::And(vec![left, right]), below),
            (Operator::Or, left) => self.push(Node::Or(vec![left, right]), below),
            (operator, left) => self.push(
                Node::Compare(operator, Box::new(left), Box::new(right)),
                below,
            ),
        }
    }

    fn close(&mut self) {
        self.reduce(1);
        self.operators.pop();
    }

    fn finish(mut self) -> Result<Ast, ParseError> {
        self.reduce(1);
        if self.too_deep {
            return Err(plain(ParseErrorKind::ExceededMaxDepth, self.text));
        }
        let (root, _) = self.pop();
        Ok(Ast { root })
    }

    fn error(&self, kind: ParseErrorKind, (start, end): (usize, usize)) -> ParseError {
        let before = self.text.get(..start).unwrap_or_default();
        ParseError {
            kind,
            token: self.text.get(start..end).map(str::to_owned),
            offset: start,
            position: memory::units(before) + 1,
            expression: self.text.to_owned(),
        }
    }
}
