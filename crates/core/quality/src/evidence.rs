//! What the reports of a run amount to, or why they amount to nothing.

use cutover_model::evidence::{Coverage, TestReport};

use crate::error::ReadError;

/// What a gate looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// From JUnit files.
    pub tests: Found<TestReport>,
    /// From lcov or Cobertura files.
    pub coverage: Found<Coverage>,
}

/// What became of looking for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// No file was there.
    Missing {
        /// The paths and globs that were tried.
        looked_for: Vec<String>,
    },
    /// A file was there and cannot be understood; the others do not count then.
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it, and where.
        why: String,
    },
    /// All files were read.
    Read(T),
}

impl<T> Found<T> {
    /// Reads every file and puts the results together.
    pub(crate) fn read_all<'a, P>(
        looked_for: &[String],
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        read: fn(&[u8]) -> Result<P, ReadError>,
        merge: fn(Vec<P>) -> T,
    ) -> Self {
        let mut parts = Vec::new();
        for (file, bytes) in files {
            match read(bytes) {
                Ok(part) => parts.push(part),
                Err(error) => {
                    return Self::Unreadable {
                        file: file.to_owned(),
                        why: error.to_string(),
                    };
                }
            }
        }
        if parts.is_empty() {
            let looked_for = looked_for.to_vec();
            return Self::Missing { looked_for };
        }
        Self::Read(merge(parts))
    }
}
