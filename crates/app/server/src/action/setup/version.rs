//! Which versions of a tool somebody asks for, in the words that setup actions take.

use semver::{Version, VersionReq};

/// A wish for a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Range {
    /// Whatever there is.
    Any,
    /// One with an even major number: a release of node that is supported for long.
    Lts,
    /// One of these.
    OneOf(Vec<VersionReq>),
}

/// The long-term releases of node by their names.
const NODE_LTS: [(&str, u64); 7] = [
    ("fermium", 14),
    ("gallium", 16),
    ("hydrogen", 18),
    ("iron", 20),
    ("jod", 22),
    ("krypton", 24),
    ("erbium", 12),
];

impl Range {
    /// As node's semver, Python's and Go's actions write it: `16`, `3.x`, `>=1.20 <1.23`, `^3.9`, `~1.5`,
    /// `18 || 20`, `lts/*`, `latest`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a range of versions");
        let word = text.trim().trim_matches('"').to_ascii_lowercase();
        match word.as_str() {
            "" | "*" | "x" | "latest" | "stable" | "current" | "node" => return Ok(Self::Any),
            "lts/*" | "lts" | "lts/-0" => return Ok(Self::Lts),
            _ => {}
        }
        if let Some(name) = word.strip_prefix("lts/") {
            let known = NODE_LTS.iter().find(|(known, _)| *known == name);
            let (_, major) = known.ok_or_else(wrong)?;
            let req = VersionReq::parse(&format!("{major}.*")).map_err(|_| wrong())?;
            return Ok(Self::OneOf(vec![req]));
        }
        let reqs: Option<Vec<VersionReq>> = word.split("||").map(requirement).collect();
        reqs.map(Self::OneOf).ok_or_else(wrong)
    }

    pub(super) fn fits(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::Lts => version.major.is_multiple_of(2),
            Self::OneOf(reqs) => reqs.iter().any(|req| req.matches(version)),
        }
    }
}

/// Comparators with spaces between them, all of which hold. A version without an operator is one of that
/// beginning, not all that are compatible.
fn requirement(text: &str) -> Option<VersionReq> {
    let mut parts = Vec::new();
    let mut operator = String::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        // `>= 3.9`: the operator stands alone.
        if word.chars().all(|c| "<>=^~!".contains(c)) {
            operator.push_str(word);
            continue;
        }
        let whole = format!("{}{word}", std::mem::take(&mut operator));
        let at = whole.find(|c: char| c.is_ascii_digit() || c == 'v')?;
        let (sign, number) = whole.split_at(at);
        let number = number.trim_start_matches('v').replace(".x", ".*");
        let number = number.split(['+', '-']).next()?.to_owned();
        let is_whole = number.split('.').count() >= 3 && !number.contains('*');
        parts.push(match sign {
            "" | "=" | "==" if is_whole => format!("={number}"),
            "" | "=" | "==" if number.contains('*') => number,
            "" | "=" | "==" => format!("{number}.*"),
            "~=" | "~" => format!("~{number}"),
            "<" | "<=" | ">" | ">=" | "^" => format!("{sign}{number}"),
            _ => return None,
        });
    }
    VersionReq::parse(&parts.join(", "))
        .ok()
        .filter(|_| !parts.is_empty())
}

/// The first version that a program's words have in them: `v20.1.0`, `Python 3.11.7`, `go1.22.3`,
/// `openjdk version "17.0.9"`. What is missing of three numbers is 0.
pub(super) fn find(text: &str) -> Option<Version> {
    let from = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[from..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
    let mut numbers = rest[..end.unwrap_or(rest.len())]
        .split('.')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse::<u64>().unwrap_or_default());
    let major = numbers.next()?;
    let (minor, patch) = (numbers.next(), numbers.next());
    Some(Version::new(
        major,
        minor.unwrap_or_default(),
        patch.unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(range: &str, version: &str) -> bool {
        let range = Range::parse(range).unwrap();
        range.fits(&Version::parse(version).unwrap())
    }

    #[test]
    fn ranges_are_those_of_the_setup_actions() {
        for (range, version) in [
            ("16", "16.20.2"),
            ("16.x", "16.0.0"),
            ("3.10", "3.10.4"),
            (">=3.9 <3.12", "3.11.7"),
            (">= 3.9, < 3.12", "3.11.7"),
            ("^1.13.1", "1.22.0"),
            ("~1.5", "1.5.7"),
            ("18 || 20", "20.1.0"),
            ("lts/*", "20.1.0"),
            ("lts/Iron", "20.1.0"),
            ("latest", "1.0.0"),
            ("v20.1.0", "20.1.0"),
        ] {
            assert!(fits(range, version), "{range} {version}");
        }
        for (range, version) in [
            ("16", "20.20.2"),
            ("3.1", "3.10.4"),
            ("1.22", "1.23.0"),
            ("lts/*", "21.0.0"),
            ("20.1.0", "20.1.1"),
            ("<1.6", "1.11.4"),
        ] {
            assert!(!fits(range, version), "{range} {version}");
        }
        for range in ["pypy3.9", "abc", ">", "lts/none"] {
            assert!(Range::parse(range).is_err(), "{range}");
        }
    }

    #[test]
    fn a_version_is_found_in_what_a_program_says() {
        for (text, version) in [
            ("v20.20.2\n", "20.20.2"),
            ("Python 3.11.7", "3.11.7"),
            ("go version go1.22 linux/amd64", "1.22.0"),
            ("openjdk version \"17.0.9\" 2023-10-17", "17.0.9"),
            ("Terraform v1.11.4\non linux_amd64", "1.11.4"),
        ] {
            assert_eq!(find(text).unwrap().to_string(), version, "{text}");
        }
        assert_eq!(find("none"), None);
    }
}
