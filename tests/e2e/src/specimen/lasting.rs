//! Answers that go on: streams, events, web sockets, gRPC-shaped calls.

use std::{convert::Infallible, sync::LazyLock, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::WithTrailers};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::time::{interval, sleep};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use crate::answers::{Body, answered};

/// How much of a stream is sent at once.
const PIECE: u64 = 16 * 1024;
/// Between two ticks of an event stream or a web socket.
const TICK: Duration = Duration::from_millis(100);

fn typed(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// So many bytes over so many milliseconds; byte n is n modulo 251.
pub(crate) fn stream(bytes: u64, ms: u64) -> Response<Body> {
    let pieces = bytes.div_ceil(PIECE).max(1);
    let pause = Duration::from_millis(ms / pieces);
    let all = stream::iter(0..pieces).then(move |piece| async move {
        sleep(pause).await;
        let until = bytes.min((piece + 1) * PIECE);
        Ok(Frame::data(slice(piece * PIECE, until)))
    });
    typed(
        "application/octet-stream",
        StreamBody::new(all).boxed_unsync(),
    )
}

/// These bytes of a stream, cut from what was made once: a service that is busy with making them would
/// look like a balancer that is slow.
fn slice(from: u64, until: u64) -> Bytes {
    const PERIOD: u64 = 251;
    static MADE: LazyLock<Bytes> = LazyLock::new(|| {
        let places = 0..PIECE + PERIOD;
        let made = places.filter_map(|place| u8::try_from(place % PERIOD).ok());
        made.collect()
    });
    let place = |place: u64| usize::try_from(place).unwrap_or(0);
    let begin = from % PERIOD;
    MADE.slice(place(begin)..place(begin + until - from))
}

/// Server-sent events, without end.
pub(crate) fn events(version: &str) -> Response<Body> {
    let version = version.to_owned();
    let all = stream::unfold((interval(TICK), 0), move |(mut ticks, count)| {
        let text = format!("data: tick {count} {version}\n\n");
        async move {
            ticks.tick().await;
            Some((Ok(Frame::data(Bytes::from(text))), (ticks, count + 1)))
        }
    });
    typed("text/event-stream", StreamBody::new(all).boxed_unsync())
}

/// A web socket that sends back what it gets, and ticks.
pub(crate) fn socket(version: &str, request: &mut Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        let said = json!({ "error": "this is a web socket" });
        return answered(StatusCode::UPGRADE_REQUIRED, &said);
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(request);
    let version = version.to_owned();
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None);
        converse(socket.await, &version).await;
    });
    let mut response = answered(StatusCode::SWITCHING_PROTOCOLS, &json!(null)).map(|_| {
        let nothing = Full::<Bytes>::default();
        nothing
            .map_err(|never: Infallible| match never {})
            .boxed_unsync()
    });
    let headers = response.headers_mut();
    headers.clear();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

async fn converse(mut socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>, version: &str) {
    let mut ticks = interval(TICK);
    let mut count = 0;
    loop {
        let sent = tokio::select! {
            heard = socket.next() => match heard {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    socket.send(message).await
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => return,
            },
            _ = ticks.tick() => {
                count += 1;
                socket.send(Message::text(format!("tick {count} {version}"))).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}

/// Takes one message and gives it back, with the status behind it.
pub(crate) async fn unary(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let message = request.into_body().collect().await?.to_bytes();
    let body = Full::new(message).with_trailers(async { Some(Ok(trailers())) });
    let body = body.map_err(|never: Infallible| match never {});
    Ok(typed("application/grpc", body.boxed_unsync()))
}

/// Gives back each piece as it comes, with the status behind the last.
pub(crate) fn bidi(request: Request<Incoming>) -> Response<Body> {
    let body: WithTrailers<Incoming, _> = request
        .into_body()
        .with_trailers(async { Some(Ok(trailers())) });
    typed("application/grpc", body.boxed_unsync())
}
