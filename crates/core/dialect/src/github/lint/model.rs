//! A workflow as the rules look at it: every text with its place, whether or not it makes a plan.

use cutover_model::Position;

use crate::yaml::{Layout, Node, Value};

/// A scalar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) node: &'a Node,
}

impl<'a> Text<'a> {
    /// What is written; nothing for a node that is no scalar.
    pub(super) fn text(self) -> &'a str {
        match &*self.node.value {
            Value::Scalar(scalar) => &scalar.text,
            Value::Sequence(_) | Value::Mapping(_) => "",
        }
    }

    pub(super) fn at(self) -> Position {
        self.node.at
    }

    /// Where a byte of it stands, as near as that can be told.
    pub(super) fn place(self, byte: usize) -> Position {
        match self.node.scalar().map(|scalar| scalar.layout) {
            Some(Layout::Line(_) | Layout::Block(_)) => self.node.place_of(byte),
            _ => self.node.at,
        }
    }

    pub(super) fn has_expression(self) -> bool {
        let text = self.text();
        text.find("${{")
            .is_some_and(|open| text[open..].contains("}}"))
    }

    /// Whether it is one expression and nothing else.
    pub(super) fn is_expression(self) -> bool {
        let text = self.text().trim();
        text.starts_with("${{") && text.ends_with("}}") && text.matches("${{").count() == 1
    }

    pub(super) fn lower(self) -> String {
        self.text().to_lowercase()
    }
}

/// A name that the author chose, with what it names.
pub(super) type Named<'a> = (Text<'a>, Text<'a>);

#[derive(Debug, Default)]
pub(super) struct Workflow<'a> {
    pub(super) name: Option<Text<'a>>,
    pub(super) run_name: Option<Text<'a>>,
    pub(super) events: Vec<Event<'a>>,
    pub(super) env: Option<Env<'a>>,
    pub(super) defaults: Defaults<'a>,
    pub(super) concurrency: Concurrency<'a>,
    pub(super) permissions: Option<Granted<'a>>,
    pub(super) jobs: Vec<Job<'a>>,
}

/// What `permissions` gives.
#[derive(Debug, Default)]
pub(super) struct Granted<'a> {
    /// `read-all` or `write-all`.
    pub(super) all: Option<Text<'a>>,
    /// Each scope with its level.
    pub(super) scopes: Vec<Named<'a>>,
}

#[derive(Debug)]
pub(super) enum Event<'a> {
    Webhook(Webhook<'a>),
    Schedule(Vec<(Option<Text<'a>>, Option<Text<'a>>)>),
    /// With the word itself.
    Dispatch(Text<'a>, Vec<Input<'a>>),
    RepositoryDispatch(Vec<Text<'a>>),
    Call(Call<'a>),
}

/// An event with its filters, in the order written.
#[derive(Debug)]
pub(super) struct Webhook<'a> {
    pub(super) name: Text<'a>,
    pub(super) filters: Vec<(Text<'a>, Vec<Text<'a>>)>,
}

/// What `workflow_call` declares.
#[derive(Debug, Default)]
pub(super) struct Call<'a> {
    pub(super) inputs: Vec<Input<'a>>,
    pub(super) secrets: Option<Vec<(Text<'a>, bool)>>,
    pub(super) outputs: Vec<(Text<'a>, Option<Text<'a>>)>,
    pub(super) texts: Vec<Text<'a>>,
}

#[derive(Debug)]
pub(super) struct Input<'a> {
    pub(super) name: Text<'a>,
    pub(super) kind: &'a str,
    pub(super) required: bool,
    pub(super) default: Option<Text<'a>>,
    /// What may be chosen; nothing when there is no such key.
    pub(super) options: Option<Vec<Text<'a>>>,
    pub(super) texts: Vec<Text<'a>>,
}

/// Variables, or one expression that gives them.
#[derive(Debug)]
pub(super) enum Env<'a> {
    Variables(Vec<Named<'a>>),
    Expression(Text<'a>),
}

#[derive(Debug, Default)]
pub(super) struct Defaults<'a> {
    pub(super) shell: Option<Text<'a>>,
    pub(super) working_directory: Option<Text<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Concurrency<'a> {
    pub(super) group: Option<Text<'a>>,
    /// `cancel-in-progress`, when it is an expression.
    pub(super) cancel: Option<Text<'a>>,
    /// The same, when it is `true`.
    pub(super) cancels: Option<Text<'a>>,
}

