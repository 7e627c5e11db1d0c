//! Which triggers start a workflow, and with which inputs.

use cutover_dialect::{Triggered, compile, inputs, triggered_by};
use cutover_model::source::{GitRef, Trigger, TriggerKind};
use serde_json::json;

use crate::{PATH, push, render, tree};

fn on_ref(git_ref: &str) -> Trigger {
    Trigger {
        git_ref: GitRef(git_ref.to_owned()),
        ..push()
    }
}

fn changed(paths: &[&str]) -> Trigger {
    Trigger {
        changed_paths: Some(paths.iter().map(|&path| path.to_owned()).collect()),
        ..push()
    }
}

fn pull_request(base: &str, action: &str) -> Trigger {
    Trigger {
        kind: TriggerKind::PullRequest,
        git_ref: GitRef("refs/pull/7/merge".to_owned()),
        base_ref: Some(base.to_owned()),
        head_ref: Some("topic".to_owned()),
        payload: json!({ "action": action }),
        ..push()
    }
}

fn dispatch(given: serde_json::Value) -> Trigger {
    Trigger {
        kind: TriggerKind::WorkflowDispatch,
        inputs: serde_json::from_value(given).unwrap(),
        ..push()
    }
}

/// `""` for yes, else the reason.
fn answer(on: &str, trigger: &Trigger) -> String {
    let workflow = format!("on: {on}\njobs: {{}}\n");
    match triggered_by(&tree(&[(PATH, &workflow)]), PATH, trigger) {
        Triggered::Yes => String::new(),
        Triggered::No(reason) => reason,
        Triggered::Invalid(diagnostics) => format!("invalid: {}", render(&diagnostics)),
    }
}

#[track_caller]
fn check(on: &str, trigger: &Trigger, expected: &str) {
    assert_eq!(answer(on, trigger), expected, "{on}");
}

#[test]
fn events_without_filters() {
    check("push", &push(), "");
    check("[pull_request, push]", &push(), "");
    check("{ push: , pull_request: }", &push(), "");
    check("pull_request", &push(), "`on` does not have `push`");
    check(
        "push",
        &pull_request("main", "opened"),
        "`on` does not have `pull_request`",
    );
    check(
        "push",
        &dispatch(json!({})),
        "`on` does not have `workflow_dispatch`",
    );
    check("workflow_dispatch", &dispatch(json!({})), "");
}

#[test]
fn branches_and_tags() {
    let tag = on_ref("refs/tags/v1.2");
    let topic = on_ref("refs/heads/topic/x");
    check("{ push: { branches: [main] } }", &push(), "");
    check("{ push: { branches: main } }", &push(), "");
    check(
        "{ push: { branches: [main] } }",
        &topic,
        "branch `topic/x` does not match `branches`",
    );
    check(
        "{ push: { branches-ignore: ['topic/**'] } }",
        &topic,
        "branch `topic/x` matches `branches-ignore`",
    );
    check("{ push: { branches-ignore: ['topic/**'] } }", &push(), "");
    check(
        "{ push: { branches: ['**'] } }",
        &tag,
        "`push` filters branches only, and `v1.2` is a tag",
    );
    check(
        "{ push: { tags: ['v*'] } }",
        &push(),
        "`push` filters tags only, and `main` is a branch",
    );
    check("{ push: { tags: ['v*'] } }", &tag, "");
    check(
        "{ push: { tags-ignore: ['v*'] } }",
        &tag,
        "tag `v1.2` matches `tags-ignore`",
    );
    check("{ push: { branches: [main], tags: ['v*'] } }", &tag, "");
    check("{ push: { branches: [main], tags: ['v*'] } }", &push(), "");
    check("push", &tag, "");
}

#[test]
fn paths() {
    let only = "{ push: { paths: ['src/**', '!src/*.md'] } }";
    check(only, &changed(&["src/a.rs"]), "");
    check(
        only,
        &changed(&["src/a.md", "README.md"]),
        "none of 2 changed paths matches `paths`",
    );
    check(only, &push(), "");
    let except = "{ push: { paths-ignore: ['**.md'] } }";
    check(except, &changed(&["a.md", "b.rs"]), "");
    check(
        except,
        &changed(&["a.md", "x/b.md"]),
        "all 2 changed paths match `paths-ignore`",
    );
    // Both filters must hold; paths are not looked at for tags.
    check(
        "{ push: { branches: [main], paths: [x] } }",
        &changed(&["y"]),
        "none of 1 changed paths matches `paths`",
    );
    let tag = Trigger {
        git_ref: GitRef("refs/tags/v1".to_owned()),
        ..changed(&["y"])
    };
    check("{ push: { paths: [x] } }", &tag, "");
}

#[test]
fn pull_requests_are_filtered_by_base_and_type() {
    let on = "{ pull_request: { branches: [main] } }";
    check(on, &pull_request("main", "opened"), "");
    check(on, &pull_request("refs/heads/main", "synchronize"), "");
    check(
        on,
        &pull_request("next", "opened"),
        "base branch `next` does not match `branches`",
    );
    check(
        on,
        &pull_request("main", "closed"),
        "`types` of `pull_request` does not have `closed`",
    );
    check(
        "{ pull_request: { types: [closed] } }",
        &pull_request("main", "closed"),
        "",
    );
    check(
        "{ pull_request: { types: closed } }",
        &pull_request("main", "opened"),
        "`types` of `pull_request` does not have `opened`",
    );
}

