//! Somebody who is told things by a POST, on loopback, and answers as a test wants it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::Value;

/// What came: its key and its body.
pub(crate) type Heard = (String, Value);

pub(crate) struct Webhook {
    url: String,
    heard: Receiver<Heard>,
}

impl Webhook {
    /// Answers the first, the second, … with this status and body; or, with `None`, never.
    pub(crate) fn open(answer: fn(usize) -> Option<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, heard) = mpsc::channel();
        thread::spawn(move || {
            let mut unanswered = Vec::new();
            for (count, stream) in listener.incoming().flatten().enumerate() {
                let mut reader = BufReader::new(stream);
                let Some(said) = hear(&mut reader) else {
                    continue;
                };
                match answer(count) {
                    Some((status, body)) => reply(reader.get_mut(), status, &body),
                    None => unanswered.push(reader),
                }
                if sender.send(said).is_err() {
                    return;
                }
            }
        });
        Self { url, heard }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next that comes, or has come.
    #[track_caller]
    pub(crate) fn next(&self, limit: Duration) -> Heard {
        self.heard.recv_timeout(limit).expect("a message")
    }

    /// Whether nothing else has come.
    pub(crate) fn has_no_more(&self) -> bool {
        self.heard.try_recv().is_err()
    }
}

fn hear(reader: &mut BufReader<TcpStream>) -> Option<Heard> {
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_lowercase().as_str() {
            "idempotency-key" => value.clone_into(&mut key),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((key, serde_json::from_slice(&body).ok()?))
}

/// Whoever has gone meanwhile does not hear it.
fn reply(stream: &mut TcpStream, status: u16, body: &str) {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    drop(stream.write_all((head + body).as_bytes()));
}
