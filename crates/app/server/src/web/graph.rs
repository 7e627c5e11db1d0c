//! The graph of a run as a picture: jobs in columns by the longest way to them, arrows for `needs`. A job
//! that calls a workflow is a frame around the jobs that it has called; so is a matrix around its legs.

use std::collections::BTreeMap;

use cutover_model::run::{JobKey, split_job_id};
use maud::{Markup, html};

use super::run::anchor;
use crate::view::JobView;

const WIDTH: usize = 190;
const HEIGHT: usize = 46;
const GAP_X: usize = 44;
const GAP_Y: usize = 14;
/// Above and around what is in a frame.
const HEAD: usize = 48;
const EDGE: usize = 12;
/// Legs of a matrix below each other, before a second column of them begins.
const STACK: usize = 8;

/// Something that is drawn, by its place and size.
#[derive(Debug)]
struct Shape<'a> {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    what: What<'a>,
}

#[derive(Debug)]
enum What<'a> {
    /// A job, by its name where it stands.
    Job { job: Named<'a>, is_frame: bool },
    /// All legs of a job.
    Legs { job: &'a str },
    /// From the left edge to the right one.
    Arrow { from: usize, to: usize },
}

/// A job with the name that it has inside its frame.
#[derive(Debug)]
struct Named<'a> {
    job: &'a JobView,
    name: &'a str,
}

/// What is drawn of some jobs, from 0 on, and how large it is.
#[derive(Debug, Default)]
struct Drawing<'a> {
    shapes: Vec<Shape<'a>>,
    width: usize,
    height: usize,
}

impl<'a> Drawing<'a> {
    fn put(&mut self, other: Self, x: usize, y: usize) {
        self.width = self.width.max(x + other.width);
        self.height = self.height.max(y + other.height);
        for mut shape in other.shapes {
            shape.x += x;
            shape.y += y;
            if let What::Arrow { from, to } = &mut shape.what {
                *from += y;
                *to += y;
            }
            self.shapes.push(shape);
        }
    }

    /// Around all of it.
    fn framed(self, what: What<'a>) -> Self {
        let mut framed = Self::default();
        let (width, height) = (self.width + 2 * EDGE, self.height + HEAD + EDGE);
        framed.put(Self::shape(what, width, height), 0, 0);
        framed.put(self, EDGE, HEAD);
        framed
    }

    fn shape(what: What<'a>, width: usize, height: usize) -> Self {
        let (x, y) = (0, 0);
        Self {
            shapes: vec![Shape {
                x,
                y,
                width,
                height,
                what,
            }],
            width,
            height,
        }
    }
}

/// The jobs by who calls them, in their order.
type Called<'a> = BTreeMap<Option<JobKey>, Vec<&'a JobView>>;

/// All legs of one job.
struct Group<'a> {
    id: &'a str,
    needs: &'a [String],
    legs: Vec<&'a JobView>,
}

fn groups<'a>(jobs: &[&'a JobView]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut place_of: BTreeMap<&str, usize> = BTreeMap::new();
    for job in jobs {
        let id = job.key.job();
        let place = *place_of.entry(id).or_insert_with(|| {
            groups.push(Group {
                id,
                needs: &job.needs,
                legs: Vec::new(),
            });
            groups.len() - 1
        });
        groups[place].legs.push(job);
    }
    groups
}

