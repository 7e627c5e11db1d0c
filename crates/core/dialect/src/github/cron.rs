//! Patterns of times as `schedule` has them: five fields, with names for months and days of the week.

use std::{collections::BTreeSet, ops::RangeInclusive};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Why a text is no pattern of times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CronError {
    /// Another count of fields.
    #[error("it has {0} fields, and needs five: minute, hour, day, month, day of the week")]
    Fields(usize),
    /// A field that does not hold.
    #[error("`{0}` is not allowed as {1}")]
    Field(String, &'static str),
}

/// The minutes of an hour in which a pattern holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Vec<u32>,
    hours: Vec<u32>,
}

impl Cron {
    /// The least count of minutes between two times on one day.
    pub(crate) fn least_gap(&self) -> u32 {
        let times: Vec<u32> = self
            .hours
            .iter()
            .flat_map(|hour| self.minutes.iter().map(move |minute| hour * 60 + minute))
            .collect();
        times
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .min()
            .unwrap_or(24 * 60)
    }
}

struct Field {
    what: &'static str,
    range: RangeInclusive<u32>,
    names: &'static [&'static str],
}

/// The five fields: what each is, what it may be, and its names.
fn fields() -> [Field; 5] {
    let plain = |what, range| Field {
        what,
        range,
        names: &[],
    };
    [
        plain("a minute", 0..=59),
        plain("an hour", 0..=23),
        plain("a day", 1..=31),
        Field {
            names: &MONTHS,
            ..plain("a month", 1..=12)
        },
        Field {
            names: &DAYS,
            ..plain("a day of the week", 0..=7)
        },
    ]
}

fn split(text: &str) -> Result<[&str; 5], CronError> {
    let found: Vec<&str> = text.split(' ').filter(|field| !field.is_empty()).collect();
    let count = found.len();
    found.try_into().map_err(|_| CronError::Fields(count))
}

/// Reads a pattern.
pub(crate) fn parse(text: &str) -> Result<Cron, CronError> {
    let mut numbers = Vec::new();
    for (field, text) in fields().iter().zip(split(text)?) {
        numbers.push(field.read(text)?);
    }
    let mut numbers = numbers.into_iter();
    let mut next = || numbers.next().unwrap_or_default();
    Ok(Cron {
        minutes: next(),
        hours: next(),
    })
}

/// The same pattern in numbers alone, without ranges, names and steps from a number on: whoever counts times need not
/// know all of this. A star stays one, since days are looked at in another way then.
pub(crate) fn in_numbers(text: &str) -> Result<String, CronError> {
    let mut all = Vec::new();
    for (field, text) in fields().iter().zip(split(text)?) {
        let numbers = field.read(text)?;
        let step = text.strip_prefix("*/").and_then(digits);
        let step: Option<u32> = step.and_then(|step| step.parse().ok());
        if text == "*" || step.is_some_and(|step| step <= *field.range.end()) {
            all.push(text.to_owned());
            continue;
        }
        // 7 is Sunday, as 0 is.
        let is_week = *field.range.end() == 7;
        let numbers = numbers.into_iter().map(|number| match number {
            7 if is_week => 0,
            number => number,
        });
        let numbers: BTreeSet<u32> = numbers.collect();
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        all.push(numbers.join(","));
    }
    Ok(all.join(" "))
}

impl Field {
    /// The numbers that a field stands for, sorted.
    fn read(&self, text: &str) -> Result<Vec<u32>, CronError> {
        let wrong = || CronError::Field(text.to_owned(), self.what);
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => {
                    let step = digits(step).and_then(|step| step.parse().ok());
                    (range, step.filter(|step| *step > 0))
                }
                None => (part, Some(1)),
            };
            let step: usize = step.ok_or_else(wrong)?;
            let (low, high) = match range.split_once('-') {
                _ if range == "*" => (*self.range.start(), *self.range.end()),
                Some((low, high)) => (
                    self.number(low).ok_or_else(wrong)?,
                    self.number(high).ok_or_else(wrong)?,
                ),
                None => {
                    let low = self.number(range).ok_or_else(wrong)?;
                    let high = if part.contains('/') {
                        // The week ends once: 7 is Sunday again.
                        let end = *self.range.end();
                        low.max(if end == 7 { 6 } else { end })
                    } else {
                        low
                    };
                    (low, high)
                }
            };
            if low > high {
                return Err(wrong());
            }
            numbers.extend((low..=high).step_by(step));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(at) => u32::try_from(at).ok()? + u32::from(*self.range.start() == 1),
            None => digits(text)?.parse().ok()?,
        };
        self.range.contains(&number).then_some(number)
    }
}

/// A number has no sign.
fn digits(text: &str) -> Option<&str> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_told_in_numbers() {
        for (text, numbers) in [
            ("*/15 0 1,15 jan-MAR 1-5", "*/15 0 1,15 1,2,3 1,2,3,4,5"),
            ("20/15 * 30/2 * sun,7", "20,35,50 * 30 * 0"),
            ("*/99 08 * * 5/1", "0 8 * * 5,6"),
        ] {
            assert_eq!(in_numbers(text).unwrap(), numbers, "{text}");
        }
        for text in ["+5 * * * *", "*/+5 * * * *", "* * * *"] {
            assert!(in_numbers(text).is_err() && parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_hold_or_say_which_field_does_not() {
        for text in [
            "* * * * *",
            "*/15 0 1,15 jan-MAR 1-5",
            "5/10 4 * * sun",
            "0 0 31 12 7",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        assert_eq!(parse("* * * *"), Err(CronError::Fields(4)));
        for (text, field) in [
            ("60 * * * *", "60"),
            ("* 24 * * *", "24"),
            ("* * 0 * *", "0"),
            ("*/0 * * * *", "*/0"),
            ("5-1 * * * *", "5-1"),
            ("* * * foo *", "foo"),
            ("* * * * 8", "8"),
            ("1, * * * *", "1,"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(&error, CronError::Field(own, _) if own == field),
                "{error}"
            );
        }
    }

    #[test]
    fn the_least_gap_is_that_of_a_day() {
        for (text, gap) in [
            ("*/5 * * * *", 5),
            ("*/3 * * * *", 3),
            ("58,2 * * * *", 4),
            ("0 6 * * *", 24 * 60),
            ("0 6,18 * * *", 12 * 60),
        ] {
            assert_eq!(parse(text).unwrap().least_gap(), gap, "{text}");
        }
    }
}
