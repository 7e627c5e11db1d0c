//! Whether anything may go out to an environment now, and if not, why and until when. Pure: the
//! freezes, the windows and the time come in.

use cutover_model::{
    Timestamp,
    guard::{FreezeWhen, FreezeWindow},
};
use jiff::{
    ToSpan as _,
    civil::{Date, DateTime},
    tz::{TimeZone, TimeZoneDatabase},
};

/// A freeze that a person has put on and nobody has lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which environment; all of them when absent.
    pub environment: Option<String>,
    /// Why, for people.
    pub reason: String,
    /// From when on.
    pub since: Timestamp,
    /// Until when; until it is lifted when absent.
    pub until: Option<Timestamp>,
}

/// Nothing may go out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Why, for people.
    pub reason: String,
    /// Until when, when that is known. Then it is worth asking again; another freeze may go on.
    pub until: Option<Timestamp>,
}

/// The freeze of a person that lasts longest.
pub fn by_order(environment: &str, orders: &[Order], at: Timestamp) -> Option<Frozen> {
    let holds = |order: &&Order| {
        let is_here = order
            .environment
            .as_deref()
            .is_none_or(|it| it == environment);
        is_here && order.since <= at && order.until.is_none_or(|until| at < until)
    };
    let frozen = orders.iter().filter(holds).map(|order| Frozen {
        reason: order.reason.clone(),
        until: order.until,
    });
    frozen.reduce(longer)
}

/// The window that lasts longest of those that are open. The error is for people: a time zone that
/// nobody knows, a time that is none.
pub fn by_window(windows: &[FreezeWindow], at: Timestamp) -> Result<Option<Frozen>, String> {
    let mut longest = None;
    for window in windows {
        let Some(until) = open_until(window, at)? else {
            continue;
        };
        let frozen = Frozen {
            reason: window.reason.clone(),
            until: Some(until),
        };
        longest = Some(match longest {
            Some(other) => longer(other, frozen),
            None => frozen,
        });
    }
    Ok(longest)
}

/// When a window closes; `None` while it is not open.
fn open_until(window: &FreezeWindow, at: Timestamp) -> Result<Option<Timestamp>, String> {
    // The zones come with the program: the same file means the same on every machine.
    let zone = TimeZoneDatabase::bundled()
        .get(&window.timezone)
        .map_err(|_| format!("`{}` is not a time zone", window.timezone))?;
    let mut spans = Vec::new();
    match &window.when {
        FreezeWhen::Once { from, to } => spans.push((civil(from)?, civil(to)?)),
        FreezeWhen::Weekly {
            days,
            from_minute,
            to_minute,
        } => {
            let now = jiff::Timestamp::from_millisecond(at.0)
                .map_err(|error| error.to_string())?
                .to_zoned(zone.clone());
            let today = now.date();
            // One that began yesterday may go on after midnight.
            for day in [today.yesterday(), Ok(today)].into_iter().flatten() {
                let weekday = day.weekday().to_monday_one_offset().unsigned_abs();
                if days.is_empty() || days.contains(&weekday) {
                    spans.extend(span(day, *from_minute, *to_minute));
                }
            }
        }
    }
    let open = spans.into_iter().filter_map(|(from, to)| {
        let (from, to) = (instant_of(&zone, from)?, instant_of(&zone, to)?);
        (from <= at && at < to).then_some(to)
    });
    Ok(open.max())
}

/// The window that begins on a day.
fn span(day: Date, from_minute: u16, to_minute: u16) -> Option<(DateTime, DateTime)> {
    let midnight = day.to_datetime(jiff::civil::Time::midnight());
    let from = midnight
        .checked_add(i64::from(from_minute).minutes())
        .ok()?;
    let end = if to_minute > from_minute {
        i64::from(to_minute)
    } else {
        i64::from(to_minute) + 1_440
    };
    Some((from, midnight.checked_add(end.minutes()).ok()?))
}

/// When the clocks of a zone show this. Of a time that they show twice the first, of one that they
/// leap over the one after it.
fn instant_of(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    let zoned = zone.to_ambiguous_zoned(time).compatible().ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

fn civil(text: &str) -> Result<DateTime, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a time; write for example `2026-12-20T00:00:00`"))
}

/// The one of two that lasts longer; one without an end lasts longest.
pub fn longer(one: Frozen, other: Frozen) -> Frozen {
    match (one.until, other.until) {
        (Some(first), Some(second)) if second > first => other,
        (Some(_), None) => other,
        _ => one,
    }
}

