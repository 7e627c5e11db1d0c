//! Fetching over HTTP: the advertisement, and `git upload-pack` streamed both ways. Packs are never
//! held in memory.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    process::Stdio,
    str::FromStr,
    task::{Context, Poll, ready},
};

use async_compression::tokio::bufread::GzipDecoder;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    task::JoinHandle,
};

use crate::{
    Error, Host, Repository,
    git::{self, Git},
};

/// Of what git says on standard error so many bytes are kept.
const LONGEST_STDERR: u64 = 4_096;

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// To fetch.
    UploadPack,
    /// To push.
    ReceivePack,
}

impl Service {
    /// The name in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
        }
    }
}

impl FromStr for Service {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "git-upload-pack" => Ok(Self::UploadPack),
            "git-receive-pack" => Ok(Self::ReceivePack),
            _ => Err(format!(
                "`{text}` is not a service: ask for git-upload-pack or git-receive-pack"
            )),
        }
    }
}

impl Host {
    /// The body of `GET /NAME/info/refs?service=…`. `git_protocol` is the header `Git-Protocol`.
    pub async fn info_refs(
        &self,
        name: &str,
        service: Service,
        git_protocol: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        let repository = self.repository(name)?;
        let call = stateless(&repository, service, git_protocol).arg("--advertise-refs");
        let refs = call.arg(&repository.git_dir).bytes().await?;
        if service == Service::UploadPack && is_version_2(git_protocol) {
            return Ok(refs);
        }
        let banner = format!("# service={}\n", service.name());
        let mut body = format!("{:04x}{banner}0000", banner.len() + 4).into_bytes();
        body.extend(refs);
        Ok(body)
    }

    /// The answer to `POST /NAME/git-upload-pack`, while it comes. Dropping it ends git.
    pub fn upload(
        &self,
        name: &str,
        git_protocol: Option<&str>,
        body: impl AsyncRead + Send + Unpin + 'static,
        gzip: bool,
    ) -> Result<Reply, Error> {
        const SERVICE: Service = Service::UploadPack;
        let repository = self.repository(name)?;
        let call = stateless(&repository, SERVICE, git_protocol).arg(&repository.git_dir);
        let mut child = call.stdin(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::Pipe {
                verb: SERVICE.verb(),
                source: io::ErrorKind::BrokenPipe.into(),
            });
        };
        let feed = tokio::spawn(feed(stdin, plain(body, gzip)));
        Ok(Reply {
            stdout: Some(stdout),
            end: Some(Box::pin(end(child, stderr))),
            feed,
        })
    }
}

/// A call that answers one request of HTTP.
pub(crate) fn stateless(
    repository: &Repository,
    service: Service,
    git_protocol: Option<&str>,
) -> Git {
    let call = repository.git(service.verb()).arg("--stateless-rpc");
    match git_protocol {
        // Only fetching has a version 2; asked for a push, git speaks the old one without saying so.
        Some(protocol) if service == Service::UploadPack => call.env("GIT_PROTOCOL", protocol),
        _ => call,
    }
}

/// The header is a list of words between colons.
fn is_version_2(git_protocol: Option<&str>) -> bool {
    git_protocol.is_some_and(|words| words.split(':').any(|word| word == "version=2"))
}

/// The body without its compression.
pub(crate) fn plain(
    body: impl AsyncRead + Send + Unpin + 'static,
    gzip: bool,
) -> Box<dyn AsyncRead + Send + Unpin> {
    if gzip {
        Box::new(GzipDecoder::new(BufReader::new(body)))
    } else {
        Box::new(body)
    }
}

/// When the client goes away, git hears the end of its input and says what is missing.
async fn feed(mut stdin: ChildStdin, mut body: Box<dyn AsyncRead + Send + Unpin>) {
    tokio::io::copy(&mut body, &mut stdin).await.ok();
    stdin.shutdown().await.ok();
}

/// How git ended.
type End = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// What git answers. Reading it ends with an error when git failed, so that the client does not take
/// a broken answer for a whole one.
pub struct Reply {
    /// Until it has ended.
    stdout: Option<ChildStdout>,
    /// Owns the child; asked when its output has ended.
    end: Option<End>,
    feed: JoinHandle<()>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("stdout", &self.stdout)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Reply {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(stdout) = &mut self.stdout {
            let before = buffer.filled().len();
            ready!(Pin::new(stdout).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            self.stdout = None;
        }
        let Some(end) = &mut self.end else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(end.as_mut().poll(context));
        self.end = None;
        Poll::Ready(result)
    }
}

impl Drop for Reply {
    /// The body may wait for a client that is long gone.
    fn drop(&mut self) {
        self.feed.abort();
    }
}

async fn end(mut child: Child, mut stderr: ChildStderr) -> io::Result<()> {
    let mut said = Vec::new();
    (&mut stderr)
        .take(LONGEST_STDERR)
        .read_to_end(&mut said)
        .await?;
    drop(stderr);
    let status = child.wait().await?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(git::failed(
        Service::UploadPack.verb(),
        &said,
    )))
}
