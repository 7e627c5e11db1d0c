//! As many requests as the proxy can take: `wrk`, and what it says.

use std::{net::SocketAddr, process::Command};

use anyhow::{Context as _, bail, ensure};

use super::LOAD_CPU;

/// What `wrk` saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    pub(crate) p99_ms: f64,
}

/// A load, and what it cost the proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) per_second: f64,
    pub(crate) p99_ms: f64,
    pub(crate) cpu_micros: f64,
}

impl Round {
    pub(crate) fn new(load: Load, spent_micros: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "some seconds in microseconds")]
        let spent = spent_micros as f64;
        Self {
            per_second: load.per_second,
            p99_ms: load.p99_ms,
            cpu_micros: spent / load.requests,
        }
    }
}

/// A `wrk` on the CPU for loads, not started yet.
pub(crate) fn command(address: SocketAddr, connections: usize, seconds: u64) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["-c", LOAD_CPU, "wrk", "-t1", "--latency"])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .arg(format!("http://{address}/"));
    command
}

/// Loads a proxy.
pub(crate) fn run(address: SocketAddr, connections: usize, seconds: u64) -> anyhow::Result<Load> {
    let output = command(address, connections, seconds).output()?;
    ensure!(output.status.success(), "wrk ended with {}", output.status);
    read(&String::from_utf8_lossy(&output.stdout))
}

fn read(text: &str) -> anyhow::Result<Load> {
    for line in text.lines().map(str::trim) {
        if line.starts_with("Non-2xx") || line.starts_with("Socket errors") {
            bail!("requests failed under load: {line}");
        }
    }
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let lines = || text.lines().map(str::trim);
    let requests = lines().find_map(|line| number(line.split_once(" requests in ")?.0));
    let rate = lines().find_map(|line| number(line.strip_prefix("Requests/sec:")?));
    let p99 = lines().find_map(|line| millis(line.strip_prefix("99%")?.trim()));
    Ok(Load {
        requests: requests.context("wrk did not say how many requests there were")?,
        per_second: rate.context("wrk did not say how many requests a second")?,
        p99_ms: p99.context("wrk did not say the 99th percentile")?,
    })
}

fn millis(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1_000.0)];
    units.iter().find_map(|(unit, factor)| {
        let number = text.strip_suffix(unit)?.parse::<f64>().ok()?;
        Some(number * factor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let text = "  Latency Distribution\n     50%  680.00us\n     99%    1.84ms\n  \
                    63241 requests in 1.00s, 70.00MB read\nRequests/sec:  63241.50\n";
        let load = read(text).unwrap();
        let expected = Load {
            requests: 63_241.0,
            per_second: 63_241.5,
            p99_ms: 1.84,
        };
        assert_eq!(load, expected);
        let failed = format!("{text}  Non-2xx or 3xx responses: 3\n");
        assert!(
            read(&failed)
                .unwrap_err()
                .to_string()
                .contains("responses: 3")
        );
        assert_eq!(millis("1.5s"), Some(1_500.0));
    }
}
