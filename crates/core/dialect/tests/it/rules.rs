//! What lint says beyond the syntax.

use cutover_dialect::{Options, compile};

use crate::{PATH, check, push, render, tree};

#[test]
fn expressions_are_held_against_what_is_known() {
    check(
        "
        on:
          workflow_dispatch: { inputs: { dry: { type: boolean } } }
        jobs:
          one:
            runs-on: ubuntu-latest
            outputs: { release: '1' }
            strategy: { matrix: { os: [{ name: linux }], size: [1, 2] } }
            steps:
              - id: go
                run: echo ${{ matrix.os.nam }} ${{ steps.go.outputs.x }}
              - run: echo ${{ steps.go.outcom }}
              - run: echo ${{ matrix.size.x }} ${{ inputs.dri }}
              - run: echo ${{ matrix.os }}
              - run: echo ${{ github.event.a.b || 'c' }} ${{ github.event.inputs.dri }}
              - run: echo ${{ matrix.os == 'linux' }}
              - run: echo ${{ format('{0} {2}', 1, 2) }}
              - run: echo ${{ fromJSON('{\"a\":1}').b }} ${{ fromJSON('{') }}
              - run: echo ${{ join(matrix.os, ',') }}
              - run: echo ${{ fromjson('[{\"a\":1}]').*.b }}
          two:
            needs: one
            runs-on: ubuntu-latest
            continue-on-error: ${{ 'x' }}
            timeout-minutes: ${{ true }}
            steps:
              - run: echo ${{ needs.one.outputs.releas }} ${{ needs.two.result }}
        ",
        "
            10:23 1032 there is no property `nam` | did you mean `name`?
            10:44 1032 there is no property `go`
            11:23 1032 there is no property `outcom` | did you mean `outcome`?
            12:23 1032 `x` is asked of what is a number, not an object
            12:44 1032 there is no property `dri` | did you mean `dry`?
            13:19 1032 an object does not become a useful text | `toJSON` makes a text of it
            14:54 1032 there is no property `dri` | did you mean `dry`?
            15:23 1032 `==` cannot compare an object with a text
            16:23 1032 `{1}` is not in the text, so that its value is not used
            16:23 1032 `{2}` has no value: there are 2
            17:23 1032 there is no property `b` | known here: `a`
            17:61 1032 `fromJSON` gets no JSON: EOF while parsing an object at line 1 column 1
            18:23 1032 `join(a list)` does not take 2 parameters
            18:28 1032 parameter 1 of `join` must be a list, and is an object
            19:23 1032 there is no property `b` | known here: `a`
            23:24 1032 the expression must give a truth value, and gives a text
            24:22 1032 the expression must give a number, and gives a truth value
            26:23 1032 there is no property `releas` | did you mean `release`?
            26:55 1032 there is no property `two` | known here: `one`
            ",
    );
}