#[test]
fn what_cannot_be_told_is_invalid() {
    check(
        "{ push: { branchs: [x] } }",
        &push(),
        "invalid: 1:15 1010 unknown key `branchs` in `push` | did you mean `branches`?\n",
    );
    check(
        "[push, schedule]",
        &push(),
        "invalid: 1:12 1011 event `schedule` needs a list of patterns | for example `schedule: [{cron: '0 6 * * 1'}]`\n",
    );
    assert!(answer("[push", &push()).starts_with("invalid: "));
    // A fault elsewhere in the file is for compiling to tell.
    let files = [(PATH, "on: push\njobs: 3\n")];
    assert_eq!(triggered_by(&tree(&files), PATH, &push()), Triggered::Yes);
    let gone = triggered_by(&tree(&[]), PATH, &push());
    assert!(matches!(gone, Triggered::Invalid(_)));
}

#[test]
fn every_other_event_has_its_types_and_filters() {
    let event = |name: &str, payload: serde_json::Value| Trigger {
        kind: name.parse().unwrap(),
        payload,
        ..push()
    };
    let labeled = event("issues", json!({ "action": "labeled" }));
    check("issues", &labeled, "");
    check(
        "{ issues: { types: [opened] } }",
        &labeled,
        "`types` of `issues` does not have `labeled`",
    );
    check("push", &labeled, "`on` does not have `issues`");

    let target = Trigger {
        kind: TriggerKind::PullRequestTarget,
        ..pull_request("main", "opened")
    };
    check("pull_request_target", &target, "");
    check(
        "pull_request",
        &target,
        "`on` does not have `pull_request_target`",
    );
    check(
        "{ pull_request_target: { branches: [release] } }",
        &target,
        "base branch `main` does not match `branches`",
    );

    let ended = |name: &str, branch: &str| {
        let run = json!({ "name": name, "head_branch": branch });
        event(
            "workflow_run",
            json!({ "action": "completed", "workflow_run": run }),
        )
    };
    let on = "{ workflow_run: { workflows: [ci], types: [completed], branches: [main] } }";
    check(on, &ended("ci", "main"), "");
    check(on, &ended("cd", "main"), "`workflows` does not have `cd`");
    check(
        on,
        &ended("ci", "topic"),
        "branch `topic` does not match `branches`",
    );

    let told = event("repository_dispatch", json!({ "action": "rebuilt" }));
    check("repository_dispatch", &told, "");
    check("{ repository_dispatch: { types: [rebuilt] } }", &told, "");
    check(
        "{ repository_dispatch: { types: [other] } }",
        &told,
        "`types` of `repository_dispatch` does not have `rebuilt`",
    );

    let on = "{ schedule: [{ cron: '5 4 * * *' }] }";
    check(
        on,
        &event("schedule", json!({ "schedule": "5 4 * * *" })),
        "",
    );
    check(
        on,
        &event("schedule", json!({ "schedule": "1 1 * * *" })),
        "`schedule` does not have `1 1 * * *`",
    );
    check(
        "{ merge_group: { branches: [main] } }",
        &event(
            "merge_group",
            json!({ "merge_group": { "base_ref": "refs/heads/main" } }),
        ),
        "",
    );
    check("workflow_call", &push(), "`on` does not have `push`");
    // The hosted service takes paths of a merge group and does not look at them.
    check(
        "{ merge_group: { paths-ignore: ['**'] } }",
        &Trigger {
            changed_paths: Some(vec!["a.md".to_owned()]),
            ..event("merge_group", json!({}))
        },
        "",
    );
    let text = "
        on: { push: , merge_group: { paths-ignore: ['**.md'] } }
        jobs: { a: { runs-on: ubuntu-latest, steps: [{ run: echo }] } }
        ";
    let options = cutover_dialect::Options::default();
    let compiled = compile(&tree(&[(PATH, text)]), PATH, &push(), options);
    assert_eq!(
        render(&compiled.diagnostics),
        "1:30 W 1042 event `merge_group` has no filter `paths-ignore` | these have it: `push`, \
         `pull_request`, `pull_request_target`\n"
    );
}

const DISPATCH: &str = "
    on:
      workflow_dispatch:
        inputs:
          dry: { type: boolean }
          level: { type: choice, options: [low, high] }
          count: { type: number, default: 3 }
          who: { required: true }
          note: { default: 5 }
    jobs: { a: { runs-on: x, steps: [{ run: echo }] } }
    ";

#[test]
fn inputs_get_their_types_and_defaults() {
    let tree = tree(&[(PATH, DISPATCH)]);
    let (values, said) = inputs(&tree, PATH, &dispatch(json!({ "who": 7, "dry": "true" })));
    assert_eq!(render(&said), "");
    assert_eq!(
        json!(values),
        json!({ "dry": true, "level": "low", "count": 3.0, "who": "7", "note": "5" })
    );
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let tree = tree(&[(PATH, DISPATCH)]);
    let trigger = dispatch(json!({ "dri": true, "level": "mid", "count": "x", "dry": 1 }));
    let expected = "\
2:3 1090 there is no input `dri` | did you mean `dry`?
2:3 1090 input `count` must be a number, and is `x`
2:3 1090 input `dry` cannot be `1`
2:3 1090 input `level` must be one of `low`, `high`, and is `mid`
2:3 1090 input `who` is required
";
    let (_, said) = inputs(&tree, PATH, &trigger);
    assert_eq!(render(&said), expected);
    let compiled = compile(&tree, PATH, &trigger, cutover_dialect::Options::default());
    assert_eq!(compiled.plan, None);
    assert_eq!(render(&compiled.diagnostics), expected);
    // Whoever only looks at the plan has no inputs yet.
    let options = cutover_dialect::Options {
        inputs_come_later: true,
        ..cutover_dialect::Options::default()
    };
    let compiled = compile(&tree, PATH, &dispatch(json!({})), options);
    assert_eq!(compiled.plan.map(|plan| plan.jobs.len()), Some(1));
}
