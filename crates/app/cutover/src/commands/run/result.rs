//! What a run came to, on the terminal: how each job ended and how that counts, what its steps remarked,
//! and what they say at length.

use cutover_model::run::{Annotation, Level};
use cutover_server::view::{JobView, RunView, StepView};

use crate::render;

/// Says all of it.
pub(super) fn say(view: &RunView) {
    for job in &view.jobs {
        for step in &job.steps {
            for annotation in &step.annotations {
                let place = format!("{} / {}", job.name, step.name);
                render::talk(&remark(annotation, &place));
            }
        }
    }
    for (job, step, summary) in summaries(view) {
        render::talk(&format!("── summary of {} / {}", job.name, step.name));
        render::talk(summary.trim_end());
    }
    for made in view.made() {
        render::talk(&format!(
            "made {} {} ({} / {})",
            made.subject.name, made.subject.digest, made.job, made.step
        ));
    }
    for job in &view.jobs {
        render::talk(&ending(job));
        for name in &job.withheld_outputs {
            render::talk(&format!(
                "  output `{name}` is not handed on: it may hold a secret"
            ));
        }
    }
    let attempt = match view.attempt.0 {
        1 => String::new(),
        attempt => format!(" at attempt {attempt}"),
    };
    render::talk(&format!(
        "{} run #{} of {} {}{attempt}",
        render::mark(view.state),
        view.number,
        view.name,
        view.state
    ));
}

/// How a job ended, how that counts when that is something else, and why.
fn ending(job: &JobView) -> String {
    let counts = match (job.outcome, job.conclusion) {
        (Some(outcome), Some(conclusion)) if outcome != conclusion => {
            format!(" (counts as {conclusion})")
        }
        _ => String::new(),
    };
    let reason = job.reason.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    format!(
        "{} {} {}{counts}{reason}",
        render::mark(job.state),
        job.name,
        job.state
    )
}

/// `error: src/a.rs:3:7: Title: message (build / Run make)`.
fn remark(annotation: &Annotation, of: &str) -> String {
    let level = match annotation.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let mut text = format!("{level}: ");
    if let Some(place) = annotation.place() {
        text.extend([&place, ": "]);
    }
    if let Some(title) = &annotation.title {
        text.extend([title, ": "]);
    }
    text.extend([&annotation.message, " (", of, ")"]);
    text
}

/// What steps say at length, in the order of the jobs and steps.
fn summaries(view: &RunView) -> impl Iterator<Item = (&JobView, &StepView, &str)> {
    view.jobs.iter().flat_map(|job| {
        let steps = job.steps.iter();
        steps.filter_map(move |step| Some((job, step, step.summary.as_deref()?)))
    })
}

#[cfg(test)]
mod tests {
    use cutover_model::Position;

    use super::*;

    #[test]
    fn a_remark_says_its_place_as_compilers_do() {
        let mut annotation = Annotation {
            title: Some("E0001".to_owned()),
            file: Some("src/a.rs".to_owned()),
            at: Some(Position::new(3, 7)),
            ..Annotation::new(Level::Error, "no such thing".to_owned())
        };
        assert_eq!(
            remark(&annotation, "build / make"),
            "error: src/a.rs:3:7: E0001: no such thing (build / make)"
        );
        annotation = Annotation {
            level: Level::Notice,
            title: None,
            file: None,
            at: None,
            ..annotation
        };
        assert_eq!(
            remark(&annotation, "build / make"),
            "notice: no such thing (build / make)"
        );
    }
}
