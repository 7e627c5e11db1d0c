//! Taking a push over HTTP, and saying what it changed.
//!
//! The request is written to a file first. So a slow client holds no lock, a request that ends early
//! never reaches git, and the refs before and after are those of this push alone.

use std::io::SeekFrom;

use cutover_model::source::Revision;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};

use crate::{
    Error, Host, RefUpdate, Repository,
    refs::{self, Refs},
    upload::{Service, plain, stateless},
};

/// A push that was taken, whole or in part.
#[derive(Debug)]
pub struct Received {
    /// The body of the answer.
    pub reply: File,
    /// What it changed; nothing when git refused it, which is said in the answer.
    pub updates: Vec<RefUpdate>,
}

impl Host {
    /// Takes the body of `POST /NAME/git-receive-pack`.
    ///
    /// Dropping this future in the middle kills git; what it had changed by then is found by
    /// [`Host::unacknowledged`]. Better to run it in a task that outlives the request.
    pub async fn receive(
        &self,
        name: &str,
        body: impl AsyncRead + Send + Unpin + 'static,
        gzip: bool,
    ) -> Result<Received, Error> {
        let repository = self.repository(name)?;
        let request = self.spool(plain(body, gzip)).await?;
        let mut reply = self.scratch()?;
        let lock = self.lock(name);
        let _alone = lock.lock().await;
        let before = refs::read(&repository).await?;
        let done = run(&repository, request, &mut reply).await;
        let after = refs::read(&repository).await?;
        let updates = refs::difference(&before, &after);
        if updates.is_empty() {
            // With nothing changed a failure is only a failure.
            done?;
        }
        if before.is_empty() {
            adopt_head(&repository, &after).await?;
        }
        reply
            .seek(SeekFrom::Start(0))
            .await
            .map_err(Error::file("read", self.root()))?;
        Ok(Received { reply, updates })
    }

    /// Writes a request to a file without a name.
    async fn spool(&self, body: Box<dyn AsyncRead + Send + Unpin>) -> Result<File, Error> {
        let mut file = self.scratch()?;
        let limit = self.largest_push;
        let mut body = body.take(limit.saturating_add(1));
        let mut buffer = vec![0; 1 << 16];
        let mut size = 0;
        loop {
            let count = body.read(&mut buffer).await.map_err(Error::Request)?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if size > limit {
                return Err(Error::PushTooLarge { limit });
            }
            file.write_all(&buffer[..count])
                .await
                .map_err(Error::file("write", self.root()))?;
        }
        file.flush()
            .await
            .map_err(Error::file("write", self.root()))?;
        file.seek(SeekFrom::Start(0))
            .await
            .map_err(Error::file("read", self.root()))?;
        Ok(file)
    }

    /// On the disk of the repositories: what `/tmp` is made of may be small.
    fn scratch(&self) -> Result<File, Error> {
        let file = tempfile::tempfile_in(self.root());
        file.map(File::from_std)
            .map_err(Error::file("write to", self.root()))
    }
}

async fn run(repository: &Repository, request: File, reply: &mut File) -> Result<(), Error> {
    const SERVICE: Service = Service::ReceivePack;
    let pipe = |source| Error::Pipe {
        verb: SERVICE.verb(),
        source,
    };
    let call = stateless(repository, SERVICE, None).arg(&repository.git_dir);
    let mut child = call.stdin(request.into_std().await).spawn()?;
    let stdout = child.stdout.take();
    let copy = async {
        if let Some(mut stdout) = stdout {
            tokio::io::copy(&mut stdout, reply).await?;
        }
        reply.flush().await
    };
    let (copied, output) = tokio::join!(copy, child.wait_with_output());
    let output = output.map_err(pipe)?;
    copied.map_err(pipe)?;
    if output.status.success() {
        return Ok(());
    }
    Err(crate::git::failed(SERVICE.verb(), &output.stderr))
}

/// The first push says which branch is the main one, when `main` is not among those it brought.
async fn adopt_head(repository: &Repository, refs: &Refs) -> Result<(), Error> {
    let mut branches = refs
        .iter()
        .filter(|(name, _)| name.starts_with("refs/heads/"));
    let first: Option<(&String, &Revision)> = branches.next();
    match first {
        Some((branch, _)) if !refs.contains_key("refs/heads/main") => {
            repository
                .git("symbolic-ref")
                .args(["HEAD", branch])
                .run()
                .await
        }
        _ => Ok(()),
    }
}
