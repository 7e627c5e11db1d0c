//! What is played: the settings of the table, and the further checks.

use super::{
    rivals::Name::{self, Argo, Flagger, Gullible, Judge, Kayenta, Msprt, Peeking, Seed, Ungated},
    traffic::Setting,
};

/// What a cell is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Both sides are equal: nobody should be taken back.
    Null,
    /// Equal, with an incident that both have.
    Incident,
    /// The candidate is bad.
    Bad,
}

/// A setting, and who looks at it.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// What it is in the table: `300 rpm, 10 %, 1 %`.
    pub(super) group: String,
    /// `equal`, `incident × 20`, `5 % errors`.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) setting: Setting,
    pub(super) methods: Vec<Name>,
    /// Whether courses are so long or so fine that fewer are played in a hurry.
    pub(super) is_long: bool,
}

const EVERYBODY: [Name; 8] = [Judge, Ungated, Seed, Flagger, Argo, Kayenta, Peeking, Msprt];

/// Total requests a minute, the candidate's share in percent, the share of bad answers.
const SETTINGS: [(f64, u16, f64); 6] = [
    (30.0, 10, 0.001),
    (300.0, 10, 0.01),
    (300.0, 50, 0.01),
    (3_000.0, 50, 0.01),
    // Only for false alarms.
    (30.0, 50, 0.01),
    (3_000.0, 10, 0.001),
];
/// So many of them are the table's.
const IN_TABLE: usize = 4;

/// All of them, in order.
pub(super) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (index, (rpm, percent, bad)) in SETTINGS.into_iter().enumerate() {
        let even = Setting::even(rpm, percent, bad);
        let group = format!("{rpm} rpm, {percent} %, {} %", 100.0 * bad);
        let mut add = |name: String, kind, setting, methods: &[Name]| {
            cells.push(Cell {
                group: group.clone(),
                name,
                kind,
                setting,
                methods: methods.to_vec(),
                is_long: false,
            });
        };
        let in_table = index < IN_TABLE;
        let methods: &[Name] = if in_table {
            &EVERYBODY
        } else {
            &[Judge, Ungated]
        };
        add("equal".to_owned(), Kind::Null, even, methods);
        if !in_table {
            continue;
        }
        let incident = Setting {
            incident: true,
            ..even
        };
        add(
            "incident × 20".to_owned(),
            Kind::Incident,
            incident,
            methods,
        );
        for candidate in [0.05, 0.2, 1.0] {
            let setting = Setting { candidate, ..even };
            let name = format!("{:.0} % errors", 100.0 * candidate);
            add(name, Kind::Bad, setting, methods);
        }
    }
    cells.extend(further());
    cells
}

fn further() -> Vec<Cell> {
    let even = Setting::even(300.0, 10, 0.01);
    let mut cells = Vec::new();
    let mut add = |group: &str, name: &str, kind, setting, methods: &[Name], is_long| {
        cells.push(Cell {
            group: group.to_owned(),
            name: name.to_owned(),
            kind,
            setting,
            methods: methods.to_vec(),
            is_long,
        });
    };
    for percent in [10, 50] {
        let setting = Setting {
            bursts: true,
            percent,
            ..even
        };
        let group = format!("300 rpm, {percent} %, 1 %, bursts of 3");
        add(
            &group,
            "equal",
            Kind::Null,
            setting,
            &[Judge, Gullible],
            false,
        );
    }
    let changing = Setting {
        change: Some((900, 50)),
        ..even
    };
    let group = "300 rpm, 10 → 50 % after 15 min, 1 %";
    add(
        group,
        "equal",
        Kind::Null,
        changing,
        &[Judge, Ungated],
        false,
    );
    let worse = Setting {
        candidate: 0.03,
        ..changing
    };
    add(
        group,
        "3 % errors",
        Kind::Bad,
        worse,
        &[Judge, Ungated],
        false,
    );
    let day = Setting {
        seconds: 86_400,
        ..even
    };
    add(
        "300 rpm, 10 %, 1 %, 24 h",
        "equal",
        Kind::Null,
        day,
        &[Judge, Peeking],
        true,
    );
    for (rpm, slower) in [
        (300.0, 1.0),
        (300.0, 1.2),
        (300.0, 1.5),
        (300.0, 2.0),
        (30.0, 2.0),
    ] {
        let setting = Setting {
            rpm,
            current: 0.0,
            candidate: 0.0,
            before: 600,
            slower: Some(slower),
            ..even
        };
        let group = format!("{rpm} rpm, 10 %, lognormal times");
        let (name, kind) = if slower > 1.0 {
            (format!("{:.0} % slower", 100.0 * (slower - 1.0)), Kind::Bad)
        } else {
            ("equal".to_owned(), Kind::Null)
        };
        add(&group, &name, kind, setting, &[Judge, Ungated], true);
    }
    cells
}
