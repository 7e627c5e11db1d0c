//! The framing of a client's HTTP/1 bytes, read strictly and beside the server that serves them.
//!
//! Where two readers could cut up the same bytes differently, a request can be smuggled past one of
//! them. The server is lenient here and there, and tells of some of it only what is left: so each
//! head is read again as it passes, and what is doubtful is refused. Nothing is copied; a head is
//! looked at line by line, bodies are only counted. How long a head may be is the server's to say:
//! no more is read than it takes.

use memchr::memchr3;

/// Longest line before a chunk, extensions included.
const CHUNK_LINE: usize = 256;
/// What a client of HTTP/2 begins with, as far as it looks like a request.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// The bytes cannot be framed in one way only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubtful;

/// Follows one connection.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    head: Head,
    /// The beginning of a line whose end did not come yet.
    partial: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first line of a request.
    Start,
    /// Within the fields.
    Fields,
    /// Bytes of a body of known length.
    Sized(u64),
    /// The line before a chunk.
    ChunkLine,
    /// Bytes of a chunk, and the line end behind them.
    Chunk(u64),
    ChunkEnd,
    /// Fields behind the last chunk.
    Trailers,
    /// Not HTTP/1 any more.
    Passing,
    /// Refused; nothing behind it is looked at.
    Refused,
}

/// What the fields of the current head say.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
    old: bool,
    upgrade: bool,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            state: State::Start,
            head: Head::default(),
            partial: Vec::new(),
        }
    }
}

impl Framing {
    /// Whether what the client sends from now on is no concern of this any more.
    pub(crate) fn is_passing(&self) -> bool {
        self.state == State::Passing
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.state == State::Refused
    }

    /// Whether the last head asked for another protocol.
    pub(crate) fn asked_for_upgrade(&self) -> bool {
        self.head.upgrade
    }

    /// The server has switched to another protocol.
    pub(crate) fn switched(&mut self) {
        self.state = State::Passing;
        self.partial = Vec::new();
    }

    /// Reads on. When it is doubtful, tells how many of the bytes came before the line in question.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), (usize, Doubtful)> {
        let mut at = 0;
        while at < bytes.len() && !self.is_passing() {
            let rest = &bytes[at..];
            let step = match self.state {
                State::Sized(left) => Ok(self.skip(left, rest, State::Sized, State::Start)),
                State::Chunk(left) => Ok(self.skip(left, rest, State::Chunk, State::ChunkEnd)),
                State::Passing => return Ok(()),
                State::Refused => Err(Doubtful),
                State::Start
                | State::Fields
                | State::ChunkLine
                | State::ChunkEnd
                | State::Trailers => self.take_line(rest),
            };
            match step {
                Ok(taken) => at += taken,
                Err(doubtful) => {
                    self.state = State::Refused;
                    return Err((at, doubtful));
                }
            }
        }
        Ok(())
    }

    fn skip(&mut self, left: u64, rest: &[u8], more: fn(u64) -> State, then: State) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let left = left - taken as u64;
        self.state = if left == 0 { then } else { more(left) };
        taken
    }

    /// Takes one line, or keeps what there is of it.
    fn take_line(&mut self, rest: &[u8]) -> Result<usize, Doubtful> {
        if self.partial.is_empty()
            && let Some(length) = line_length(rest, 0)?
        {
            self.line(&rest[..length])?;
            return Ok(length + 2);
        }
        // A line in pieces: rare, so it may be copied.
        let mut line = std::mem::take(&mut self.partial);
        let before = line.len();
        let end = rest.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(rest.len(), |end| end + 1);
        line.extend_from_slice(&rest[..taken]);
        // What came before was looked at already, but for a CR at its end.
        match line_length(&line, before.saturating_sub(1))? {
            Some(length) => self.line(&line[..length])?,
            None if self.state == State::ChunkLine && line.len() > CHUNK_LINE => {
                return Err(Doubtful);
            }
            None => self.partial = line,
        }
        Ok(taken)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Doubtful> {
        match self.state {
            // Empty lines before a request are allowed, and mean nothing.
            State::Start if line.is_empty() => {}
            State::Start if line == PREFACE => self.state = State::Passing,
            State::Start => {
                let old = request_line(line)?;
                self.head = Head {
                    old,
                    ..Head::default()
                };
                self.state = State::Fields;
            }
            State::Fields if line.is_empty() => self.state = self.head.body()?,
            State::Fields => self.head.field(line)?,
            State::ChunkLine => {
                let size = chunk_size(line)?;
                self.state = match size {
                    0 => State::Trailers,
                    size => State::Chunk(size),
                };
            }
            State::ChunkEnd if line.is_empty() => self.state = State::ChunkLine,
            State::Trailers if line.is_empty() => self.state = State::Start,
            State::Trailers => Head::default().trailer(line)?,
            State::ChunkEnd
            | State::Sized(_)
            | State::Chunk(_)
            | State::Passing
            | State::Refused => return Err(Doubtful),
        }
        Ok(())
    }
}

