//! `freeze:` of an environment: windows in which nothing may be deployed.

use cutover_model::guard::{FreezeWhen, FreezeWindow};

use super::value;
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::Node,
};

const WINDOW: Schema = Schema {
    what: "a freeze",
    keys: &["from", "to", "days", "hours", "timezone", "reason"],
    required: &["reason"],
    later: &[],
};
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u16 = 1_440;

pub(super) fn windows(node: &Node, sink: &mut Sink) -> Vec<FreezeWindow> {
    shape::list(node, "`freeze`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| window(item, sink))
        .collect()
}

fn window(node: &Node, sink: &mut Sink) -> Option<FreezeWindow> {
    let fields = Fields::open(node, &WINDOW, sink)?;
    let reason = fields
        .get("reason")
        .and_then(|node| value::filled(node, "`reason`", sink));
    let timezone = fields.get("timezone").and_then(|node| timezone(node, sink));
    let once = fields.get("from").or_else(|| fields.get("to"));
    let weekly = fields.get("days").or_else(|| fields.get("hours"));
    let when = match (once, weekly) {
        (Some(_), None) => self::once(node, &fields, sink),
        (None, Some(_)) => self::weekly(&fields, sink),
        (Some(_), Some(both)) => {
            let message = "`from` and `to` are for once, `days` and `hours` for every week";
            let hint = "write two entries".to_owned();
            sink.error_hint(Code::Conflict, both.at, message, hint);
            None
        }
        (None, None) => {
            let message = "a freeze needs `from` and `to`, or `days`, or `hours`";
            sink.error(Code::MissingKey, node.at, message);
            None
        }
    };
    Some(FreezeWindow {
        when: when?,
        timezone: timezone.unwrap_or_else(|| "UTC".to_owned()),
        reason: reason?,
    })
}

/// Only its shape: the server knows which there are.
fn timezone(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = value::filled(node, "`timezone`", sink)?;
    let fits = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
    if !fits {
        let message = format!("`{text}` is not the name of a time zone");
        let hint = "for example `Europe/Berlin` or `UTC`".to_owned();
        sink.error_hint(Code::BadValue, node.at, message, hint);
        return None;
    }
    Some(text)
}

fn once(node: &Node, fields: &Fields<'_>, sink: &mut Sink) -> Option<FreezeWhen> {
    let mut moment = |key: &str| {
        let Some(value) = fields.get(key) else {
            let message = format!("a freeze for once needs `{key}` too");
            sink.error(Code::MissingKey, node.at, message);
            return None;
        };
        let text = shape::text(value, &format!("`{key}`"), sink)?;
        let civil = civil(&text);
        if civil.is_none() {
            let message = format!("`{key}` must be a day or a moment, and is `{text}`");
            let hint = "for example `2026-12-20` or `2026-12-20T18:00`".to_owned();
            sink.error_hint(Code::BadValue, value.at, message, hint);
        }
        civil
    };
    let (from, to) = (moment("from"), moment("to"));
    let (from, to) = (from?, to?);
    if to <= from {
        let message = "`to` must be later than `from`";
        sink.error(Code::BadValue, node.at, message);
        return None;
    }
    Some(FreezeWhen::Once { from, to })
}

/// `2026-12-20`, `2026-12-20T18:00`, `2026-12-20 18:00:30` as `2026-12-20T18:00:30`.
fn civil(text: &str) -> Option<String> {
    let (day, time) = match text.split_once(['T', ' ']) {
        Some((day, time)) => (day, time),
        None => (text, "00:00:00"),
    };
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u16>().ok())
            .flatten()
    };
    let mut parts = day.split('-');
    let year = number(parts.next()?, 4)?;
    let month = number(parts.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let days = days_in(year, month);
    let day = number(parts.next()?, 2).filter(|day| (1..=days).contains(day))?;
    let mut clock = time.split(':');
    let hour = number(clock.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = number(clock.next()?, 2).filter(|minute| *minute < 60)?;
    let second = clock
        .next()
        .map_or(Some(0), |text| number(text, 2).filter(|it| *it < 60))?;
    if parts.next().is_some() || clock.next().is_some() {
        return None;
    }
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    ))
}

const fn days_in(year: u16, month: u16) -> u16 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn weekly(fields: &Fields<'_>, sink: &mut Sink) -> Option<FreezeWhen> {
    let days = fields.get("days").map(|node| days(node, sink));
    let hours = match fields.get("hours") {
        Some(node) => hours(node, sink)?,
        None => (0, DAY_MINUTES),
    };
    Some(FreezeWhen::Weekly {
        days: days.unwrap_or_default(),
        from_minute: hours.0,
        to_minute: hours.1,
    })
}

fn days(node: &Node, sink: &mut Sink) -> Vec<u8> {
    let mut days: Vec<u8> = shape::items(node, "`days`", sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| shape::word(item, "a day", &DAYS, sink))
        .filter_map(|word| DAYS.iter().position(|day| *day == word))
        .filter_map(|place| u8::try_from(place + 1).ok())
        .collect();
    days.sort_unstable();
    days.dedup();
    days
}

/// `18:00-08:00`.
fn hours(node: &Node, sink: &mut Sink) -> Option<(u16, u16)> {
    let text = shape::text(node, "`hours`", sink)?;
    let minutes = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
    };
    let read = text.split_once('-').and_then(|(from, to)| {
        let (from, to) = (minutes(from)?, minutes(to)?);
        (from < DAY_MINUTES && to > 0).then_some((from, to))
    });
    if read.is_none() {
        let message = format!("`hours` must be a span of a day, and is `{text}`");
        let hint = "for example `18:00-24:00`, or `22:00-06:00` over midnight".to_owned();
        sink.error_hint(Code::BadValue, node.at, message, hint);
    }
    read
}
