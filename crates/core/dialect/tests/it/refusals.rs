//! What a bad workflow is told: place, words, hint. One pass tells everything.

use cutover_dialect::{explain, lint};

use crate::{PATH, check};

#[test]
fn one_pass_tells_everything() {
    check(
        "
        naem: CI
        on: [push, pul_request, schedule]
        concurrency: one
        jobs:
          1st:
            runs-on: linux
            steps: [{ run: echo }]
          build:
            run-on: linux
            needs: [tset, test]
            container: node:20
            steps:
              - run: echo ${{ githb.sha }}
                shel: bash
              - uses: ./x
                run: echo
              - name: nothing
          test:
            runs-on: { group: big }
            timeout-minutes: soon
            continue-on-error: maybe
            steps:
              - id: a.b
                run: ''
              - { id: one, run: echo }
              - { id: ONE, run: echo, shell: fish }
        ",
        "
            1:1 1010 unknown key `naem` in a workflow | did you mean `name`?
            2:12 1040 unknown event `pul_request` | did you mean `pull_request`?
            2:25 1014 event `schedule` is not there yet | known are `push`, `pull_request`, `workflow_dispatch`
            3:1 1014 `concurrency` in a workflow is not there yet | remove it: runs of this workflow then go side by side
            5:3 1020 job id: `1st` cannot be an id
            8:3 1011 job `build` needs `runs-on`
            9:5 1010 unknown key `run-on` in a job | did you mean `runs-on`?
            10:13 1022 job `build` needs `tset`, which is no job | did you mean `test`?
            11:5 1014 `container` in a job is not there yet | remove it: the steps then run on this machine
            13:23 1030 Unrecognized named-value: 'githb'. Located at position 1 within expression: githb.sha
            14:9 1010 unknown key `shel` in a step | did you mean `shell`?
            15:15 1015 a step has either `run` or `uses`, and this one has both | make two steps of it
            17:9 1011 a step needs `run` or `uses`
            19:14 1014 `runs-on` with `group` or `labels` is not there yet | write the labels as a list: `runs-on: [self-hosted, linux]`
            20:22 1012 `timeout-minutes` must be a number greater than 0 or an expression
            21:24 1012 `continue-on-error` must be `true` or `false` or an expression
            23:13 1020 `a.b` cannot be an id
            24:14 1013 `run` must not be empty
            26:15 1021 step id `ONE` is there twice; the first is in line 25
            26:38 1070 unknown shell `fish` | known are `bash`, `sh`, `python`, `pwsh`, or a command with `{0}`
            ",
    );
}

#[test]
fn needs_that_lead_back_are_named() {
    check(
        "
        on: push
        jobs:
          a: { runs-on: x, needs: b, steps: [{ run: echo }] }
          b: { runs-on: x, needs: [c], steps: [{ run: echo }] }
          c: { runs-on: x, needs: A, steps: [{ run: echo }] }
          d: { runs-on: x, needs: d, steps: [{ run: echo }] }
          e: { runs-on: x, needs: a, steps: [{ run: echo }] }
        ",
        "
            3:3 1023 jobs wait for each other: a → b → c → a | remove one of these `needs`
            6:3 1023 jobs wait for each other: d → d | remove one of these `needs`
            ",
    );
}

