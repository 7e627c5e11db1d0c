//! How fast a table is in force at full load: from the call to the last request that went the old way.

use std::{
    net::SocketAddr,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use cutover_proxy::FULL_WEIGHT;
use tokio::net::TcpStream;

use super::{
    proxies::{Field, table},
    steady::{field, read_answer},
    wrk,
};

/// How long requests are watched after a switch.
const WATCH: Duration = Duration::from_millis(300);
const CONNECTIONS: usize = 50;

/// Times of many switches, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// All traffic from one side to the other.
    pub(crate) weights_ms: Vec<f64>,
    /// From a share for a candidate to all for the good side, and the candidate drained.
    pub(crate) back_ms: Vec<f64>,
}

/// The load, ended when dropped.
struct Loading(Child);

impl Drop for Loading {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Switches so many times under full load.
pub(crate) async fn measure(arena: &Field, switches: usize) -> anyhow::Result<Switches> {
    let load = wrk::command(arena.ours(), CONNECTIONS, 600)
        .stdout(Stdio::null())
        .spawn()?;
    let _loading = Loading(load);
    let mut generation = 1;
    let mut times = Switches::default();
    for turn in 0..switches {
        let (old, new) = if turn % 2 == 0 {
            ("0", [0, FULL_WEIGHT])
        } else {
            ("1", [FULL_WEIGHT, 0])
        };
        generation += 1;
        times
            .weights_ms
            .push(switch(arena, generation, new, old).await?);
    }
    for _ in 0..switches {
        generation += 1;
        let canary = [FULL_WEIGHT / 2, FULL_WEIGHT / 2];
        let all = table(generation, arena.ours(), arena.sides, canary)?;
        arena.client.apply(&all).await?;
        tokio::time::sleep(WATCH / 3).await;
        generation += 1;
        times
            .back_ms
            .push(switch(arena, generation, [FULL_WEIGHT, 0], "1").await?);
    }
    Ok(times)
}

/// Puts weights in force. The time from the call until the last request was sent that still went to
/// the `old` side, or until it was acknowledged if that is later.
async fn switch(
    arena: &Field,
    generation: u64,
    weights: [u32; 2],
    old: &'static str,
) -> anyhow::Result<f64> {
    let next = table(generation, arena.ours(), arena.sides, weights)?;
    let mut watcher = Watcher::connect(arena.ours()).await?;
    // One answer from before, so that the connection is warm.
    watcher.side().await?;
    let began = now();
    let watching = tokio::spawn(async move {
        let mut last_old = began;
        while now() - began < WATCH {
            let sent = now();
            if watcher.side().await? == old {
                last_old = sent;
            }
        }
        anyhow::Ok(last_old)
    });
    arena.client.apply(&next).await?;
    let acknowledged = now();
    let last_old = watching.await??;
    ensure!(
        last_old - began < WATCH * 9 / 10,
        "the old side was still asked after {WATCH:?}"
    );
    Ok((last_old.max(acknowledged) - began).as_secs_f64() * 1_000.0)
}

/// One client that looks which side answers.
struct Watcher {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Watcher {
    async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    async fn side(&mut self) -> anyhow::Result<String> {
        use tokio::io::AsyncWriteExt as _;
        self.stream
            .write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
            .await?;
        let head = read_answer(&mut self.stream, &mut self.buffer).await?;
        let head = std::str::from_utf8(&self.buffer[..head])?;
        let side = field(head, "x-side").context("an answer that does not say its side")?;
        Ok(side.to_owned())
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
