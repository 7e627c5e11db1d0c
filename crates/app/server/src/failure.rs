//! Somebody who wants to look at a step that failed before its end counts: the terminal of `cutover run`.
//! A server has nobody.

use std::{pin::Pin, sync::Arc};

use cutover_executor::Visit;

/// A step that failed.
#[derive(Debug)]
pub struct FailedStep {
    /// The job's name.
    pub job: String,
    /// The step's name.
    pub step: String,
    /// Why it failed.
    pub reasons: Vec<String>,
    /// Where it worked and with what.
    pub visit: Visit,
}

/// What whoever looked says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It failed, and that counts.
    Stands,
    /// It is to be done once more.
    Again,
    /// It counts as done, with what was handed on meanwhile.
    Done,
}

/// Looks at a step; dropped when the step is cancelled meanwhile.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Look> + Send + 'a>>;

/// Who looks at steps that fail.
pub trait OnFailure: Send + Sync {
    /// Looks at one.
    fn look<'a>(&'a self, failed: &'a FailedStep) -> Looking<'a>;
    /// Who that is.
    fn who(&self) -> &str;
}

/// Who looks, if anybody does.
pub(crate) type Onlooker = Arc<dyn OnFailure>;
