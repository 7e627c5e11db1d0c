//! How the program ends: the codes that scripts can rely on.

use std::process::ExitCode;

/// The codes, each with one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: it is done.
    Ok,
    /// 1: the thing itself failed: a step, a deployment.
    Failed,
    /// 2: the command line or a file is wrong.
    Usage,
    /// 3: a gate or a person said no.
    Refused,
    /// 4: there was nothing to do.
    Nothing,
    /// 70: our own fault.
    Fault,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Nothing => 4,
            Exit::Fault => 70,
        })
    }
}
