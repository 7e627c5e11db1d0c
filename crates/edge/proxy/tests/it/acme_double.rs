//! An authority that speaks as much of ACME (RFC 8555) as is needed to order a certificate, over TLS.
//!
//! It gives each nonce once, asks for challenges at the plain address it is told, and compares what
//! it finds with the account's key. Signatures are not verified: they are the client crate's.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::HeaderValue};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::CertificateSigningRequestParams;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::{
    certificates::{Authority, lasting, now},
    support::Browser,
};

/// How the double behaves, and what it has seen.
#[derive(Debug, Default)]
struct State {
    nonces: BTreeSet<String>,
    next: u64,
    thumbprint: String,
    hosts: Vec<String>,
    /// Of the order that is under way.
    found: Option<Result<(), String>>,
    certificate: Option<String>,
    /// Whether challenges are believed.
    denies: bool,
    /// How long certificates last from now on.
    life: Duration,
    accounts: u64,
    under_way: bool,
}

pub(crate) struct Double {
    pub(crate) authority: Arc<Authority>,
    pub(crate) directory: String,
    /// How many certificates were given.
    pub(crate) given: watch::Receiver<u64>,
    /// How many orders were begun.
    pub(crate) orders: watch::Receiver<u64>,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

struct Desk {
    authority: Arc<Authority>,
    url: String,
    /// Where hosts are asked at, instead of at their port 80.
    plain: SocketAddr,
    state: Arc<Mutex<State>>,
    given: watch::Sender<u64>,
    orders: watch::Sender<u64>,
}

impl Double {
    pub(crate) async fn start(plain: SocketAddr, life: Duration) -> Self {
        let authority = Arc::new(Authority::new());
        let pair = authority.sign(&["127.0.0.1"]);
        let chain = rustls_chain(&pair.chain);
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            life,
            ..State::default()
        }));
        let ((given, seen), (orders, begun)) = (watch::channel(0), watch::channel(0));
        let desk = Arc::new(Desk {
            authority: Arc::clone(&authority),
            url: url.clone(),
            plain,
            state: Arc::clone(&state),
            given,
            orders,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(converse(acceptor.clone(), stream, Arc::clone(&desk)));
            }
        });
        Self {
            authority,
            directory: format!("{url}/directory"),
            given: seen,
            orders: begun,
            state,
            _tasks: tasks,
        }
    }

    pub(crate) fn deny(&self, denies: bool) {
        self.state.lock().unwrap().denies = denies;
    }

    pub(crate) fn last_for(&self, life: Duration) {
        self.state.lock().unwrap().life = life;
    }

    pub(crate) fn accounts(&self) -> u64 {
        self.state.lock().unwrap().accounts
    }
}

fn rustls_chain(pem: &str) -> Vec<tokio_rustls::rustls::pki_types::CertificateDer<'static>> {
    tokio_rustls::rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap()
}

async fn converse(acceptor: TlsAcceptor, stream: tokio::net::TcpStream, desk: Arc<Desk>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let answer = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new());
    let _left = connection
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

type Answer = Response<Full<Bytes>>;

fn said(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
}