/// In which column each stands: right of the longest way to it.
fn columns(groups: &[Group<'_>]) -> Vec<usize> {
    let place_of: BTreeMap<&str, usize> = (0..)
        .zip(groups)
        .map(|(place, group)| (group.id, place))
        .collect();
    let mut columns = vec![0; groups.len()];
    // `needs` has no cycle, so after as many rounds as there are jobs nothing moves any more.
    for _ in 0..groups.len() {
        let mut moved = false;
        for (place, group) in groups.iter().enumerate() {
            let before = group
                .needs
                .iter()
                .filter_map(|id| place_of.get(id.as_str()));
            let column = before.map(|&need| columns[need] + 1).max().unwrap_or(0);
            moved |= columns[place] != column;
            columns[place] = column;
        }
        if !moved {
            break;
        }
    }
    columns
}

/// The jobs that one calls, or those that nobody does.
fn level<'a>(called: &Called<'a>, caller: Option<&'a JobView>) -> Drawing<'a> {
    let key = caller.map(|caller| caller.key.clone());
    let jobs = called.get(&key).map_or(&[][..], Vec::as_slice);
    let groups = groups(jobs);
    let columns = columns(&groups);
    let mut all = Drawing::default();
    let mut places = vec![(0, 0, 0); groups.len()];
    let mut x = 0;
    for column in 0..groups.len() {
        let (mut y, mut width) = (0, 0);
        for (place, group) in groups.iter().enumerate() {
            if columns[place] == column {
                let drawing = drawn(called, group, caller);
                let middle = y + drawing.height.min(HEIGHT) / 2;
                places[place] = (x, x + drawing.width, middle);
                width = width.max(drawing.width);
                let height = drawing.height;
                all.put(drawing, x, y);
                y += height + GAP_Y;
            }
        }
        x += width + GAP_X;
    }
    // Boxes are drawn over the arrows that go past them.
    let boxes = std::mem::take(&mut all.shapes);
    for (place, group) in groups.iter().enumerate() {
        for (need, before) in groups.iter().enumerate() {
            if group.needs.iter().any(|id| id == before.id) {
                let ((_, x, from), (end, _, to)) = (places[need], places[place]);
                all.shapes.push(Shape {
                    x,
                    y: 0,
                    width: end.saturating_sub(x),
                    height: 0,
                    what: What::Arrow { from, to },
                });
            }
        }
    }
    all.shapes.extend(boxes);
    all
}

fn drawn<'a>(called: &Called<'a>, group: &Group<'a>, caller: Option<&'a JobView>) -> Drawing<'a> {
    let mut legs = group.legs.iter().map(|job| leg(called, job, caller));
    let is_matrix = group.legs.iter().any(|job| job.key.0 != group.id);
    if !is_matrix && let Some(only) = legs.next() {
        return only;
    }
    let mut inside = Drawing::default();
    let (mut x, mut y) = (0, 0);
    for (number, leg) in legs.enumerate() {
        if number > 0 && number % STACK == 0 {
            (x, y) = (inside.width + GAP_Y, 0);
        }
        let height = leg.height;
        inside.put(leg, x, y);
        y += height + GAP_Y;
    }
    let (_, job) = split_job_id(group.id);
    inside.framed(What::Legs { job })
}

fn leg<'a>(called: &Called<'a>, job: &'a JobView, caller: Option<&'a JobView>) -> Drawing<'a> {
    let name = own_name(job, caller);
    let job_of = |is_frame| What::Job {
        job: Named { job, name },
        is_frame,
    };
    if called.contains_key(&Some(job.key.clone())) {
        level(called, Some(job)).framed(job_of(true))
    } else {
        Drawing::shape(job_of(false), WIDTH, HEIGHT)
    }
}

/// Without what the frame around it says already.
fn own_name<'a>(job: &'a JobView, caller: Option<&JobView>) -> &'a str {
    let inside = caller.and_then(|caller| job.name.strip_prefix(&caller.name));
    let inside = inside.and_then(|name| name.strip_prefix(" / "));
    inside.unwrap_or(&job.name)
}

fn drawing(jobs: &[JobView]) -> Drawing<'_> {
    let mut called = Called::new();
    for job in jobs {
        called.entry(job.key.caller()).or_default().push(job);
    }
    level(&called, None)
}

/// The picture.
pub(super) fn picture(jobs: &[JobView]) -> Markup {
    let drawing = drawing(jobs);
    let (width, height) = (drawing.width + 4, drawing.height + 4);
    html! {
        div.picture tabindex="0" role="group" aria-label="the jobs of this run and what they need" {
            svg.graph viewBox={ "-2 -2 " (width) " " (height) } width=(width) height=(height) {
                @for shape in &drawing.shapes { (shape_of(shape)) }
            }
        }
    }
}

