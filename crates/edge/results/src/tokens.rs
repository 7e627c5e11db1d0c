//! The bearer tokens of a job. They are signed, say what they are for, and count for as long as their
//! grant lives, which is asked elsewhere.

use cutover_model::{Secret, Timestamp};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::{clock, job::GrantId, jwt};

/// What a token is good for; one for one thing is no good for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Purpose {
    /// Artifacts and caches: `ACTIONS_RUNTIME_TOKEN`.
    Results,
    /// Asking for an id token: `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    IdToken,
}

/// What the token says. Clients read `scp` and `ac` only.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: GrantId,
    aud: Purpose,
    /// `Actions.Results:<run>:<job>`: where the artifact client has its ids from.
    scp: String,
    /// Scopes of caches, as JSON in a text: shown by cache clients of others.
    ac: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// A token for this grant.
pub(crate) fn issue(
    key: &hmac::Key,
    purpose: Purpose,
    grant: &GrantId,
    scopes: (String, String),
    from: Timestamp,
    until: Timestamp,
) -> Option<Secret> {
    let claims = Claims {
        iss: "cutover".to_owned(),
        sub: grant.clone(),
        aud: purpose,
        scp: scopes.0,
        ac: scopes.1,
        iat: clock::seconds(from),
        nbf: clock::seconds(from),
        exp: clock::seconds(until),
    };
    let sign = |text: &[u8]| Some(hmac::sign(key, text).as_ref().to_vec());
    jwt::write("HS256", None, &claims, sign).map(Secret::new)
}

/// Whose token it is. Compared in constant time by `ring`.
pub(crate) fn read(
    key: &hmac::Key,
    purpose: Purpose,
    token: &str,
    now: Timestamp,
) -> Option<GrantId> {
    let holds = |text: &[u8], tag: &[u8]| hmac::verify(key, text, tag).is_ok();
    let claims: Claims = jwt::read(token, holds)?;
    (claims.aud == purpose && clock::seconds(now) < claims.exp).then_some(claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &[u8]) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, bytes)
    }

    fn token(purpose: Purpose) -> String {
        let scopes = ("Actions.Results:r:j".to_owned(), "[]".to_owned());
        let grant = GrantId::of("run", "job", 1);
        let token = issue(
            &key(b"one"),
            purpose,
            &grant,
            scopes,
            Timestamp(0),
            Timestamp(60_000),
        );
        token.unwrap().expose().to_owned()
    }

    #[test]
    fn a_token_is_read_by_its_key_for_its_purpose_until_it_expires() {
        let token = token(Purpose::Results);
        let grant = Some(GrantId::of("run", "job", 1));
        let one = key(b"one");
        assert_eq!(
            read(&one, Purpose::Results, &token, Timestamp(59_999)),
            grant
        );
        assert_eq!(
            read(&one, Purpose::Results, &token, Timestamp(60_000)),
            None
        );
        assert_eq!(read(&one, Purpose::IdToken, &token, Timestamp(0)), None);
        assert_eq!(
            read(&key(b"two"), Purpose::Results, &token, Timestamp(0)),
            None
        );
    }

    #[test]
    fn a_token_that_was_changed_is_none() {
        let token = token(Purpose::Results);
        let mut parts: Vec<&str> = token.split('.').collect();
        let none = jwt::encode(br#"{"alg":"none","typ":"JWT"}"#);
        parts[0] = &none;
        for changed in [
            parts.join("."),
            token.replace('.', ""),
            String::new(),
            format!("{token}A"),
        ] {
            assert_eq!(
                read(&key(b"one"), Purpose::Results, &changed, Timestamp(0)),
                None,
                "{changed}"
            );
        }
    }
}
