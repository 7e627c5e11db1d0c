//! `traffic:` of a service or an environment: sticky, match, mirror, preview, hosts and limits.
//!
//! What belongs to TLS, rules and the access log stands in `traffic/edge.rs`.

mod edge;

use cutover_model::{
    delivery::Weight,
    traffic::{HoldSpec, Protocol, RequestMatch, RouteSpec, Sticky, TimeoutsSpec, TrafficSpec},
};

use super::{environment, service, value};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::{Kind, Node, Value},
};

const TRAFFIC: Schema = Schema {
    what: "`traffic`",
    keys: &[
        "routes",
        "sticky",
        "match",
        "mirror",
        "preview",
        "protocol",
        "tls",
        "limits",
        "rules",
        "access_log",
        "timeouts",
        "hold",
    ],
    required: &[],
    later: &[(
        "slow_start",
        "a new instance gets its part at once: let a smoke test warm it, or begin with a small step of `canary`",
    )],
};
const ROUTE: Schema = Schema {
    what: "a route",
    keys: &["host", "path", "strip_prefix"],
    required: &[],
    later: &[],
};
const STICKY: Schema = Schema {
    what: "`sticky`",
    keys: &["cookie", "lifetime"],
    required: &[],
    later: &[],
};
const MATCH: Schema = Schema {
    what: "an entry of `match`",
    keys: &["header", "cookie"],
    required: &[],
    later: &[],
};
const PAIR: Schema = Schema {
    what: "what is matched",
    keys: &["name", "value"],
    required: &["name", "value"],
    later: &[],
};
const TIMEOUTS: Schema = Schema {
    what: "`timeouts`",
    keys: &["header", "idle", "body", "connect", "response", "grace"],
    required: &[],
    later: &[],
};
const HOLD: Schema = Schema {
    what: "`hold`",
    keys: &["requests", "bytes"],
    required: &[],
    later: &[],
};

pub(super) fn traffic(node: &Node, sink: &mut Sink) -> Option<Box<TrafficSpec>> {
    let fields = Fields::open(node, &TRAFFIC, sink)?;
    let get = |key| fields.get(key);
    Some(Box::new(TrafficSpec {
        routes: get("routes").map_or_else(Vec::new, |node| routes(node, sink)),
        sticky: get("sticky").and_then(|node| sticky(node, sink)),
        matches: get("match").map_or_else(Vec::new, |node| matches(node, sink)),
        mirror: get("mirror").and_then(|node| mirror(node, sink)),
        preview: get("preview").and_then(|node| environment::address(node, "`preview`", sink)),
        protocol: get("protocol").and_then(|node| protocol(node, sink)),
        tls: get("tls").and_then(|node| edge::tls(node, sink)),
        limits: get("limits").and_then(|node| edge::limits(node, sink)),
        rules: get("rules").map_or_else(Vec::new, |node| edge::rules(node, sink)),
        access_log: get("access_log").and_then(|node| edge::access_log(node, sink)),
        timeouts: get("timeouts").and_then(|node| timeouts(node, sink)),
        hold: get("hold").and_then(|node| hold(node, sink)),
    }))
}

