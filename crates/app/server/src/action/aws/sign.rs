//! Signatures of AWS requests, version 4.

use cutover_model::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Who signs.
#[derive(Clone, Default)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    /// Of keys that hold for a while only.
    pub(super) session: Option<String>,
}

/// What is signed: a POST without a query.
pub(super) struct Request<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    /// With the port, when it is not the usual one.
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// Besides `host`, in lower case.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: &'a str,
}

/// The headers to send, `authorization` among them.
pub(super) fn headers(
    request: &Request<'_>,
    keys: &Keys,
    at: Timestamp,
) -> Vec<(&'static str, String)> {
    let moment = moment(at);
    let mut headers = request.headers.clone();
    headers.push(("x-amz-date", moment.clone()));
    if let Some(session) = &keys.session {
        headers.push(("x-amz-security-token", session.clone()));
    }
    let authorization = authorization("POST", request, &headers, keys, &moment);
    headers.push(("authorization", authorization));
    headers
}

fn authorization(
    method: &str,
    request: &Request<'_>,
    headers: &[(&'static str, String)],
    keys: &Keys,
    moment: &str,
) -> String {
    let mut signed: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    signed.push(("host", request.host));
    signed.sort_unstable();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: Vec<String> = signed
        .iter()
        .map(|(name, value)| format!("{name}:{}", value.trim()))
        .collect();
    let lines = lines.join("\n");
    let body = hex::encode(Sha256::digest(request.body.as_bytes()));
    let canonical = format!("{method}\n{}\n\n{lines}\n\n{names}\n{body}", request.path);
    let day = moment.get(..8).unwrap_or(moment);
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let canonical = hex::encode(Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{canonical}");
    let mut key = format!("AWS4{}", keys.secret).into_bytes();
    for part in [day, request.region, request.service, "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &text));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id
    )
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is one.
    let mac = Hmac::<Sha256>::new_from_slice(key).map(|mac| mac.chain_update(text.as_bytes()));
    mac.map(|mac| mac.finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

/// `20150830T123600Z`.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let whole = text.split('.').next().unwrap_or_default();
    let digits: String = whole.chars().filter(|c| !"-:Z".contains(*c)).collect();
    format!("{digits}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_public_test_suite() {
        // `get-vanilla` of the suite.
        let keys = Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session: None,
        };
        let request = Request {
            service: "service",
            region: "us-east-1",
            host: "example.amazonaws.com",
            path: "/",
            headers: Vec::new(),
            body: "",
        };
        let moment = "20150830T123600Z";
        let headers = [("x-amz-date", moment.to_owned())];
        let said = authorization("GET", &request, &headers, &keys, moment);
        let wanted = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert!(said.ends_with(wanted), "{said}");
    }

    #[test]
    fn a_moment_has_the_form_of_aws() {
        assert_eq!(moment(Timestamp(1_440_938_160_000)), "20150830T123600Z");
    }
}
