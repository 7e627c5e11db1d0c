//! `rollback_triggers:` of an environment, and where a number of somebody else's comes from.

use cutover_model::{
    Duration,
    delivery::{
        ExternalMetric, Metric, MetricSource, Missing, Operator, RollbackTrigger, Scope, Statistic,
    },
};

use super::{headers, notify, service, value};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    suggest,
    yaml::{Kind, Node},
};

const TRIGGER: Schema = Schema {
    what: "a rollback trigger",
    keys: &[
        "metric",
        "threshold",
        "duration",
        "operator",
        "statistic",
        "window",
        "missing",
        "min_requests",
        "scope",
        "source",
    ],
    required: &["metric", "threshold", "duration"],
    later: &[],
};
const SOURCE: Schema = Schema {
    what: "`source`",
    keys: &[
        "name",
        "prometheus",
        "http",
        "command",
        "interval",
        "timeout",
    ],
    required: &["name"],
    later: &[("cloudwatch", "ask for it with a `command`")],
};
const PROMETHEUS: Schema = Schema {
    what: "`prometheus`",
    keys: &["url", "query", "headers"],
    required: &["url", "query"],
    later: &[],
};
const HTTP: Schema = Schema {
    what: "`http`",
    keys: &["url", "pointer", "headers"],
    required: &["url", "pointer"],
    later: &[],
};
const USUAL_INTERVAL: Duration = Duration::from_secs(15);
const USUAL_TIMEOUT: Duration = Duration::from_secs(5);
const MOST_REQUESTS: u32 = 1_000_000_000;

pub(super) fn triggers(node: &Node, sink: &mut Sink) -> Vec<RollbackTrigger> {
    let mut triggers: Vec<RollbackTrigger> = Vec::new();
    for item in shape::list(node, "`rollback_triggers`", sink).unwrap_or_default() {
        let Some(trigger) = trigger(item, sink) else {
            continue;
        };
        if let Some(source) = &trigger.source {
            let same = |one: &&ExternalMetric| one.name == source.name;
            let known = triggers.iter().filter_map(|one| one.source.as_ref());
            if known.into_iter().find(same).is_some_and(|it| it != source) {
                let message = format!("`{}` is asked for in two different ways", source.name);
                let hint = "give one of them another `name`".to_owned();
                sink.error_hint(Code::Conflict, item.at, message, hint);
                continue;
            }
        }
        triggers.push(trigger);
    }
    triggers
}

fn trigger(node: &Node, sink: &mut Sink) -> Option<RollbackTrigger> {
    let fields = Fields::open(node, &TRIGGER, sink)?;
    let metric = fields.get("metric").and_then(|node| metric(node, sink));
    let threshold = fields.get("threshold").and_then(|node| {
        let value = shape::number(node, "`threshold`", sink)?;
        thousandths(node, "`threshold`", value, sink)
    });
    let time = |key: &str, sink: &mut Sink| {
        let node = fields.get(key)?;
        seconds(node, &format!("`{key}`"), sink)
    };
    let duration = time("duration", sink);
    let window = time("window", sink);
    let source = fields.get("source").map(|node| source(node, sink));
    let min_requests = fields
        .get("min_requests")
        .and_then(|node| shape::whole(node, "`min_requests`", 0..=MOST_REQUESTS, sink));
    let extras = RollbackTrigger {
        operator: one_of(&fields, "operator", &Operator::ALL, Operator::word, sink),
        statistic: one_of(&fields, "statistic", &Statistic::ALL, Statistic::word, sink),
        missing: one_of(&fields, "missing", &Missing::ALL, Missing::word, sink).unwrap_or_default(),
        scope: one_of(&fields, "scope", &Scope::ALL, Scope::word, sink).unwrap_or_default(),
        min_requests: min_requests.map_or(0, u64::from),
        window,
        ..RollbackTrigger::bare(metric?, threshold?, duration?)
    };
    let trigger = RollbackTrigger {
        // One that is wrong was told of, and is not told of again as one that is missing.
        source: match source {
            Some(source) => Some(source?),
            None => None,
        },
        ..extras
    };
    if let Err(error) = trigger.check() {
        sink.error(Code::BadValue, node.at, error.to_string());
        return None;
    }
    Some(trigger)
}

/// One of the words of a closed list.
fn one_of<T: Copy, const N: usize>(
    fields: &Fields<'_>,
    key: &str,
    all: &[T; N],
    word: impl Fn(T) -> &'static str,
    sink: &mut Sink,
) -> Option<T> {
    let node = fields.get(key)?;
    let words = all.map(&word);
    let said = shape::word(node, &format!("`{key}`"), &words, sink)?;
    all.iter().copied().find(|one| word(*one) == said)
}

