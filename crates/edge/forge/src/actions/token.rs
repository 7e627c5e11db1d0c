//! The token with which private repositories of actions are fetched. Git asks for it when the other side
//! does, and only for the address that it is meant for: a redirect elsewhere does not get it. It is in the
//! environment of that call of git alone: no command line, no configuration, no address has it.

use cutover_model::Secret;

use super::ActionStore;
use crate::git::Git;

/// The variable in which the token is lent to git.
const LENT: &str = "CUTOVER_LENT_TOKEN";
/// And the name that goes with it.
const LENT_NAME: &str = "CUTOVER_LENT_NAME";
/// What stands for the name where tokens have none.
const ANYBODY: &str = "x-access-token";
/// Git runs it with a shell of the machine.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
     \"$CUTOVER_LENT_NAME\" \"$CUTOVER_LENT_TOKEN\"; }; f";

/// A token that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Everybody on the way would read it.
    #[error("the token for actions is not sent to `{0}`, which is not encrypted: use `https://`")]
    NotEncrypted(String),
    /// It is empty, or has blanks or line ends in it.
    #[error("the token for actions is no token: write `TOKEN` or `USER:TOKEN`, without blanks")]
    Malformed,
}

/// A token, and where it is good.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// `https://github.com`.
    origin: String,
    name: String,
    value: Secret,
}

impl Token {
    /// Lets git have it for this call.
    pub(crate) fn lend(&self, git: Git) -> Git {
        git.env("GIT_CONFIG_COUNT", "2")
            // No helper of anybody else keeps it.
            .env("GIT_CONFIG_KEY_0", "credential.helper")
            .env("GIT_CONFIG_VALUE_0", "")
            .env(
                "GIT_CONFIG_KEY_1",
                format!("credential.{}.helper", self.origin),
            )
            .env("GIT_CONFIG_VALUE_1", HELPER)
            .env(LENT_NAME, &self.name)
            .env(LENT, self.value.expose())
    }
}

impl ActionStore {
    /// With a token (`TOKEN` or `USER:TOKEN`) for where actions are fetched from. A directory needs none
    /// and gets none.
    pub fn with_token(self, token: &Secret) -> Result<Self, TokenError> {
        let text = token.expose();
        let is_one =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        let (name, value) = text.split_once(':').unwrap_or((ANYBODY, text));
        if !is_one(name) || !is_one(value) {
            return Err(TokenError::Malformed);
        }
        let Some(origin) = origin(&self.0.address)? else {
            return Ok(self);
        };
        let token = Token {
            origin,
            name: name.to_owned(),
            value: Secret::new(value),
        };
        Ok(self.lending(token))
    }
}

/// The part of an address that says who is spoken to; `None` for a directory.
fn origin(address: &str) -> Result<Option<String>, TokenError> {
    let Some((scheme, rest)) = address.split_once("://") else {
        return Ok(None);
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, authority)| authority);
    let origin = format!("{scheme}://{authority}");
    match scheme {
        "https" => Ok(Some(origin)),
        "http" if is_here(authority) => Ok(Some(origin)),
        "http" => Err(TokenError::NotEncrypted(origin)),
        _ => Ok(None),
    }
}

/// Whether somebody on this machine is spoken to.
fn is_here(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip: Option<std::net::IpAddr> = bare.parse().ok();
    host == "localhost" || host.ends_with(".localhost") || ip.is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_nowhere_in_the_clear_but_to_this_machine() {
        let origin = |address: &str| origin(address).map(Option::unwrap_or_default);
        assert_eq!(origin("https://github.com").unwrap(), "https://github.com");
        assert_eq!(origin("https://x@h:8/git").unwrap(), "https://h:8");
        for here in ["http://127.0.0.1:7", "http://[::1]:7", "http://a.localhost"] {
            assert_eq!(origin(&format!("{here}/git")).unwrap(), here);
        }
        for clear in ["http://example.org", "http://127.0.0.1.example.org:80"] {
            assert!(
                matches!(origin(clear), Err(TokenError::NotEncrypted(_))),
                "{clear}"
            );
        }
        assert_eq!(origin("/srv/actions").unwrap(), "");
        assert_eq!(origin("file:///srv/actions").unwrap(), "");
    }

    #[test]
    fn what_could_say_more_than_a_token_is_none() {
        let with = |token: &str| {
            let store = ActionStore::new("/x".into(), "https://h", Vec::new());
            store.with_token(&Secret::new(token)).map(drop)
        };
        assert_eq!(with("ghp_abc"), Ok(()));
        assert_eq!(with("me:abc"), Ok(()));
        for wrong in ["", "a b", "a\nhost=evil", ":x", "x:"] {
            assert_eq!(with(wrong), Err(TokenError::Malformed), "{wrong:?}");
        }
    }
}
