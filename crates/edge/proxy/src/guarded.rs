//! A client's socket, guarded: doubtful framing is made into a plain error before the server sees
//! it, and a client that reads nothing is left after a while.
//!
//! Sits beneath the server, so that it costs one look at each head, and nothing while bytes flow.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{framing::Framing, stall::Stall};

/// In whatever place of a head or of the line before a chunk this comes, it is an error there. The
/// server answers it with 400 and closes.
const POISON: &[u8] = b"\0\r\n\r\n";

/// The socket of a client.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    framing: Framing,
    /// How long the client may read nothing of what there is for it.
    unread: Stall,
    /// Whether it was so at the last look.
    waiting: bool,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            unread: Stall::new(patience),
            waiting: false,
        }
    }

    /// Notes what came of writing; when the client takes nothing for too long, that is an error.
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.waiting {
                self.waiting = false;
                self.unread.moved();
            }
            return written;
        }
        self.waiting = true;
        ready!(self.unread.poll_stalled(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// A switch of protocol ends what this is concerned with.
    fn look_at_answer(&mut self, bytes: &[u8]) {
        if self.framing.asked_for_upgrade()
            && !self.framing.is_passing()
            && bytes.starts_with(b"HTTP/1.1 101")
        {
            self.framing.switched();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.framing.is_refused() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if this.framing.is_passing() {
            return Poll::Ready(Ok(()));
        }
        let arrived = &buffer.filled()[before..];
        if let Err((good, _doubtful)) = this.framing.feed(arrived) {
            // What is whole is served; the line in question becomes an error.
            buffer.set_filled(before + good);
            let room = buffer.remaining().min(POISON.len());
            buffer.put_slice(&POISON[..room]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look_at_answer(bytes);
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.written(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(first) = slices.first() {
            this.look_at_answer(first);
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        // That there is nothing to flush says nothing about a write that waits.
        if flushed.is_ready() {
            return flushed;
        }
        this.written(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
