//! What stands behind options, read: pairs, names, events. What is wrong is told before anything begins.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use cutover_model::source::TriggerKind;

/// The names of secrets and variables, for whoever gave another one.
const NAME: &str = "a name has letters, digits and `_`, does not begin with a digit, and not with \
                    `GITHUB_`, which is reserved";

/// One of the events that workflows can be run for.
pub(super) fn event() -> impl TypedValueParser<Value = TriggerKind> {
    let all = TriggerKind::all().map(TriggerKind::event_name);
    PossibleValuesParser::new(all).try_map(|name| name.parse::<TriggerKind>())
}

/// What is told: a level, or levels of parts (`PART=LEVEL`), between commas.
pub(super) fn log(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |part: &str| {
        let level = part.rsplit('=').next().unwrap_or(part).trim();
        LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level))
    };
    if text.split(',').all(is_level) {
        return Ok(text.to_owned());
    }
    Err(format!("a level is one of {}", LEVELS.join(", ")))
}

/// `NAME:VALUE`, as a matrix has them.
pub(super) fn matrix_value(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write `AXIS:VALUE`".to_owned()),
    }
}

/// `LABEL=host` or `LABEL=docker://IMAGE`.
pub(super) fn place(text: &str) -> Result<(String, String), String> {
    let (label, place) = pair(text)?;
    match place.as_str() {
        "host" => Ok((label, place)),
        docker if docker.len() > "docker://".len() && docker.starts_with("docker://") => {
            Ok((label, place))
        }
        _ => Err("a place is `host` or `docker://IMAGE`".to_owned()),
    }
}

/// `K=V`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write `NAME=VALUE`")?;
    if name.trim().is_empty() {
        return Err("the name is missing: write `NAME=VALUE`".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// `K=V`, where `K` can be the name of a variable of the environment.
pub(super) fn env(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '&';
    if name.contains(is_odd) || value.contains('\0') {
        return Err(format!(
            "`{name}` cannot be a variable: there are no blanks and no `&` in its name"
        ));
    }
    Ok((name, value))
}

/// `K=V`, where `K` can be the name of one of `vars`.
pub(super) fn var(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    if of_environment(&name).is_some_and(|name| is_name(name) && !is_reserved(name)) {
        return Ok((name, value));
    }
    Err(format!("`{name}` cannot be a variable: {NAME}"))
}

/// Whether something can be the name of one of `secrets`; says the rule when not. The token that the hosted
/// service makes itself is given here by whoever has one.
pub(crate) fn check_secret(name: &str) -> Result<(), &'static str> {
    let may_be = |name: &str| {
        let is_token = name.eq_ignore_ascii_case("GITHUB_TOKEN");
        is_name(name) && (is_token || !is_reserved(name))
    };
    if of_environment(name).is_some_and(may_be) {
        return Ok(());
    }
    Err(NAME)
}

/// The name without that of the environment, `ENVIRONMENT/NAME`, which alone has it.
fn of_environment(name: &str) -> Option<&str> {
    match name.split_once('/') {
        Some((environment, name)) => (!environment.trim().is_empty()).then_some(name),
        None => Some(name),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_reserved(name: &str) -> bool {
    let start = name.get(.."GITHUB_".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case("GITHUB_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_needs_a_name() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for said in ["a", "=b", " =b"] {
            assert!(pair(said).is_err(), "{said}");
        }
    }

    #[test]
    fn names_are_those_of_the_language() {
        for name in [
            "A",
            "_a",
            "token_2",
            "GITHUB_TOKEN",
            "github_token",
            "GITHUB",
            "production/TOKEN",
        ] {
            assert_eq!(check_secret(name), Ok(()), "{name}");
        }
        for name in [
            "", " ", "A B", "2A", "a-b", "ä", "GITHUB_X", "github_x", "a.b", "/A", "p/", "p/a-b",
        ] {
            assert!(check_secret(name).is_err(), "{name}");
            assert!(var(&format!("{name}=x")).is_err(), "{name}");
        }
        assert!(var("GITHUB_TOKEN=x").is_err());
        for said in ["REGION=eu=north", "production/REGION=eu"] {
            assert!(var(said).is_ok(), "{said}");
        }
        for said in ["A B=x", "A\tB=x", "A&B=x", "=x"] {
            assert!(env(said).is_err(), "{said}");
        }
        assert!(env("a.b-c=x y").is_ok());
    }

    #[test]
    fn a_level_is_known_or_refused() {
        for said in ["warn", "DEBUG", "off", "warn,cutover_server=debug"] {
            assert!(log(said).is_ok(), "{said}");
        }
        for said in ["", "loud", "warn,loud", "cutover_server=loud"] {
            assert!(log(said).is_err(), "{said}");
        }
    }
}
