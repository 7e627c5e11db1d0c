//! What the inputs of `actions/checkout` ask for. What changes nothing on one machine is taken and said to; what
//! would be a promise that is not kept is refused.

use cutover_executor::BuiltinLog;
use cutover_model::run::Level;

use super::Context;
use crate::Error;

/// Which submodules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    None,
    Direct,
    All,
}

/// What is asked for, beside what and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Another repository than that of the run.
    pub(super) other: Option<String>,
    /// So many commits; all without.
    pub(super) depth: Option<u32>,
    pub(super) has_tags: bool,
    pub(super) submodules: Which,
    /// Folders or patterns, when not all files are wanted, and whether they are folders.
    pub(super) sparse: Option<(Vec<String>, bool)>,
    /// Files in LFS are to be there.
    pub(super) has_lfs: bool,
    /// What lies there and is no source goes.
    pub(super) cleans: bool,
}

impl Wanted {
    pub(super) fn read(context: &Context, own: &str) -> Result<Self, Error> {
        refuse_what_is_not_done(context)?;
        let other = context
            .input("repository")
            .filter(|name| !name.eq_ignore_ascii_case(own));
        let patterns = context.lines("sparse-checkout");
        let is_cone = context.flag("sparse-checkout-cone-mode", true)?;
        for flag in ["show-progress", "set-safe-directory", "ssh-strict"] {
            context.flag(flag, true)?;
        }
        Ok(Self {
            other: other.map(ToOwned::to_owned),
            depth: depth(context.input("fetch-depth"))?,
            has_tags: context.flag("fetch-tags", false)?,
            submodules: which(context.input("submodules"))?,
            sparse: (!patterns.is_empty()).then_some((patterns, is_cone)),
            has_lfs: context.flag("lfs", false)?,
            cleans: context.flag("clean", true)?,
        })
    }
}

/// What was given and is not needed.
pub(super) fn say_what_is_not_needed(context: &Context, wanted: &Wanted, log: &mut BuiltinLog) {
    let why = match wanted.other {
        None => "the sources of the run are on this machine",
        Some(_) => "what is fetched is fetched with the token for actions, if there is one",
    };
    for name in ["token", "ssh-key", "ssh-known-hosts", "ssh-user", "filter"] {
        if context.input(name).is_some() {
            log.line(&format!("`{name}` changes nothing: {why}"));
        }
    }
    if let (Some(other), Ok(true)) = (&wanted.other, context.flag("persist-credentials", false)) {
        let why = format!(
            "`persist-credentials: true`: no credential is written into a workspace; git asks for none where \
             `{other}` is on this machine, and elsewhere later steps have to bring their own"
        );
        log.remark(Level::Warning, &why);
    }
}

/// Inputs whose other value would be a promise that is not kept.
fn refuse_what_is_not_done(context: &Context) -> Result<(), Error> {
    context.flag("persist-credentials", true)?;
    let server = context.input("github-server-url");
    let own = context.env.get("GITHUB_SERVER_URL").map(String::as_str);
    match server.filter(|said| Some(*said) != own && *said != "https://github.com") {
        None => Ok(()),
        Some(said) => Err(Error::Refused(format!(
            "`github-server-url: {said}` cannot be done: repositories of others come from where actions \
             come from (`--actions-url`); leave it out"
        ))),
    }
}

/// 1 by default, 0 for everything.
fn depth(text: Option<&str>) -> Result<Option<u32>, Error> {
    let text = text.unwrap_or("1");
    let depth: u32 = text
        .parse()
        .map_err(|_| Error::Refused(format!("`fetch-depth: {text}` is not a number from 0")))?;
    Ok((depth > 0).then_some(depth))
}

fn which(text: Option<&str>) -> Result<Which, Error> {
    match text.unwrap_or("false").to_ascii_lowercase().as_str() {
        "false" => Ok(Which::None),
        "true" => Ok(Which::Direct),
        "recursive" => Ok(Which::All),
        other => Err(Error::Refused(format!(
            "`submodules: {other}` is none of `true`, `recursive`, `false`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_comes_is_said_in_the_words_of_the_original() {
        assert_eq!(depth(None).unwrap(), Some(1));
        assert_eq!(depth(Some("0")).unwrap(), None);
        assert!(depth(Some("-1")).is_err());
        assert_eq!(which(None).unwrap(), Which::None);
        assert_eq!(which(Some("true")).unwrap(), Which::Direct);
        assert_eq!(which(Some("Recursive")).unwrap(), Which::All);
        assert!(which(Some("yes")).is_err());
    }
}
