//! A balancer for one service, for measuring: `balancer STATE_DIR LISTEN UPSTREAM…`.

use std::time::Duration;

use camino::Utf8PathBuf;
use cutover_proxy::{Client, FULL_WEIGHT, Options, RouteTable, Service, Side, Upstream, run};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: balancer STATE_DIR LISTEN UPSTREAM…";
    let state_dir = Utf8PathBuf::from(arguments.next().ok_or(usage)?);
    let listen = Some(arguments.next().ok_or(usage)?);
    let client = Client::new(&state_dir);
    let balancer = tokio::spawn(run(Options { state_dir }));
    let status = client.ready(Duration::from_secs(10)).await?;
    let upstream = |(index, address)| Upstream::new(format!("u{index}"), address);
    let upstreams = arguments.enumerate().map(upstream).collect();
    let sides = vec![Side {
        name: "1".to_owned(),
        weight: u16::try_from(FULL_WEIGHT)?,
        matches: Vec::new(),
        upstreams,
    }];
    let service = Service {
        listen,
        sides,
        ..Service::new("bench")
    };
    let table = RouteTable {
        generation: status.generation + 1,
        services: vec![service],
    };
    client.apply(&table).await?;
    balancer.await??;
    Ok(())
}
