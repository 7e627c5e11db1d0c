//! Conversations that last: web sockets, server-sent events, HTTP/2 with many streams, gRPC-shaped
//! calls; how long each of them went on, and whether anything was missing in it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::sleep};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::wire;

/// How a conversation went.
#[derive(Debug)]
pub(crate) struct Talk {
    /// When it ended.
    pub(crate) ended: SystemTime,
    /// Ticks of the other side that came, one after the other, none missing.
    pub(crate) ticks: u64,
    /// What was sent and came back.
    pub(crate) echoes: u64,
    /// Whether the other end said good-bye.
    pub(crate) closed: bool,
}

impl Talk {
    fn new() -> Self {
        Self {
            ended: SystemTime::now(),
            ticks: 0,
            echoes: 0,
            closed: false,
        }
    }

    /// Takes `tick N VERSION`, the next one.
    fn tick(&mut self, text: &str) -> Result<(), String> {
        let number = text
            .split(' ')
            .nth(1)
            .and_then(|number| number.parse().ok());
        let next = number.ok_or_else(|| format!("`{text}` is no tick"))?;
        if self.ticks > 0 && next != self.ticks + 1 {
            return Err(format!("after tick {} came {next}", self.ticks));
        }
        self.ticks = next;
        self.ended = SystemTime::now();
        Ok(())
    }
}

/// Speaks on a web socket until the other end has had enough, or for so long.
pub(crate) async fn socket(address: String, limit: Duration) -> Result<Talk, String> {
    let stream = TcpStream::connect(&address)
        .await
        .map_err(|error| error.to_string())?;
    let opened = client_async(format!("ws://{address}/socket"), stream).await;
    let (mut socket, _) = opened.map_err(|error| format!("no web socket: {error}"))?;
    let mut talk = Talk::new();
    let over = sleep(limit);
    tokio::pin!(over);
    let mut asked = 0;
    loop {
        let message = tokio::select! {
            () = &mut over => break,
            message = socket.next() => message,
        };
        match message {
            Some(Ok(Message::Text(text))) if text.starts_with("tick") => {
                talk.tick(&text)?;
                asked += 1;
                // A socket that is closed says so on the next read.
                drop(socket.send(Message::text(format!("echo {asked}"))).await);
            }
            Some(Ok(Message::Text(text))) => {
                talk.echoes += 1;
                if *text != *format!("echo {}", talk.echoes) {
                    return Err(format!("`{text}` is not echo {}", talk.echoes));
                }
            }
            Some(Ok(Message::Close(_))) => talk.closed = true,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    talk.ended = SystemTime::now();
    Ok(talk)
}

/// Listens to server-sent events until they end, or for so long.
pub(crate) async fn events(address: String, limit: Duration) -> Result<Talk, String> {
    let mut sender = wire::connect(&address).await?;
    let request = Request::get("/events").header(http::header::HOST, &address);
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await;
    let mut body = response.map_err(|error| error.to_string())?.into_body();
    let mut talk = Talk::new();
    let over = sleep(limit);
    tokio::pin!(over);
    loop {
        let frame = tokio::select! {
            () = &mut over => break,
            frame = body.frame() => frame,
        };
        match frame {
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                for line in String::from_utf8_lossy(&data).lines() {
                    if let Some(text) = line.strip_prefix("data: ") {
                        talk.tick(text)?;
                    }
                }
            }
            Some(Err(_)) => break,
            None => {
                talk.closed = true;
                break;
            }
        }
    }
    talk.ended = SystemTime::now();
    Ok(talk)
}

type Sent = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// One connection that speaks HTTP/2 without TLS.
pub(crate) struct H2 {
    sender: SendRequest<Sent>,
    address: String,
}

impl H2 {
    pub(crate) async fn connect(address: String) -> Result<Self, String> {
        let stream = TcpStream::connect(&address)
            .await
            .map_err(|error| error.to_string())?;
        let opened = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| error.to_string())?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, address })
    }

    async fn ask(&self, path: &str, body: Sent) -> Result<Response<Incoming>, String> {
        let request = Request::post(format!("http://{}{path}", self.address))
            .header(http::header::CONTENT_TYPE, "application/grpc")
            .header(http::header::TE, "trailers")
            .body(body)
            .expect("a request");
        let mut sender = self.sender.clone();
        sender.ready().await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await;
        response.map_err(|error| format!("no answer: {error:?}"))
    }

    /// So many streams at once, each with an answer that takes a while: how many were good.
    pub(crate) async fn streams(&self, count: usize, ms: u64) -> Result<usize, String> {
        let path = format!("/slow?ms={ms}");
        let asked = (0..count).map(|_| async {
            let response = self.ask(&path, Sent::default()).await?;
            let status = response.status();
            let body = response.into_body().collect().await;
            body.map_err(|error| format!("half an answer: {error:?}"))?;
            Ok::<_, String>(status.is_success())
        });
        let answers = futures_util::future::try_join_all(asked).await?;
        Ok(answers.into_iter().filter(|good| *good).count())
    }

    /// One message there and back.
    pub(crate) async fn unary(&self) -> Result<(), String> {
        let message = frame(b"one");
        let body = Full::new(message.clone());
        let response = self.ask("/specimen.Echo/Unary", Sent::new(body)).await?;
        Self::replies(response, &message).await
    }

    /// So many messages there and back, over so much time.
    pub(crate) async fn bidi(&self, count: usize, ms: u64) -> Result<(), String> {
        let pause = Duration::from_millis(ms / u64::try_from(count).unwrap());
        let messages = stream::iter(0..count).then(move |number| async move {
            sleep(pause).await;
            Ok::<_, std::convert::Infallible>(Frame::data(frame(number.to_string().as_bytes())))
        });
        let body = StreamBody::new(messages.boxed());
        let wanted: Vec<Bytes> = (0..count)
            .map(|number| frame(number.to_string().as_bytes()))
            .collect();
        let response = self.ask("/specimen.Echo/Bidi", Sent::new(body)).await?;
        Self::replies(response, &wanted.concat()).await
    }

    /// The same bytes, and the status behind them.
    async fn replies(response: Response<Incoming>, wanted: &[u8]) -> Result<(), String> {
        let kind = response.headers().get(http::header::CONTENT_TYPE).cloned();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| format!("half an answer: {error:?}"))?;
        let status = body
            .trailers()
            .and_then(|all| all.get("grpc-status"))
            .cloned();
        if status.as_ref().is_none_or(|status| status != "0") {
            return Err(format!("grpc-status {status:?} of {kind:?}"));
        }
        let got = body.to_bytes();
        (got == wanted)
            .then_some(())
            .ok_or_else(|| format!("{got:?} came back"))
    }
}

/// A message as gRPC frames it: not compressed, its length, itself.
fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a short one");
    let head = [[0].as_slice(), &length.to_be_bytes()].concat();
    Bytes::from([head.as_slice(), message].concat())
}
