//! What the key and the version of a cache may be: the rules of GitHub's clients, asked again.

use crate::refusal::Refusal;

const LONGEST_KEY: usize = 512;
const LONGEST_VERSION: usize = 512;
/// The key, and those that will do as well.
const MOST_KEYS: usize = 10;

/// Checks a key. It names no file, so that only its length and the separator count.
pub(crate) fn check(key: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.chars().count() > LONGEST_KEY {
        return Err(Refusal::Invalid(format!(
            "the key of a cache has 1 to {LONGEST_KEY} characters"
        )));
    }
    if key.contains(',') || key.contains(char::is_control) {
        return Err(Refusal::Invalid(format!(
            "the key `{key}` has a comma or a control character"
        )));
    }
    Ok(())
}

pub(crate) fn check_version(version: &str) -> Result<(), Refusal> {
    if version.is_empty() || version.len() > LONGEST_VERSION || version.contains(char::is_control) {
        return Err(Refusal::Invalid(format!(
            "the version of a cache has 1 to {LONGEST_VERSION} characters"
        )));
    }
    Ok(())
}

pub(crate) fn check_all(keys: &[String], version: &str) -> Result<(), Refusal> {
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(Refusal::Invalid(format!(
            "1 to {MOST_KEYS} keys are looked for"
        )));
    }
    check_version(version)?;
    keys.iter().try_for_each(|key| check(key))
}
