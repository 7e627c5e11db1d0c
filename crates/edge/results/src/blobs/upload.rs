//! One upload: blocks that are staged and put in order, a whole body, appended parts, or pieces at their
//! offsets; then sealed, and taken over by what it was for.

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::body::Body;
use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::Mutex;
use ring::digest;
use tokio::io::AsyncSeekExt as _;

use super::{
    block_list::MOST_BLOCKS,
    fill::{Lease, Part, pour, pour_leased},
    ranges::Ranges,
};
use crate::{disk, job::GrantId, refusal::Refusal};

/// A blob that has all its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) size: u64,
    /// Hexadecimal digits; `None` where the bytes came in an order that gave no sum on the way.
    pub(crate) sha256: Option<String>,
}

/// An upload under way.
pub(crate) struct Upload {
    pub(crate) id: u64,
    pub(crate) owner: GrantId,
    dir: Utf8PathBuf,
    limit: u64,
    /// Bytes on disk, and those that requests under way have been allowed.
    taken: AtomicU64,
    parts: AtomicU64,
    state: Mutex<State>,
    /// Where order matters: sealing, appending, being taken over.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Staged blocks by name, with their size.
    blocks: BTreeMap<String, u64>,
    pieces: Ranges,
    sealed: Option<Sealed>,
    /// What it was sealed from, so that the same list may come twice.
    sealed_from: Vec<String>,
    is_over: bool,
}

impl Upload {
    pub(crate) fn create(
        dir: Utf8PathBuf,
        id: u64,
        owner: GrantId,
        limit: u64,
    ) -> io::Result<Self> {
        disk::make_folder(&dir)?;
        Ok(Self {
            id,
            owner,
            dir,
            limit,
            taken: AtomicU64::new(0),
            parts: AtomicU64::new(0),
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Azure's "Put Block".
    pub(crate) async fn put_block(&self, name: &str, body: Body) -> Result<(), Refusal> {
        self.check_open()?;
        let mut lease = Lease::new(&self.taken, self.limit);
        let mut part = self.part().await?;
        let size = pour_leased(body, &mut part.file, &mut lease, None).await?;
        part.keep(&self.block(name)).await?;
        let mut state = self.state.lock();
        let before = state.blocks.insert(name.to_owned(), size);
        lease.keep(before.unwrap_or(0));
        if state.blocks.len() > MOST_BLOCKS {
            return Err(Refusal::Invalid(format!(
                "a blob has at most {MOST_BLOCKS} blocks"
            )));
        }
        Ok(())
    }

    /// Azure's "Put Block List". The blocks are used up; the same list once more changes nothing.
    pub(crate) async fn put_block_list(&self, names: Vec<String>) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        self.check_open()?;
        {
            let state = self.state.lock();
            if state.sealed.is_some() && state.sealed_from == names {
                return Ok(());
            }
            if let Some(missing) = names.iter().find(|name| !state.blocks.contains_key(*name)) {
                let text = format!("the block `{missing}` of the list was not uploaded");
                return Err(Refusal::Invalid(text));
            }
        }
        let blob = self.blob();
        let beside = self.next_part();
        let blocks: Vec<Utf8PathBuf> = names.iter().map(|name| self.block(name)).collect();
        let assembling = tokio::task::spawn_blocking(move || assemble(&blocks, &beside, &blob));
        let sealed = assembling.await.map_err(io::Error::other)??;
        let mut state = self.state.lock();
        state.blocks.clear();
        self.taken.store(sealed.size, Ordering::Relaxed);
        state.sealed = Some(sealed);
        state.sealed_from = names;
        Ok(())
    }

    /// Azure's "Put Blob": all of it at once.
    pub(crate) async fn put_whole(&self, body: Body) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        self.check_open()?;
        let mut lease = Lease::new(&self.taken, self.limit);
        let mut part = self.part().await?;
        let mut sum = digest::Context::new(&digest::SHA256);
        let size = pour_leased(body, &mut part.file, &mut lease, Some(&mut sum)).await?;
        part.keep(&self.blob()).await?;
        let sealed = Sealed {
            size,
            sha256: Some(hex::encode(sum.finish().as_ref())),
        };
        let mut state = self.state.lock();
        let before = state.sealed.replace(sealed);
        state.sealed_from.clear();
        lease.keep(before.map_or(0, |before| before.size));
        Ok(())
    }

    /// Azure's "Append Block"; `at` is where the client thinks that the blob ends.
    pub(crate) async fn append(&self, at: Option<u64>, body: Body) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        self.check_open()?;
        let Some(Sealed { size, .. }) = self.sealed() else {
            let text =
                "the append blob was not created; put it with `x-ms-blob-type: AppendBlob` first";
            return Err(Refusal::NotFound(text.to_owned()));
        };
        if at.is_some_and(|at| at != size) {
            return Err(Refusal::Unready(format!("the blob ends at `{size}`")));
        }
        let mut file = tokio::fs::OpenOptions::new()
            .write(true)
            .open(self.blob())
            .await?;
        file.seek(io::SeekFrom::Start(size)).await?;
        let mut lease = Lease::new(&self.taken, self.limit);
        let poured = pour_leased(body, &mut file, &mut lease, None).await;
        match poured {
            Ok(count) => {
                lease.keep(0);
                self.state.lock().sealed = Some(Sealed {
                    size: size + count,
                    sha256: None,
                });
                Ok(())
            }
            Err(refusal) => {
                file.set_len(size).await?;
                Err(refusal)
            }
        }
    }

