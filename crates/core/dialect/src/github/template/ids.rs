//! Ids of jobs and steps: those that authors give, and those that steps without one get.

use std::collections::BTreeSet;

/// Ids are shorter than this.
const MAX_LENGTH: usize = 100;

/// The ids of one scope; they differ in more than case.
#[derive(Debug, Default)]
pub(super) struct Ids {
    taken: BTreeSet<String>,
}

impl Ids {
    /// Takes an id that an author gave; what is wrong with it, otherwise.
    pub(super) fn take(&mut self, id: &str) -> Result<(), String> {
        if !is_valid(id) || id.len() >= MAX_LENGTH {
            return Err(format!(
                "The identifier '{id}' is invalid. IDs may only contain alphanumeric characters, '_', and '-'. IDs must start with a letter or '_' and and must be less than {MAX_LENGTH} characters."
            ));
        }
        if id.starts_with("__") {
            return Err(format!(
                "The identifier '{id}' is invalid. IDs starting with '__' are reserved."
            ));
        }
        if !self.taken.insert(id.to_ascii_lowercase()) {
            return Err(format!(
                "The identifier '{id}' may not be used more than once within the same scope."
            ));
        }
        Ok(())
    }

    /// Makes an id of a text: `__` in front, other letters as `_`, and a number behind if it is taken.
    pub(super) fn make(&mut self, text: &str) -> String {
        let legal = |letter: char| {
            if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') {
                letter
            } else {
                '_'
            }
        };
        let name: String = "__".chars().chain(text.chars().map(legal)).collect();
        let mut number = 1_usize;
        loop {
            let suffix = match number {
                1 => String::new(),
                number => format!("_{number}"),
            };
            let length = name.len().min(MAX_LENGTH - suffix.len());
            let candidate = format!("{}{suffix}", &name[..length]);
            if self.taken.insert(candidate.to_ascii_lowercase()) {
                return candidate;
            }
            number += 1;
        }
    }
}

fn is_valid(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && id
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'))
}
