//! Jobs that call workflows: what becomes of the called file, and what is wrong with a call.

use cutover_dialect::{
    ForeignAction, ForeignActions, Lacking, Options, Schedule, compile, compile_with, schedules,
};
use cutover_model::plan::{ActionTree, CallSecrets, CallSpec, StepBody, Template};

use crate::{PATH, push, render, tree};

const INNER: &str = ".github/workflows/inner.yml";

const CALLEE: &str = "
    on:
      workflow_call:
        inputs:
          what: { type: string, required: true }
          times: { type: number, default: 3 }
        secrets:
          key: { required: true }
        outputs:
          digest: { value: '${{ jobs.build.outputs.digest }}' }
    env: { WHERE: inner }
    defaults: { run: { shell: sh } }
    jobs:
      build:
        runs-on: x
        outputs: { digest: a }
        steps: [{ run: 'make ${{ inputs.what }}' }]
      test:
        needs: build
        runs-on: x
        steps: [{ run: echo }]
    ";

fn compiled(files: &[(&str, &str)]) -> Result<CallSpec, String> {
    let found = compile(&tree(files), PATH, &push(), Options::default());
    match found.plan {
        Some(plan) => Ok(*plan.jobs[0].call.clone().expect("a call")),
        None => Err(render(&found.diagnostics)),
    }
}

#[test]
fn a_called_file_becomes_the_jobs_of_its_caller() {
    let caller = "
        on: push
        env: { WHERE: outer }
        jobs:
          package:
            uses: ./.github/workflows/inner.yml
            with: { WHAT: all }
            secrets: { key: '${{ secrets.TOKEN }}' }
        ";
    let callee = CALLEE.replace(
        "    env: {",
        "    concurrency: 'g-${{ inputs.what }}'\n    env: {",
    );
    let call = compiled(&[(PATH, caller), (INNER, &callee)]).unwrap();
    let concurrency = call.concurrency.unwrap();
    assert_eq!(concurrency.group.text, "g-${{ inputs.what }}");
    assert_eq!(call.path, INNER);
    let ids: Vec<&str> = call.jobs.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, ["build", "test"]);
    assert_eq!(call.jobs[1].needs, ["build"]);
    assert_eq!(call.jobs[0].defaults.shell.as_ref().unwrap().text, "sh");
    assert_eq!(call.env[0].1.text, "inner");
    assert_eq!(call.outputs[0].0, "digest");
    let text = |template: &Option<Template>| template.as_ref().map(|it| it.text.clone());
    let inputs: Vec<_> = call
        .inputs
        .iter()
        .map(|input| {
            (
                input.name.as_str(),
                text(&input.given),
                text(&input.default),
            )
        })
        .collect();
    assert_eq!(
        inputs,
        [
            ("what", Some("all".to_owned()), None),
            ("times", None, Some("3".to_owned())),
        ]
    );
    let CallSecrets::Named { values } = &call.secrets else {
        panic!("named secrets");
    };
    assert_eq!(values[0].1.text, "${{ secrets.TOKEN }}");
}