fn shape_of(shape: &Shape<'_>) -> Markup {
    let Shape {
        x,
        y,
        width,
        height,
        what,
    } = shape;
    html! {
        @match what {
            What::Arrow { from, to } => path.arrow d=(arrow(*x, *from, x + width, *to)) {},
            What::Legs { job } => g.frame {
                rect x=(x) y=(y) width=(width) height=(height) rx="10" {}
                text.name x=(x + 14) y=(y + 29) { (shortened(job, 24)) }
            },
            What::Job { job: Named { job, name }, is_frame } =>
            a class={ "job " (job.state) @if *is_frame { " frame" } } href={ "#" (anchor(&job.key)) } {
                rect x=(x) y=(y) width=(width) height=(height) rx=(if *is_frame { 10 } else { 8 }) {}
                text.name x=(x + 14) y=(y + 20) { (shortened(name, 24)) }
                text.state x=(x + 14) y=(y + 36) { (label(job)) }
                title { (job.name) ": " (label(job)) }
            },
        }
    }
}

fn label(job: &JobView) -> String {
    match &job.waiting_on {
        Some(on) => shortened(&format!("waits on {on}"), 29),
        None => job.state.replace('_', " "),
    }
}

fn arrow(x1: usize, y1: usize, x2: usize, y2: usize) -> String {
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

    use super::*;

    fn job(id: &str, needs: &[&str]) -> JobView {
        JobView {
            key: JobKey(id.to_owned()),
            name: id.replace('.', " / "),
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

    /// `name: left top right bottom` of each box, and how many arrows there are.
    fn boxes(jobs: &[JobView]) -> (BTreeMap<String, [usize; 4]>, usize) {
        let (mut boxes, mut arrows) = (BTreeMap::new(), 0);
        for shape in drawing(jobs).shapes {
            let name = match shape.what {
                What::Arrow { .. } => {
                    arrows += 1;
                    continue;
                }
                What::Legs { job } => format!("all {job}"),
                What::Job { job, .. } => job.name.to_owned(),
            };
            let (right, bottom) = (shape.x + shape.width, shape.y + shape.height);
            boxes.insert(name, [shape.x, shape.y, right, bottom]);
        }
        (boxes, arrows)
    }

    fn is_inside(inner: [usize; 4], outer: [usize; 4]) -> bool {
        inner[0] > outer[0] && inner[1] > outer[1] && inner[2] < outer[2] && inner[3] < outer[3]
    }

    #[test]
    fn a_job_stands_right_of_the_longest_way_to_it() {
        let jobs = [
            job("deploy", &["build", "test"]),
            job("test", &["build"]),
            job("build", &[]),
            job("lint", &[]),
        ];
        let (boxes, arrows) = boxes(&jobs);
        assert!(boxes["test"][0] > boxes["build"][2]);
        assert!(boxes["deploy"][0] > boxes["test"][2]);
        assert_eq!(boxes["lint"][0], boxes["build"][0]);
        assert!(boxes["lint"][1] > boxes["build"][3]);
        assert_eq!(arrows, 3);
    }

    #[test]
    fn a_job_that_calls_stands_between_its_needs_and_its_dependents_around_those_it_calls() {
        let jobs = [
            job("build", &[]),
            job("checks", &["build"]),
            job("checks.unit", &[]),
            job("checks.report", &["checks.unit"]),
            job("publish", &["checks"]),
        ];
        let (boxes, arrows) = boxes(&jobs);
        let checks = boxes["checks"];
        assert!(checks[0] > boxes["build"][2] && checks[2] < boxes["publish"][0]);
        assert!(is_inside(boxes["unit"], checks), "{boxes:?}");
        assert!(is_inside(boxes["report"], checks), "{boxes:?}");
        assert!(boxes["report"][0] > boxes["unit"][2]);
        assert_eq!(arrows, 3);
    }

    #[test]
    fn legs_stand_together_and_are_needed_together() {
        let mut jobs: Vec<JobView> = (0..20)
            .map(|leg| job(&format!("test#{leg}"), &["build"]))
            .collect();
        jobs.insert(0, job("build", &[]));
        jobs.push(job("test#3.inner", &[]));
        jobs.push(job("done", &["test"]));
        let (boxes, arrows) = boxes(&jobs);
        for leg in 0..20 {
            let leg = boxes[&format!("test#{leg}")];
            assert!(is_inside(leg, boxes["all test"]), "{leg:?}");
        }
        assert!(is_inside(boxes["inner"], boxes["test#3"]));
        assert_eq!(arrows, 2);
    }

    #[test]
    fn names_are_escaped() {
        let mut evil = job("a", &[]);
        evil.name = "<script>alert(1)</script>".to_owned();
        assert!(!picture(&[evil]).into_string().contains("<script>"));
    }
}
