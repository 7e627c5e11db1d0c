//! Lint against the cases of the linter that most people use.