fn decoded(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut answer = if body.is_empty() {
            self.look(&path)
        } else {
            let message: Value = serde_json::from_slice(&body).unwrap();
            let protected: Value = serde_json::from_slice(&decoded(&message["protected"])).unwrap();
            let nonce = protected["nonce"].as_str().unwrap();
            let known = self.state.lock().unwrap().nonces.remove(nonce);
            assert!(known, "a nonce is good once");
            let payload = decoded(&message["payload"]);
            let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
            self.act(&path, &protected, &payload).await
        };
        let mut state = self.state.lock().unwrap();
        state.next += 1;
        let nonce = format!("nonce{}", state.next);
        state.nonces.insert(nonce.clone());
        let nonce = HeaderValue::from_str(&nonce).unwrap();
        answer.headers_mut().insert("replay-nonce", nonce);
        answer
    }

    fn look(&self, path: &str) -> Answer {
        let url = &self.url;
        let directory = json!({
            "newNonce": format!("{url}/nonce"),
            "newAccount": format!("{url}/account"),
            "newOrder": format!("{url}/order"),
        });
        match path {
            "/directory" => said(StatusCode::OK, directory.to_string()),
            "/nonce" => said(StatusCode::OK, ""),
            _ => said(StatusCode::NOT_FOUND, "{}"),
        }
    }

    async fn act(&self, path: &str, protected: &Value, payload: &Value) -> Answer {
        match path {
            "/account" => {
                let jwk = &protected["jwk"];
                // As RFC 7638 has it: these members, in this order.
                let own = format!(
                    "{{\"crv\":{},\"kty\":{},\"x\":{},\"y\":{}}}",
                    jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]
                );
                let mut state = self.state.lock().unwrap();
                state.thumbprint = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(own.as_bytes()));
                state.accounts += 1;
                self.at(
                    "account/1",
                    StatusCode::CREATED,
                    &json!({"status": "valid"}),
                )
            }
            "/order" => self.begin(payload),
            "/order/1" => said(StatusCode::OK, self.order().to_string()),
            "/finalize" => self.finalize(payload),
            "/certificate" => {
                let chain = self.state.lock().unwrap().certificate.clone().unwrap();
                self.given.send_modify(|count| *count += 1);
                said(StatusCode::OK, chain)
            }
            _ if path.starts_with("/authorization/") => self.authorization(path),
            _ if path.starts_with("/challenge/") => {
                self.fetch(path).await;
                // What it found is told by the order.
                let mut challenge = self.challenge(path);
                (challenge["status"], challenge["error"]) = (json!("processing"), Value::Null);
                said(StatusCode::OK, challenge.to_string())
            }
            _ => said(StatusCode::NOT_FOUND, "{}"),
        }
    }

    fn at(&self, place: &str, status: StatusCode, body: &Value) -> Answer {
        let mut answer = said(status, body.to_string());
        let place = HeaderValue::from_str(&format!("{}/{place}", self.url)).unwrap();
        answer.headers_mut().insert("location", place);
        answer
    }

    fn begin(&self, payload: &Value) -> Answer {
        {
            let mut state = self.state.lock().unwrap();
            assert!(!state.under_way, "one order at once");
            let named = payload["identifiers"].as_array().unwrap().iter();
            state.hosts = named
                .map(|one| one["value"].as_str().unwrap().to_owned())
                .collect();
            (state.found, state.certificate, state.under_way) = (None, None, true);
        }
        self.orders.send_modify(|count| *count += 1);
        self.at("order/1", StatusCode::CREATED, &self.order())
    }

    fn order(&self) -> Value {
        let mut state = self.state.lock().unwrap();
        let status = match (&state.found, &state.certificate) {
            (_, Some(_)) => "valid",
            (Some(Ok(())), None) => "ready",
            (Some(Err(_)), None) => "invalid",
            (None, None) => "pending",
        };
        if status == "valid" || status == "invalid" {
            state.under_way = false;
        }
        let authorization = |number: usize| format!("{}/authorization/{number}", self.url);
        let mut order = json!({
            "status": status,
            "authorizations": (0..state.hosts.len()).map(authorization).collect::<Vec<_>>(),
            "finalize": format!("{}/finalize", self.url),
        });
        if status == "valid" {
            order["certificate"] = json!(format!("{}/certificate", self.url));
        }
        order
    }

    fn authorization(&self, path: &str) -> Answer {
        let number: usize = path.rsplit('/').next().unwrap().parse().unwrap();
        let host = self.state.lock().unwrap().hosts[number].clone();
        let challenge = self.challenge(&format!("/challenge/{number}"));
        let body = json!({
            "status": challenge["status"],
            "identifier": {"type": "dns", "value": host},
            "challenges": [{"type": "dns-01", "url": "x", "token": "x", "status": "pending"}, challenge],
        });
        said(StatusCode::OK, body.to_string())
    }

    fn challenge(&self, path: &str) -> Value {
        let found = self.state.lock().unwrap().found.clone();
        let (status, error) = match found {
            None => ("pending", Value::Null),
            Some(Ok(())) => ("valid", Value::Null),
            Some(Err(reason)) => {
                let kind = "urn:ietf:params:acme:error:unauthorized";
                ("invalid", json!({"type": kind, "detail": reason}))
            }
        };
        json!({
            "type": "http-01",
            "url": format!("{}{path}", self.url),
            "token": format!("token{}", path.replace('/', "-")),
            "status": status,
            "error": error,
        })
    }

    /// Asks as the authority does: plainly, for the host.
    async fn fetch(&self, path: &str) {
        let number: usize = path.rsplit('/').next().unwrap().parse().unwrap();
        let token = format!("token{}", path.replace('/', "-"));
        let (host, expected, denies) = {
            let state = self.state.lock().unwrap();
            let expected = format!("{token}.{}", state.thumbprint);
            (state.hosts[number].clone(), expected, state.denies)
        };
        let mut browser = Browser::connect(self.plain).await;
        let request = Request::get(format!("/.well-known/acme-challenge/{token}"));
        let request = request.header("host", host).body(Full::default()).unwrap();
        let got = browser.send(request).await.unwrap();
        let believed = got.status == StatusCode::OK && got.body == expected && !denies;
        let mut state = self.state.lock().unwrap();
        let found = if believed {
            Ok(())
        } else {
            Err(format!("found {} {}", got.status, got.body))
        };
        // One host that is not found spoils the order.
        if !matches!(state.found, Some(Err(_))) {
            state.found = Some(found);
        }
    }

    fn finalize(&self, payload: &Value) -> Answer {
        let csr = decoded(&payload["csr"]).into();
        let mut csr = CertificateSigningRequestParams::from_der(&csr).unwrap();
        let life = self.state.lock().unwrap().life;
        lasting(&mut csr.params, now(), life);
        let signed = csr.signed_by(&self.authority.issuer).unwrap();
        self.state.lock().unwrap().certificate = Some(signed.pem());
        said(StatusCode::OK, self.order().to_string())
    }
}
