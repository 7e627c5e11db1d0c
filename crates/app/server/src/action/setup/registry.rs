//! `registry-url` of `actions/setup-node`: a configuration of npm for this job, which takes its token from the
//! environment when npm asks.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _};

use camino::Utf8Path;

use super::Left;
use crate::{Error, action::Context};

/// What the original sets when nothing else is: npm refuses a variable that is not there.
const NO_TOKEN: &str = "XXXXX-XXXXX-XXXXX-XXXXX";

pub(super) fn write(context: &Context, url: &str, left: &mut Left) -> Result<(), Error> {
    let is_fine = url.starts_with("https://") || url.starts_with("http://");
    if !is_fine || url.contains(char::is_whitespace) {
        return Err(Error::Refused(format!(
            "`registry-url: {url}` is no address"
        )));
    }
    let repository = &context.trigger()?.repository;
    let scope = scope(context.input("scope"), url, repository);
    let always = context.flag("always-auth", false)?;
    let place = context.place.temp.join(".npmrc");
    let before = fs::read_to_string(&place).unwrap_or_default();
    put(&place, &contents(&before, url, &scope, always)).map_err(Error::io("write", &place))?;
    let token = context.env.get("NODE_AUTH_TOKEN").map(String::as_str);
    let token = token.filter(|token| !token.is_empty()).unwrap_or(NO_TOKEN);
    for (name, value) in [
        ("NPM_CONFIG_USERCONFIG", place.as_str()),
        ("NODE_AUTH_TOKEN", token),
    ] {
        left.env.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

/// `@owner:`, or nothing. Packages of GitHub belong to the owner of the repository.
fn scope(said: Option<&str>, url: &str, repository: &str) -> String {
    let owner = repository.split('/').next().unwrap_or_default();
    let scope = match said {
        Some(said) => said,
        None if url.contains("npm.pkg.github.com") => owner,
        None => return String::new(),
    };
    format!("@{}:", scope.trim_start_matches('@').to_lowercase())
}

/// What was there before stays, but for another registry of the same scope.
fn contents(before: &str, url: &str, scope: &str, always: bool) -> String {
    let url = format!("{}/", url.trim_end_matches('/'));
    let other = |line: &&str| !line.to_lowercase().starts_with(&format!("{scope}registry"));
    let mut lines: Vec<&str> = before.lines().filter(other).collect();
    let bare = url.split_once(':').map_or(url.as_str(), |(_, rest)| rest);
    let own = [
        format!("{bare}:_authToken=${{NODE_AUTH_TOKEN}}"),
        format!("{scope}registry={url}"),
        format!("always-auth={always}"),
    ];
    lines.extend(own.iter().map(String::as_str));
    lines.join("\n") + "\n"
}

fn put(place: &Utf8Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    file.open(place)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_the_original_writes() {
        let url = "https://registry.npmjs.org";
        let first = contents("", url, "", false);
        assert_eq!(
            first,
            "//registry.npmjs.org/:_authToken=${NODE_AUTH_TOKEN}\n\
             registry=https://registry.npmjs.org/\nalways-auth=false\n"
        );
        let github = "https://npm.pkg.github.com/";
        let second = contents(&first, github, &scope(None, github, "Acme/web"), true);
        assert!(second.starts_with(&first), "{second}");
        assert!(
            second.contains("@acme:registry=https://npm.pkg.github.com/\n"),
            "{second}"
        );
        let third = contents(&second, "http://localhost:4873", "", false);
        assert!(
            !third.contains("\nregistry=https://registry.npmjs.org/"),
            "{third}"
        );
        assert!(third.contains("//localhost:4873/:_authToken="), "{third}");
        assert_eq!(scope(Some("@Org"), url, "a/b"), "@org:");
    }
}
