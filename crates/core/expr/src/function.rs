//! The functions of the language: one table. What they do is in `eval.rs` and `format.rs`.

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Function {
    Always,
    Cancelled,
    Case,
    Contains,
    EndsWith,
    Failure,
    Format,
    FromJson,
    HashFiles,
    Join,
    StartsWith,
    Success,
    ToJson,
}

struct Row {
    function: Function,
    name: &'static str,
    least: usize,
    greatest: usize,
}

const fn row(function: Function, name: &'static str, least: usize, greatest: usize) -> Row {
    Row {
        function,
        name,
        least,
        greatest,
    }
}

const TABLE: [Row; 13] = [
    row(Function::Always, "always", 0, 0),
    row(Function::Cancelled, "cancelled", 0, 0),
    row(Function::Case, "case", 3, 255),
    row(Function::Contains, "contains", 2, 2),
    row(Function::EndsWith, "endsWith", 2, 2),
    row(Function::Failure, "failure", 0, usize::MAX),
    row(Function::Format, "format", 1, 255),
    row(Function::FromJson, "fromJSON", 1, 1),
    row(Function::HashFiles, "hashFiles", 1, 255),
    row(Function::Join, "join", 1, 2),
    row(Function::StartsWith, "startsWith", 2, 2),
    row(Function::Success, "success", 0, usize::MAX),
    row(Function::ToJson, "toJSON", 1, 1),
];

impl Function {
    /// The function of that name, in whatever case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|row| row.name.eq_ignore_ascii_case(name))
            .map(|row| row.function)
    }

    /// The usual way to write it.
    pub(crate) fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    /// The least and the greatest number of parameters.
    pub(crate) fn arity(self) -> (usize, usize) {
        self.row().map_or((0, 0), |row| (row.least, row.greatest))
    }

    /// Whether it tells how the job has gone so far.
    pub(crate) fn is_status(self) -> bool {
        matches!(
            self,
            Self::Always | Self::Cancelled | Self::Failure | Self::Success
        )
    }

    /// Whether it exists only at some places of a workflow.
    pub(crate) fn is_special(self) -> bool {
        self.is_status() || self == Self::HashFiles
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.function == self)
    }
}
