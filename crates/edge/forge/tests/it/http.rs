//! A door of HTTP just wide enough for git: one request for each connection.

use std::sync::{Arc, Mutex};

use cutover_forge::{Error, Host, RefUpdate, Service};
use tokio::{
    io::{
        AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _,
        BufReader,
    },
    net::{TcpListener, TcpStream},
};

/// What the door has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<(Vec<RefUpdate>, usize)>>);

impl Seen {
    /// The changes since the last time that one asked.
    pub(crate) fn updates(&self) -> Vec<RefUpdate> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }

    /// How many requests were compressed.
    pub(crate) fn compressed(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

/// Opens the door; its address, and what it sees.
pub(crate) async fn serve(host: Host) -> (String, Seen) {
    serve_to(host, None).await
}

/// The same for those alone who have this word (`Basic …`).
pub(crate) async fn serve_to(host: Host, word: Option<&'static str>) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let witness = seen.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, host.clone(), witness.clone(), word));
        }
    });
    (address, seen)
}

#[derive(Default)]
struct Head {
    target: String,
    protocol: Option<String>,
    length: u64,
    chunked: bool,
    gzip: bool,
    word: Option<String>,
}

async fn answer(stream: TcpStream, host: Host, seen: Seen, word: Option<&str>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let head = head(&mut read).await;
    if word.is_some() && head.word.as_deref() != word {
        let refusal = "HTTP/1.1 401 Who\r\nConnection: close\r\nContent-Length: 0\r\n\
             WWW-Authenticate: Basic realm=\"mine\"\r\n\r\n";
        write.write_all(refusal.as_bytes()).await.ok();
        return;
    }
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let result = if let Some(name) = path.strip_suffix("/info/refs") {
        let service: Service = query.strip_prefix("service=").unwrap().parse().unwrap();
        let body = host
            .info_refs(&name[1..], service, head.protocol.as_deref())
            .await;
        body.map(|body| Box::new(std::io::Cursor::new(body)) as Box<dyn AsyncRead + Send + Unpin>)
    } else {
        let (name, service) = path[1..].rsplit_once('/').unwrap();
        let service: Service = service.parse().unwrap();
        if head.gzip {
            seen.0.lock().unwrap().1 += 1;
        }
        post(&host, name, service, &head, read, &seen).await
    };
    match result {
        Ok(mut body) => {
            write
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: ")
                .await
                .unwrap();
            let kind = if path.ends_with("/info/refs") {
                format!(
                    "application/x-{}-advertisement",
                    query.trim_start_matches("service=")
                )
            } else {
                format!("application/x-{}-result", path.rsplit('/').next().unwrap())
            };
            write
                .write_all(format!("{kind}\r\n\r\n").as_bytes())
                .await
                .unwrap();
            tokio::io::copy(&mut body, &mut write).await.ok();
        }
        Err(error) => {
            let text = format!("HTTP/1.1 404 No\r\nConnection: close\r\n\r\n{error}");
            write.write_all(text.as_bytes()).await.ok();
        }
    }
    write.shutdown().await.ok();
}

async fn post(
    host: &Host,
    name: &str,
    service: Service,
    head: &Head,
    read: BufReader<tokio::net::tcp::OwnedReadHalf>,
    seen: &Seen,
) -> Result<Box<dyn AsyncRead + Send + Unpin>, Error> {
    let (mut far, body) = tokio::io::duplex(1 << 16);
    let (chunked, length) = (head.chunked, head.length);
    tokio::spawn(async move {
        let mut read = read;
        if chunked {
            copy_chunks(&mut read, &mut far).await;
        } else {
            tokio::io::copy(&mut read.take(length), &mut far).await.ok();
        }
    });
    match service {
        Service::UploadPack => Ok(Box::new(host.upload(
            name,
            head.protocol.as_deref(),
            body,
            head.gzip,
        )?)),
        Service::ReceivePack => {
            let received = host.receive(name, body, head.gzip).await?;
            seen.0.lock().unwrap().0.extend(received.updates);
            Ok(Box::new(received.reply))
        }
    }
}

async fn copy_chunks(read: &mut (impl AsyncBufRead + Unpin), far: &mut tokio::io::DuplexStream) {
    loop {
        let mut line = String::new();
        read.read_line(&mut line).await.unwrap();
        let size = u64::from_str_radix(line.trim(), 16).unwrap();
        if size == 0 {
            return;
        }
        tokio::io::copy(&mut (&mut *read).take(size), far)
            .await
            .ok();
        read.read_line(&mut line).await.unwrap();
    }
}

async fn head(read: &mut (impl AsyncBufRead + Unpin)) -> Head {
    let mut head = Head::default();
    let mut line = String::new();
    read.read_line(&mut line).await.unwrap();
    head.target = line.split(' ').nth(1).unwrap().to_owned();
    loop {
        line.clear();
        read.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            return head;
        };
        match name.to_ascii_lowercase().as_str() {
            "git-protocol" => head.protocol = Some(value.to_owned()),
            "content-length" => head.length = value.parse().unwrap(),
            "transfer-encoding" => head.chunked = value == "chunked",
            "authorization" => head.word = Some(value.to_owned()),
            "content-encoding" => head.gzip = value == "gzip",
            _ => {}
        }
    }
}