/// An instant as people write it: `2026-12-27T06:00:00+01:00`, `2026-12-27T05:00:00Z`. The error is for
/// people.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    match text.parse::<jiff::Timestamp>() {
        Ok(instant) => Ok(Timestamp(instant.as_millisecond())),
        Err(_) => Err(format!(
            "`{text}` is not an instant; write for example `2026-12-27T06:00:00+01:00`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(environment: Option<&str>, reason: &str, until: Option<i64>) -> Order {
        Order {
            environment: environment.map(str::to_owned),
            reason: reason.to_owned(),
            since: Timestamp(10),
            until: until.map(Timestamp),
        }
    }

    #[test]
    fn the_freeze_that_lasts_longest_is_the_one_that_is_told() {
        let orders = [
            order(Some("production"), "short", Some(20)),
            order(None, "long", Some(30)),
            order(Some("staging"), "elsewhere", None),
        ];
        let why = |environment, at| {
            by_order(environment, &orders, Timestamp(at)).map(|frozen| frozen.reason)
        };
        assert_eq!(why("production", 9), None, "it has not begun");
        assert_eq!(why("production", 10).as_deref(), Some("long"));
        assert_eq!(
            why("production", 30),
            None,
            "its end is the first free moment"
        );
        assert_eq!(why("staging", 1_000).as_deref(), Some("elsewhere"));
    }

    fn window(timezone: &str, when: FreezeWhen) -> FreezeWindow {
        FreezeWindow {
            when,
            timezone: timezone.to_owned(),
            reason: "quiet".to_owned(),
        }
    }

    fn until(window: &FreezeWindow, at: &str) -> Option<String> {
        let frozen = by_window(std::slice::from_ref(window), instant(at).unwrap()).unwrap();
        frozen.map(|frozen| frozen.until.unwrap().to_string())
    }

    #[test]
    fn a_window_is_open_by_the_clocks_of_its_zone() {
        let once = window(
            "Europe/Stockholm",
            FreezeWhen::Once {
                from: "2026-12-20T00:00:00".to_owned(),
                to: "2027-01-07T08:00:00".to_owned(),
            },
        );
        assert_eq!(until(&once, "2026-12-19T22:59:59Z"), None);
        let end = Some("2027-01-07T07:00:00.000Z".to_owned());
        assert_eq!(until(&once, "2026-12-19T23:00:00Z"), end);
        assert_eq!(until(&once, "2027-01-07T07:00:00Z"), None);
    }

    #[test]
    fn a_weekly_window_goes_over_midnight_and_over_a_change_of_the_clocks() {
        let weekend = window(
            "Europe/Stockholm",
            FreezeWhen::Weekly {
                days: vec![5],
                from_minute: 16 * 60,
                to_minute: 7 * 60,
            },
        );
        // 2026-11-20 is a Friday.
        assert_eq!(until(&weekend, "2026-11-20T14:59:00Z"), None);
        let end = Some("2026-11-21T06:00:00.000Z".to_owned());
        assert_eq!(until(&weekend, "2026-11-20T15:00:00Z"), end);
        assert_eq!(until(&weekend, "2026-11-21T05:59:59Z"), end);
        assert_eq!(until(&weekend, "2026-11-21T15:30:00Z"), None, "a Saturday");
        let all_sunday = window(
            "Europe/Stockholm",
            FreezeWhen::Weekly {
                days: vec![7],
                from_minute: 0,
                to_minute: 1_440,
            },
        );
        // The day on which the clocks go forward has 23 hours.
        assert_eq!(until(&all_sunday, "2026-03-28T22:59:59Z"), None);
        let end = Some("2026-03-29T22:00:00.000Z".to_owned());
        assert_eq!(until(&all_sunday, "2026-03-28T23:00:00Z"), end);
    }

    #[test]
    fn a_zone_that_nobody_knows_is_said() {
        let when = FreezeWhen::Weekly {
            days: Vec::new(),
            from_minute: 0,
            to_minute: 1_440,
        };
        let why = by_window(&[window("Mars/Olympus", when)], Timestamp(0)).unwrap_err();
        assert_eq!(why, "`Mars/Olympus` is not a time zone");
    }

    #[test]
    fn an_instant_needs_its_offset() {
        assert_eq!(instant("1970-01-01T01:00:01+01:00"), Ok(Timestamp(1_000)));
        for text in [
            "",
            "tomorrow",
            "2026-12-27T06:00:00",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(instant(text).is_err(), "{text}");
        }
    }
}
