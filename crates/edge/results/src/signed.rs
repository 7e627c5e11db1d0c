//! Signed addresses of blobs: whoever holds one may do one thing with one blob until it expires or the
//! job has ended. Clients add parameters of their own (`comp`, `blockid`), which are not signed.

use cutover_model::{Duration, Timestamp};
use ring::hmac;
use serde::Deserialize;

use crate::{clock, job::GrantId, jwt, refusal::Refusal};

/// How long an address is good. An upload may take as long as this.
const LIFETIME: Duration = Duration::from_mins(60);

/// What an address allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
}

impl Operation {
    const fn letter(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Write => "w",
        }
    }
}

/// The signed part of a query, named as Azure does where it has the same.
#[derive(Deserialize)]
pub(crate) struct Signature {
    sp: String,
    se: i64,
    by: GrantId,
    sig: String,
}

/// Path and query of a blob, signed for the job that `by` names.
pub(crate) fn address(
    key: &hmac::Key,
    path: &str,
    operation: Operation,
    by: &GrantId,
    now: Timestamp,
) -> String {
    let until = clock::seconds(now + LIFETIME);
    let letter = operation.letter();
    let tag = hmac::sign(key, text(path, letter, until, by).as_bytes());
    let tag = jwt::encode(tag.as_ref());
    format!("{path}?sp={letter}&se={until}&by={by}&sig={tag}")
}

/// Whose address it is, when it allows this on that path now.
pub(crate) fn check(
    key: &hmac::Key,
    path: &str,
    operation: Operation,
    signature: &Signature,
    now: Timestamp,
) -> Result<GrantId, Refusal> {
    let signed = text(path, &signature.sp, signature.se, &signature.by);
    let tag = jwt::decode(&signature.sig).unwrap_or_default();
    if hmac::verify(key, signed.as_bytes(), &tag).is_err() {
        return Err(Refusal::Denied(
            "the address is not signed for this".to_owned(),
        ));
    }
    if signature.sp != operation.letter() {
        return Err(Refusal::Denied(
            "the address allows something else".to_owned(),
        ));
    }
    if clock::seconds(now) >= signature.se {
        return Err(Refusal::Denied(
            "the address has expired; ask for another".to_owned(),
        ));
    }
    Ok(signature.by.clone())
}

fn text(path: &str, operation: &str, until: i64, by: &GrantId) -> String {
    format!("blob\n{path}\n{operation}\n{until}\n{by}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_allows_one_thing_with_one_blob_until_it_expires() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let grant = GrantId::of("run", "job", 1);
        let full = address(&key, "/blobs/a/b/1", Operation::Read, &grant, Timestamp(0));
        let (_, query) = full.split_once('?').unwrap();
        let value = |name: &str| {
            let pair = query
                .split('&')
                .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            pair.unwrap().to_owned()
        };
        let signature = Signature {
            sp: value("sp"),
            se: value("se").parse().unwrap(),
            by: GrantId(value("by")),
            sig: value("sig"),
        };
        let ask =
            |path, operation, at| check(&key, path, operation, &signature, Timestamp(at)).ok();
        assert_eq!(ask("/blobs/a/b/1", Operation::Read, 0), Some(grant));
        assert_eq!(ask("/blobs/a/b/2", Operation::Read, 0), None);
        assert_eq!(ask("/blobs/a/b/1", Operation::Write, 0), None);
        assert_eq!(ask("/blobs/a/b/1", Operation::Read, 3_600_000), None);
    }
}
