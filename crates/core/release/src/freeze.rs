//! Whether anything may go out to an environment now, and if not, why and until when. Pure: the
//! freezes, the windows and the time come in.

use cutover_model::Timestamp;

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
