//! A double of what a job needs of AWS: who somebody is and a role (STS), a login and a registry (ECR), a
//! service that is told to deploy (ECS). It remembers what it was asked.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The password of the registry.
pub(crate) const PASSWORD: &str = "a-password-of-the-registry";
/// The account.
pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) struct Aws {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Double {
    address: SocketAddr,
    /// What was uploaded last, in bytes, and what is there by digest.
    blobs: Arc<Mutex<(usize, BTreeMap<String, usize>)>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Aws {
    /// Answers as long as the process lives.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::default();
        let double = Double {
            address,
            blobs: Arc::default(),
            asked: Arc::clone(&asked),
        };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(listener, double));
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked, in order: a word for each, with the key that signed it where there is one.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(listener: std::net::TcpListener, double: Double) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let double = double.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| double.clone().answer(request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
        });
    }
}

fn response(status: StatusCode) -> http::response::Builder {
    Response::builder().status(status)
}

fn with(builder: http::response::Builder, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    builder.body(Full::new(body.into())).unwrap()
}

impl Double {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let body = body.unwrap_or_default();
        let header = |name: &str| {
            let value = head.headers.get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        if head.uri.path().starts_with("/v2") {
            return Ok(self.registry(&head, &header("authorization"), &body));
        }
        let key = header("authorization");
        let key = key.split("Credential=").nth(1).unwrap_or_default();
        let key = key.split('/').next().unwrap_or_default().to_owned();
        let target = header("x-amz-target");
        let text = String::from_utf8_lossy(&body);
        let action = match target
            .rsplit('.')
            .next()
            .filter(|target| !target.is_empty())
        {
            // The public registry has a service of its own with a call of the same name.
            Some(word) if target.starts_with("Spencer") => format!("Public{word}"),
            Some(word) => word.to_owned(),
            None => field(&text, "Action"),
        };
        let mut asked = self.asked.lock().unwrap();
        asked.push(format!("{action} by {key}"));
        if action == "AssumeRoleWithWebIdentity" {
            asked.push(field(&text, "WebIdentityToken"));
        }
        drop(asked);
        Ok(self.service(&action))
    }

    fn service(&self, action: &str) -> Response<Full<Bytes>> {
        let ok = response(StatusCode::OK);
        match action {
            "GetCallerIdentity" => with(
                ok,
                format!(
                    "<R xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                     <Account>{ACCOUNT}</Account></GetCallerIdentityResult></R>"
                ),
            ),
            "AssumeRole" | "AssumeRoleWithWebIdentity" => with(
                ok,
                "<R><Credentials><AccessKeyId>ASIADOUBLE</AccessKeyId>\
                 <SecretAccessKey>secret-of-the-role</SecretAccessKey>\
                 <SessionToken>session-of-the-role</SessionToken></Credentials></R>",
            ),
            "GetAuthorizationToken" => {
                let token = BASE64_STANDARD.encode(format!("AWS:{PASSWORD}"));
                let endpoint = format!("http://{}", self.address);
                let data = json!({ "authorizationToken": token, "proxyEndpoint": endpoint });
                with(ok, json!({ "authorizationData": [data] }).to_string())
            }
            "PublicGetAuthorizationToken" => {
                let token = BASE64_STANDARD.encode(format!("AWS:{PASSWORD}"));
                let data = json!({ "authorizationToken": token });
                with(ok, json!({ "authorizationData": data }).to_string())
            }
            "UpdateService" => {
                let service = json!({ "serviceName": "my-service", "status": "ACTIVE" });
                with(ok, json!({ "service": service }).to_string())
            }
            _ => with(
                response(StatusCode::BAD_REQUEST),
                json!({ "message": format!("the double does not know {action}") }).to_string(),
            ),
        }
    }

    /// As much of a registry as a push needs; only who has logged in may.
    fn registry(
        &self,
        head: &http::request::Parts,
        authorization: &str,
        body: &Bytes,
    ) -> Response<Full<Bytes>> {
        let wanted = BASE64_STANDARD.encode(format!("AWS:{PASSWORD}"));
        if authorization != format!("Basic {wanted}") {
            let ask =
                response(StatusCode::UNAUTHORIZED).header("www-authenticate", "Basic realm=\"r\"");
            return with(ask, "");
        }
        let path = head.uri.path();
        let query = head.uri.query().unwrap_or_default();
        let digest = query.split("digest=").nth(1).unwrap_or_default();
        let digest = digest.replace("%3A", ":");
        let mut blobs = self.blobs.lock().unwrap();
        if !body.is_empty() {
            blobs.0 = body.len();
        }
        let there = path
            .rsplit('/')
            .next()
            .and_then(|digest| blobs.1.get(digest));
        let there = there.copied();
        let at = format!("{path}{}", if path.ends_with('/') { "1" } else { "" });
        match (
            head.method.as_str(),
            path.contains("/uploads/"),
            path.contains("/manifests/"),
        ) {
            ("GET", false, false) => with(response(StatusCode::OK), "{}"),
            ("POST" | "PATCH", true, _) => with(
                response(StatusCode::ACCEPTED)
                    .header("location", at)
                    .header("range", format!("0-{}", body.len().saturating_sub(1))),
                "",
            ),
            ("PUT", true, _) => {
                let size = blobs.0;
                blobs.1.insert(digest.clone(), size);
                let created = response(StatusCode::CREATED);
                with(created.header("docker-content-digest", digest), "")
            }
            ("HEAD", false, false) if there.is_some() => {
                let size = there.unwrap_or_default();
                with(response(StatusCode::OK).header("content-length", size), "")
            }
            ("PUT", _, true) => {
                self.asked.lock().unwrap().push(format!("pushed {path}"));
                let sum = Sha256::digest(body);
                let digits: Vec<String> = sum.iter().map(|byte| format!("{byte:02x}")).collect();
                let digest = format!("sha256:{}", digits.concat());
                let created = response(StatusCode::CREATED);
                with(created.header("docker-content-digest", digest), "")
            }
            _ => with(response(StatusCode::NOT_FOUND), ""),
        }
    }
}

/// A field of a form, decoded as far as these tests need it.
fn field(form: &str, name: &str) -> String {
    let found = form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| value.to_owned())
    });
    found.unwrap_or_default()
}
