//! When what is due. Time comes from outside; nothing is started here.

use std::collections::BTreeMap;

use cutover_model::{Duration, Timestamp};
use jiff::{Zoned, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// How late a time may be made up for when nobody was there to see it.
pub(crate) const CATCH_UP: Duration = Duration::from_mins(24 * 60);

/// One time of one workflow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) repository: String,
    pub(crate) workflow: String,
    pub(crate) cron: String,
    /// UTC when absent.
    pub(crate) timezone: Option<String>,
}

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// What was due until then has been dealt with.
    until: Timestamp,
    /// For when it was started last.
    fired: Option<Timestamp>,
}

/// Something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) entry: Entry,
    /// For when.
    pub(crate) at: Timestamp,
}

/// All times of all workflows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(Entry, Known)>", into = "Vec<(Entry, Known)>")]
pub(crate) struct Calendar(BTreeMap<Entry, Known>);

impl From<Vec<(Entry, Known)>> for Calendar {
    fn from(entries: Vec<(Entry, Known)>) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl From<Calendar> for Vec<(Entry, Known)> {
    fn from(calendar: Calendar) -> Self {
        calendar.0.into_iter().collect()
    }
}

/// An entry, when it comes next and when it came last; or why it never does.
pub(crate) type Row<'a> = (&'a Entry, Result<Timestamp, String>, Option<Timestamp>);

impl Calendar {
    /// These are the entries of a repository from now on. One that is new waits for its next time; one
    /// that has been there keeps what is known of it.
    pub(crate) fn set(&mut self, repository: &str, entries: Vec<Entry>, now: Timestamp) {
        let mut known = std::mem::take(&mut self.0);
        for entry in entries {
            let before = known.remove(&entry).unwrap_or(Known {
                until: now,
                fired: None,
            });
            self.0.insert(entry, before);
        }
        known.retain(|entry, _| entry.repository != repository);
        self.0.append(&mut known);
    }

    /// What is due: of several times that were missed the last one, when it is not too long ago.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Due> {
        let late = |(entry, known): (&Entry, &Known)| {
            let at = occurrence(entry, now, Way::Back).ok()?;
            let is_due = at > known.until && now.since(at) <= CATCH_UP;
            is_due.then(|| Due {
                entry: entry.clone(),
                at,
            })
        };
        self.0.iter().filter_map(late).collect()
    }

    /// What was due has been started.
    pub(crate) fn done(&mut self, due: &Due) {
        if let Some(known) = self.0.get_mut(&due.entry) {
            known.until = known.until.max(due.at);
            known.fired = Some(due.at);
        }
    }

    /// When the next one is due.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let next = |entry| occurrence(entry, now, Way::Ahead).ok();
        self.0.keys().filter_map(next).min()
    }

    /// Each entry, for people.
    pub(crate) fn rows(&self, now: Timestamp) -> impl Iterator<Item = Row<'_>> {
        self.0.iter().map(move |(entry, known)| {
            let next = occurrence(entry, now, Way::Ahead);
            (entry, next, known.fired)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The last time, now included.
    Back,
    /// The next time, now excluded.
    Ahead,
}

/// The nearest time of an entry; an hour that the clocks leave out or have twice is as `croner` has it.
fn occurrence(entry: &Entry, now: Timestamp, way: Way) -> Result<Timestamp, String> {
    let zone = match &entry.timezone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| format!("no time zone `{name}` is known"))?,
    };
    let cron: croner::Cron = spelled(&entry.cron)
        .parse()
        .map_err(|error: croner::errors::CronError| error.to_string())?;
    let now = jiff::Timestamp::from_millisecond(now.0).map_err(|error| error.to_string())?;
    let now: Zoned = now.to_zoned(zone);
    let found = match way {
        Way::Back => cron.find_previous_occurrence(&now, true),
        Way::Ahead => cron.find_next_occurrence(&now, false),
    };
    let found = found.map_err(|error| error.to_string())?;
    Ok(Timestamp(found.timestamp().as_millisecond()))
}

