//! The issuer's keys: ES256, generated here and never shown. After a rotation the older one is still
//! published, so that tokens already given out can be verified; its private half is gone.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::RwLock;
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{disk, jwt};

/// Who issues id tokens.
pub(crate) struct Issuer {
    dir: Utf8PathBuf,
    /// The address by which others know it, without a slash at its end.
    pub(crate) url: String,
    keys: RwLock<Keys>,
}

struct Keys {
    current: EcdsaKeyPair,
    /// Public halves, the current one first.
    published: Vec<Public>,
}

/// The public half of a key.
struct Public {
    id: String,
    x: String,
    y: String,
}

impl Public {
    /// From an uncompressed point: `04`, then both coordinates.
    fn of(point: &[u8]) -> io::Result<Self> {
        let coordinates = point.strip_prefix(&[4]).filter(|rest| rest.len() == 64);
        let (x, y) = coordinates
            .map(|rest| rest.split_at(32))
            .ok_or_else(|| io::Error::other("a key of the issuer is no point of P-256"))?;
        let (x, y) = (jwt::encode(x), jwt::encode(y));
        // RFC 7638: the digest of the members that count, in this order.
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let id = jwt::encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Ok(Self { id, x, y })
    }

    fn jwk(&self) -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
            "kid": self.id, "x": self.x, "y": self.y,
        })
    }
}

impl Issuer {
    pub(crate) fn open(dir: &Utf8Path, url: &str) -> io::Result<Self> {
        let current = disk::key(&dir.join("issuer.pk8"), generate)?;
        let current = pair(&current)?;
        let mut published = vec![Public::of(current.public_key().as_ref())?];
        if let Ok(before) = std::fs::read(dir.join("issuer-before.point")) {
            published.push(Public::of(&before)?);
        }
        Ok(Self {
            dir: dir.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            keys: RwLock::new(Keys { current, published }),
        })
    }

    /// Signs with a new key from now on. The one before stays published until the next rotation.
    pub(crate) fn rotate(&self) -> io::Result<()> {
        let mut keys = self.keys.write();
        let new = generate()?;
        let current = pair(&new)?;
        let public = Public::of(current.public_key().as_ref())?;
        let before = keys.current.public_key().as_ref();
        disk::write_private(&self.dir.join("issuer-before.point"), before)?;
        disk::write_private(&self.dir.join("issuer.pk8"), &new)?;
        keys.published.truncate(1);
        keys.published.insert(0, public);
        keys.current = current;
        Ok(())
    }

    /// A signed token.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Option<String> {
        let keys = self.keys.read();
        let id = keys.published.first().map(|key| key.id.as_str());
        let sign = |text: &[u8]| {
            let signature = keys.current.sign(&SystemRandom::new(), text).ok()?;
            Some(signature.as_ref().to_vec())
        };
        jwt::write("ES256", id, claims, sign)
    }

    /// The keys by which tokens are verified.
    pub(crate) fn jwks(&self) -> Value {
        let keys = self.keys.read();
        json!({"keys": keys.published.iter().map(Public::jwk).collect::<Vec<_>>()})
    }

    /// The discovery document.
    pub(crate) fn configuration(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url,
            "jwks_uri": format!("{url}/.well-known/jwks"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid"],
            "claims_supported": super::claims::NAMES,
        })
    }
}

fn generate() -> io::Result<Vec<u8>> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let made = made.map_err(|_| io::Error::other("a key could not be generated"))?;
    Ok(made.as_ref().to_vec())
}

fn pair(document: &[u8]) -> io::Result<EcdsaKeyPair> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_pkcs8(algorithm, document, &SystemRandom::new())
        .map_err(|error| io::Error::other(format!("the issuer's key cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn issuer(dir: &tempfile::TempDir) -> Issuer {
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        Issuer::open(dir, "https://ci.example/").unwrap()
    }

    /// Whether one of the published keys has signed it.
    fn is_verified(issuer: &Issuer, token: &str) -> bool {
        let jwks = issuer.jwks();
        let part = |value: &Value| jwt::decode(value.as_str().unwrap()).unwrap();
        jwks["keys"].as_array().unwrap().iter().any(|key| {
            let point = [vec![4], part(&key["x"]), part(&key["y"])].concat();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            jwt::read::<Value>(token, |text, tag| key.verify(text, tag).is_ok()).is_some()
        })
    }

    #[test]
    fn a_key_is_ours_alone_and_stays_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let token = issuer(&dir).sign(&json!({"sub": "a"})).unwrap();
        assert!(is_verified(&issuer(&dir), &token));
        let mode = std::fs::metadata(dir.path().join("issuer.pk8"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(issuer(&dir).configuration()["issuer"], "https://ci.example");
    }

    #[test]
    fn a_rotation_keeps_the_key_before_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let one = issuer(&dir);
        let token = one.sign(&json!({"sub": "a"})).unwrap();
        one.rotate().unwrap();
        assert!(is_verified(&one, &token));
        assert!(is_verified(&issuer(&dir), &token));
        assert!(is_verified(&one, &one.sign(&json!({"sub": "b"})).unwrap()));
        one.rotate().unwrap();
        assert!(!is_verified(&one, &token));
        assert_eq!(one.jwks()["keys"].as_array().unwrap().len(), 2);
    }
}
