//! `cutover serve` as a child, and its door: GET as JSON, the stream of events to wait by.

use std::{
    fs::OpenOptions,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::World;

/// How long a server may take to open its directory.
const START: Duration = Duration::from_secs(30);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// A server that runs; it ends with this.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts it, and waits until it says where it serves. What it says goes on to the log.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server");
        let said = child.stderr.take().expect("its stderr");
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("the server's log");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                drop(writeln!(log, "{line}"));
                if let Some((_, address)) = line.split_once("cutover serves at ") {
                    drop(sender.send(address.trim().to_owned()));
                }
            }
        });
        let Ok(address) = receiver.recv_timeout(START) else {
            drop(child.kill());
            let ended = child.wait();
            panic!("the server did not start: {ended:?}");
        };
        Self { child, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn kill(mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    pub(crate) fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        self.child.wait().ok()?.code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn open(address: &str, path: &str) -> io::Result<BufReader<TcpStream>> {
    let host = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(ANSWER))?;
    // HTTP/1.0 has no chunks: the answer is all that comes until the end.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    Ok(BufReader::new(stream))
}

fn head(reader: &mut BufReader<TcpStream>) -> io::Result<(u16, String)> {
    let (mut status, mut headers) = (String::new(), String::new());
    reader.read_line(&mut status)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        headers.push_str(&line);
    }
    let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.map(|code| (code, headers))
        .ok_or_else(|| io::Error::other(format!("no status in `{status}`")))
}

/// One answer: status and body.
pub(crate) fn get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut reader = open(address, path)?;
    let (status, _) = head(&mut reader)?;
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The stream of what is stored; it also ticks once a second.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(address: &str) -> io::Result<Self> {
        let mut reader = open(address, "/events")?;
        let (status, _) = head(&mut reader)?;
        if status != 200 {
            return Err(io::Error::other(format!("/events: {status}")));
        }
        Ok(Self(reader))
    }

    /// Waits for the next, and takes those that have come with it.
    fn next(&mut self) -> io::Result<()> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let waiting = self.0.buffer().len();
        self.0.consume(waiting);
        Ok(())
    }
}

impl World {
    /// What the API answers.
    #[track_caller]
    pub(crate) fn api(&self, path: &str) -> Value {
        let (status, body) = get(&self.address(), &format!("/api/v1{path}")).expect(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Looks after each event until it is seen.
    #[track_caller]
    pub(crate) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> T {
        let begun = Instant::now();
        let mut events = Events::open(&self.address()).expect("the stream of events");
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            if begun.elapsed() > limit {
                let status = self.api("/status");
                panic!("{what}: not within {limit:?}; status: {status:#}");
            }
            if let Err(error) = events.next() {
                panic!("{what}: the stream of events ended: {error}");
            }
        }
    }

    /// A run by its number, if there is one.
    pub(crate) fn run(&self, number: u64) -> Option<Value> {
        let path = format!("/api/v1/runs/{number}");
        let (status, body) = get(&self.address(), &path).ok()?;
        (status == 200).then(|| serde_json::from_str(&body).expect("JSON"))
    }

    /// Waits until a run has ended, and how.
    #[track_caller]
    pub(crate) fn run_ended(&self, number: u64, limit: Duration) -> Value {
        self.until(&format!("the end of run #{number}"), limit, || {
            self.run(number).filter(|run| !run["outcome"].is_null())
        })
    }

    /// Waits until a deployment is as wanted.
    #[track_caller]
    pub(crate) fn deployment(
        &self,
        id: &str,
        limit: Duration,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        self.until(&format!("deployment {id}"), limit, || {
            let view = self.api(&format!("/deployments/{id}"));
            is_wanted(&view).then_some(view)
        })
    }

    /// Where a service answers.
    #[track_caller]
    pub(crate) fn service_url(&self, name: &str) -> String {
        let status = self.api("/status");
        let services = status["services"].as_array().expect("services");
        let service = services.iter().find(|service| service["name"] == name);
        let address = service.and_then(|service| service["address"].as_str());
        let address = address.unwrap_or_else(|| panic!("`{name}` is not served: {status:#}"));
        format!("http://{address}")
    }
}