#[test]
fn what_a_caller_owes_is_told_in_the_words_of_the_hosted_service() {
    let caller = "
        on: push
        permissions: { contents: read }
        jobs:
          package:
            uses: ./.github/workflows/inner.yml
            with: { wat: all, times: many }
        ";
    let said = compiled(&[(PATH, caller), (INNER, CALLEE)]).unwrap_err();
    for part in [
        "Input what is required, but not provided while calling.",
        "Invalid input, wat is not defined in the referenced workflow.",
        "Secret key is required, but not provided while calling.",
        "Unexpected value 'many'",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let greedy = "
        on: workflow_call
        permissions: { contents: write }
        jobs: { a: { runs-on: x, steps: [{ run: echo }] } }
        ";
    let caller = "
        on: push
        permissions: { contents: read }
        jobs: { go: { uses: ./.github/workflows/inner.yml } }
        ";
    let said = compiled(&[(PATH, caller), (INNER, greedy)]).unwrap_err();
    assert!(
        said.contains("is requesting 'contents: write', but is only allowed 'contents: read'"),
        "{said}"
    );
    let closed = "
        on: push
        jobs: { a: { runs-on: x, steps: [{ run: echo }] } }
        ";
    let said = compiled(&[(PATH, caller), (INNER, closed)]).unwrap_err();
    assert!(said.contains("workflow_call key is not defined"), "{said}");
}

#[test]
fn circles_depth_and_missing_files_are_refused() {
    let calls = |target: &str| {
        format!(
            "on: [push, workflow_call]\njobs: {{ go: {{ uses: ./.github/workflows/{target}.yml }} }}\n"
        )
    };
    let said = compiled(&[(PATH, &calls("inner")), (INNER, &calls("ci"))]).unwrap_err();
    assert!(said.contains("workflows call each other"), "{said}");
    let said = compiled(&[(PATH, &calls("inner"))]).unwrap_err();
    assert_eq!(
        said,
        "2:21 1005 there is no workflow `.github/workflows/inner.yml`\n"
    );

    let mut files: Vec<(String, String)> = (1..=10)
        .map(|level| {
            let path = format!(".github/workflows/w{level}.yml");
            (path, calls(&format!("w{}", level + 1)))
        })
        .collect();
    files.push((PATH.to_owned(), calls("w1")));
    let leaf = "on: workflow_call\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }\n";
    let at = |files: &[(String, String)], level: usize| {
        let mut files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        let path = format!(".github/workflows/w{level}.yml");
        files.retain(|(own, _)| *own != path);
        files.push((&path, leaf));
        compiled(&files)
    };
    assert!(at(&files, 10).is_ok(), "ten levels");
    let said = at(&files, 11).unwrap_err();
    assert!(said.contains("deeper than 10"), "{said}");
}

#[test]
fn a_workflow_from_elsewhere_is_found_by_its_whole_reference_or_lacking() {
    let there = "acme/shared/.github/workflows/x.yml@v1";
    let beside = "acme/shared/.github/workflows/y.yml@v1";
    let caller = format!("on: push\njobs: {{ go: {{ uses: {there} }} }}\n");
    let found = "on: workflow_call\njobs: { in: { uses: ./.github/workflows/y.yml } }\n";
    let leaf = "on: workflow_call\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }\n";
    let said = compiled(&[(PATH, &caller)]).unwrap_err();
    assert!(said.contains("1050"), "{said}");
    let options = Options {
        lacking: Lacking::FaultWhenReached,
        ..Options::default()
    };
    let plan = compile(&tree(&[(PATH, &caller)]), PATH, &push(), options).plan;
    let step = &plan.unwrap().jobs[0].steps[0];
    assert!(matches!(&step.body, StepBody::Lacking { uses, .. } if uses == there));

    let sources = tree(&[(PATH, &caller)]);
    let wanted = compile(&sources, PATH, &push(), Options::default()).wanted;
    assert_eq!(wanted.len(), 1);
    assert_eq!(
        (wanted[0].repository.as_str(), wanted[0].git_ref.as_str()),
        ("acme/shared", "v1")
    );
    let files = tree(&[
        (".github/workflows/x.yml", found),
        (".github/workflows/y.yml", leaf),
    ]);
    let mut foreign = ForeignActions::default();
    let action = ForeignAction {
        tree: ActionTree {
            repository: "acme/shared".to_owned(),
            git_ref: "v1".to_owned(),
            commit: "a".repeat(40),
            tree: "b".repeat(40),
        },
        files,
        is_locked: true,
    };
    foreign.insert("acme/shared", "v1", Ok(action));
    let plan = compile_with(&sources, &foreign, PATH, &push(), Options::default());
    let plan = plan
        .plan
        .unwrap_or_else(|| panic!("{}", render(&plan.diagnostics)));
    let outer = plan.jobs[0].call.as_ref().unwrap();
    assert_eq!(outer.path, there);
    assert_eq!(outer.commit, Some("a".repeat(40)));
    // A local path in a file from elsewhere is a path there.
    assert_eq!(outer.jobs[0].call.as_ref().unwrap().path, beside);
}

#[test]
fn schedules_are_listed_once_each() {
    let text = "
        on:
          schedule:
            - { cron: '0 6 * * 1', timezone: Europe/Zurich }
            - { cron: '30 * * * *' }
            - { cron: '30 * * * *' }
        jobs: { a: { runs-on: x, steps: [{ run: echo }] } }
        ";
    let found = schedules(&tree(&[(PATH, text)]), PATH);
    let schedule = |cron: &str, zone: Option<&str>| Schedule {
        cron: cron.to_owned(),
        timezone: zone.map(str::to_owned),
    };
    assert_eq!(
        found,
        [
            schedule("0 6 * * 1", Some("Europe/Zurich")),
            schedule("30 * * * *", None)
        ]
    );
}
