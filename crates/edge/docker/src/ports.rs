//! Ports of containers on this machine, as people write them.

use std::collections::HashMap;

use bollard::models::{PortBinding, PortMap};

/// Where ports are reached when nobody says otherwise: from this machine alone.
const LOOPBACK: &str = "127.0.0.1";

/// What is bound to what. `[[ADDRESS:]HOST:]INSIDE[/udp]`; each of the two may be a range, of the
/// same length. The text that is not understood is given back.
pub(crate) fn bindings<'a>(written: impl Iterator<Item = &'a String>) -> Result<PortMap, String> {
    let mut bound: PortMap = HashMap::new();
    for text in written {
        for (inside, binding) in one(text).ok_or_else(|| text.clone())? {
            let known = bound.entry(inside).or_default();
            known.get_or_insert_default().push(binding);
        }
    }
    Ok(bound)
}

/// `80` is `80/tcp`.
pub(crate) fn inside(port: &str) -> String {
    if port.contains('/') {
        port.to_owned()
    } else {
        format!("{port}/tcp")
    }
}

fn one(text: &str) -> Option<Vec<(String, PortBinding)>> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !["tcp", "udp", "sctp"].contains(&protocol) {
        return None;
    }
    let (before, inside) = match ports.rsplit_once(':') {
        Some((before, inside)) => (Some(before), inside),
        None => (None, ports),
    };
    let (address, host) = match before.map(|before| (before.rsplit_once(':'), before)) {
        Some((Some((address, host)), _)) => (address.trim_matches(['[', ']']), host),
        Some((None, host)) => (LOOPBACK, host),
        None => (LOOPBACK, ""),
    };
    let inside = range(inside)?;
    let host = match host {
        "" => None,
        host => Some(range(host).filter(|host| host.len() == inside.len())?),
    };
    let found = inside.enumerate().map(|(index, port)| {
        let host = host.clone().and_then(|mut host| host.nth(index));
        let binding = PortBinding {
            host_ip: Some(address.to_owned()),
            host_port: host.map(|host| host.to_string()),
        };
        (format!("{port}/{protocol}"), binding)
    });
    Some(found.collect())
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Option<Vec<String>> {
        let found = one(text)?.into_iter();
        let told = found.map(|(inside, binding)| {
            format!(
                "{}:{}→{inside}",
                binding.host_ip.unwrap(),
                binding.host_port.unwrap_or_default()
            )
        });
        Some(told.collect())
    }

    #[test]
    fn ports_are_written_in_many_ways() {
        assert_eq!(bound("80").unwrap(), ["127.0.0.1:→80/tcp"]);
        assert_eq!(bound("8080:80/udp").unwrap(), ["127.0.0.1:8080→80/udp"]);
        assert_eq!(bound("0.0.0.0:1:2").unwrap(), ["0.0.0.0:1→2/tcp"]);
        assert_eq!(
            bound("10-11:20-21").unwrap(),
            ["127.0.0.1:10→20/tcp", "127.0.0.1:11→21/tcp"]
        );
        for wrong in ["", "x", "1-2:3", "80/icmp", "0", "70000", "2-1"] {
            assert_eq!(bound(wrong), None, "{wrong}");
        }
    }
}
