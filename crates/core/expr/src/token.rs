//! The pieces of an expression, and which may follow which.

/// What a piece of an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// `(` that groups.
    StartGroup,
    /// `)` that closes a group.
    EndGroup,
    /// `(` of a call.
    StartParameters,
    /// `)` of a call.
    EndParameters,
    /// `[`.
    StartIndex,
    /// `]`.
    EndIndex,
    /// `,`.
    Separator,
    /// `.`.
    Dereference,
    /// `*`.
    Wildcard,
    /// `!`.
    Not,
    /// An operator between two operands.
    Binary(Operator),
    /// `null`.
    Null,
    /// `true`, `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A quoted string, unquoted.
    String(String),
    /// A name after a dot.
    PropertyName,
    /// A name before `(`.
    Function,
    /// A name of a context.
    NamedValue,
    /// What should not be here.
    Unexpected,
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `||`.
    Or,
    /// `&&`.
    And,
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

impl Operator {
    /// Operators by the way they are written, the longer ones first.
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("||", Self::Or),
        ("&&", Self::And),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// The higher, the tighter it binds; `!` binds tighter than all of these.
    pub(crate) const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal | Self::NotEqual => 3,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => 4,
        }
    }

    /// The way it is written.
    pub(crate) fn symbol(self) -> &'static str {
        Self::ALL
            .iter()
            .find_map(|(symbol, operator)| (*operator == self).then_some(*symbol))
            .unwrap_or_default()
    }
}

/// A piece of an expression and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Byte offset in the expression.
    pub(crate) start: usize,
    /// Byte offset behind it.
    pub(crate) end: usize,
}

impl Kind {
    /// Whether this kind of token may come after that one (`None`: at the very beginning).
    pub(crate) fn may_follow(&self, last: Option<&Self>) -> bool {
        match self {
            // Where an operand may begin.
            Self::StartGroup
            | Self::Not
            | Self::Null
            | Self::Boolean(_)
            | Self::Number(_)
            | Self::String(_)
            | Self::Function
            | Self::NamedValue => last.is_none_or(Self::awaits_operand),
            // Where an operand has just ended.
            Self::EndGroup | Self::EndIndex | Self::Separator | Self::Binary(_) => {
                last.is_some_and(Self::ends_operand)
            }
            Self::EndParameters => {
                last.is_some_and(|last| last.ends_operand() || *last == Self::StartParameters)
            }
            Self::StartParameters => last == Some(&Self::Function),
            Self::StartIndex | Self::Dereference => last.is_some_and(Self::may_be_indexed),
            Self::Wildcard => {
                matches!(last, Some(Self::StartIndex | Self::Dereference))
            }
            Self::PropertyName => last == Some(&Self::Dereference),
            Self::Unexpected => false,
        }
    }

    /// Whether the expression cannot stop here.
    pub(crate) fn awaits_operand(&self) -> bool {
        matches!(
            self,
            Self::Separator
                | Self::StartGroup
                | Self::StartParameters
                | Self::StartIndex
                | Self::Not
                | Self::Binary(_)
        )
    }

    fn may_be_indexed(&self) -> bool {
        matches!(
            self,
            Self::EndGroup
                | Self::EndParameters
                | Self::EndIndex
                | Self::Wildcard
                | Self::PropertyName
                | Self::NamedValue
        )
    }

    fn ends_operand(&self) -> bool {
        self.may_be_indexed()
            || matches!(
                self,
                Self::Null | Self::Boolean(_) | Self::Number(_) | Self::String(_)
            )
    }
}
