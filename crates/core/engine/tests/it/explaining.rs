//! Why something did or did not run, as it stood when its turn came.

use cutover_engine::explain::{Explanation, explain};
use cutover_model::event::Recorded;

use crate::support::{
    World, bindings, cancel, expression, failed, gave, given, job, ok, plan, runner, step,
};

fn explained(world: &World) -> Vec<Explanation> {
    let events: Vec<_> = world
        .log
        .iter()
        .enumerate()
        .map(|(place, (at, event))| Recorded {
            version: place as u64 + 1,
            at: *at,
            event: event.clone(),
        })
        .collect();
    explain(&events, |_, _| true)
}

fn of<'a>(all: &'a [Explanation], job: &str, step: Option<&str>) -> &'a Explanation {
    let step = step.map(|step| step.parse().unwrap());
    all.iter()
        .find(|one| one.job == job && one.step == step)
        .unwrap()
}

fn parts(explanation: &Explanation) -> String {
    let looked = explanation.condition.as_ref().unwrap();
    let line = |part: &cutover_engine::explain::LookedPart| {
        format!(
            "{}{} = {}\n",
            "  ".repeat(part.depth),
            part.text,
            part.value
        )
    };
    looked.parts.iter().map(line).collect()
}

#[test]
fn a_condition_is_told_part_by_part_with_what_it_came_to() {
    let mut build = job("build", &[], vec![step("a")]);
    build.outputs = bindings(&[("kind", "${{ 'docs' }}")]);
    let mut deploy = job("deploy", &["build"], vec![step("b")]);
    deploy.condition = Some(expression(
        "github.ref == 'refs/heads/main' && !contains(needs.build.outputs.kind, 'doc')",
    ));
    let world = given(plan(vec![build, deploy]))
        .when(1, runner("build"))
        .when(2, ok("build/0/1"));
    let all = explained(&world);
    let deploy = of(&all, "deploy", None);
    assert_eq!(deploy.decided, "skipped");
    assert_eq!(deploy.needs, [("build".to_owned(), "success".to_owned())]);
    assert_eq!(deploy.status, "success");
    assert!(deploy.condition.as_ref().unwrap().implied_success);
    assert_eq!(deploy.condition.as_ref().unwrap().at, "ci.yml:7:13");
    assert_eq!(
        parts(deploy),
        "(github.ref == 'refs/heads/main') && !contains(needs.build.outputs.kind, 'doc') = false
  github.ref == 'refs/heads/main' = true
    github.ref = \"refs/heads/main\"
  !contains(needs.build.outputs.kind, 'doc') = false
    contains(needs.build.outputs.kind, 'doc') = true
      needs.build.outputs.kind = \"docs\"
"
    );
}

#[test]
fn steps_are_seen_as_they_stood_when_their_turn_came() {
    let world = given(plan(vec![job(
        "test",
        &[],
        vec![
            step("one=a"),
            step("b ? steps.one.outputs.go == 'yes'"),
            step("c"),
            step("d ? failure()"),
        ],
    )]))
    .when(1, runner("test"))
    .when(2, gave("test/0/1", &[("go", "no")]))
    .when(3, failed("test/2/1"))
    // What comes later changes nothing in what was decided before.
    .when(4, cancel("ada"));
    let all = explained(&world);
    let skipped = of(&all, "test", Some("1"));
    assert_eq!(
        (skipped.decided.as_str(), skipped.status),
        ("skipped", "success")
    );
    assert_eq!(
        parts(skipped),
        "steps.one.outputs.go == 'yes' = false\n  steps.one.outputs.go = \"no\"\n"
    );
    assert_eq!(of(&all, "test", Some("2")).decided, "runs");
    let last = of(&all, "test", Some("3"));
    assert_eq!((last.decided.as_str(), last.status), ("runs", "failure"));
    assert_eq!(parts(last), "failure() = true\n");
    assert!(!last.condition.as_ref().unwrap().implied_success);
}
