//! What an expression can see: the caller's contexts and the state of the job so far.

use crate::value::Value;

/// How the job (or the jobs that this one needs) has gone so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JobStatus {
    /// Nothing failed.
    #[default]
    Success,
    /// Something failed.
    Failure,
    /// Nothing failed, but something was skipped: neither `success()` nor `failure()`.
    Skipped,
    /// It was cancelled.
    Cancelled,
}

/// What an expression can see.
pub trait Contexts {
    /// A context such as `github`, by its name in ASCII lower case; `None` if there is no such context here.
    ///
    /// An evaluation takes each context once; before it, [`Contexts::knows`] is asked.
    fn get(&self, name: &str) -> Option<Value>;

    /// Whether there is such a context. To be answered without building it, where that is dear.
    fn knows(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What `success()`, `failure()` and `cancelled()` are about.
    fn status(&self) -> JobStatus {
        JobStatus::Success
    }

    /// What `success('a')` and `failure('a')` are about: the job of that id, if this one needs it.
    fn status_of(&self, job: &str) -> Option<JobStatus> {
        let _ = job;
        None
    }

    /// The digest over all files that match the patterns; empty if none does.
    fn hash_files(&self, patterns: &[String]) -> Result<String, String> {
        let _ = patterns;
        Err("hashFiles is not available here".to_owned())
    }
}

/// Pairs of name and value are contexts: enough for tests and for small scopes.
impl<const N: usize> Contexts for [(String, Value); N] {
    fn get(&self, name: &str) -> Option<Value> {
        self.as_slice().get_named(name)
    }
}

impl Contexts for Vec<(String, Value)> {
    fn get(&self, name: &str) -> Option<Value> {
        self.as_slice().get_named(name)
    }
}

/// An object is its properties.
impl Contexts for crate::value::Object {
    fn get(&self, name: &str) -> Option<Value> {
        Self::get(self, name).cloned()
    }
}

trait Named {
    fn get_named(&self, name: &str) -> Option<Value>;
}

impl Named for [(String, Value)] {
    fn get_named(&self, name: &str) -> Option<Value> {
        self.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    }
}
