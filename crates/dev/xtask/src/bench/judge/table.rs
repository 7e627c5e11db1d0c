//! What came of it, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    Effort,
    goals::Goal,
    play::{Played, Score},
    traffic::whole,
};

/// Markdown, the goals, and a line that sums up.
pub(super) fn text(effort: &Effort, results: &[Played], goals: &[Goal]) -> String {
    let mut text = String::from(
        "| setting | candidate | method | courses | taken back | median | bad answers until then |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for played in results {
        let (group, name) = (&played.cell.group, &played.cell.name);
        for score in &played.scores {
            let Score {
                name: method, runs, ..
            } = score;
            let (median, bad) = score.medians().map_or_else(
                || ("–".to_owned(), "–".to_owned()),
                |(seconds, bad)| {
                    // Slow answers are not bad ones; there the count says nothing.
                    let bad = if bad > 0 {
                        bad.to_string()
                    } else {
                        "–".to_owned()
                    };
                    (time(seconds), bad)
                },
            );
            let share = percent(score.share());
            let method = method.word();
            // Writing to a `String` does not fail.
            let _ = writeln!(
                text,
                "| {group} | {name} | {method} | {runs} | {share} | {median} | {bad} |"
            );
        }
    }
    for goal in goals {
        let _ = writeln!(text, "{}", line(goal));
    }
    let _ = writeln!(text, "{}", summary(effort, goals));
    text
}

/// The same on one line.
pub(super) fn json(effort: &Effort, results: &[Played], goals: &[Goal]) -> Value {
    let cells = results.iter().flat_map(|played| {
        played.scores.iter().map(|score| {
            let medians = score.medians();
            json!({
                "setting": played.cell.group,
                "candidate": played.cell.name,
                "method": score.name.word(),
                "courses": score.runs,
                "taken_back": score.share(),
                "median_seconds": medians.map(|(seconds, _)| seconds),
                "median_bad": medians.map(|(_, bad)| bad),
            })
        })
    });
    let goals_json = goals.iter().map(|goal| {
        json!({
            "what": goal.what,
            "value": goal.value,
            "at_most": goal.at_most,
            "unit": goal.unit,
            "reached": goal.is_reached(),
        })
    });
    json!({
        "seed": effort.seed,
        "runs": effort.runs,
        "cells": cells.collect::<Vec<_>>(),
        "goals": goals_json.collect::<Vec<_>>(),
        "summary": summary(effort, goals),
    })
}

fn line(goal: &Goal) -> String {
    let value = goal.value.map_or_else(
        || "never".to_owned(),
        |value| format!("{value:.2} {}", goal.unit),
    );
    let mark = if goal.is_reached() { "ok  " } else { "MISS" };
    format!(
        "{mark} {}: {value} (at most {} {})",
        goal.what, goal.at_most, goal.unit
    )
}

fn summary(effort: &Effort, goals: &[Goal]) -> String {
    let reached = goals.iter().filter(|goal| goal.is_reached()).count();
    let worst = goals.iter().filter(|goal| goal.unit == "%");
    let worst = worst.filter_map(|goal| goal.value).fold(0.0, f64::max);
    format!(
        "judge: {reached} of {} goals reached; at worst {worst:.2} % false alarms; {} courses a cell, seed {}",
        goals.len(),
        effort.runs,
        effort.seed,
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `40 s`, `5.5 min`.
fn time(seconds: i64) -> String {
    if seconds < 120 {
        return format!("{seconds} s");
    }
    format!("{:.1} min", whole(seconds.unsigned_abs()) / 60.0)
}
