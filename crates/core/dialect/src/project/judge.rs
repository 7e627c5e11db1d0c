//! `judge:` of an environment: by which parameters the candidate is compared with what serves.

use cutover_model::{
    Duration,
    delivery::{InvalidJudge, JudgeSpec, OnInsufficient, Split},
};

use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::{Kind, Node},
};

const JUDGE: Schema = Schema {
    what: "`judge`",
    keys: &[
        "enabled",
        "alpha",
        "min_ratio",
        "p_max",
        "split",
        "dedupe",
        "on_insufficient",
    ],
    required: &[],
    later: &[],
};
const SPLIT: Schema = Schema {
    what: "`split`",
    keys: &["errors", "latency"],
    required: &[],
    later: &[(
        "restarts",
        "remove it: an instance of the candidate that ends takes it back at once, without being weighed",
    )],
};
/// The balancer counts a client once in so much time, and in no other.
const COUNTED_ONCE_IN: Duration = Duration::from_secs(10);

/// `true`, `false`, or the parameters.
pub(super) fn judge(node: &Node, sink: &mut Sink) -> Option<JudgeSpec> {
    let usual = JudgeSpec::default();
    if let Some(Kind::Bool(enabled)) = node.scalar().map(|scalar| scalar.kind) {
        return Some(JudgeSpec { enabled, ..usual });
    }
    let fields = Fields::open(node, &JUDGE, sink)?;
    let spec = JudgeSpec {
        enabled: fields
            .get("enabled")
            .and_then(|node| shape::truth(node, "`enabled`", sink))
            .unwrap_or(usual.enabled),
        alpha_ppm: parts(&fields, "alpha", 1_000_000, sink).unwrap_or(usual.alpha_ppm),
        min_ratio_milli: parts(&fields, "min_ratio", 1_000, sink).unwrap_or(usual.min_ratio_milli),
        p_max_ppm: parts(&fields, "p_max", 1_000_000, sink).or(usual.p_max_ppm),
        split: fields
            .get("split")
            .and_then(|node| split(node, sink))
            .unwrap_or(usual.split),
        dedupe: fields
            .get("dedupe")
            .and_then(|node| dedupe(node, sink))
            .unwrap_or(usual.dedupe),
        on_insufficient: fields
            .get("on_insufficient")
            .and_then(|node| on_insufficient(node, sink))
            .unwrap_or(usual.on_insufficient),
    };
    if let Err(error) = spec.check() {
        let at = blamed(&fields, error).map_or(node.at, |node| node.at);
        sink.error(Code::BadValue, at, error.to_string());
        return None;
    }
    Some(spec)
}

/// The value that makes it impossible to judge.
fn blamed<'a>(fields: &Fields<'a>, error: InvalidJudge) -> Option<&'a Node> {
    fields.get(match error {
        InvalidJudge::Alpha => "alpha",
        InvalidJudge::MinRatio => "min_ratio",
        InvalidJudge::PMax => "p_max",
        InvalidJudge::Split(_) => "split",
        InvalidJudge::Dedupe => "dedupe",
    })
}

/// A number in whole parts; one that has a finer fraction, or is out of all range, is refused.
fn parts(fields: &Fields<'_>, key: &str, parts: u32, sink: &mut Sink) -> Option<u32> {
    let node = fields.get(key)?;
    let value = shape::number(node, &format!("`{key}`"), sink)?;
    let count = shape::fixed(value, parts).and_then(|count| u32::try_from(count).ok());
    if count.is_none() {
        let digits = if parts == 1_000 { "three" } else { "six" };
        let message = format!("`{key}` must be 0 or more, with at most {digits} decimals");
        sink.error(Code::BadValue, node.at, message);
    }
    count
}

fn split(node: &Node, sink: &mut Sink) -> Option<Split> {
    let fields = Fields::open(node, &SPLIT, sink)?;
    // Whoever names some of the metrics wants only these.
    let mut share = |key: &str| {
        let node = fields.get(key)?;
        let share = shape::whole(node, &format!("`{key}`"), 0..=100, sink)?;
        u8::try_from(share).ok()
    };
    let (errors, latency) = (share("errors"), share("latency"));
    Some(Split {
        errors: errors.unwrap_or(0),
        latency: latency.unwrap_or(0),
        restarts: 0,
    })
}

fn dedupe(node: &Node, sink: &mut Sink) -> Option<Duration> {
    let window = shape::duration(node, "`dedupe`", sink)?;
    if window == Duration::ZERO || window == COUNTED_ONCE_IN {
        return Some(window);
    }
    let message = format!("`dedupe` cannot be `{window}`");
    let hint = "use `10s`, in which the balancer counts a client once, or `0s` to count each bad \
                answer";
    sink.error_hint(Code::BadValue, node.at, message, hint.to_owned());
    None
}

fn on_insufficient(node: &Node, sink: &mut Sink) -> Option<OnInsufficient> {
    let words = OnInsufficient::ALL.map(OnInsufficient::word);
    let word = shape::word(node, "`on_insufficient`", &words, sink)?;
    OnInsufficient::ALL
        .into_iter()
        .find(|one| one.word() == word)
}
