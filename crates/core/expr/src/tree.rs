//! An expression as a tree whose parts know where they begin: for whoever looks at expressions without
//! evaluating them. Names are not looked at here; every context and function may stand everywhere.

mod print;

use crate::{
    allowed::Allowed,
    error::ParseError,
    lexer::Lexer,
    parser,
    token::{Kind, Operator, Token},
};

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The byte where its first word begins.
    pub start: usize,
    /// What it is.
    pub part: Part,
}

/// What a part of an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A string, unquoted.
    Text(String),
    /// A context by name, as it is written.
    Context(String),
    /// `a.b`, and `a['b']`: the name as it is written.
    Property(Box<Tree>, String),
    /// `a.*` and `a[*]`.
    Filter(Box<Tree>),
    /// `a[b]`.
    Index(Box<Tree>, Box<Tree>),
    /// A call: the name as it is written, and the parameters.
    Call(String, Vec<Tree>),
    /// `!a`.
    Not(Box<Tree>),
    /// `a && b`.
    And(Box<Tree>, Box<Tree>),
    /// `a || b`.
    Or(Box<Tree>, Box<Tree>),
    /// A comparison by its operator.
    Compare(&'static str, Box<Tree>, Box<Tree>),
}

/// How deep brackets may lie in each other; what is deeper has no tree.
const MAX_DEPTH: usize = 100;
/// Expressions of more words have no tree either: it could become as deep as they are many.
const MAX_TOKENS: usize = 2_000;

/// The tree of a bare expression. `None` when it is too deep to look at, which is no error.
pub fn tree(text: &str) -> Result<Option<Tree>, ParseError> {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token() {
        tokens.push(token);
        if tokens.len() > MAX_TOKENS {
            return Ok(None);
        }
    }
    let mut reader = Reader {
        text,
        tokens: &tokens,
        at: 0,
        depth: 0,
    };
    let tree = reader.binary(1);
    if reader.depth > MAX_DEPTH {
        return Ok(None);
    }
    if tree.is_some() && reader.at == tokens.len() && !lexer.has_unclosed() {
        return Ok(tree);
    }
    // The parser knows what to say, unless it minds nothing but names.
    parser::parse(text, &Allowed::any()).map(|_| None)
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn take(&mut self, kind: &Kind) -> Option<()> {
        (self.next()?.kind == *kind).then_some(())
    }

    /// Operators that bind at least so tightly, from left to right.
    fn binary(&mut self, least: u8) -> Option<Tree> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut left = self.unary()?;
        while let Some(Kind::Binary(operator)) = self.peek().map(|token| &token.kind) {
            if operator.precedence() < least {
                break;
            }
            self.at += 1;
            let right = Box::new(self.binary(operator.precedence() + 1)?);
            let start = left.start;
            let left_part = Box::new(left);
            let part = match operator {
                Operator::And => Part::And(left_part, right),
                Operator::Or => Part::Or(left_part, right),
                other => Part::Compare(other.symbol(), left_part, right),
            };
            left = Tree { start, part };
        }
        self.depth -= 1;
        Some(left)
    }

    fn unary(&mut self) -> Option<Tree> {
        let mut nots = Vec::new();
        while let Some(Token {
            kind: Kind::Not,
            start,
            ..
        }) = self.peek()
        {
            nots.push(*start);
            self.at += 1;
        }
        let mut tree = self.postfix()?;
        for start in nots.into_iter().rev() {
            let part = Part::Not(Box::new(tree));
            tree = Tree { start, part };
        }
        Some(tree)
    }

    fn postfix(&mut self) -> Option<Tree> {
        let mut tree = self.primary()?;
        loop {
            let start = tree.start;
            let part = match self.peek().map(|token| &token.kind) {
                Some(Kind::Dereference) => {
                    self.at += 1;
                    let token = self.next()?;
                    match token.kind {
                        Kind::Wildcard => Part::Filter(Box::new(tree)),
                        Kind::PropertyName => Part::Property(Box::new(tree), self.raw(token)),
                        _ => return None,
                    }
                }
                Some(Kind::StartIndex) => {
                    self.at += 1;
                    self.index(tree)?
                }
                _ => return Some(tree),
            };
            tree = Tree { start, part };
        }
    }

    fn index(&mut self, of: Tree) -> Option<Part> {
        if let Some(Kind::Wildcard) = self.peek().map(|token| &token.kind) {
            self.at += 1;
            self.take(&Kind::EndIndex)?;
            return Some(Part::Filter(Box::new(of)));
        }
        let index = self.binary(1)?;
        self.take(&Kind::EndIndex)?;
        Some(match index.part {
            Part::Text(name) => Part::Property(Box::new(of), name),
            _ => Part::Index(Box::new(of), Box::new(index)),
        })
    }

    fn primary(&mut self) -> Option<Tree> {
        let token = self.next()?;
        let start = token.start;
        let part = match &token.kind {
            Kind::Null => Part::Null,
            Kind::Boolean(value) => Part::Boolean(*value),
            Kind::Number(value) => Part::Number(*value),
            Kind::String(text) => Part::Text(text.clone()),
            Kind::NamedValue => Part::Context(self.raw(token)),
            Kind::StartGroup => {
                let inner = self.binary(1)?;
                self.take(&Kind::EndGroup)?;
                return Some(inner);
            }
            Kind::Function => Part::Call(self.raw(token), self.parameters()?),
            _ => return None,
        };
        Some(Tree { start, part })
    }

    fn parameters(&mut self) -> Option<Vec<Tree>> {
        self.take(&Kind::StartParameters)?;
        let mut parameters = Vec::new();
        if self.peek()?.kind == Kind::EndParameters {
            self.at += 1;
            return Some(parameters);
        }
        loop {
            parameters.push(self.binary(1)?);
            match self.next()?.kind {
                Kind::Separator => {}
                Kind::EndParameters => return Some(parameters),
                _ => return None,
            }
        }
    }

    fn raw(&self, token: &Token) -> String {
        self.text
            .get(token.start..token.end)
            .unwrap_or_default()
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Tree {
        tree(text).unwrap().unwrap()
    }

    #[test]
    fn parts_begin_at_their_first_word() {
        let whole = of(" a.b == 'x' && !f(c[0], (d.*))");
        let Part::And(left, right) = &whole.part else {
            panic!("{whole:?}");
        };
        assert_eq!((whole.start, left.start, right.start), (1, 1, 15));
        assert!(matches!(&left.part, Part::Compare("==", ..)));
        let Part::Not(call) = &right.part else {
            panic!("{right:?}");
        };
        let Part::Call(name, parameters) = &call.part else {
            panic!("{call:?}");
        };
        assert_eq!((name.as_str(), call.start), ("f", 16));
        let starts: Vec<usize> = parameters.iter().map(|it| it.start).collect();
        assert_eq!(starts, [18, 25]);
        assert_eq!(of("a['b']").part, of("a.b").part);
    }

    #[test]
    fn what_is_no_expression_is_told_as_by_the_parser() {
        assert_eq!(
            tree("a ==").unwrap_err().to_string(),
            parser::parse("a ==", &Allowed::any())
                .unwrap_err()
                .to_string()
        );
        assert!(tree("unknown(a, b)").unwrap().is_some());
        assert_eq!(
            tree(&format!("{}1{}", "(".repeat(5000), ")".repeat(5000))),
            Ok(None)
        );
        assert_eq!(tree(&format!("{}1", "!".repeat(1 << 20))), Ok(None));
    }
}