fn routes(node: &Node, sink: &mut Sink) -> Vec<RouteSpec> {
    shape::list(node, "`routes`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| route(item, sink))
        .collect()
}

fn route(node: &Node, sink: &mut Sink) -> Option<RouteSpec> {
    let fields = Fields::open(node, &ROUTE, sink)?;
    if fields.get("host").is_none() && fields.get("path").is_none() {
        let message = "a route needs a `host` or a `path`";
        sink.error(Code::MissingKey, node.at, message);
    }
    Some(RouteSpec {
        host: fields.get("host").and_then(|node| host(node, sink)),
        path: fields
            .get("path")
            .and_then(|node| service::path(node, sink)),
        strip_prefix: fields
            .get("strip_prefix")
            .and_then(|node| shape::truth(node, "`strip_prefix`", sink))
            .unwrap_or(false),
    })
}

/// A name, or `*.` and a name; in lower case.
pub(super) fn host(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = value::filled(node, "`host`", sink)?.to_ascii_lowercase();
    let name = text.strip_prefix("*.").unwrap_or(&text);
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if !name.split('.').all(label) {
        let message = format!(
            "`host` must be a name like `api.example.org` or `*.example.org`, and is `{text}`"
        );
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(text)
}

/// `true`, or its settings.
fn sticky(node: &Node, sink: &mut Sink) -> Option<Sticky> {
    let plain = Sticky {
        cookie: None,
        lifetime: None,
    };
    if let Some(Kind::Bool(wanted)) = node.scalar().map(|scalar| scalar.kind) {
        return wanted.then_some(plain);
    }
    let fields = Fields::open(node, &STICKY, sink)?;
    Some(Sticky {
        cookie: fields.get("cookie").and_then(|node| token(node, sink)),
        lifetime: fields
            .get("lifetime")
            .and_then(|node| shape::duration(node, "`lifetime`", sink)),
    })
}

/// What may name a header or a cookie.
pub(super) fn token(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = value::filled(node, "a name", sink)?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !text.chars().all(is_token) {
        let message = format!("`{text}` cannot name a header or a cookie");
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(text)
}

pub(super) fn matches(node: &Node, sink: &mut Sink) -> Vec<RequestMatch> {
    let items = match &*node.value {
        Value::Mapping(_) => std::slice::from_ref(node),
        Value::Sequence(_) | Value::Scalar(_) => {
            shape::list(node, "`match`", sink).unwrap_or_default()
        }
    };
    items
        .iter()
        .filter_map(|item| request_match(item, sink))
        .collect()
}

fn request_match(node: &Node, sink: &mut Sink) -> Option<RequestMatch> {
    let (kind, settings) = shape::choice(node, &MATCH, sink)?;
    let Some(settings) = settings else {
        let message = format!("`{kind}` needs a `name` and a `value`");
        sink.error(Code::MissingKey, node.at, message);
        return None;
    };
    let fields = Fields::open(settings, &PAIR, sink)?;
    let name = fields.get("name").and_then(|node| token(node, sink));
    let value = fields
        .get("value")
        .and_then(|node| value::filled(node, "`value`", sink));
    let (name, value) = (name?, value?);
    Some(match kind {
        "cookie" => RequestMatch::Cookie { name, value },
        _ => RequestMatch::Header {
            name: name.to_ascii_lowercase(),
            value,
        },
    })
}

fn mirror(node: &Node, sink: &mut Sink) -> Option<Weight> {
    let points = shape::percent(node, "`mirror`", sink)?;
    u16::try_from(points)
        .ok()
        .and_then(Weight::from_basis_points)
        .filter(|share| *share != Weight::NONE)
}

fn protocol(node: &Node, sink: &mut Sink) -> Option<Protocol> {
    let word = shape::word(node, "`protocol`", &["h1", "h2"], sink)?;
    Some(match word {
        "h2" => Protocol::H2,
        _ => Protocol::H1,
    })
}

fn timeouts(node: &Node, sink: &mut Sink) -> Option<TimeoutsSpec> {
    let fields = Fields::open(node, &TIMEOUTS, sink)?;
    let mut time = |key: &str| {
        fields
            .get(key)
            .and_then(|node| shape::duration(node, &format!("`{key}`"), sink))
    };
    Some(TimeoutsSpec {
        header: time("header"),
        idle: time("idle"),
        body: time("body"),
        connect: time("connect"),
        response: time("response"),
        grace: time("grace"),
    })
}

fn hold(node: &Node, sink: &mut Sink) -> Option<HoldSpec> {
    let fields = Fields::open(node, &HOLD, sink)?;
    Some(HoldSpec {
        requests: fields
            .get("requests")
            .and_then(|node| shape::whole(node, "`requests`", 1..=1_000_000, sink)),
        bytes: fields
            .get("bytes")
            .and_then(|node| edge::bytes(node, "`bytes`", sink)),
    })
}