#[test]
fn expressions_may_use_what_their_key_has() {
    check(
        "
        name: ${{ github.ref }}
        run-name: ${{ secrets.A }}
        on: push
        env: { A: '${{ env.B }}' }
        jobs:
          a:
            name: ${{ steps.x.outputs.y }}
            if: matrix.os == 'x' || hashFiles('a')
            runs-on: ${{ env.A }}
            env: { A: '${{ secrets.A }}', B: '${{ env.A }}' }
            steps:
              - if: secrets.A != ''
                run: echo ${{ success() }}
              - run: |
                  echo fine ${{ hashFiles('a') }}
                  echo ${{ needs.x }} and ${{ nope.y }}
              - run: echo
                shell: ${{ matrix.shell }}
              - if: ${{ github.ref }} == 'x'
                run: echo
              - if: ${{ }}
                run: echo ${{ 1 +
              - if: always(
                run: echo ${{ contains('a') }}
        ",
        "
            1:7 1030 `name` cannot hold an expression
            2:15 1030 Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.A
            4:16 1030 Unrecognized named-value: 'env'. Located at position 1 within expression: env.B
            7:15 1030 Unrecognized named-value: 'steps'. Located at position 1 within expression: steps.x.outputs.y
            8:9 1030 Unrecognized named-value: 'matrix'. Located at position 1 within expression: matrix.os == 'x' || hashFiles('a')
            9:18 1030 Unrecognized named-value: 'env'. Located at position 1 within expression: env.A
            10:43 1030 Unrecognized named-value: 'env'. Located at position 1 within expression: env.A
            12:13 1030 Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.A != ''
            13:23 1030 Unrecognized function: 'success'. Located at position 1 within expression: success()
            16:39 1030 Unrecognized named-value: 'nope'. Located at position 1 within expression: nope.y
            18:16 1030 `shell` cannot hold an expression
            19:13 1030 `if` has `${{ }}` around a part of the condition, which makes it always true | write the whole condition without `${{ }}`
            21:13 1030 An expression was expected
            22:19 1030 The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found.
            23:19 1030 Unexpected end of expression: '('. Located at position 7 within expression: always(
            24:23 1030 Too few parameters supplied: 'contains'. Located at position 1 within expression: contains('a')
            ",
    );
}

#[test]
fn events_and_filters_are_checked() {
    check(
        "
        on:
          push:
            branches: ['!main']
            tags: [v1, '+x', '[']
            tags-ignore: [v2]
            path: [a]
          pull_request: { types: [opend], branches: { a: b } }
          workflow_dispatch:
            inputs:
              a b: {}
              kind: { type: choice }
              level: { type: choice, options: [a, b], default: c }
              on: { type: boolean, default: 'yes', requird: true }
              text: { options: [x] }
          workflow_call:
          psuh:
        jobs:
          a: { runs-on: x, steps: [{ run: echo }] }
        ",
        "
            3:15 W 1041 `branches` has only patterns with `!`, so nothing matches it | use `branches-ignore`, or put `'**'` first
            5:18 1015 `tags` and `tags-ignore` exclude each other | use `tags` with patterns that begin with `!`
            6:5 1010 unknown key `path` in `push` | did you mean `paths`?
            7:27 1013 a type cannot be `opend` | did you mean `opened`?
            7:45 1012 `branches` must be a list, and is a mapping
            10:7 1020 input: `a b` cannot be an id
            11:21 1011 type `choice` needs `options`
            12:56 1013 `default` cannot be `c` | known here: `a`, `b`
            13:37 1012 `default` must be `true` or `false`, and is a text
            13:44 1010 unknown key `requird` in an input | did you mean `required`?
            14:24 1015 `options` belongs to type `choice` | add `type: choice`
            15:3 1014 event `workflow_call` is not there yet | known are `push`, `pull_request`, `workflow_dispatch`
            16:3 1040 unknown event `psuh` | did you mean `push`?
            ",
    );
    check(
        "on: {}\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }\n",
        "
            1:1 1011 `on` needs at least one event | for example `on: push`
            ",
    );
    check(
        "on:\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }\n",
        "
            1:1 1011 `on` needs at least one event | for example `on: push`
            ",
    );
    check(
        "on: push\njobs: {}\n",
        "
            2:7 1011 `jobs` needs at least one job
            ",
    );
    check(
        "on: push\njobs: { a: { runs-on: [], steps: [] }, b: }\n",
        "
            2:23 1013 `runs-on` needs at least one label
            2:34 1011 `steps` needs at least one step
            2:42 1012 a job must be a mapping, and is nothing
            ",
    );
}

#[test]
fn permissions_are_read_and_said_to_give_nothing() {
    check(
        "
        on: push
        permissions: { contents: read, id-token: read, isues: write, packages: all }
        jobs:
          a: { runs-on: x, permissions: read-al, steps: [{ run: echo }] }
        ",
        "
            2:1 W 1080 `permissions` has nothing to limit: cutover gives jobs no token | steps that call the forge need a secret of yours
            2:42 1013 permission `id-token` cannot be `read` | known here: `none`, `write`
            2:48 1010 unknown permission `isues` | did you mean `issues`?
            2:72 1013 permission `packages` cannot be `all` | known here: `none`, `read`, `write`
            4:33 1013 `permissions` cannot be `read-al` | did you mean `read-all`?
            ",
    );
    check(
        "
        on: push
        jobs:
          a: { runs-on: x, permissions: {}, steps: [{ run: echo }] }
          b: { runs-on: x, permissions: write-all, steps: [{ run: echo }] }
        ",
        "
            3:20 W 1080 `permissions` has nothing to limit: cutover gives jobs no token | steps that call the forge need a secret of yours
            ",
    );
}

#[test]
fn what_comes_later_is_refused_with_a_hint() {
    check(
        "
        on: push
        jobs:
          call: { uses: ./.github/workflows/x.yml, with: {}, secrets: inherit }
          a:
            runs-on: x
            services: {}
            concurrency: x
            env: ${{ fromJSON('{}') }}
            outputs: { '${{ insert }}': x }
            environment: { url: x, deployment: false }
            steps:
              - { run: echo, background: true, with: { a: 1 } }
              - { uses: actions/checkout@v4, shell: bash, working-directory: x }
              - { run: echo, shell: powershell }
              - { run: echo, shell: 'perl {0}' }
              - uses: $/x
              - uses: cutover/scan@v1
              - just text
        ",
        "
            3:11 1014 `uses` in a job is not there yet | copy the jobs of the called workflow into this one
            3:44 1014 `with` in a job is not there yet | it belongs to `uses`, which is not there yet
            3:54 1014 `secrets` in a job is not there yet | it belongs to `uses`, which is not there yet
            6:5 1014 `services` in a job is not there yet | start what you need in a `run` step
            7:5 1014 `concurrency` in a job is not there yet | remove it: runs then go side by side
            8:10 1014 an expression for the whole of `env` is not there yet | write the names out, with expressions for their values
            9:16 1014 an expression as a key of `outputs` is not there yet | write the name out
            10:18 1011 `environment` needs `name`
            10:28 1014 `deployment` in `environment` is not there yet | remove it
            12:22 1014 `background` in a step is not there yet | write the steps one after the other
            12:40 1015 `with` belongs to `uses`, and this step has `run` | use `env`
            13:38 1015 `shell` belongs to `run`, and this step has `uses` | remove `shell`
            13:51 1015 `working-directory` belongs to `run`, and this step has `uses` | remove `working-directory`
            14:29 1014 shell `powershell` is not there yet | use `pwsh`, `bash`, `sh` or `python`
            16:15 1014 `$/x` as a place of an action is not there yet | write it as `./path`, from the root of the sources
            17:15 1014 built-in action `cutover/scan` is not there yet
            18:9 1012 a step must be a mapping, and is a text
            ",
    );
}

#[test]
fn names_are_compared_without_regard_to_case() {
    check(
        "
        on: push
        env: { a: 1, A: 2, 'x=y': 3, '': 4 }
        jobs:
          one: { runs-on: x, steps: [{ run: echo }] }
          ONE: { runs-on: x, steps: [{ run: echo }] }
          __mine: { runs-on: x, steps: [{ run: echo, id: __x }] }
        ",
        "
            2:14 1003 `A` is there twice in `env`, regardless of case; the first is in line 2
            2:20 1013 `x=y` cannot name a variable
            2:30 1013 empty name in `env`
            5:3 1003 `ONE` is there twice in `jobs`, regardless of case; the first is in line 4
            6:3 1020 job id: `__mine` cannot be an id: `__` is reserved
            6:50 1020 `__x` cannot be an id: `__` is reserved
            ",
    );
}

#[test]
fn every_code_that_is_said_is_explained() {
    let said = lint(
        &crate::tree(&[(PATH, "naem: x\non: [nope]\njobs: { a: { needs: b } }")]),
        PATH,
    );
    assert!(said.len() >= 4);
    for diagnostic in said {
        assert!(explain(&diagnostic.code).is_some(), "{}", diagnostic.code);
    }
}