/// The pattern as `croner` takes it: not all that may be written there may be written here.
fn spelled(cron: &str) -> String {
    cutover_dialect::times(cron).unwrap_or_else(|| cron.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cron: &str, timezone: Option<&str>) -> Entry {
        Entry {
            repository: "hello".to_owned(),
            workflow: "nightly.yml".to_owned(),
            cron: cron.to_owned(),
            timezone: timezone.map(str::to_owned),
        }
    }

    fn at(text: &str) -> Timestamp {
        let at: jiff::Timestamp = text.parse().unwrap();
        Timestamp(at.as_millisecond())
    }

    fn since(cron: &str, timezone: Option<&str>, from: &str) -> Calendar {
        let mut calendar = Calendar::default();
        calendar.set("hello", vec![entry(cron, timezone)], at(from));
        calendar
    }

    fn due(calendar: &Calendar, now: &str) -> Vec<Timestamp> {
        calendar.due(at(now)).iter().map(|due| due.at).collect()
    }

    #[test]
    fn a_time_comes_once() {
        let mut calendar = since("30 6 * * *", None, "2026-11-21T06:00:00Z");
        assert_eq!(
            calendar.next(at("2026-11-21T06:00:00Z")),
            Some(at("2026-11-21T06:30:00Z"))
        );
        assert_eq!(due(&calendar, "2026-11-21T06:29:59Z"), []);
        assert_eq!(
            due(&calendar, "2026-11-21T06:30:00Z"),
            [at("2026-11-21T06:30:00Z")]
        );
        for due in calendar.due(at("2026-11-21T06:30:00Z")) {
            calendar.done(&due);
        }
        assert_eq!(due(&calendar, "2026-11-21T06:30:00Z"), []);
        // A clock that goes back brings nothing back.
        assert_eq!(due(&calendar, "2026-11-21T06:31:00Z"), []);
        assert_eq!(due(&calendar, "2026-11-21T05:00:00Z"), []);
        // What is read again is what was written.
        let text = serde_json::to_string(&calendar).unwrap();
        assert_eq!(serde_json::from_str::<Calendar>(&text).unwrap(), calendar);
    }

    #[test]
    fn of_what_was_missed_the_last_is_made_up_for_once_within_a_day() {
        let mut calendar = since("0 * * * *", None, "2026-11-20T06:00:00Z");
        let late = calendar.due(at("2026-11-21T04:10:00Z"));
        assert_eq!(late.len(), 1);
        assert_eq!(late[0].at, at("2026-11-21T04:00:00Z"));
        calendar.done(&late[0]);
        assert_eq!(due(&calendar, "2026-11-21T04:59:00Z"), []);
        let calendar = since("0 6 1 * *", None, "2026-10-20T06:00:00Z");
        assert_eq!(
            due(&calendar, "2026-11-02T05:59:00Z"),
            [at("2026-11-01T06:00:00Z")]
        );
        assert_eq!(due(&calendar, "2026-11-02T06:01:00Z"), [], "too long ago");
    }

    #[test]
    fn times_are_those_of_their_zone() {
        let calendar = since("0 6 * * *", Some("Europe/Zurich"), "2026-07-01T00:00:00Z");
        assert_eq!(
            calendar.next(at("2026-07-01T00:00:00Z")),
            Some(at("2026-07-01T04:00:00Z"))
        );
        assert_eq!(
            calendar.next(at("2026-12-01T00:00:00Z")),
            Some(at("2026-12-01T05:00:00Z"))
        );
        let nowhere = since("0 6 * * *", Some("Europe/Nowhere"), "2026-07-01T00:00:00Z");
        let (_, next, _) = nowhere.rows(at("2026-07-01T00:00:00Z")).next().unwrap();
        assert_eq!(
            next,
            Err("no time zone `Europe/Nowhere` is known".to_owned())
        );
    }

    #[test]
    fn an_entry_that_is_new_waits_and_one_that_stays_remembers() {
        let mut calendar = since("0 * * * *", None, "2026-11-21T06:30:00Z");
        let other = entry("15 * * * *", None);
        let both = vec![entry("0 * * * *", None), other.clone()];
        calendar.set("hello", both, at("2026-11-21T07:20:00Z"));
        assert_eq!(
            due(&calendar, "2026-11-21T07:20:00Z"),
            [at("2026-11-21T07:00:00Z")]
        );
        calendar.set("another", Vec::new(), at("2026-11-21T07:20:00Z"));
        calendar.set("hello", vec![other], at("2026-11-21T07:20:00Z"));
        assert_eq!(due(&calendar, "2026-11-21T07:20:00Z"), []);
    }

    #[test]
    fn a_step_from_a_number_on_is_a_time() {
        let calendar = since("20/15 4 * * 2/2", None, "2026-11-21T12:00:00Z");
        let next = calendar.next(at("2026-11-24T04:35:00Z"));
        assert_eq!(next, Some(at("2026-11-24T04:50:00Z")));
    }

    /// What the dialect takes for a pattern of times is one here, too, and its times lie on their sides of now.
    #[test]
    fn fuzz_cron() {
        let corpus = [
            "*/15 0 1,15 jan-MAR 1-5\0Europe/Stockholm",
            "5/10 4 * * sun\0America/New_York",
            "0 0 31 2 7\0",
            "59 23 29 2 0,7\0Asia/Kathmandu",
        ];
        let corpus = corpus.map(|text| text.as_bytes().to_vec()).to_vec();
        let words = [
            "*", "/", ",", "-", " ", "0", "1", "7", "31", "59", "60", "+", "L", "W", "#", "?",
            "@daily", "sun", "MON", "feb", "\0", "UTC", "\t", "00", "1-", "*/", "ß",
        ];
        let noon = at("2026-11-21T12:00:00Z");
        let looked = cutover_testkit::fuzz::fuzz(corpus, &words, |input| {
            let text = String::from_utf8_lossy(input);
            let (cron, zone) = text.split_once('\0').unwrap_or((&text, ""));
            let zone = Some(zone).filter(|zone| TimeZone::get(zone).is_ok());
            let on = serde_json::json!({"schedule": [{"cron": cron}]});
            let mut tree = cutover_dialect::SourceTree::new();
            tree.insert("w.yml", format!("on: {on}\n"));
            let taken = cutover_dialect::schedules(&tree, "w.yml");
            let [schedule] = taken.as_slice() else {
                return 0;
            };
            let parsed: Result<croner::Cron, _> = spelled(&schedule.cron).parse();
            assert!(parsed.is_ok(), "`{cron}`: {:?}", parsed.err());
            let entry = entry(&schedule.cron, zone);
            let [next, last] = [Way::Ahead, Way::Back].map(|way| occurrence(&entry, noon, way));
            if let (Ok(next), Ok(last)) = (&next, &last) {
                assert!(*next > noon && *last <= noon, "{last:?} {next:?}");
                assert_eq!(
                    occurrence(&entry, *next, Way::Back),
                    Ok(*next),
                    "the next is due then"
                );
            }
            1 + u64::from(next.is_ok()) + 2 * u64::from(last.is_ok()) + 4 * (cron.len() as u64 / 4)
        });
        if let Err(finding) = looked {
            panic!("{finding}");
        }
    }
}
