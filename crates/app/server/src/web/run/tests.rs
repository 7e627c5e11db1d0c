use std::collections::BTreeMap;

use cutover_model::{
    Position, RunId,
    run::{Attempt, StepPath},
    source::{GitRef, Revision, Trust},
};

use super::*;

const NOW: Timestamp = Timestamp(60_000);

fn run(jobs: Vec<JobView>) -> RunView {
    RunView {
        id: RunId::derived(&["run"]),
        number: 7,
        name: "ship".to_owned(),
        workflow: ".github/workflows/ship.yml".to_owned(),
        repository: "demo".to_owned(),
        git_ref: GitRef("refs/heads/main".to_owned()),
        revision: Revision("a".repeat(40)),
        actor: "ada".to_owned(),
        trigger: "push".to_owned(),
        trust: Trust::Trusted,
        state: "failed",
        waiting_on: None,
        outcome: None,
        conclusion: None,
        attempt: Attempt::FIRST,
        wanted_by: "ada".to_owned(),
        created_at: Timestamp(0),
        finished_at: None,
        jobs,
    }
}

fn job(key: &str, outcome: Option<Outcome>, steps: Vec<StepView>) -> JobView {
    JobView {
        key: JobKey(key.to_owned()),
        name: key.to_owned(),
        needs: Vec::new(),
        environment: None,
        state: outcome.map_or("running", Outcome::word),
        waiting_on: None,
        attempt: None,
        outcome,
        conclusion: outcome,
        reason: None,
        outputs: BTreeMap::new(),
        withheld_outputs: Vec::new(),
        environment_url: None,
        started_at: None,
        finished_at: None,
        steps,
    }
}

fn step(index: usize, outcome: Option<Outcome>) -> StepView {
    StepView {
        path: StepPath::top(index),
        name: format!("step {index}"),
        attempt: Attempt::FIRST,
        state: outcome.map_or("pending", Outcome::word),
        outcome,
        conclusion: outcome,
        exit_code: None,
        reasons: Vec::new(),
        annotations: Vec::new(),
        summary: None,
        subjects: Vec::new(),
        started_at: outcome
            .filter(|outcome| *outcome != Outcome::Skipped)
            .map(|_| Timestamp(0)),
        finished_at: None,
    }
}

fn shown(job: JobView) -> String {
    let run = run(vec![job]);
    job_steps(&run, &run.jobs[0], NOW).into_string()
}

#[test]
fn what_was_skipped_waits_for_nothing_and_is_no_fault() {
    let mut skipped = job("nightly", Some(Outcome::Skipped), vec![step(0, None)]);
    skipped.reason = Some("`if: false` does not hold".to_owned());
    let skipped = shown(skipped);
    assert!(skipped.contains("does not hold") && skipped.contains("explain?job=nightly"));
    for word in ["pending", "step 0", "bad"] {
        assert!(!skipped.contains(word), "`{word}` is in {skipped}");
    }
    let mut second = step(1, Some(Outcome::Skipped));
    second.reasons = vec!["an earlier step failed".to_owned()];
    let mut first = step(0, Some(Outcome::Failed));
    first.reasons = vec!["exited with code 1".to_owned()];
    let mut failed = job(
        "test",
        Some(Outcome::Failed),
        vec![first, second, step(2, None)],
    );
    failed.reason = Some("step `step 0` failed: exited with code 1".to_owned());
    let failed = shown(failed);
    assert!(
        failed.contains("<p class=\"bad\">exited with code 1</p>"),
        "{failed}"
    );
    assert!(
        failed.contains("<p class=\"facts\">an earlier step failed"),
        "{failed}"
    );
    assert_eq!(failed.matches("exited with code 1").count(), 1, "{failed}");
    assert!(
        failed.contains("not run") && !failed.contains("pending"),
        "{failed}"
    );
}

#[test]
fn a_step_has_an_address_of_its_own_also_in_a_leg() {
    let steps = vec![step(0, Some(Outcome::Succeeded)), step(1, None)];
    let leg = shown(job("test#1", None, steps));
    assert!(
        leg.contains("id=\"test#1:0\" href=\"#test%231:0\""),
        "{leg}"
    );
    assert!(
        leg.contains("job=test%231&amp;step=0&amp;attempt=1"),
        "{leg}"
    );
    // What has not begun has no log.
    assert!(!leg.contains("test#1:1"), "{leg}");
    assert!(leg.contains("aria-label=\"pending\""), "{leg}");
}

#[test]
fn remarks_are_on_the_run_the_worst_first_each_with_the_way_to_its_line() {
    let mut loud = step(1, Some(Outcome::Succeeded));
    let mut error = Annotation::new(Level::Error, "<i>no</i>".to_owned());
    error.file = Some("src/a.rs".to_owned());
    error.at = Some(Position::new(3, 7));
    error.title = Some("E1".to_owned());
    loud.annotations = (0..12)
        .map(|number| Annotation::new(Level::Notice, format!("notice {number}")))
        .chain([error])
        .collect();
    let run = run(vec![job("test#1", Some(Outcome::Succeeded), vec![loud])]);
    let shown = remarks(&run).into_string();
    let (first, rest) = shown.split_once("</li>").unwrap();
    for part in [
        "<span class=\"level\">error</span>",
        "<b>E1</b>",
        "&lt;i&gt;no&lt;/i&gt;",
        "<code>src/a.rs:3:7</code>",
        "/remark?job=test%231&amp;step=1&amp;attempt=1&amp;number=12\"",
        "test#1 / step 1",
    ] {
        assert!(first.contains(part), "`{part}` is not in {first}");
    }
    assert!(rest.contains("<summary>3 more</summary>"), "{rest}");
    assert!(
        remarks(&super::tests::run(Vec::new()))
            .into_string()
            .is_empty()
    );
}

#[test]
fn a_summary_that_is_hostile_is_harmless_on_the_page() {
    let mut said = step(0, Some(Outcome::Succeeded));
    said.summary = Some("# Fine\n\n<script>alert(1)</script></details></section>".to_owned());
    let run = run(vec![job("test", Some(Outcome::Succeeded), vec![said])]);
    let shown = summaries(&run).into_string();
    assert!(shown.contains("<h3>Fine</h3>"), "{shown}");
    assert!(
        !shown.contains("<script") && !shown.contains("alert"),
        "{shown}"
    );
    assert_eq!(shown.matches("</details>").count(), 1, "{shown}");
    assert_eq!(shown.matches("</section>").count(), 1, "{shown}");
}

#[test]
fn every_page_of_a_run_says_which_run_it_is_and_how_it_stands() {
    let status = Status {
        runs: Vec::new(),
        deployments: Vec::new(),
        locks: Vec::new(),
        holds: Vec::new(),
        freezes: Vec::new(),
        approvals: Vec::new(),
        services: Vec::new(),
        balancer_answers: None,
        schedules: Vec::new(),
        notifications: crate::view::Notifications {
            waiting: 0,
            dead: 0,
        },
    };
    let lists = Lists {
        runs: Vec::new(),
        deployments: Vec::new(),
    };
    let shown = page(&run(Vec::new()), &[], &lists, &status, NOW).into_string();
    assert!(
        shown.contains("<title>#7 ship · failed · cutover</title>"),
        "{shown}"
    );
    assert!(shown.contains("data-state=\"#7 ship: failed\""), "{shown}");
    // Said aloud by the script when it changes; the page itself is silent.
    assert_eq!(shown.matches("role=\"status\"").count(), 2, "{shown}");
    assert!(!shown.contains("style="), "{shown}");
}