fn metric(node: &Node, sink: &mut Sink) -> Option<Metric> {
    let name = shape::text(node, "`metric`", sink)?;
    let found = Metric::ALL.into_iter().find(|metric| metric.name() == name);
    if found.is_none() {
        let hint = suggest::hint(&name, Metric::ALL.into_iter().map(Metric::name));
        sink.error_hint(
            Code::BadValue,
            node.at,
            format!("unknown metric `{name}`"),
            hint,
        );
    }
    found
}

fn source(node: &Node, sink: &mut Sink) -> Option<ExternalMetric> {
    let fields = Fields::open(node, &SOURCE, sink)?;
    let name = fields
        .get("name")
        .and_then(|node| value::filled(node, "`name`", sink));
    let from = from(node, &fields, sink);
    let interval = value::some_time(&fields, "interval", USUAL_INTERVAL, sink);
    let timeout = value::some_time(&fields, "timeout", USUAL_TIMEOUT, sink);
    for (key, length) in [("interval", interval), ("timeout", timeout)] {
        let is_odd = length < Duration::from_secs(1) || length > Duration::from_mins(60);
        if is_odd && let Some(node) = fields.get(key) {
            let message = format!("`{key}` is from `1s` to `1h`, not `{length}`");
            sink.error(Code::BadValue, node.at, message);
        }
    }
    Some(ExternalMetric {
        name: name?,
        from: from?,
        interval,
        timeout,
    })
}

fn from(node: &Node, fields: &Fields<'_>, sink: &mut Sink) -> Option<MetricSource> {
    let kinds = ["prometheus", "http", "command"];
    let mut named = kinds.iter().filter_map(|kind| fields.entry(kind));
    let (first, second) = (named.next(), named.next());
    if let Some(second) = second {
        let message = "`source` must name exactly one of `prometheus`, `http` and `command`";
        sink.error(Code::Conflict, second.at, message);
        return None;
    }
    let Some(entry) = first else {
        let message = "`source` needs `prometheus`, `http` or `command`";
        sink.error(Code::MissingKey, node.at, message);
        return None;
    };
    match entry.key.as_str() {
        "prometheus" => {
            let fields = Fields::open(&entry.value, &PROMETHEUS, sink)?;
            let url = fields.get("url").and_then(|node| notify::url(node, sink));
            let query = fields
                .get("query")
                .and_then(|node| value::filled(node, "`query`", sink));
            let headers = headers::read(fields.get("headers"), sink, with_secrets);
            Some(MetricSource::Prometheus {
                url: url?,
                query: query?,
                headers,
            })
        }
        "http" => {
            let fields = Fields::open(&entry.value, &HTTP, sink)?;
            let url = fields.get("url").and_then(|node| notify::url(node, sink));
            let pointer = fields.present("pointer").and_then(|it| pointer(it, sink));
            let headers = headers::read(fields.get("headers"), sink, with_secrets);
            Some(MetricSource::Http {
                url: url?,
                pointer: pointer?,
                headers,
            })
        }
        _ => {
            let argv = service::arguments(&entry.value, sink);
            (!argv.is_empty()).then_some(MetricSource::Command { argv })
        }
    }
}

/// As in RFC 6901: empty for the whole answer, else it begins with a slash.
fn pointer(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = value::plain(node, "`pointer`", sink)?;
    if text.is_empty() || text.starts_with('/') {
        return Some(text);
    }
    let message = format!("`{text}` is no JSON pointer");
    let hint = format!("write `/{text}`");
    sink.error_hint(Code::BadValue, node.at, message, hint);
    None
}

/// A value that may hold secrets: `${{ secrets.X }}` and nothing else of that kind.
fn with_secrets(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let allowed = cutover_expr::Allowed::list(["secrets"]);
    let text = shape::text(node, what, sink)?;
    if let Err(error) = cutover_expr::template::check(&text, &allowed) {
        let at = node.place_of(error.offset);
        sink.error(Code::Expression, at, error.to_string());
        return None;
    }
    Some(text)
}

/// A number of seconds, as the founding document writes it, or a length of time.
fn seconds(node: &Node, what: &str, sink: &mut Sink) -> Option<Duration> {
    match node.scalar().map(|scalar| scalar.kind) {
        Some(Kind::Number(value)) => {
            thousandths(node, what, value, sink).map(Duration::from_millis)
        }
        _ => shape::duration(node, what, sink),
    }
}

fn thousandths(node: &Node, what: &str, value: f64, sink: &mut Sink) -> Option<u64> {
    let count = shape::fixed(value, 1_000);
    if count.is_none() {
        let message = format!("{what} must be 0 or more, with at most three decimals");
        sink.error(Code::BadValue, node.at, message);
    }
    count
}