#[test]
fn text_of_strangers_does_not_go_into_scripts() {
    check(
        "
        on: push
        jobs:
          a:
            runs-on: ubuntu-latest
            steps:
              - run: echo ${{ github.event.issue.title }}
              - run: echo ${{ github.event.commits[0].message }}
              - run: echo ${{ toJSON(github.event.*.body) }}
              - run: echo ${{ contains(github.head_ref, 'x') }} ${{ github.event.issue.number }}
              - run: echo \"$TITLE\"
                env: { TITLE: '${{ github.event.issue.title }}' }
              - uses: actions/github-script@v7
                with: { script: \"log('${{ github['event'].pull_request.head.ref }}')\" }
        ",
        "
            6:23 1031 `github.event.issue.title` is written by strangers, and becomes part of the script | hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`
            7:23 1031 `github.event.commits.*.message` is written by strangers, and becomes part of the script | hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`
            8:30 1031 `github.event.issue.body`, `github.event.pull_request.body`, `github.event.comment.body`, `github.event.review.body`, `github.event.review_comment.body`, `github.event.discussion.body` is written by strangers, and becomes part of the script | hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`
            13:35 1031 `github.event.pull_request.head.ref` is written by strangers, and becomes part of the script | hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`
            ",
    );
}

#[test]
fn events_have_types_filters_and_times_of_their_own() {
    check(
        "
        on:
          push: { types: [x] }
          pull_request_review: { paths: [a] }
          watch: { types: [stopped] }
          workflow_run: { branches: [main] }
          schedule:
            - cron: '* * * *'
            - cron: '*/2 * * * *'
            - { cron: '0 6 * * 1', timezone: Here }
        jobs: { a: { runs-on: ubuntu-latest, steps: [{ run: echo }] } }
        ",
        "
            2:3 1042 event `push` has no types
            3:26 1042 event `pull_request_review` has no filter `paths` | these have it: `push`, `pull_request`, `pull_request_target`
            4:20 1042 event `watch` has no type `stopped` | known here: `started`
            5:3 1042 `workflow_run` needs `workflows`
            7:13 1043 `* * * *` is no pattern of times: it has 4 fields, and needs five: minute, hour, day, month, day of the week
            8:13 1043 the least time between two runs is 5 minutes
            9:38 1043 `Here` is no name of a time zone | for example `Europe/Zurich`
            ",
    );
    check(
        "
        on:
          push:
            branches: ['a b', '/x', 'x.', '[a]', '[z-a]', '\\\\d', 'ok/**', '*?']
            paths: [./a, ' b', '..', '!', 'c+']
        jobs: { a: { runs-on: ubuntu-latest, steps: [{ run: echo }] } }
        ",
        "
            3:18 1041 pattern `a b`: git allows no ` ` in names
            3:24 1041 pattern `/x`: names do not begin with `/`
            3:31 1041 pattern `x.`: names do not end with `/` or `.`
            3:38 1041 pattern `[a]`: `[]` with one character is that character
            3:46 1041 pattern `[z-a]`: the range `z-a` runs backwards
            3:69 1041 pattern `*?`: `?` has nothing before it that it could repeat
            4:13 1041 pattern `./a`: paths begin at the root, without `.` and `..`
            4:19 1041 pattern ` b`: blanks at its ends match no path
            4:25 1041 pattern `..`: paths begin at the root, without `.` and `..`
            4:31 1041 pattern `!`: something must follow the `!`
            ",
    );
}

#[test]
fn what_runs_but_cannot_be_meant_is_told() {
    check(
        "
        on: push
        jobs:
          a:
            runs-on: ubuntu-latest
            container: { image: x, credentials: { username: u, password: p } }
            strategy:
              matrix:
                os: [a, b, a]
                exclude: [{ os: c }, { so: a }, { os: a }]
            env: &unused { 'A B': 1 }
            steps:
              - if: ${{ true }} == false
                run: echo ::set-output name=a::b
              - if: true
                run: echo
                shell: cmd
              - uses: actions/checkout@v3
              - uses: checkout@v4
          b: { uses: a/b@main }
          c: { needs: [b, B], runs-on: ubuntu-latest, steps: [{ run: echo }] }
        ",
        "
            5:66 1083 the password of the container stands in the file | take it from a secret: `${{ secrets.… }}`
            8:20 1061 `os` has this value twice; the first is in line 8
            9:25 1061 `os` never has this value, so that nothing is excluded
            9:32 1061 the matrix has no `so` to exclude | known here: `os`
            10:10 W 1017 nothing uses the anchor `&unused`
            10:20 1084 a variable cannot be named `A B`
            12:13 1085 the condition always holds, because there is text around the `${{ }}` | leave out `${{` and `}}`, or put them around the whole
            13:14 W 1086 command `::set-output::` is deprecated | write to the file `$GITHUB_OUTPUT`
            14:13 W 1085 the condition is always true
            16:16 1070 unknown shell `cmd` | known here: `bash`, `pwsh`, `python`, `sh`
            17:15 W 1057 `actions/checkout@v3` runs on a node that the hosted service no longer has | version 4 or later does not
            18:15 1055 `checkout@v4` names no action | for example `actions/checkout@v5` or `./path`
            19:14 1056 `a/b@main` names no workflow | `owner/repository/.github/workflows/file.yml@ref` or `./.github/workflows/file.yml`
            20:19 W 1024 job `B` is needed twice
            ",
    );
}

#[test]
fn a_run_takes_as_advice_what_the_hosted_service_runs() {
    let text = "
        on: { push: { branches: ['[a]'] } }
        jobs:
          a:
            runs-on: my-own
            env: {}
            steps: [{ run: 'echo ${{ github.head_ref }}' }, { run: 'echo ${{ steps.x.y }}' }]
        ";
    check(
        text,
        "
            1:29 1041 pattern `[a]`: `[]` with one character is that character
            5:10 1013 `env` must not be empty
            6:30 1031 `github.head_ref` is written by strangers, and becomes part of the script | hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`
            6:70 1032 there is no property `x`
            ",
    );
    let compiled = compile(&tree(&[(PATH, text)]), PATH, &push(), Options::default());
    let said = render(&compiled.diagnostics);
    assert!(compiled.plan.is_some(), "{said}");
    assert!(said.lines().all(|line| line.contains(" W ")), "{said}");
    assert_eq!(compiled.diagnostics.len(), 4, "{said}");
}

#[test]
fn what_only_the_hosted_service_refuses_is_told_in_its_words() {
    check(
        "
        on: push
        jobs:
          a:
            runs-on: { group: other/mine }
            concurrency: { group: x, queue: max, cancel-in-progress: true }
            steps: [{ run: echo }, { wait: nothing }]
        ",
        "
            4:23 1016 Invalid runs-on group name 'other/mine'. Please use 'organization/' or 'enterprise/' prefix to target a single runner group.
            5:18 1016 'queue: max' cannot be used together with 'cancel-in-progress: true'
            6:36 1016 Step references unknown step ID 'nothing'
            ",
    );
}

#[test]
fn labels_that_no_hosted_runner_has_are_told() {
    let text = "
        on: push
        jobs:
          a: { runs-on: ubuntu-latets, steps: [{ run: echo }] }
          b: { runs-on: [self-hosted, linux, x64], steps: [{ run: echo }] }
          c: { runs-on: [ubuntu-latest, windows-latest], steps: [{ run: echo }] }
          d: { runs-on: [self-hosted, big-one], steps: [{ run: echo }] }
          e: { runs-on: { group: mine, labels: [big-one] }, steps: [{ run: echo }] }
        ";
    let said: Vec<String> = cutover_dialect::lint(&tree(&[(PATH, text)]), PATH)
        .iter()
        .filter(|it| it.code == "CUT-1082")
        .map(ToString::to_string)
        .collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(
        said[0].contains(":3:17: warning") && said[0].contains("did you mean `ubuntu-latest`?"),
        "{said:#?}"
    );
    assert!(said[1].contains(":5:33: error"), "{said:#?}");
}

#[test]
fn what_lets_strangers_in_is_told() {
    check(
        "
        on: [pull_request_target, issues]
        env: { ACTIONS_ALLOW_UNSECURE_COMMANDS: true }
        jobs:
          a:
            runs-on: ubuntu-latest
            if: github.actor == 'dependabot[bot]' || 'x[bot]' == github.triggering_actor
            steps:
              - uses: actions/checkout@v4
                with: { ref: '${{ github.event.pull_request.head.sha }}' }
              - run: |
                  make
                  echo A=1 >> $GITHUB_ENV
                  echo \"A=$TITLE\" >> \"$GITHUB_ENV\"
                  echo \"$(pwd)/bin\" >> ${{ github.path }}
              - if: contains('refs/heads/main refs/heads/next', github.ref)
                run: echo \"${{ fromJSON(secrets.KEYS).password }}\" ${{ fromJSON(secrets.KEYS) != '' }}
                env: { N: \"${{ github.event.number == 1 && '' || 'x' }}\" }
              - if: ${{ contains(fromJSON('[\"refs/heads/main\"]'), github.ref) }}
                run: echo ${{ github.event.number == 1 && 'y' || 'x' }}
          b:
            runs-on: ubuntu-latest
            steps:
              - run: make
              - uses: actions/checkout@v4
                with: { ref: '${{ github.head_ref }}' }
              - uses: actions/upload-artifact@v4
                with: { name: a, path: b }
        ",
        "
            2:8 1093 with `ACTIONS_ALLOW_UNSECURE_COMMANDS` whatever a step prints may change the next ones | write to the files `$GITHUB_ENV` and `$GITHUB_PATH` instead
            6:9 1095 `github.actor` is who did the last thing, and not who wrote the sources | compare the whole with `==`; of a person, `github.event.pull_request.user.login`
            6:46 1095 `github.triggering_actor` is who did the last thing, and not who wrote the sources | compare the whole with `==`; of a person, `github.event.pull_request.user.login`
            9:22 1091 `pull_request_target` has the rights of the repository, and the steps behind this one run what strangers wrote | use `pull_request`, or look at these sources without running anything of them
            13:11 1092 what is written to `GITHUB_ENV` is not fixed, and `pull_request_target` is brought about by strangers | hand the value over as an output, and name it where it is needed
            14:11 1092 what is written to `GITHUB_PATH` is not fixed, and `pull_request_target` is brought about by strangers | hand the value over as an output, and name it where it is needed
            15:13 1095 `github.ref` may be any part of that text, down to one letter | compare the whole with `==`; of a person, `github.event.pull_request.user.login`
            16:24 1094 a part of a secret is not masked, as the whole is | make a secret of it, or mask it with `::add-mask::` before it is used
            17:52 1096 what stands between `&&` and `||` counts as false, so that it is never taken | use `case(condition, value, other)`
            ",
    );
    // Where strangers start nothing that has rights, the same is fine.
    check(
        "
        on: pull_request
        jobs:
          a:
            runs-on: ubuntu-latest
            if: github.actor == 'dependabot[bot]'
            steps:
              - uses: actions/checkout@v4
                with: { ref: '${{ github.event.pull_request.head.sha }}' }
              - run: echo \"A=$TITLE\" >> \"$GITHUB_ENV\"
        ",
        "",
    );
}

/// One slip hides no other, and none is told twice.
#[test]
fn all_that_is_wrong_with_a_step_is_told_in_the_order_of_the_file() {
    check(
        "
        on: push
        jobs:
          one:
            runs-on: ubuntu-latest
            steps:
              - run: echo ${{ nope.x }} ${{ github.actor }} ${{ steps.a.y }} ${{ foo() }}
                shel: bash
                timeout-minutes: soon
                env: { A: '${{ matrx.os }}' }
              - nmae: x
              - rnu: make
                idd: x
              - uses: ./nowhere
              - uses: ./elsewhere
                whit: { a: b }
        ",
        "
            6:23 1030 there is no context `nope` | known here: `env`, `github`, `inputs`, `job`, `matrix`, `needs`, `runner`, `secrets`, `steps`, `strategy`, `vars`
            6:57 1032 there is no property `a`
            6:74 1030 there is no function `foo` | known here: `always`, `cancelled`, `case`, `contains`, `endsWith`, `failure`, `format`, `fromJSON`, `hashFiles`, `join`, `startsWith`, `success`, `toJSON`
            7:9 1010 unknown key `shel` in a step with `run` | did you mean `shell`?
            8:26 1012 `timeout-minutes` must be a number or one `${{ }}`, and is a text
            9:24 1030 there is no context `matrx` | did you mean `matrix`?
            10:9 1010 unknown key `nmae` in a step | did you mean `name`?
            10:9 1011 a step must do something | it needs `run` or `uses`
            11:9 1010 unknown key `rnu` in a step | did you mean `run`?
            12:9 1010 unknown key `idd` in a step | did you mean `id`?
            13:15 W 1051 there is no action in `./nowhere` | it needs `nowhere/action.yml`
            14:15 W 1051 there is no action in `./elsewhere` | it needs `elsewhere/action.yml`
            15:9 1010 unknown key `whit` in a step with `uses` | known here: `background`, `continue-on-error`, `env`, `id`, `if`, `name`, `timeout-minutes`, `uses`, `with`
        ",
    );
}
