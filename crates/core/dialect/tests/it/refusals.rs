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
            2:25 1011 event `schedule` needs a list of patterns | for example `schedule: [{cron: '0 6 * * 1'}]`
            5:3 1020 job id: `1st` cannot be an id
            8:3 1011 job `build` needs `runs-on`
            8:3 1022 job `build` needs `tset`, which is no job | did you mean `test`?
            9:5 1010 unknown key `run-on` in a job | did you mean `runs-on`?
            13:23 1030 there is no context `githb` | did you mean `github`?
            14:9 1010 unknown key `shel` in a step with `run` | did you mean `shell`?
            15:9 1010 unknown key `uses` in a step with `run` | known here: `background`, `continue-on-error`, `env`, `id`, `if`, `name`, `run`, `shell`, `timeout-minutes`, `working-directory`
            17:9 1011 a step must do something | it needs `run` or `uses`
            20:22 1012 `timeout-minutes` must be a number or one `${{ }}`, and is a text
            21:24 1012 `continue-on-error` must be `true`, `false` or one `${{ }}`, and is a text
            23:13 1020 step id: `a.b` cannot be an id
            24:14 1013 `run` must not be empty
            26:15 1021 step id `ONE` is there twice; the first is in line 25
            26:38 1070 unknown shell `fish` | known here: `bash`, `cmd`, `powershell`, `pwsh`, `python`, `sh`
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
            1:11 1030 context `github` is not available here | no context is available here
            2:15 1030 context `secrets` is not available here | available here: `github`, `inputs`, `vars`
            4:16 1030 context `env` is not available here | available here: `github`, `inputs`, `secrets`, `vars`
            7:15 1030 context `steps` is not available here | available here: `github`, `inputs`, `matrix`, `needs`, `strategy`, `vars`
            7:15 1032 there is no property `x`
            8:9 1030 context `matrix` is not available here | available here: `github`, `inputs`, `needs`, `vars`
            8:9 1032 there is no property `os`
            8:29 1030 function `hashFiles` is not available here
            9:18 1030 context `env` is not available here | available here: `github`, `inputs`, `matrix`, `needs`, `strategy`, `vars`
            10:43 1030 context `env` is not available here | available here: `github`, `inputs`, `matrix`, `needs`, `secrets`, `strategy`, `vars`
            12:13 1030 context `secrets` is not available here | available here: `env`, `github`, `inputs`, `job`, `matrix`, `needs`, `runner`, `steps`, `strategy`, `vars`
            13:23 1030 function `success` is not available here
            16:20 1032 there is no property `x`
            16:39 1030 there is no context `nope` | known here: `env`, `github`, `inputs`, `job`, `matrix`, `needs`, `runner`, `secrets`, `steps`, `strategy`, `vars`
            18:20 1030 context `matrix` is not available here | no context is available here
            18:20 1032 there is no property `shell`
            19:13 1085 the condition always holds, because there is text around the `${{ }}` | leave out `${{` and `}}`, or put them around the whole
            21:17 1030 An expression was expected
            22:19 1030 The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found.
            23:19 1030 Unexpected end of expression: '('. Located at position 7 within expression: always(
            24:23 1032 `contains(a text, a text)` does not take 1 parameters
            24:23 1032 `contains(a list, anything)` does not take 1 parameters
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
            4:5 1042 `tags` and `tags-ignore` exclude each other | use `tags` with patterns that begin with `!`
            4:17 1041 pattern `+x`: `+` has nothing before it that it could repeat
            4:23 1041 pattern `[`: `[` is not closed
            6:5 1010 unknown key `path` in `push` | did you mean `paths`?
            7:27 1042 event `pull_request` has no type `opend` | did you mean `opened`?
            7:45 1012 `branches` must be a list, and is a mapping
            11:7 1042 input `kind` of type `choice` needs `options`
            12:56 1042 the default `c` is none of the `options` | known here: `a`, `b`
            13:37 1042 the default of input `on` must be `true` or `false`
            13:44 1010 unknown key `requird` in an input | did you mean `required`?
            14:7 1042 input `text` has `options`, which belong to type `choice` | add `type: choice`
            16:3 1040 unknown event `psuh` | did you mean `push`?
            ",
    );
    check(
        "on: {}\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }\n",
        "
            1:5 1013 `on` must not be empty
            ",
    );
    check(
        "on:\njobs: { a: { runs-on: x, steps: [{ run: echo }] } }\n",
        "
            1:4 1013 `on` must not be empty
            ",
    );
    check(
        "on: push\njobs: {}\n",
        "
            2:7 1013 `jobs` must not be empty
            ",
    );
    check(
        "on: push\njobs: { a: { runs-on: [], steps: [] }, b: }\n",
        "
            2:9 1011 job `a` needs `steps`
            2:23 1013 `runs-on` must not be empty
            2:34 1013 `steps` must not be empty
            2:40 1011 job `b` needs `steps`
            2:40 1011 job `b` needs `runs-on`
            2:42 1013 job `b` must not be empty
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
            2:42 1081 permission `id-token` cannot be `read` | known here: `write`, `none`
            2:48 1081 unknown scope `isues` of permissions | did you mean `issues`?
            2:72 1081 permission `packages` cannot be `all` | known here: `read`, `write`, `none`
            4:33 1081 `permissions` cannot be `read-al` | known here: `read-all`, `write-all`
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
            4:20 W 1080 `permissions` let nobody write: cutover gives jobs no token | steps that call the forge need a secret of yours
            4:33 W 1097 `write-all` lets every step change everything in the repository | enough is `permissions: {}`
            ",
    );
    check(
        "
        on: push
        permissions: { contents: read, id-token: write }
        jobs:
          a: { runs-on: x, permissions: read-all, steps: [{ run: echo }] }
          b: { runs-on: x, permissions: { contents: read, issues: write }, steps: [{ run: echo }] }
          c: { runs-on: x, permissions: { packages: write }, steps: [{ run: echo }] }
        ",
        "
            5:20 W 1080 `permissions` let nobody write: cutover gives jobs no token | steps that call the forge need a secret of yours
            5:51 W 1097 job `b` does not need `issues: write` | enough is `permissions: {}`
            6:35 W 1097 job `c` does not need `packages: write` | enough is `permissions: {}`
            ",
    );
}

#[test]
fn what_comes_later_is_refused_with_a_hint() {
    check(
        "
        on: push
        jobs:
          call: { runs-on: x, steps: [{ run: echo }] }
          a:
            runs-on: x
            concurrency: x
            env: ${{ fromJSON('{}') }}
            environment: { name: n, url: x, deployment: false }
            steps:
              - { run: echo, background: true }
              - { run: echo, shell: PowerShell }
              - { run: echo, shell: 'perl {0}' }
              - uses: $/x
              - uses: cutover/scan@v1
        ",
        "
            13:15 W 1051 there is no action in `$/x` | it needs `x/action.yml`
            14:15 W 1014 built-in action `cutover/scan` is not there yet
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
            2:14 1003 `A` is there twice in `env`, regardless of case; the first is in line 2 | remove one of them
            2:20 1084 a variable cannot be named `x=y`
            2:30 1013 a key of `env` must not be empty
            5:3 1003 `ONE` is there twice in `jobs`, regardless of case; the first is in line 4 | remove one of them
            6:3 1020 job id: `__mine` cannot be an id: `__` is reserved
            6:50 1020 step id: `__x` cannot be an id: `__` is reserved
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
