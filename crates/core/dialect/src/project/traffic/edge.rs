//! The parts of `traffic:` that guard the door: TLS, limits, rules, the access log.

// Of `core`, which has addresses and no sockets.
use core::net::IpAddr;

use cutover_model::{
    Duration,
    traffic::{
        AccessLogSpec, AcmeSpec, CertificateFiles, LimitsSpec, QueryShown, RateSpec, RuleAction,
        RuleHeader, RuleSpec, TlsSpec,
    },
};

use super::{host, token};
use crate::{
    diagnostic::{Code, Sink},
    project::{environment, value},
    shape::{self, Fields, Schema},
    yaml::{Kind, Node},
};

const TLS: Schema = Schema {
    what: "`tls`",
    keys: &["certificates", "acme", "redirect_from"],
    required: &[],
    later: &[],
};
const CERTIFICATE: Schema = Schema {
    what: "a certificate",
    keys: &["cert_file", "key_file"],
    required: &["cert_file", "key_file"],
    later: &[],
};
const ACME: Schema = Schema {
    what: "`acme`",
    keys: &["hosts", "contact", "directory", "ca_file"],
    required: &["hosts"],
    later: &[],
};
const LIMITS: Schema = Schema {
    what: "`limits`",
    keys: &[
        "connections",
        "connections_per_client",
        "header_fields",
        "header_bytes",
        "body_bytes",
        "rate",
    ],
    required: &[],
    later: &[],
};
const RATE: Schema = Schema {
    what: "`rate`",
    keys: &["requests", "per", "burst", "by_header"],
    required: &["requests", "per"],
    later: &[],
};
const RULE: Schema = Schema {
    what: "a rule",
    keys: &[
        "name", "group", "methods", "path", "header", "from", "action",
    ],
    required: &["name"],
    later: &[],
};
const RULE_HEADER: Schema = Schema {
    what: "`header`",
    keys: &["name", "value"],
    required: &["name"],
    later: &[],
};
const ACCESS_LOG: Schema = Schema {
    what: "`access_log`",
    keys: &["file", "query", "rotate_bytes", "keep"],
    required: &[],
    later: &[],
};
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
];
const MANY: u32 = 10_000_000;

pub(super) fn tls(node: &Node, sink: &mut Sink) -> Option<TlsSpec> {
    let fields = Fields::open(node, &TLS, sink)?;
    if fields.get("certificates").is_none() && fields.get("acme").is_none() {
        let message = "`tls` needs `certificates` or `acme`";
        sink.error(Code::MissingKey, node.at, message);
    }
    Some(TlsSpec {
        certificates: fields
            .get("certificates")
            .map_or_else(Vec::new, |node| certificates(node, sink)),
        acme: fields.get("acme").and_then(|node| acme(node, sink)),
        redirect_from: fields
            .get("redirect_from")
            .and_then(|node| environment::address(node, "`redirect_from`", sink)),
    })
}

