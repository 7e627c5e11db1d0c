//! What runs while it is measured: one upstream, three proxies before it.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use cutover_proxy::{Client, FULL_WEIGHT, RouteTable, Service};
use serde_json::json;
use tempfile::TempDir;

use super::{LOAD_CPU, PROXY_CPU};

const PATIENCE: Duration = Duration::from_secs(10);

/// All that runs.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) proxies: Vec<Proxy>,
    /// The way to tell our balancer its table.
    pub(crate) client: Client,
    /// Two sides of one service, told apart by a field of their answers.
    pub(crate) sides: [SocketAddr; 2],
    _upstream: Running,
    _folder: TempDir,
}

/// One of those that are compared.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    process: Running,
}

/// A process, ended when dropped.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // nginx's master ends its workers only when it is asked to.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        if asked.is_err() {
            let _gone = self.0.kill();
        }
        let _ended = self.0.wait();
    }
}

impl Field {
    pub(crate) async fn set_up(binary: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path =
            Utf8Path::from_path(folder.path()).context("the temporary folder is not UTF-8")?;
        let sides = [free()?, free()?];
        let upstream = start_upstream(path, sides)?;
        let nginx = start_nginx(path, sides[0])?;
        let haproxy = start_haproxy(path, sides[0])?;
        let state = path.join("state");
        let process = pinned(PROXY_CPU, &binary.to_string_lossy())
            .args(["balancer", "--state-dir", state.as_str()])
            .spawn()
            .with_context(|| format!("cannot start `{}`", binary.display()))?;
        let process = Running(process);
        let client = Client::new(&state);
        client.ready(PATIENCE).await?;
        let address = free()?;
        client
            .apply(&table(1, address, sides, [FULL_WEIGHT, 0])?)
            .await?;
        let ids = ["0".to_owned(), "1".to_owned()];
        let patience_ms = u64::try_from(PATIENCE.as_millis())?;
        client.wait_healthy("bench", &ids, patience_ms).await?;
        let ours = Proxy {
            name: "cutover",
            address,
            process,
        };
        let proxies = vec![ours, nginx, haproxy];
        for proxy in &proxies {
            answers(proxy.address).with_context(|| format!("`{}` does not answer", proxy.name))?;
        }
        Ok(Self {
            proxies,
            client,
            sides,
            _upstream: upstream,
            _folder: folder,
        })
    }

    /// Where our balancer listens.
    pub(crate) fn ours(&self) -> SocketAddr {
        self.proxies[0].address
    }
}

impl Proxy {
    /// CPU time spent so far, by the process and its children.
    pub(crate) fn cpu_micros(&self) -> anyhow::Result<u64> {
        let pid = self.process.0.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let mut sum = ticks(&pid.to_string())?;
        for child in children.split_whitespace() {
            sum += ticks(child)?;
        }
        // The kernel tells in hundredths of a second, whatever its own clock is.
        Ok(sum * 10_000)
    }
}

fn ticks(pid: &str) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may have blanks; user and system time are the 14th and 15th field.
    let (_, fields) = stat
        .rsplit_once(") ")
        .context("a line of /proc without a name")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
    match (times.next(), times.next()) {
        (Some(user), Some(system)) => Ok(user? + system?),
        _ => bail!("/proc/{pid}/stat has too few fields"),
    }
}

/// A table with one service of two sides.
pub(crate) fn table(
    generation: u64,
    listen: SocketAddr,
    sides: [SocketAddr; 2],
    weights: [u32; 2],
) -> anyhow::Result<RouteTable> {
    let side = |index: usize| {
        let upstream = json!({ "id": index.to_string(), "address": sides[index].to_string() });
        json!({ "name": index.to_string(), "weight": weights[index], "upstreams": [upstream] })
    };
    let service = Service {
        listen: Some(listen.to_string()),
        sides: serde_json::from_value(json!([side(0), side(1)]))?,
        ..Service::new("bench")
    };
    Ok(RouteTable {
        generation,
        services: vec![service],
    })
}

/// A port that nobody has.
fn free() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// A program on one CPU, in a session of its own: our balancer begins one by itself, and where the
/// system shares a CPU by session the others must not share theirs with whoever measures.
fn pinned(cpu: &str, program: &str) -> Command {
    let mut command = Command::new("setsid");
    command
        .args(["taskset", "-c", cpu, program])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Asks until there is an answer.
fn answers(address: SocketAddr) -> anyhow::Result<()> {
    let mut last = None;
    for _ in 0..100 {
        match ask(address) {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(last.map_or_else(|| anyhow::anyhow!("never asked"), Into::into))
}

fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    Err(io::Error::other(format!("it answered `{answer}`")))
}

/// The part of a configuration of nginx that keeps it to itself and to this folder.
fn nginx_preamble(folder: &Utf8Path) -> String {
    let temporary: Vec<_> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};"))
        .collect();
    format!(
        "access_log off; keepalive_requests 1000000000; {}",
        temporary.join(" ")
    )
}

fn nginx(cpu: &str, folder: &Utf8Path, name: &str, http: &str) -> anyhow::Result<Running> {
    let own = folder.join(name);
    fs::create_dir(&own)?;
    let text = format!(
        "worker_processes 1; daemon off; pid {own}/pid; error_log {own}/error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{ {} {http} }}\n",
        nginx_preamble(&own)
    );
    let file = own.join("nginx.conf");
    fs::write(&file, text)?;
    let child = pinned(cpu, "nginx")
        .args(["-p", own.as_str(), "-c", file.as_str()])
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Running(child))
}

/// Both sides are one process: it answers everything with 1 KB.
fn start_upstream(folder: &Utf8Path, sides: [SocketAddr; 2]) -> anyhow::Result<Running> {
    let body = "x".repeat(1024);
    let server = |(index, address): (usize, &SocketAddr)| {
        format!(
            "server {{ listen {address} backlog=4096; location / {{ \
             add_header X-Side {index}; return 200 {body}; }} }}"
        )
    };
    let servers: Vec<_> = sides.iter().enumerate().map(server).collect();
    nginx(LOAD_CPU, folder, "upstream", &servers.join("\n"))
}

fn start_nginx(folder: &Utf8Path, upstream: SocketAddr) -> anyhow::Result<Proxy> {
    let address = free()?;
    let http = format!(
        "upstream origin {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}\n\
         server {{ listen {address} backlog=4096; location / {{\n\
         proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_set_header Host $host;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         proxy_set_header X-Forwarded-Proto $scheme;\n\
         proxy_set_header X-Forwarded-Host $host; }} }}"
    );
    Ok(Proxy {
        name: "nginx",
        address,
        process: nginx(PROXY_CPU, folder, "nginx", &http)?,
    })
}

fn start_haproxy(folder: &Utf8Path, upstream: SocketAddr) -> anyhow::Result<Proxy> {
    let address = free()?;
    let file = folder.join("haproxy.cfg");
    let text = format!(
        "global\n nbthread 1\n maxconn 4096\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n \
         option http-keep-alive\n http-reuse always\n option forwardfor\n\
         frontend f\n bind {address}\n http-request set-header X-Forwarded-Proto http\n \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n default_backend b\n\
         backend b\n server s {upstream}\n"
    );
    fs::write(&file, text)?;
    let child = pinned(PROXY_CPU, "haproxy")
        .args(["-db", "-q", "-f", file.as_str()])
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Proxy {
        name: "haproxy",
        address,
        process: Running(child),
    })
}
