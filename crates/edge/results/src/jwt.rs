//! JSON Web Tokens in their compact form: the three parts, and nothing of what they claim.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Bytes as a token and a JWK write them.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Back from [`encode`].
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A token: header and claims, and what `sign` makes of them. `None` when it cannot sign.
pub(crate) fn write(
    algorithm: &str,
    key: Option<&str>,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Option<String> {
    let mut header = json!({"alg": algorithm, "typ": "JWT"});
    if let Some(key) = key {
        header["kid"] = Value::from(key);
    }
    let claims = serde_json::to_vec(claims).ok()?;
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(&claims)
    );
    let signature = sign(signed.as_bytes())?;
    Some(format!("{signed}.{}", encode(&signature)))
}

/// The claims of a token whose signature `holds`; the header is not asked, so that it cannot choose.
pub(crate) fn read<T: DeserializeOwned>(
    token: &str,
    holds: impl FnOnce(&[u8], &[u8]) -> bool,
) -> Option<T> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (_, claims) = signed.split_once('.')?;
    if !holds(signed.as_bytes(), &decode(signature)?) {
        return None;
    }
    serde_json::from_slice(&decode(claims)?).ok()
}
