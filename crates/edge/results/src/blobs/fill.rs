//! The bytes of one request on their way to disk: counted against the limit, a part at a time.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use camino::{Utf8Path, Utf8PathBuf};
use futures_util::StreamExt as _;
use ring::digest;
use tokio::{fs::File, io::AsyncWriteExt as _};

use crate::refusal::Refusal;

/// Bytes of an upload's limit that a request has; given back unless they are kept.
pub(crate) struct Lease<'a> {
    taken: &'a AtomicU64,
    limit: u64,
    held: u64,
}

impl<'a> Lease<'a> {
    pub(crate) const fn new(taken: &'a AtomicU64, limit: u64) -> Self {
        Self {
            taken,
            limit,
            held: 0,
        }
    }

    fn grow(&mut self, count: u64) -> Result<(), Refusal> {
        self.held += count;
        let before = self.taken.fetch_add(count, Ordering::Relaxed);
        if before.saturating_add(count) > self.limit {
            return Err(Refusal::TooLarge {
                what: "one upload",
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// The bytes stay on disk; `instead_of` so many that were there before.
    pub(crate) fn keep(mut self, instead_of: u64) {
        self.taken.fetch_sub(instead_of, Ordering::Relaxed);
        self.held = 0;
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.held, Ordering::Relaxed);
    }
}

/// A file that is being written; gone when it is not kept.
pub(crate) struct Part {
    path: Option<Utf8PathBuf>,
    pub(crate) file: File,
}

impl Part {
    pub(crate) async fn create(path: Utf8PathBuf) -> Result<Self, Refusal> {
        let file = File::create_new(&path).await?;
        Ok(Self {
            path: Some(path),
            file,
        })
    }

    /// Moves it to its place.
    pub(crate) async fn keep(mut self, to: &Utf8Path) -> Result<(), Refusal> {
        self.file.flush().await?;
        if let Some(path) = &self.path {
            tokio::fs::rename(path, to).await?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // One that cannot be removed goes with its upload's folder.
            let _gone = std::fs::remove_file(path);
        }
    }
}

/// Writes a body to a file. Says how much it was.
pub(crate) async fn pour(
    body: Body,
    file: &mut File,
    mut count: impl FnMut(u64) -> Result<(), Refusal>,
    sum: Option<&mut digest::Context>,
) -> Result<u64, Refusal> {
    let mut stream = body.into_data_stream();
    let mut length = 0;
    let mut sum = sum;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            Refusal::Invalid(format!("the body of the request broke off: {error}"))
        })?;
        count(chunk.len() as u64)?;
        file.write_all(&chunk).await?;
        if let Some(sum) = sum.as_mut() {
            sum.update(&chunk);
        }
        length += chunk.len() as u64;
    }
    file.flush().await?;
    Ok(length)
}

/// [`pour`], within a lease.
pub(crate) async fn pour_leased(
    body: Body,
    file: &mut File,
    lease: &mut Lease<'_>,
    sum: Option<&mut digest::Context>,
) -> Result<u64, Refusal> {
    pour(body, file, |count| lease.grow(count), sum).await
}
