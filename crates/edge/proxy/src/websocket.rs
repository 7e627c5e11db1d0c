//! A WebSocket on its way through: frame borders, and a decent end between two frames.
//!
//! Bytes go through as they are. Their frames are followed only so far as to know where one ends:
//! a close frame in the middle of another would be taken for its payload.

use std::{future::poll_fn, io, pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::watch,
    time::timeout,
};

use crate::farewell::Guest;

/// Bytes taken at once in each direction.
const PIECE: usize = 8 * 1024;
/// How long either end may take to answer a close frame.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// "Going away" (RFC 6455, 7.4.1) to the client: a server's frame, not masked.
const TO_CLIENT: &[u8] = &[0x88, 2, 0x03, 0xE9];
/// The same to the upstream: a client's frame is masked, with zeros here, for it hides nothing.
const TO_UPSTREAM: &[u8] = &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE9];

/// Carries a WebSocket to its end, or until it is asked to part.
pub(crate) async fn carry<C, U>(client: C, upstream: U, mut guest: Guest)
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_upstream, to_upstream) = tokio::io::split(upstream);
    let (ask, asked) = watch::channel(false);
    let down = relay(from_upstream, to_client, TO_CLIENT, asked.clone());
    let up = relay(from_client, to_upstream, TO_UPSTREAM, asked);
    let mut both = pin!(async { tokio::try_join!(down, up) });
    let mut told = false;
    let ends = poll_fn(|context| {
        if !told && guest.is_asked(context) {
            told = true;
            ask.send_replace(true);
        }
        both.as_mut().poll(context)
    })
    .await;
    // One that breaks off while it is being closed has parted too.
    if told && !matches!(ends, Ok((End::Whole, End::Whole))) {
        guest.part();
    }
}

/// How one direction ended.
enum End {
    /// The sender had said all.
    Whole,
    /// A close frame was put at its end.
    Closed,
}

/// One direction. When asked, puts a close frame behind the current frame, and lets nothing
/// through after it.
async fn relay<R, W>(
    mut from: R,
    mut to: W,
    close: &[u8],
    mut asked: watch::Receiver<bool>,
) -> io::Result<End>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut frames = Frames::default();
    let mut piece = vec![0; PIECE];
    loop {
        let parting = *asked.borrow_and_update();
        if parting && frames.at_border() {
            break;
        }
        let read = tokio::select! {
            read = from.read(&mut piece) => read?,
            Ok(()) = asked.changed(), if !parting => continue,
        };
        if read == 0 {
            to.shutdown().await?;
            return Ok(End::Whole);
        }
        let whole = &piece[..read];
        let passed = if parting {
            frames.feed_to_border(whole)
        } else {
            frames.feed(whole);
            read
        };
        to.write_all(&whole[..passed]).await?;
        to.flush().await?;
    }
    if frames.saw_close() {
        // Its own end is under way: there is nothing to add.
        to.shutdown().await?;
        return Ok(End::Whole);
    }
    to.write_all(close).await?;
    to.flush().await?;
    // This end goes on until it has the close frame of the other direction, and answers it. Nobody
    // is left to read that, but it must be taken, lest a reset overtake the close frame.
    let answered = async {
        while !frames.saw_close()
            && let Ok(read @ 1..) = from.read(&mut piece).await
        {
            frames.feed(&piece[..read]);
        }
    };
    let _in_time = timeout(LAST_WORDS, answered).await;
    let _gone_already = to.shutdown().await;
    Ok(End::Closed)
}

/// Follows the frames of one direction.
#[derive(Debug, Default)]
struct Frames {
    /// The head of the current frame, as far as it came: at most 2 + 8 + 4 bytes.
    head: [u8; 14],
    head_len: usize,
    /// Bytes of its payload still to come.
    payload: u64,
    closing: bool,
}

impl Frames {
    fn at_border(&self) -> bool {
        self.head_len == 0 && self.payload == 0
    }

    /// Whether a close frame came by.
    fn saw_close(&self) -> bool {
        self.closing
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.step(rest)..];
        }
    }

    /// Takes bytes in up to the end of the current frame; tells how many.
    fn feed_to_border(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            taken += self.step(&bytes[taken..]);
            if self.at_border() {
                break;
            }
        }
        taken
    }

    /// Takes in one byte of a head, or as much payload as is there.
    fn step(&mut self, bytes: &[u8]) -> usize {
        if self.payload > 0 {
            let taken = usize::try_from(self.payload).unwrap_or(usize::MAX);
            let taken = taken.min(bytes.len());
            self.payload -= taken as u64;
            return taken;
        }
        self.head[self.head_len] = bytes[0];
        self.head_len += 1;
        if self.head_len >= 2 && self.head_len == self.head_size() {
            self.closing |= self.head[0] & 0x0F == 8;
            self.payload = self.announced();
            self.head_len = 0;
        }
        1
    }

    /// Bytes of the head, as its first two tell.
    fn head_size(&self) -> usize {
        let length = match self.head[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    fn announced(&self) -> u64 {
        let long = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        match self.head[1] & 0x7F {
            126 => long(&self.head[2..4]),
            127 => long(&self.head[2..10]),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..126 => bytes.push(mask + u8::try_from(short).unwrap()),
            middle @ 126..65_536 => {
                bytes.push(mask + 126);
                bytes.extend(u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(mask + 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([0; 4]);
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn borders_are_found_wherever_pieces_are_cut() {
        for masked in [false, true] {
            for size in [0, 1, 125, 126, 65_535, 65_536] {
                let one = frame(2, masked, &vec![0x88; size]);
                let mut stream = one.clone();
                stream.extend(frame(1, masked, b"next"));
                for cut in [0, 1, 2, 3, 9, 13, one.len() / 2, one.len() - 1] {
                    let mut frames = Frames::default();
                    let cut = cut.min(one.len() - 1);
                    frames.feed(&stream[..cut]);
                    assert_eq!(frames.at_border(), cut == 0);
                    let taken = frames.feed_to_border(&stream[cut..]);
                    assert_eq!(cut + taken, one.len(), "size {size} cut at {cut}");
                    assert!(frames.at_border() && !frames.saw_close());
                }
            }
        }
    }

    #[test]
    fn a_close_frame_is_noticed() {
        let mut frames = Frames::default();
        frames.feed(&frame(9, true, b"ping"));
        assert!(!frames.saw_close());
        frames.feed(TO_UPSTREAM);
        assert!(frames.saw_close() && frames.at_border());
        let mut frames = Frames::default();
        frames.feed(TO_CLIENT);
        assert!(frames.saw_close() && frames.at_border());
    }
}
