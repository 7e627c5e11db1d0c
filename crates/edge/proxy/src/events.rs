//! Server-sent events: where one ends, so that a stream of them can end there.

use std::task::Context;

use bytes::Bytes;
use http::{HeaderMap, header};

use crate::farewell::Guest;

/// A stream of events on its way to the client.
#[derive(Debug)]
pub(crate) struct Events {
    guest: Option<Guest>,
    borders: Borders,
    /// Asked to part, and at the end of an event.
    over: bool,
}

impl Events {
    pub(crate) fn new(guest: Guest) -> Self {
        Self {
            guest: Some(guest),
            borders: Borders::default(),
            over: false,
        }
    }

    /// Whether the stream shall end now.
    pub(crate) fn is_over(&mut self, context: &Context<'_>) -> bool {
        if self.over {
            return true;
        }
        let asked = self
            .guest
            .as_mut()
            .is_some_and(|guest| guest.is_asked(context));
        self.over = asked && self.borders.at_border;
        self.over
    }

    /// Lets a piece through, or what of it belongs to the last event.
    pub(crate) fn pass(&mut self, mut data: Bytes, context: &Context<'_>) -> Bytes {
        let border = self.borders.feed(&data);
        let asked = self
            .guest
            .as_mut()
            .is_some_and(|guest| guest.is_asked(context));
        if let Some(border) = border
            && asked
        {
            data.truncate(border);
            self.over = true;
        }
        data
    }

    /// The stream has ended because it was asked to.
    pub(crate) fn part(&mut self) {
        if let Some(guest) = self.guest.take() {
            guest.part();
        }
    }
}

/// Whether an answer is a stream of events that can be read on its way: not compressed.
pub(crate) fn are_in(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.as_bytes().get(..17));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
        && !headers.contains_key(header::CONTENT_ENCODING)
}

/// Follows the ends of events: empty lines, whose ends are LF, CR or CRLF.
#[derive(Debug)]
struct Borders {
    line_is_empty: bool,
    after_cr: bool,
    at_border: bool,
}

impl Default for Borders {
    fn default() -> Self {
        Self {
            line_is_empty: true,
            after_cr: false,
            at_border: true,
        }
    }
}

impl Borders {
    /// Takes a piece in, and tells where the first event ends that ends in it.
    fn feed(&mut self, data: &[u8]) -> Option<usize> {
        let mut first = None;
        for (index, byte) in data.iter().enumerate() {
            match byte {
                // The second half of a line end whose first half was taken in already.
                b'\n' if self.after_cr => {
                    if first == Some(index) {
                        first = Some(index + 1);
                    }
                }
                b'\n' | b'\r' => {
                    self.at_border = self.line_is_empty;
                    self.line_is_empty = true;
                    if self.at_border && first.is_none() {
                        first = Some(index + 1);
                    }
                }
                _ => {
                    self.line_is_empty = false;
                    self.at_border = false;
                }
            }
            self.after_cr = *byte == b'\r';
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_with_empty_lines_of_every_kind() {
        let cases: [(&str, Option<usize>, bool); 7] = [
            ("data: a\n\n", Some(9), true),
            ("data: a\r\n\r\nda", Some(11), false),
            ("data: a\r\rdata", Some(9), false),
            ("data: a\ndata: b\n", None, false),
            ("data: a\r\ndata: b", None, false),
            (": alive\n\n: alive\n\n", Some(9), true),
            ("", None, true),
        ];
        for (text, border, at_border) in cases {
            for split in 0..=text.len() {
                let mut borders = Borders::default();
                let (head, tail) = text.as_bytes().split_at(split);
                let first = borders.feed(head);
                let second = borders.feed(tail).map(|border| border + split);
                // Between CR and LF the event has ended too: nothing is missing but a line feed.
                let found = first.or(second);
                let near = found == border || found.map(|found| found + 1) == border;
                assert!(near, "{text:?} at {split}: {found:?}");
                assert_eq!(borders.at_border, at_border, "{text:?} at {split}");
            }
        }
    }

    #[test]
    fn only_what_can_be_read_is_followed() {
        let map = |kind: &'static str| {
            let value = http::HeaderValue::from_static(kind);
            HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
        };
        assert!(are_in(&map("text/event-stream")));
        assert!(are_in(&map("Text/Event-Stream; charset=utf-8")));
        assert!(!are_in(&map("text/html")));
        let mut compressed = map("text/event-stream");
        compressed.insert(
            header::CONTENT_ENCODING,
            http::HeaderValue::from_static("gzip"),
        );
        assert!(!are_in(&compressed));
    }
}
