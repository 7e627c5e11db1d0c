//! The parts of `traffic:` that guard the door: TLS, limits, rules, the access log.

use cutover_model::{
    Duration,
    traffic::{
        AccessLogSpec, AcmeSpec, CertificateFiles, LimitsSpec, RateSpec, RuleAction, RuleSpec,
        TlsSpec,
    },
};

use super::{host, token};
use crate::{
    diagnostic::{Code, Sink},
    project::{environment, hook, value},
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
        "name", "group", "methods", "path", "headers", "from", "action",
    ],
    required: &["name"],
    later: &[],
};
const ACCESS_LOG: Schema = Schema {
    what: "`access_log`",
    keys: &["file", "redact", "rotate_bytes", "keep"],
    required: &[],
    later: &[],
};
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
            .and_then(|node| value::filled(node, &format!("`{key}`"), sink))
    };
    let (cert_file, key_file) = (file("cert_file"), file("key_file"));
    Some(CertificateFiles {
        cert_file: cert_file?,
        key_file: key_file?,
    })
}

fn acme(node: &Node, sink: &mut Sink) -> Option<AcmeSpec> {
    let fields = Fields::open(node, &ACME, sink)?;
    let hosts: Vec<String> = fields
        .get("hosts")
        .and_then(|node| shape::items(node, "`hosts`", sink))
        .unwrap_or_default()
        .iter()
        .filter_map(|item| host(item, sink))
        .collect();
    let text = |key: &str, sink: &mut Sink| {
        fields
            .get(key)
            .and_then(|node| value::filled(node, &format!("`{key}`"), sink))
    };
    Some(AcmeSpec {
        hosts,
        contact: fields
            .get("contact")
            .map_or_else(Vec::new, |node| value::texts(node, "`contact`", sink)),
        directory: text("directory", sink),
        ca_file: text("ca_file", sink),
    })
}

pub(super) fn limits(node: &Node, sink: &mut Sink) -> Option<LimitsSpec> {
    let fields = Fields::open(node, &LIMITS, sink)?;
    let mut count = |key: &str, low| {
        fields
            .get(key)
            .and_then(|node| shape::whole(node, &format!("`{key}`"), low..=MANY, sink))
    };
    let (connections, header_fields) = (count("connections", 1), count("header_fields", 1));
    // The least that the balancer's HTTP reader works with.
    let header_bytes = count("header_bytes", 8_192);
    Some(LimitsSpec {
        connections,
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
    let names = ["group", "methods", "path", "headers", "from"];
    if names.iter().all(|key| fields.get(key).is_none()) {
        let message = "a rule needs something by which it knows a request";
        let hint = "add `group`, `methods`, `path`, `headers` or `from`".to_owned();
        sink.error_hint(Code::MissingKey, node.at, message, hint);
    }
    let texts = |key: &str, sink: &mut Sink| {
        fields.get(key).map_or_else(Vec::new, |node| {
            value::texts(node, &format!("`{key}`"), sink)
        })
    };
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
        methods: texts("methods", sink),
        path: fields
            .get("path")
            .and_then(|node| value::filled(node, "`path`", sink)),
        headers: hook::headers(fields.get("headers"), sink),
        from: texts("from", sink),
        action: if action == Some("log") {
            RuleAction::Log
        } else {
            RuleAction::Deny
        },
        name: name?,
    })
}

/// `true`, or its settings.
pub(super) fn access_log(node: &Node, sink: &mut Sink) -> Option<AccessLogSpec> {
    if let Some(Kind::Bool(wanted)) = node.scalar().map(|scalar| scalar.kind) {
        return wanted.then(AccessLogSpec::default);
    }
    let fields = Fields::open(node, &ACCESS_LOG, sink)?;
    Some(AccessLogSpec {
        file: fields
            .get("file")
            .and_then(|node| value::filled(node, "`file`", sink)),
        redact: fields
            .get("redact")
            .map_or_else(Vec::new, |node| value::texts(node, "`redact`", sink)),
        rotate_bytes: fields
            .get("rotate_bytes")
            .and_then(|node| bytes(node, "`rotate_bytes`", sink)),
        keep: fields
            .get("keep")
            .and_then(|node| shape::whole(node, "`keep`", 0..=1_000, sink)),
    })
}