    /// A piece at its offset, as the first cache protocol sends it.
    pub(crate) async fn put_piece(&self, range: Range<u64>, body: Body) -> Result<(), Refusal> {
        self.check_open()?;
        if range.end > self.limit {
            return Err(Refusal::TooLarge {
                what: "one upload",
                limit: self.limit,
            });
        }
        let mut file = tokio::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.pieces())
            .await?;
        file.seek(io::SeekFrom::Start(range.start)).await?;
        let wrong =
            || Refusal::Invalid("the body is not as long as its `Content-Range`".to_owned());
        let mut left = range.end - range.start;
        let count = |count: u64| {
            left = left.checked_sub(count).ok_or_else(wrong)?;
            Ok(())
        };
        pour(body, &mut file, count, None).await?;
        if left > 0 {
            return Err(wrong());
        }
        if self.state.lock().pieces.add(range.start, range.end) {
            Ok(())
        } else {
            Err(Refusal::Invalid("too many pieces".to_owned()))
        }
    }

    /// Seals the pieces, when they make up a file of this size.
    pub(crate) async fn seal_pieces(&self, size: u64) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        self.check_open()?;
        if !self.state.lock().pieces.is_whole(size) {
            let text = format!("the pieces that came do not make up `{size}` bytes");
            return Err(Refusal::Invalid(text));
        }
        let (from, to) = (self.pieces(), self.blob());
        if size == 0 {
            tokio::fs::write(&to, b"").await?;
        } else {
            tokio::fs::rename(from, to).await?;
        }
        let mut state = self.state.lock();
        state.pieces = Ranges::default();
        state.sealed = Some(Sealed { size, sha256: None });
        Ok(())
    }

    /// Takes a file of our own for all of its bytes: moved when that can be, else copied. Blocks: not for an
    /// async thread.
    pub(crate) fn adopt(&self, file: &Utf8Path) -> Result<(), Refusal> {
        self.check_open()?;
        let size = fs::metadata(file)?.len();
        if size > self.limit {
            return Err(Refusal::TooLarge {
                what: "one upload",
                limit: self.limit,
            });
        }
        if fs::rename(file, self.blob()).is_err() {
            fs::copy(file, self.blob())?;
            fs::remove_file(file)?;
        }
        self.state.lock().sealed = Some(Sealed { size, sha256: None });
        Ok(())
    }

    /// What it has become, when it has all its bytes.
    pub(crate) fn sealed(&self) -> Option<Sealed> {
        self.state.lock().sealed.clone()
    }

    /// Moves the blob to `to`, where it is no upload any more. Blocks: not for an async thread.
    pub(crate) fn take_over(&self, to: &Utf8Path) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        if state.is_over {
            return Err(over());
        }
        fs::rename(self.blob(), to)?;
        state.is_over = true;
        Ok(())
    }

    /// Where the blob is once it is sealed.
    pub(crate) fn blob(&self) -> Utf8PathBuf {
        self.dir.join("blob")
    }

    /// Ends it and removes what it had. Blocks: not for an async thread.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.state.lock().is_over = true;
        disk::remove_folder(&self.dir)
    }

    fn check_open(&self) -> Result<(), Refusal> {
        if self.state.lock().is_over {
            return Err(over());
        }
        Ok(())
    }

    async fn part(&self) -> Result<Part, Refusal> {
        Part::create(self.next_part()).await
    }

    fn next_part(&self) -> Utf8PathBuf {
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("part-{number}"))
    }

    /// Names are hexadecimal digits.
    fn block(&self, name: &str) -> Utf8PathBuf {
        self.dir.join(format!("block-{name}"))
    }

    fn pieces(&self) -> Utf8PathBuf {
        self.dir.join("pieces")
    }
}

fn over() -> Refusal {
    Refusal::NotFound("the upload is over; begin another".to_owned())
}

/// Puts blocks in order. Each is removed as soon as it is copied, so that the disk holds little twice;
/// one that the list names again is kept until then.
fn assemble(blocks: &[Utf8PathBuf], beside: &Utf8Path, blob: &Utf8Path) -> io::Result<Sealed> {
    let mut last_use: BTreeMap<&Utf8PathBuf, usize> = BTreeMap::new();
    last_use.extend(blocks.iter().zip(0..));
    let mut file = fs::File::create(beside)?;
    let mut sum = digest::Context::new(&digest::SHA256);
    let mut size = 0;
    for (index, block) in blocks.iter().enumerate() {
        size += disk::append(block, &mut file, &mut sum)?;
        if last_use.get(block) == Some(&index) {
            fs::remove_file(block)?;
        }
    }
    fs::rename(beside, blob)?;
    Ok(Sealed {
        size,
        sha256: Some(hex::encode(sum.finish().as_ref())),
    })
}
