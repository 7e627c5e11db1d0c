//! Text of strangers on its detours into scripts.

use crate::{PATH, check_code, dedent};

const CODE: &str = "CUT-1031";
const HINT: &str = " | hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`";

/// What is said of jobs that an opened issue starts, without the hint.
#[track_caller]
fn check_jobs(jobs: &str, expected: &str) {
    let jobs = dedent(jobs).replace('\n', "\n  ");
    let text = format!("on: issues\njobs:\n  {jobs}");
    check_files(&[(PATH, &text)], expected);
}

#[track_caller]
fn check_files(files: &[(&str, &str)], expected: &str) {
    let expected = dedent(expected);
    let lines = expected.lines().filter(|line| !line.trim().is_empty());
    let hinted: Vec<String> = lines.map(|line| format!("{line}{HINT}")).collect();
    check_code(files, CODE, &hinted.join("\n"));
}

#[test]
fn outputs_of_steps_carry_it() {
    check_jobs(
        "
        a:
          runs-on: x
          env: { BODY: '${{ github.event.issue.body }}' }
          steps:
            - id: get
              env: { TITLE: '${{ github.event.issue.title }}' }
              run: |
                echo \"title=$TITLE\" >> \"$GITHUB_OUTPUT\"
                {
                  echo 'body<<END'
                  echo \"${BODY}\"
                  echo END
                  echo fixed=1
                } >> $GITHUB_OUTPUT
                T=\"x $TITLE\"
                echo \"::set-output name=old::$T\"
                echo \"LATER=${TITLE%%:*}\" | tee -a $GITHUB_ENV
            - run: echo \"${{ steps.get.outputs.title }}\"
            - run: echo \"${{ steps.get.outputs.body }} ${{ steps.get.outputs.fixed }}\"
            - run: echo \"${{ format('{0}', steps.get.outputs['old']) }}\"
            - run: echo \"${{ env.LATER }} ${{ env.BODY }} ${{ toJSON(steps.get.outputs) }}\"
            - uses: actions/github-script@v7
              with: { script: \"a('${{ steps.get.outputs.title }}')\" }
        ",
        "
        20:24 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `env.TITLE` and `steps.get.outputs.title`
        21:24 1031 text of strangers becomes part of the script: from `github.event.issue.body` through `env.BODY` and `steps.get.outputs.body`
        22:38 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `env.TITLE` and `steps.get.outputs.old`
        23:24 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `env.TITLE` and `env.LATER`
        23:41 1031 text of strangers becomes part of the script: from `github.event.issue.body` through `env.BODY`
        23:64 1031 text of strangers becomes part of the script: from `github.event.issue.body` through `env.BODY` and `steps.get.outputs.body`
        23:64 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `env.TITLE` and `steps.get.outputs.old`
        25:33 1031 text of strangers becomes part of `script`, which `actions/github-script` runs: from `github.event.issue.title` through `env.TITLE` and `steps.get.outputs.title`
        ",
    );
}

#[test]
fn what_is_handed_over_as_a_variable_or_looked_at_is_fine() {
    check_jobs(
        "
        a:
          runs-on: x
          steps:
            - id: get
              env: { TITLE: '${{ github.event.issue.title }}', ON: \"${{ contains(github.event.issue.title, 'x') }}\" }
              run: |
                # echo title=$TITLE >> $GITHUB_OUTPUT
                [[ \"$ON\" =~ ^true$ ]] || exit 1
                echo \"$TITLE\"
                echo \"has=${{ github.event.issue.number }}\" >> \"$GITHUB_OUTPUT\"
                echo \"short=$(echo \"$TITLE\" | tr -cd a-z)\" >> \"$GITHUB_OUTPUT\"
                echo \"sum=$(sha256sum <<< \"$TITLE\")\" >> \"$GITHUB_OUTPUT\"
                echo \"clean=${TITLE//[^a-z]/}\" >> \"$GITHUB_OUTPUT\"
                echo 'literal=$TITLE' >> \"$GITHUB_OUTPUT\"
                TITLE=fixed
                echo \"title=$TITLE\" >> \"$GITHUB_OUTPUT\"
            - id: checked
              env: { REF: '${{ github.head_ref }}' }
              run: |
                case \"$REF\" in *[!a-z]*) exit 1;; esac
                echo \"ref=$REF\" >> \"$GITHUB_OUTPUT\"
            - env: { TITLE: '${{ steps.get.outputs.has }}' }
              run: |
                echo ${{ steps.get.outputs.has }} ${{ steps.get.outputs.short }} ${{ steps.get.outputs.sum }}
                echo ${{ steps.get.outputs.clean }} ${{ steps.get.outputs.literal }} ${{ steps.get.outputs.title }}
                echo ${{ steps.checked.outputs.ref }} ${{ steps.get.outcome }} ${{ env.TITLE }}
            - if: contains(steps.get.outputs.title, 'x')
              run: echo ${{ steps.get.outputs.title == 'x' }} ${{ env.TITLE }}
        ",
        "",
    );
}

#[test]
fn outputs_of_jobs_and_matrices_carry_it() {
    check_jobs(
        "
        late:
          needs: get
          runs-on: x
          strategy: { matrix: { item: '${{ fromJSON(needs.get.outputs.list) }}', n: [1] } }
          steps:
            - run: echo ${{ matrix.item.name }} ${{ matrix.n }} ${{ needs.get.result }}
            - run: echo ${{ needs.*.outputs.list }}
        get:
          runs-on: x
          outputs: { list: '${{ steps.a.outputs.list }}' }
          steps:
            - id: a
              uses: actions/github-script@v7
              with:
                script: |
                  core.setOutput('list', context.payload.issue?.title)
                  core.setOutput('other', context.payload.issue.number)
                  return clean(context.payload.issue.title)
            - run: echo ${{ steps.a.outputs.list }} ${{ steps.a.outputs.other }} ${{ steps.a.outputs.result }}
        ",
        "
        8:23 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `steps.a.outputs.list`, `needs.get.outputs.list` and `matrix.item`
        9:23 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `steps.a.outputs.list` and `needs.get.outputs.list`
        21:23 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `steps.a.outputs.list`
        ",
    );
}

const ACTION: &str = "
    name: a
    inputs: { title: {}, body: { default: '${{ github.event.issue.body }}' }, mode: {} }
    outputs: { slug: { value: '${{ steps.b.outputs.slug }}' } }
    runs:
      using: composite
      steps:
        - run: echo ${{ inputs.title }} ${{ inputs.mode }} ${{ github.event.issue.title }}
          shell: bash
        - id: b
          run: echo \"slug=$T\" >> $GITHUB_OUTPUT
          shell: bash
          env: { T: '${{ inputs.title }}', B: '${{ inputs.body }}' }
    ";

#[test]
fn inputs_of_actions_carry_it_there_and_back() {
    check_files(
        &[
            (
                PATH,
                "
                on: issues
                jobs:
                  a:
                    runs-on: x
                    steps:
                      - id: one
                        uses: ./act
                        with: { title: '${{ github.event.issue.title }}', mode: '${{ github.ref }}' }
                      - id: two
                        uses: ./act
                        with: { title: fixed }
                      - run: echo ${{ steps.one.outputs.slug }} ${{ steps.two.outputs.slug }}
                ",
            ),
            ("act/action.yml", ACTION),
        ],
        "
        12:23 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `inputs.title` of `./act`, `env.T`, `steps.b.outputs.slug` and `steps.one.outputs.slug`
        act/action.yml:7:21 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `inputs.title` of `./act`
        act/action.yml:7:60 1031 `github.event.issue.title` is written by strangers, and becomes part of the script
        ",
    );
}

#[test]
fn inputs_of_called_workflows_carry_it_there_and_back() {
    check_files(
        &[
            (
                PATH,
                "
                on: pull_request
                jobs:
                  a:
                    uses: ./.github/workflows/called.yml
                    with: { ref: '${{ github.head_ref }}', other: x }
                  b:
                    needs: a
                    runs-on: x
                    steps: [{ run: 'echo ${{ needs.a.outputs.ref }}' }]
                ",
            ),
            (
                ".github/workflows/called.yml",
                "
                on:
                  workflow_call:
                    inputs: { ref: { type: string }, other: { type: string } }
                    outputs: { ref: { value: '${{ jobs.one.outputs.ref }}' } }
                jobs:
                  one:
                    runs-on: x
                    outputs: { ref: '${{ inputs.ref }}' }
                    steps: [{ run: 'echo ${{ inputs.other }}' }, { run: 'git checkout ${{ inputs.ref }}' }]
                ",
            ),
        ],
        "
        9:30 1031 text of strangers becomes part of the script: from `github.head_ref` through `inputs.ref` of `./.github/workflows/called.yml` and `needs.a.outputs.ref`
        .github/workflows/called.yml:9:75 1031 text of strangers becomes part of the script: from `github.head_ref` through `inputs.ref` of `./.github/workflows/called.yml`
        ",
    );
}

#[test]
fn an_action_of_others_is_told_where_it_is_used() {
    use cutover_dialect::{ForeignAction, ForeignActions, lint_with};
    use cutover_model::plan::ActionTree;

    let workflow = "
        on: issues
        jobs:
          a:
            runs-on: x
            steps:
              - uses: some/one@v1
                with: { title: '${{ github.event.issue.title }}', mode: '${{ github.event.issue.body }}' }
              - uses: some/one@v1
        ";
    let mut foreign = ForeignActions::default();
    let tree = ActionTree {
        repository: "some/one".to_owned(),
        git_ref: "v1".to_owned(),
        commit: "c".repeat(40),
        tree: "t".repeat(40),
    };
    let files = crate::tree(&[("action.yml", ACTION)]);
    let is_locked = true;
    let found = ForeignAction {
        tree,
        files,
        is_locked,
    };
    foreign.insert("some/one", "v1", Ok(found));
    let said = lint_with(&crate::tree(&[(PATH, workflow)]), &foreign, PATH).diagnostics;
    let said: Vec<String> = said
        .iter()
        .filter(|it| it.code == CODE)
        .map(|it| format!("{} {}", it.at, it.message))
        .collect();
    assert_eq!(
        said,
        [
            "7:29 text of strangers becomes part of a script of `some/one@v1`: from `github.event.issue.title` through `inputs.title` of `some/one@v1`",
            "7:70 text of strangers becomes part of a script of `some/one@v1`: from `github.event.issue.body` through `inputs.mode` of `some/one@v1`",
        ]
    );
}

#[test]
fn a_long_way_is_told_by_its_ends() {
    let step = |n: usize| {
        let before = n - 1;
        format!(
            "    - id: s{n}\n      env: {{ A: '${{{{ steps.s{before}.outputs.a }}}}' }}\n      run: echo \"a=$A\" >> $GITHUB_OUTPUT\n"
        )
    };
    let steps: Vec<String> = (1..20).map(step).collect();
    let steps = steps.concat();
    let text = format!(
        "on: issues\njobs:\n  a:\n    runs-on: x\n    steps:\n    - id: s0\n      run: echo \"a=${{{{ github.event.issue.title }}}}\" >> $GITHUB_OUTPUT\n{steps}    - run: echo ${{{{ steps.s19.outputs.a }}}}\n"
    );
    check_files(
        &[(PATH, &text)],
        "
        7:24 1031 `github.event.issue.title` is written by strangers, and becomes part of the script
        65:21 1031 text of strangers becomes part of the script: from `github.event.issue.title` through `steps.s0.outputs.a`, `env.A`, …, `steps.s18.outputs.a`, `env.A` and `steps.s19.outputs.a`
        ",
    );
}
