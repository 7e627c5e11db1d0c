//! The client of the control socket.
//!
//! Every call has its own connection: a local socket costs microseconds, nothing must be
//! reconnected after the balancer was replaced, and a call that is dropped ends its wait in the
//! balancer too.

use std::{io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::{Instant, sleep, timeout},
};

use super::{
    report::{Applied, Bucket, Drained, Status, UpstreamReport},
    table::RouteTable,
    tls::Reloaded,
    wire::{Answer, Command, HandingOver, MAX_LINE, Outcome, Refusal, Reply, Request},
};
use crate::state::CONTROL_SOCKET;

/// How long an answer may take beyond the time that the call itself asks for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long drains that run may keep a successor waiting.
const DRAINS: Duration = Duration::from_mins(5);

/// Pause between two tries to reach a balancer that is starting.
const READY_PAUSE: Duration = Duration::from_millis(10);

/// Speaks to the balancer of one state folder.
#[derive(Debug, Clone)]
pub struct Client {
    socket: Utf8PathBuf,
}

/// Why a call to the balancer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens. The balancer does not run, or another user owns its folder.
    #[error("the balancer cannot be reached at `{socket}`; is it running?")]
    Unreachable {
        /// The control socket.
        socket: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The balancer went away within the call. Whether the command took effect is not known;
    /// every command may be repeated.
    #[error("the balancer closed `{socket}` before it answered")]
    Lost {
        /// The control socket.
        socket: Utf8PathBuf,
        /// What the system said, if anything.
        #[source]
        source: Option<io::Error>,
    },
    /// The balancer did not answer in time. Every command may be repeated.
    #[error("the balancer did not answer at `{socket}` within {} s", waited.as_secs())]
    Silent {
        /// The control socket.
        socket: Utf8PathBuf,
        /// How long the call waited.
        waited: Duration,
    },
    /// The balancer said something else than was asked for: two versions that do not fit.
    #[error("the balancer's answer at `{socket}` is not understood: {reason}")]
    Protocol {
        /// The control socket.
        socket: Utf8PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The balancer said no.
    #[error(transparent)]
    Refused(Refusal),
}

impl Client {
    /// A client for the balancer that runs on this state folder. Does not connect yet.
    pub fn new(state_dir: &Utf8Path) -> Self {
        Self {
            socket: state_dir.join(CONTROL_SOCKET),
        }
    }

    /// Waits until a balancer that was just started answers, at most for so long.
    ///
    /// A socket that does not exist yet cannot be waited for, so this tries again and again; it is
    /// the one place that does, and only within a start.
    pub async fn ready(&self, patience: Duration) -> Result<Status, ClientError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.status().await {
                Err(ClientError::Unreachable { .. } | ClientError::Lost { .. })
                    if Instant::now() < deadline =>
                {
                    sleep(READY_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Puts a route table in force. The answer comes when it is stored and new requests follow it.
    pub async fn apply(&self, table: &RouteTable) -> Result<Applied, ClientError> {
        let command = Command::Apply {
            table: table.clone(),
        };
        match self.call(command, Duration::ZERO).await? {
            Reply::Applied(applied) => Ok(applied),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Waits until all these upstreams are healthy, at most `timeout_ms`. Time running out is not
    /// an error: the reports say how far each is, in the order asked for.
    pub async fn wait_healthy(
        &self,
        service: &str,
        upstreams: &[String],
        timeout_ms: u64,
    ) -> Result<Vec<UpstreamReport>, ClientError> {
        let (service, upstreams) = (service.to_owned(), upstreams.to_vec());
        let command = Command::WaitHealthy {
            service,
            upstreams,
            timeout_ms,
        };
        match self
            .call(command, Duration::from_millis(timeout_ms))
            .await?
        {
            Reply::Health(reports) => Ok(reports),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Sends these upstreams no new requests, then waits until nothing is in flight there. What is
    /// left after `timeout_ms` is cut and counted. Upstreams that already left the table are
    /// waited for too; one that is not known any more has nothing in flight.
    pub async fn drain(
        &self,
        service: &str,
        upstreams: &[String],
        timeout_ms: u64,
    ) -> Result<Drained, ClientError> {
        self.drain_with_grace(service, upstreams, timeout_ms, None)
            .await
    }

    /// The same, with another time for WebSockets and streams of events than the table says, after
    /// which they are asked to part.
    pub async fn drain_with_grace(
        &self,
        service: &str,
        upstreams: &[String],
        timeout_ms: u64,
        grace_ms: Option<u64>,
    ) -> Result<Drained, ClientError> {
        let (service, upstreams) = (service.to_owned(), upstreams.to_vec());
        let command = Command::Drain {
            service,
            upstreams,
            timeout_ms,
            grace_ms,
        };
        match self
            .call(command, Duration::from_millis(timeout_ms))
            .await?
        {
            Reply::Drained(drained) => Ok(drained),
            other => Err(self.unexpected(&other)),
        }
    }

    /// All that the balancer is doing.
    pub async fn status(&self) -> Result<Status, ClientError> {
        match self.call(Command::Status, Duration::ZERO).await? {
            Reply::Status(status) => Ok(status),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The complete seconds from the given one on, as far as they are remembered (15 minutes).
    pub async fn samples(&self, service: &str, since: u64) -> Result<Vec<Bucket>, ClientError> {
        let command = Command::Samples {
            service: service.to_owned(),
            since,
        };
        match self.call(command, Duration::ZERO).await? {
            Reply::Samples(buckets) => Ok(buckets),
            other => Err(self.unexpected(&other)),
        }
    }

    /// One bucket for every second from now on, pushed when the second is complete.
    pub async fn subscribe(&self, service: &str) -> Result<Subscription, ClientError> {
        let command = Command::Subscribe {
            service: service.to_owned(),
        };
        let mut line = self.connect().await?;
        let reply = self.ask(&mut line, command, Duration::ZERO).await?;
        match reply {
            Reply::Subscribed => Ok(Subscription {
                client: self.clone(),
                line,
                partial: Vec::new(),
            }),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Has all certificate files looked at anew, and authorities that failed asked again at once. No
    /// connection notices.
    pub async fn reload(&self) -> Result<Reloaded, ClientError> {
        match self.call(Command::Reload, Duration::ZERO).await? {
            Reply::Reloaded(reloaded) => Ok(reloaded),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Asks the balancer to finish what is in flight and to end. The answer comes at once.
    pub async fn shutdown(&self) -> Result<(), ClientError> {
        match self.call(Command::Shutdown, Duration::ZERO).await? {
            Reply::ShuttingDown => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Asks the balancer for its sockets and its table, for a successor.
    pub(crate) async fn hand_over(&self, socket: &Utf8Path) -> Result<HandingOver, ClientError> {
        let socket = socket.to_owned();
        let command = Command::HandOver { socket };
        match self.call(command, Duration::ZERO).await? {
            Reply::HandingOver(handing) => Ok(handing),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Tells the balancer that its successor is ready.
    pub(crate) async fn taken_over(&self, revision: u64) -> Result<(), ClientError> {
        let command = Command::TakenOver { revision };
        match self.call(command, DRAINS).await? {
            Reply::TakenOver => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Waits until the balancer that answers now has ended, however it ends. At once an error when
    /// none answers.
    pub async fn gone(&self) -> Result<(), ClientError> {
        let mut line = self.connect().await?;
        // Nothing is said unasked, so whatever comes of reading is the end.
        let _end = line.fill_buf().await;
        Ok(())
    }

    async fn call(&self, command: Command, wait: Duration) -> Result<Reply, ClientError> {
        let mut line = self.connect().await?;
        self.ask(&mut line, command, wait).await
    }

    async fn connect(&self) -> Result<BufReader<UnixStream>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await;
        stream
            .map(BufReader::new)
            .map_err(|source| ClientError::Unreachable {
                socket: self.socket.clone(),
                source,
            })
    }

    async fn ask(
        &self,
        line: &mut BufReader<UnixStream>,
        command: Command,
        wait: Duration,
    ) -> Result<Reply, ClientError> {
        let waited = wait.saturating_add(PATIENCE);
        let silent = || ClientError::Silent {
            socket: self.socket.clone(),
            waited,
        };
        timeout(waited, self.exchange(line, command))
            .await
            .map_err(|_| silent())?
    }

    async fn exchange(
        &self,
        line: &mut BufReader<UnixStream>,
        command: Command,
    ) -> Result<Reply, ClientError> {
        let mut text = serde_json::to_string(&Request { id: 1, command })
            .map_err(|error| self.protocol(error.to_string()))?;
        text.push('\n');
        line.write_all(text.as_bytes())
            .await
            .map_err(|source| self.lost(Some(source)))?;
        self.read(line, &mut Vec::new()).await
    }

    /// Reads one answer. What was read of a line stays in `partial` when the call is dropped.
    async fn read(
        &self,
        line: &mut BufReader<UnixStream>,
        partial: &mut Vec<u8>,
    ) -> Result<Reply, ClientError> {
        let read = line.take(MAX_LINE).read_until(b'\n', partial).await;
        if read.map_err(|source| self.lost(Some(source)))? == 0 {
            return Err(self.lost(None));
        }
        let answer = serde_json::from_slice(partial);
        partial.clear();
        let answer: Answer = answer.map_err(|error| self.protocol(error.to_string()))?;
        match answer.outcome {
            Outcome::Done(reply) => Ok(reply),
            Outcome::Refused(refusal) => Err(ClientError::Refused(refusal)),
        }
    }

    fn lost(&self, source: Option<io::Error>) -> ClientError {
        ClientError::Lost {
            socket: self.socket.clone(),
            source,
        }
    }

    fn protocol(&self, reason: String) -> ClientError {
        ClientError::Protocol {
            socket: self.socket.clone(),
            reason,
        }
    }

    fn unexpected(&self, reply: &Reply) -> ClientError {
        self.protocol(format!("an answer to another command: {reply:.100?}"))
    }
}

/// The seconds of one service, as they become complete. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    line: BufReader<UnixStream>,
    partial: Vec<u8>,
}

impl Subscription {
    /// The next complete second. After an error the subscription is over; subscribe anew and fetch
    /// what was missed with [`Client::samples`]. Dropping the call loses nothing.
    pub async fn next(&mut self) -> Result<Bucket, ClientError> {
        match self.client.read(&mut self.line, &mut self.partial).await? {
            Reply::Second(bucket) => Ok(bucket),
            other => Err(self.client.unexpected(&other)),
        }
    }
}
