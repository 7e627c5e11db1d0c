//! The graph of a run as a picture: jobs in columns by the longest way to them, arrows for `needs`.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::view::JobView;

const WIDTH: usize = 190;
const HEIGHT: usize = 46;
const GAP_X: usize = 60;
const GAP_Y: usize = 16;

/// Where each leg stands: column and row.
fn places(jobs: &[JobView]) -> Vec<(usize, usize)> {
    let mut column_of: BTreeMap<&str, usize> = BTreeMap::new();
    // `needs` has no cycle, so after as many rounds as there are jobs nothing moves any more.
    for _ in 0..jobs.len() {
        for job in jobs {
            let after = job
                .needs
                .iter()
                .filter_map(|need| column_of.get(need.as_str()));
            let column = after.max().map_or(0, |last| last + 1);
            column_of.insert(job.key.job(), column);
        }
    }
    let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
    jobs.iter()
        .map(|job| {
            let column = column_of.get(job.key.job()).copied().unwrap_or_default();
            let row = rows.entry(column).or_default();
            *row += 1;
            (column, *row - 1)
        })
        .collect()
}

fn corner((column, row): (usize, usize)) -> (usize, usize) {
    (column * (WIDTH + GAP_X) + 2, row * (HEIGHT + GAP_Y) + 2)
}

/// The picture.
pub(super) fn picture(jobs: &[JobView]) -> Markup {
    let places = places(jobs);
    let columns = places.iter().map(|place| place.0 + 1).max().unwrap_or(1);
    let rows = places.iter().map(|place| place.1 + 1).max().unwrap_or(1);
    let width = columns * (WIDTH + GAP_X) - GAP_X + 4;
    let height = rows * (HEIGHT + GAP_Y) - GAP_Y + 4;
    html! {
        svg.graph viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height)
            role="img" aria-label="the jobs of this run and what they need" {
            @for (to, job) in jobs.iter().enumerate() {
                @for (from, need) in jobs.iter().enumerate() {
                    @if job.needs.iter().any(|id| id == need.key.job()) {
                        path.arrow d=(arrow(places[from], places[to])) {}
                    }
                }
            }
            @for (place, job) in jobs.iter().enumerate() {
                @let (x, y) = corner(places[place]);
                g class={ "job " (job.state) } {
                    rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="8" {}
                    text.name x=(x + 14) y=(y + 20) { (shortened(&job.name, 24)) }
                    text.state x=(x + 14) y=(y + 36) { (label(job)) }
                    title { (job.name) ": " (label(job)) }
                }
            }
        }
    }
}

fn label(job: &JobView) -> String {
    match &job.waiting_on {
        Some(on) => shortened(&format!("waits on {on}"), 29),
        None => job.state.replace('_', " "),
    }
}

fn arrow(from: (usize, usize), to: (usize, usize)) -> String {
    let ((from_x, from_y), (to_x, to_y)) = (corner(from), corner(to));
    let (x1, y1) = (from_x + WIDTH, from_y + HEIGHT / 2);
    let (x2, y2) = (to_x, to_y + HEIGHT / 2);
    let middle = x1.midpoint(x2);
    format!("M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}")
}

fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let head: String = text.chars().take(limit - 1).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cutover_model::run::JobKey;

    use super::*;

    fn job(id: &str, needs: &[&str]) -> JobView {
        JobView {
            key: JobKey::single(id),
            name: id.to_owned(),
            needs: needs.iter().map(|&need| need.to_owned()).collect(),
            environment: None,
            state: "pending",
            waiting_on: None,
            outcome: None,
            conclusion: None,
            attempt: None,
            reason: None,
            outputs: BTreeMap::new(),
            withheld_outputs: Vec::new(),
            environment_url: None,
            started_at: None,
            finished_at: None,
            steps: Vec::new(),
        }
    }

    #[test]
    fn a_job_stands_right_of_the_longest_way_to_it() {
        let jobs = [
            job("deploy", &["build", "test"]),
            job("test", &["build"]),
            job("build", &[]),
            job("lint", &[]),
        ];
        assert_eq!(places(&jobs), [(2, 0), (1, 0), (0, 0), (0, 1)]);
    }

    #[test]
    fn names_are_escaped() {
        let mut evil = job("a", &[]);
        evil.name = "<script>alert(1)</script>".to_owned();
        assert!(!picture(&[evil]).into_string().contains("<script>"));
    }
}