impl Head {
    fn field(&mut self, line: &[u8]) -> Result<(), Doubtful> {
        let (name, value) = split_field(line)?;
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // One length is enough; a second one is one too many even where it is the same.
                let before = self.length.replace(length(value)?);
                return before.map_or(Ok(()), |_before| Err(Doubtful));
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let twice = std::mem::replace(&mut self.chunked, true);
                if twice || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Doubtful);
                }
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            _ => {}
        }
        Ok(())
    }

    /// Behind a body nothing may be said about its framing any more.
    fn trailer(mut self, line: &[u8]) -> Result<(), Doubtful> {
        self.field(line)?;
        if self.length.is_some() || self.chunked {
            return Err(Doubtful);
        }
        Ok(())
    }

    /// What follows the head.
    fn body(self) -> Result<State, Doubtful> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Doubtful),
            (None, true) if self.old => Err(Doubtful),
            (None, true) => Ok(State::ChunkLine),
            (None | Some(0), false) => Ok(State::Start),
            (Some(length), false) => Ok(State::Sized(length)),
        }
    }
}

/// Bytes before the first line end, looking from a place on before which there is none. A line ends with CRLF; neither of the two stands alone, and
/// there is no NUL.
fn line_length(bytes: &[u8], from: usize) -> Result<Option<usize>, Doubtful> {
    let found = memchr3(b'\r', b'\n', 0, &bytes[from..]).map(|at| from + at);
    match found {
        None => Ok(None),
        Some(at) if bytes[at] == b'\r' => match bytes.get(at + 1) {
            Some(b'\n') => Ok(Some(at)),
            Some(_) => Err(Doubtful),
            None => Ok(None),
        },
        Some(_) => Err(Doubtful),
    }
}

/// Method, target and version, one space between each. Tells whether it is older than HTTP/1.1.
fn request_line(line: &[u8]) -> Result<bool, Doubtful> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    let whole = method.is_some_and(|method| !method.is_empty())
        && target.is_some_and(|target| !target.is_empty())
        && parts.next().is_none();
    match version {
        Some(b"HTTP/1.1") if whole => Ok(false),
        Some(b"HTTP/1.0") if whole => Ok(true),
        _ => Err(Doubtful),
    }
}

fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Doubtful> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Doubtful)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    // Covers a folded line, which begins with a space, and a space before the colon.
    if name.is_empty() || name.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(Doubtful);
    }
    Ok((name, trim(value)))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Digits and nothing else.
fn length(value: &[u8]) -> Result<u64, Doubtful> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Doubtful);
    }
    Ok(value
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Hexadecimal digits, and perhaps extensions behind a semicolon.
fn chunk_size(line: &[u8]) -> Result<u64, Doubtful> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or(line);
    if digits.is_empty() || digits.len() > 15 || line.len() > CHUNK_LINE {
        return Err(Doubtful);
    }
    digits.iter().try_fold(0, |sum, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(Doubtful)?;
        Ok(sum << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