fn certificates(node: &Node, sink: &mut Sink) -> Vec<CertificateFiles> {
    shape::list(node, "`certificates`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| certificate(item, sink))
        .collect()
}

fn certificate(node: &Node, sink: &mut Sink) -> Option<CertificateFiles> {
    let fields = Fields::open(node, &CERTIFICATE, sink)?;
    let mut file = |key: &str| {
        fields
            .get(key)
            .and_then(|node| file(node, &format!("`{key}`"), sink))
    };
    let (cert_file, key_file) = (file("cert_file"), file("key_file"));
    Some(CertificateFiles {
        cert_file: cert_file?,
        key_file: key_file?,
    })
}

/// A file beside the balancer, not among the sources.
fn file(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let path = value::filled(node, what, sink)?;
    if !path.starts_with('/') {
        let message = format!("{what} must be an absolute path, and is `{path}`");
        let hint = "certificates lie on the balancer's machine, not in the sources".to_owned();
        sink.error_hint(Code::BadValue, node.at, message, hint);
        return None;
    }
    Some(path)
}

fn acme(node: &Node, sink: &mut Sink) -> Option<AcmeSpec> {
    let fields = Fields::open(node, &ACME, sink)?;
    let hosts = fields
        .get("hosts")
        .map_or_else(Vec::new, |node| acme_hosts(node, sink));
    Some(AcmeSpec {
        hosts,
        contact: fields
            .get("contact")
            .map_or_else(Vec::new, |node| contacts(node, sink)),
        directory: fields
            .get("directory")
            .and_then(|node| directory(node, sink)),
        ca_file: fields
            .get("ca_file")
            .and_then(|node| file(node, "`ca_file`", sink)),
    })
}

/// Names that one order may have, at the common authorities.
const MOST_HOSTS: usize = 100;

fn acme_hosts(node: &Node, sink: &mut Sink) -> Vec<String> {
    let items = shape::items(node, "`hosts`", sink).unwrap_or_default();
    if items.is_empty() || items.len() > MOST_HOSTS {
        let message = format!("`hosts` of `acme` must be 1 to {MOST_HOSTS} names");
        sink.error(Code::BadValue, node.at, message);
    }
    let mut hosts = Vec::new();
    for item in items {
        let Some(name) = host(item, sink) else {
            continue;
        };
        if name.starts_with("*.") {
            let message = format!("`acme` cannot have `{name}`: HTTP-01 shows no wildcards");
            let hint = "name each host, or use `certificates`".to_owned();
            sink.error_hint(Code::BadValue, item.at, message, hint);
        } else {
            hosts.push(name);
        }
    }
    hosts
}

fn contacts(node: &Node, sink: &mut Sink) -> Vec<String> {
    let contacts = value::texts(node, "`contact`", sink);
    let is_mail = |text: &String| text.starts_with("mailto:") && text.contains('@');
    if let Some(bad) = contacts.iter().find(|text| !is_mail(text)) {
        let message = format!("`contact` must be like `mailto:ops@example.org`, and is `{bad}`");
        sink.error(Code::BadValue, node.at, message);
    }
    contacts
}

fn directory(node: &Node, sink: &mut Sink) -> Option<String> {
    let url = value::filled(node, "`directory`", sink)?;
    let has_host = url
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.contains([' ', '"', '<', '>']));
    if !has_host {
        let message = format!("`directory` must be a URL with `https://`, and is `{url}`");
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(url)
}

pub(super) fn limits(node: &Node, sink: &mut Sink) -> Option<LimitsSpec> {
    let fields = Fields::open(node, &LIMITS, sink)?;
    let mut count = |key: &str, low| {
        fields
            .get(key)
            .and_then(|node| shape::whole(node, &format!("`{key}`"), low..=MANY, sink))
    };
    let (connections, header_fields) = (count("connections", 1), count("header_fields", 1));
    let connections_per_client = count("connections_per_client", 1);
    // The least that the balancer's HTTP reader works with.
    let header_bytes = count("header_bytes", 8_192);
    Some(LimitsSpec {
        connections,
        connections_per_client,
        header_fields,
        header_bytes,
        body_bytes: fields
            .get("body_bytes")
            .and_then(|node| bytes(node, "`body_bytes`", sink)),
        rate: fields.get("rate").and_then(|node| rate(node, sink)),
    })
}

/// A number of bytes.
pub(super) fn bytes(node: &Node, what: &str, sink: &mut Sink) -> Option<u64> {
    let value = shape::number(node, what, sink)?;
    let count = shape::fixed(value, 1);
    if count.is_none() {
        let message = format!("{what} must be a whole number of bytes");
        sink.error(Code::BadValue, node.at, message);
    }
    count
}

fn rate(node: &Node, sink: &mut Sink) -> Option<RateSpec> {
    let fields = Fields::open(node, &RATE, sink)?;
    let requests = fields
        .get("requests")
        .and_then(|node| shape::whole(node, "`requests`", 1..=MANY, sink));
    let per = value::some_time(&fields, "per", Duration::ZERO, sink);
    Some(RateSpec {
        requests: requests?,
        per,
        burst: fields
            .get("burst")
            .and_then(|node| shape::whole(node, "`burst`", 1..=MANY, sink)),
        by_header: fields
            .get("by_header")
            .and_then(|node| token(node, sink))
            .map(|name| name.to_ascii_lowercase()),
    })
}

pub(super) fn rules(node: &Node, sink: &mut Sink) -> Vec<RuleSpec> {
    shape::list(node, "`rules`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| rule(item, sink))
        .collect()
}

fn rule(node: &Node, sink: &mut Sink) -> Option<RuleSpec> {
    let fields = Fields::open(node, &RULE, sink)?;
    let names = ["group", "methods", "path", "header", "from"];
    if names.iter().all(|key| fields.get(key).is_none()) {
        let message = "a rule needs something by which it knows a request";
        let hint = "add `group`, `methods`, `path`, `header` or `from`".to_owned();
        sink.error_hint(Code::MissingKey, node.at, message, hint);
    }
    let others = ["methods", "path", "header", "from"];
    if let (Some(group), true) = (
        fields.get("group"),
        others.iter().any(|key| fields.get(key).is_some()),
    ) {
        let message = "`group` stands alone: its rules come with the balancer";
        sink.error_hint(
            Code::Conflict,
            group.at,
            message,
            "write two rules".to_owned(),
        );
    }
    let action = fields
        .get("action")
        .and_then(|node| shape::word(node, "`action`", &["deny", "log"], sink));
    let name = fields
        .get("name")
        .and_then(|node| value::filled(node, "`name`", sink));
    Some(RuleSpec {
        group: fields
            .get("group")
            .and_then(|node| shape::word(node, "`group`", &["common"], sink))
            .map(str::to_owned),
        methods: fields
            .get("methods")
            .map_or_else(Vec::new, |node| methods(node, sink)),
        path: fields.get("path").and_then(|node| pattern(node, sink)),
        header: fields.get("header").and_then(|node| header(node, sink)),
        from: fields
            .get("from")
            .map_or_else(Vec::new, |node| networks(node, sink)),
        action: if action == Some("log") {
            RuleAction::Log
        } else {
            RuleAction::Deny
        },
        name: name?,
    })
}

fn methods(node: &Node, sink: &mut Sink) -> Vec<String> {
    shape::items(node, "`methods`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| shape::word(item, "`methods`", &METHODS, sink))
        .map(str::to_owned)
        .collect()
}

fn pattern(node: &Node, sink: &mut Sink) -> Option<String> {
    let path = value::filled(node, "`path`", sink)?;
    if !path.starts_with(['/', '*']) {
        let message = format!("`path` of a rule must begin with `/` or `*`, and is `{path}`");
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(path)
}

fn networks(node: &Node, sink: &mut Sink) -> Vec<String> {
    let mut read = Vec::new();
    for item in shape::items(node, "`from`", sink).unwrap_or_default() {
        let Some(text) = value::filled(item, "an entry of `from`", sink) else {
            continue;
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, prefix.parse::<u8>().ok()),
            None => (text.as_str(), Some(0)),
        };
        let fits = address.parse::<IpAddr>().is_ok_and(|address| {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            prefix.is_some_and(|prefix| prefix <= longest)
        });
        if fits {
            read.push(text);
        } else {
            let message = format!("`from` must be an address or `address/prefix`, and is `{text}`");
            sink.error(Code::BadValue, item.at, message);
        }
    }
    read
}

fn header(node: &Node, sink: &mut Sink) -> Option<RuleHeader> {
    let fields = Fields::open(node, &RULE_HEADER, sink)?;
    let name = fields.get("name").and_then(|node| token(node, sink));
    Some(RuleHeader {
        name: name?.to_ascii_lowercase(),
        value: fields
            .get("value")
            .and_then(|node| value::filled(node, "`value`", sink)),
    })
}

/// `true`, or its settings.
pub(super) fn access_log(node: &Node, sink: &mut Sink) -> Option<AccessLogSpec> {
    if let Some(Kind::Bool(wanted)) = node.scalar().map(|scalar| scalar.kind) {
        return wanted.then(AccessLogSpec::default);
    }
    let fields = Fields::open(node, &ACCESS_LOG, sink)?;
    let words = ["whole", "names", "nothing"];
    let query = fields
        .get("query")
        .and_then(|node| shape::word(node, "`query`", &words, sink));
    Some(AccessLogSpec {
        file: fields
            .get("file")
            .and_then(|node| value::filled(node, "`file`", sink)),
        query: match query {
            Some("whole") => QueryShown::Whole,
            Some("nothing") => QueryShown::Nothing,
            _ => QueryShown::Names,
        },
        rotate_bytes: fields
            .get("rotate_bytes")
            .and_then(|node| bytes(node, "`rotate_bytes`", sink)),
        keep: fields
            .get("keep")
            .and_then(|node| shape::whole(node, "`keep`", 0..=1_000, sink)),
    })
}
