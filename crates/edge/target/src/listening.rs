//! On which ports processes really listen, as the kernel says: the answer to "why does nobody
//! answer on the port that we gave it?".

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
};

/// The state of a listening socket in the kernel's table.
const LISTEN: &str = "0A";

/// The ports on which one of these processes listens.
pub(crate) fn of_processes(pids: &[u32]) -> Vec<u16> {
    let inodes: BTreeSet<u64> = pids.iter().copied().flat_map(sockets).collect();
    let Some(first) = pids.first() else {
        return Vec::new();
    };
    table(*first)
        .filter(|(_, inode)| inodes.contains(inode))
        .map(|(port, _)| port)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The ports on which anybody listens in the network that this process sees: for a container, that
/// is its own.
pub(crate) fn in_network_of(pid: u32) -> Vec<u16> {
    let ports: BTreeSet<u16> = table(pid).map(|(port, _)| port).collect();
    ports.into_iter().collect()
}

/// Sockets that a process has open.
fn sockets(pid: u32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let link = fs::read_link(entry.ok()?.path()).ok()?;
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            inode.parse().ok()
        })
        .collect()
}

/// Port and inode of each listening socket.
fn table(pid: u32) -> impl Iterator<Item = (u16, u64)> {
    ["tcp", "tcp6"]
        .into_iter()
        .filter_map(move |family| fs::File::open(format!("/proc/{pid}/net/{family}")).ok())
        .flat_map(|file| BufReader::new(file).lines().map_while(Result::ok))
        .filter_map(|line| row(&line))
}

fn row(line: &str) -> Option<(u16, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    if state != LISTEN {
        return None;
    }
    let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    Some((port, inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn finds_our_own_port_in_both_families() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                eprintln!("SKIPPED: because `{address}` cannot be listened on here");
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let own = std::process::id();
            assert!(of_processes(&[own]).contains(&port), "{address}");
            assert!(in_network_of(own).contains(&port), "{address}");
            assert!(
                !of_processes(&[1]).contains(&port),
                "it is not that of init"
            );
        }
    }

    #[test]
    fn reads_only_rows_of_listening_sockets() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1";
        assert_eq!(row(line), Some((8080, 4711)));
        assert_eq!(row(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(row("  sl  local_address rem_address   st tx_queue"), None);
        assert_eq!(row(""), None);
    }
}
