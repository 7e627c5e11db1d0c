//! The few calls to AWS that the built-in actions make: who we are, a role to take, a login at a registry.

use std::collections::BTreeMap;

use cutover_model::Timestamp;
use quick_xml::{Reader, events::Event};
use serde_json::{Value, json};

use super::sign::{self, Keys, Request};
use crate::Error;

/// An AWS region as a job reaches it.
pub(super) struct Aws<'a> {
    pub(super) region: &'a str,
    /// `AWS_ENDPOINT_URL` and its like come from here.
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) now: Timestamp,
}

/// How long AWS may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);
/// Where the public registry is.
const PUBLIC: &str = "us-east-1";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

impl Aws<'_> {
    /// A call of the token service. Without keys it is not signed.
    pub(super) async fn sts(
        &self,
        fields: &[(&str, &str)],
        keys: Option<&Keys>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut body = String::from("Version=2011-06-15");
        for (name, value) in fields {
            body.push('&');
            body.push_str(name);
            body.push('=');
            body.push_str(&encoded(value));
        }
        let url = self.endpoint("STS", "sts");
        let headers = vec![("content-type", FORM.to_owned())];
        let (status, text) = self.post(&url, "sts", headers, &body, keys).await?;
        let found = texts(&text);
        if (200..300).contains(&status) {
            return Ok(found);
        }
        let said = found.get("Message").or_else(|| found.get("message"));
        Err(refused("STS", status, said.map_or("", String::as_str)))
    }

    /// Logins at the registries of these accounts, of our own when none is named.
    pub(super) async fn ecr_tokens(
        &self,
        registries: &[String],
        keys: &Keys,
    ) -> Result<Value, Error> {
        let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
        let body = if registries.is_empty() {
            json!({})
        } else {
            json!({ "registryIds": registries })
        };
        let url = self.endpoint("ECR", "api.ecr");
        self.ask_json(&url, "ecr", target, &body, keys).await
    }

    /// A login at the registry of all the world, which is in one region only.
    pub(super) async fn ecr_public_token(&self, keys: &Keys) -> Result<Value, Error> {
        let there = Self {
            region: PUBLIC,
            ..*self
        };
        let target = "SpencerFrontendService.GetAuthorizationToken";
        let url = there.endpoint("ECR_PUBLIC", "api.ecr-public");
        there
            .ask_json(&url, "ecr-public", target, &json!({}), keys)
            .await
    }

    async fn ask_json(
        &self,
        url: &str,
        service: &str,
        target: &str,
        body: &Value,
        keys: &Keys,
    ) -> Result<Value, Error> {
        let headers = vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", target.to_owned()),
        ];
        let (status, text) = self
            .post(url, service, headers, &body.to_string(), Some(keys))
            .await?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        Err(refused(
            "ECR",
            status,
            answer["message"].as_str().unwrap_or_default(),
        ))
    }

    /// As AWS's own tools choose it.
    fn endpoint(&self, name: &str, host: &str) -> String {
        let said = |name: &str| self.env.get(name).filter(|url| !url.is_empty());
        let own = said(&format!("AWS_ENDPOINT_URL_{name}"));
        let ending = if self.region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        own.or_else(|| said("AWS_ENDPOINT_URL")).map_or_else(
            || format!("https://{host}.{}.{ending}/", self.region),
            |url| format!("{}/", url.trim_end_matches('/')),
        )
    }

    async fn post(
        &self,
        url: &str,
        service: &str,
        headers: Vec<(&'static str, String)>,
        body: &str,
        keys: Option<&Keys>,
    ) -> Result<(u16, String), Error> {
        let parsed: reqwest::Url = url
            .parse()
            .map_err(|_| Error::Refused(format!("`{url}` is no address of AWS")))?;
        let name = parsed.host_str().unwrap_or_default();
        let host = match parsed.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        let request = Request {
            service,
            region: self.region,
            host: &host,
            path: parsed.path(),
            headers: headers.clone(),
            body,
        };
        let headers = match keys {
            Some(keys) => sign::headers(&request, keys, self.now),
            None => headers,
        };
        let failed = |error: reqwest::Error| {
            Error::Refused(format!("`{url}` does not answer: {}", error.without_url()))
        };
        // A signature holds for one address: an answer that leads elsewhere is none.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build();
        let mut sending = client.map_err(failed)?.post(parsed).body(body.to_owned());
        for (name, value) in headers {
            sending = sending.header(name, value);
        }
        let answer = sending.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(failed)?))
    }
}

fn refused(service: &str, status: u16, said: &str) -> Error {
    Error::Refused(format!("{service} answered {status}: {said}"))
}

/// The texts of an answer by the names of their elements; of several, the last.
fn texts(xml: &str) -> BTreeMap<String, String> {
    let mut reader = Reader::from_str(xml);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                start.local_name().as_ref().clone_into(&mut name);
            }
            Ok(Event::Text(text)) => {
                if !text.trim().is_empty() {
                    found.insert(name.clone(), text.trim().to_owned());
                }
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_elements() {
        let xml = "<A xmlns=\"x\"><Credentials><AccessKeyId>AK</AccessKeyId>\n\
                   <SessionToken>a+b/c=</SessionToken></Credentials></A>";
        let found = texts(xml);
        assert_eq!(found["AccessKeyId"], "AK");
        assert_eq!(found["SessionToken"], "a+b/c=");
        assert_eq!(encoded("a b+c/é"), "a%20b%2Bc%2F%C3%A9");
    }

    #[test]
    fn the_endpoint_is_the_one_that_is_said() {
        let mut env = BTreeMap::new();
        let url = |env: &BTreeMap<String, String>| {
            let aws = Aws {
                region: "eu-west-1",
                env,
                now: Timestamp(0),
            };
            aws.endpoint("STS", "sts")
        };
        assert_eq!(url(&env), "https://sts.eu-west-1.amazonaws.com/");
        env.insert(
            "AWS_ENDPOINT_URL".to_owned(),
            "http://127.0.0.1:5".to_owned(),
        );
        assert_eq!(url(&env), "http://127.0.0.1:5/");
    }
}
