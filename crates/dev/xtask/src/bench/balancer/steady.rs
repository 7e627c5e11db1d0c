//! Latency at a steady rate below what the proxy can take.
//!
//! Requests have a time at which they are due, whether or not the last was answered: one that must
//! wait for its connection counts from when it was due. So a proxy that stands still for a moment
//! is charged for all requests that this keeps waiting, not for one.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep_until},
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

/// Percentiles of the latency, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Asks `rate` times a second, shared evenly by so many connections.
pub(crate) async fn measure(
    address: SocketAddr,
    connections: usize,
    rate: u32,
    time: Duration,
) -> anyhow::Result<Latency> {
    ensure!(rate > 0, "no rate");
    let connection_count = u32::try_from(connections)?;
    let every = Duration::from_secs(1) * connection_count / rate;
    let begin = Instant::now() + Duration::from_millis(50);
    let mut asking = JoinSet::new();
    for index in 0..connection_count {
        let first = begin + every * index / connection_count;
        asking.spawn(ask(address, first, every, begin + time));
    }
    let mut took = Vec::new();
    while let Some(asked) = asking.join_next().await {
        took.extend(asked??);
    }
    took.sort_unstable();
    let at = |percent: usize| -> anyhow::Result<f64> {
        let place = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        let duration = took.get(place).context("nothing was asked")?;
        Ok(duration.as_secs_f64() * 1_000.0)
    };
    Ok(Latency {
        p50_ms: at(50)?,
        p99_ms: at(99)?,
    })
}

async fn ask(
    address: SocketAddr,
    first: Instant,
    every: Duration,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    let mut took = Vec::new();
    let mut due = first;
    while due < end {
        // When this client's own clock wakes it late, that is not the proxy's doing.
        let from = if Instant::now() < due {
            sleep_until(due).await;
            Instant::now()
        } else {
            due
        };
        stream.write_all(REQUEST).await?;
        read_answer(&mut stream, &mut buffer).await?;
        took.push(from.elapsed());
        due += every;
    }
    Ok(took)
}

/// Reads one answer with a length; the text of its head is left in `buffer`.
pub(crate) async fn read_answer(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> anyhow::Result<usize> {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await?;
        ensure!(read > 0, "the connection was closed instead of an answer");
        let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(&buffer[..head])?;
        ensure!(text.starts_with("HTTP/1.1 200"), "it answered `{text}`");
        let length = field(text, "content-length").context("an answer without a length")?;
        let whole = head + 4 + length.parse::<usize>()?;
        while buffer.len() < whole {
            let read = stream.read_buf(buffer).await?;
            ensure!(read > 0, "the connection was closed within an answer");
        }
        return Ok(head);
    }
}

/// A field of a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (said, value) = line.split_once(':')?;
        said.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