#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) id: Text<'a>,
    pub(super) name: Option<Text<'a>>,
    pub(super) needs: Vec<Text<'a>>,
    pub(super) condition: Option<Text<'a>>,
    pub(super) runs_on: Vec<Text<'a>>,
    /// An expression that gives all labels.
    pub(super) runs_on_expression: Option<Text<'a>>,
    pub(super) group: Option<Text<'a>>,
    pub(super) permissions: Option<Granted<'a>>,
    pub(super) environment: Option<Text<'a>>,
    /// Whether using the environment is said to be no deployment.
    pub(super) only_uses_environment: bool,
    pub(super) url: Option<Text<'a>>,
    pub(super) concurrency: Concurrency<'a>,
    pub(super) outputs: Vec<Named<'a>>,
    pub(super) env: Option<Env<'a>>,
    pub(super) defaults: Defaults<'a>,
    /// Truth values and numbers that are expressions, with what they must be.
    pub(super) continue_on_error: Option<Text<'a>>,
    pub(super) timeouts: Vec<Text<'a>>,
    pub(super) strategy: Strategy<'a>,
    pub(super) container: Option<Container<'a>>,
    pub(super) services: Vec<(Text<'a>, Container<'a>)>,
    pub(super) services_expression: Option<Text<'a>>,
    pub(super) snapshot: Snapshot<'a>,
    pub(super) steps: Vec<Step<'a>>,
    pub(super) call: Option<JobCall<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Snapshot<'a> {
    pub(super) name: Option<Text<'a>>,
    pub(super) version: Option<Text<'a>>,
    pub(super) condition: Option<Text<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Strategy<'a> {
    /// For all of it; then nothing else is known.
    pub(super) expression: Option<Text<'a>>,
    pub(super) matrix: Option<Matrix<'a>>,
    pub(super) fail_fast: Option<Text<'a>>,
    pub(super) max_parallel: Option<Text<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Matrix<'a> {
    pub(super) at: Position,
    pub(super) expression: Option<Text<'a>>,
    pub(super) rows: Vec<(Text<'a>, Row<'a>)>,
    pub(super) include: Combinations<'a>,
    pub(super) exclude: Combinations<'a>,
}

#[derive(Debug)]
pub(super) enum Row<'a> {
    Values(&'a [Node]),
    Expression(Text<'a>),
}

#[derive(Debug, Default)]
pub(super) struct Combinations<'a> {
    /// One expression for all of them.
    pub(super) expression: Option<Text<'a>>,
    pub(super) items: Vec<Combination<'a>>,
}

#[derive(Debug)]
pub(super) enum Combination<'a> {
    Values(Vec<(Text<'a>, &'a Node)>),
    Expression(Text<'a>),
}

#[derive(Debug, Default)]
pub(super) struct Container<'a> {
    pub(super) image: Option<Text<'a>>,
    pub(super) username: Option<Text<'a>>,
    pub(super) password: Option<Text<'a>>,
    pub(super) credentials: Option<Text<'a>>,
    pub(super) env: Option<Env<'a>>,
    pub(super) texts: Vec<Text<'a>>,
}

/// A job that calls a workflow.
#[derive(Debug)]
pub(super) struct JobCall<'a> {
    pub(super) uses: Text<'a>,
    pub(super) inputs: Vec<Named<'a>>,
    pub(super) secrets: Vec<Named<'a>>,
    pub(super) inherits: bool,
}

#[derive(Debug)]
pub(super) struct Step<'a> {
    /// All of it.
    pub(super) node: &'a Node,
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) condition: Option<Text<'a>>,
    pub(super) env: Option<Env<'a>>,
    pub(super) continue_on_error: Option<Text<'a>>,
    pub(super) timeout: Option<Text<'a>>,
    pub(super) run: Option<Text<'a>>,
    pub(super) shell: Option<Text<'a>>,
    pub(super) working_directory: Option<Text<'a>>,
    pub(super) uses: Option<Text<'a>>,
    pub(super) with: Vec<Named<'a>>,
}

impl<'a> Step<'a> {
    pub(super) fn new(node: &'a Node) -> Self {
        Self {
            node,
            id: None,
            name: None,
            condition: None,
            env: None,
            continue_on_error: None,
            timeout: None,
            run: None,
            shell: None,
            working_directory: None,
            uses: None,
            with: Vec::new(),
        }
    }
}
