//! What lint says of jobs that run as they are: what they may do, how they deploy, and what was told not to
//! be said.

use crate::{PATH, check_code};

const PERMISSIONS: &str = "CUT-1097";
const OVERLAP: &str = "CUT-1098";
const IGNORE: &str = "CUT-1018";

#[test]
fn without_permissions_the_default_is_told_and_what_is_enough() {
    check_code(
        &[(
            PATH,
            "
            on: push
            jobs:
              a:
                runs-on: x
                steps: [{ uses: actions/checkout@v4 }, { uses: actions/labeler@v5 }, { run: cargo test }]
              b:
                runs-on: x
                steps: [{ uses: actions/setup-node@v4 }, { run: npm test }]
            ",
        )],
        PERMISSIONS,
        "
        3:3 N 1097 no `permissions`: 2 jobs have the default of the repository, which may be to write everything | enough is `permissions: { contents: read, pull-requests: write }`
        ",
    );
    // Of what nobody knows nothing is promised.
    check_code(
        &[(PATH, "{ on: push, jobs: { a: { runs-on: x, steps: [{ uses: some/one@v1 }] } } }")],
        PERMISSIONS,
        "
        1:21 N 1097 no `permissions`: job `a` has the default of the repository, which may be to write everything | begin with `permissions: { contents: read }`, and add what is refused
        ",
    );
}

#[test]
fn permissions_that_are_wider_than_needed_are_told() {
    check_code(
        &[(
            PATH,
            "
            on: push
            permissions: { contents: write, issues: write, packages: write, checks: read }
            jobs:
              test:
                runs-on: x
                steps:
                  - uses: actions/checkout@v4
                    with: { persist-credentials: false }
                  - run: make test
              release:
                runs-on: x
                steps: [{ uses: softprops/action-gh-release@v2 }]
              image:
                runs-on: x
                steps: [{ uses: someone/else@v1 }]
              all:
                runs-on: x
                permissions: write-all
                steps: [{ uses: actions/stale@v9 }]
              own:
                runs-on: x
                permissions: { contents: write, pages: write, id-token: write }
                steps: [{ uses: actions/deploy-pages@v4 }]
            ",
        )],
        PERMISSIONS,
        "
        2:33 W 1097 all jobs get `issues: write`, and only job `image` can need it | write it into the `permissions` of job `image`
        2:48 W 1097 all jobs get `packages: write`, and only job `image` can need it | write it into the `permissions` of job `image`
        18:18 W 1097 `write-all` lets every step change everything in the repository | enough is `permissions: { actions: write, issues: write, pull-requests: write }`
        22:20 W 1097 job `own` does not need `contents: write` | enough is `permissions: { id-token: write, pages: write }`
        ",
    );
}

#[test]
fn permissions_that_are_needed_are_fine() {
    check_code(
        &[(
            PATH,
            "
            on: push
            permissions: { contents: read }
            jobs:
              pushes:
                runs-on: x
                permissions: { contents: write }
                steps: [{ uses: actions/checkout@v4 }, { run: git push }]
              perhaps:
                runs-on: x
                permissions: { contents: write, issues: write }
                steps: [{ uses: actions/checkout@v4 }, { run: ./release.sh, env: { T: '${{ github.token }}' } }]
            ",
        )],
        PERMISSIONS,
        "",
    );
    // One job alone has at the top what it would have for itself.
    check_code(
        &[(
            PATH,
            "
            on: push
            permissions: { packages: write }
            jobs: { a: { runs-on: x, steps: [{ uses: docker/login-action@v3, with: { registry: ghcr.io } }] } }
            ",
        )],
        PERMISSIONS,
        "",
    );
}

#[test]
fn deployments_at_once_and_half_ones_are_told() {
    check_code(
        &[(
            PATH,
            "
            on: push
            jobs:
              a: { runs-on: x, environment: production, steps: [{ run: ./deploy }] }
              b:
                runs-on: x
                environment: { name: 'on-${{ github.ref_name }}' }
                concurrency: { group: b, cancel-in-progress: true }
                steps: [{ run: ./deploy }]
            ",
        )],
        OVERLAP,
        "
        3:33 W 1098 two runs may deploy to `production` at the same time, and the older one may end last | `concurrency: { group: production, cancel-in-progress: false }` in job `a`
        7:50 W 1098 the next run stops job `b` while it deploys to `on-${{ github.ref_name }}`, wherever it is | let it wait: `cancel-in-progress: false`
        ",
    );
    check_code(
        &[(
            PATH,
            "
            on: push
            concurrency: { group: all, cancel-in-progress: true }
            jobs:
              a: { runs-on: x, steps: [{ uses: actions/deploy-pages@v4 }] }
              b: { runs-on: x, steps: [{ run: make }] }
            ",
        )],
        OVERLAP,
        "
        2:48 W 1098 the next run stops job `a` while it deploys to its target, wherever it is | let it wait: `cancel-in-progress: false`
        ",
    );
}

#[test]
fn deployments_one_by_one_are_fine() {
    check_code(
        &[(
            PATH,
            "
            on: push
            jobs:
              a: { runs-on: x, environment: production, concurrency: production, steps: [{ run: ./deploy }] }
              b: { runs-on: x, environment: { name: e, deployment: false }, steps: [{ run: ./test }] }
              c:
                runs-on: x
                environment: staging
                steps: [{ uses: cutover/deploy@v1, with: { environment: staging } }]
            ",
        )],
        OVERLAP,
        "",
    );
    for on in ["pull_request", "{ workflow_call: {} }"] {
        let text = format!(
            "
            on: {on}
            jobs: {{ a: {{ runs-on: x, environment: p, steps: [{{ run: echo }}] }} }}
            "
        );
        check_code(&[(PATH, &text)], OVERLAP, "");
    }
}

#[test]
fn what_is_to_be_ignored_is_not_said_and_idle_ignores_are() {
    let text = "
        on: issues
        jobs:
          a: # cutover: ignore[cut-1097]
            runs-on: x # cutover: ignore[CUT-1082]
            steps:
              # cutover: ignore[CUT-1031, CUT-1096]

              # another comment
              - run: echo ${{ github.event.issue.title }}
              - run: |
                  echo ${{ github.event.issue.title }} # cutover: ignore[CUT-1031]
                  echo ${{ github.event.issue.body }}
              - run: echo # cutover: ignore
              - run: echo # cutover: ignore[CUT-1010, CUT-9999]
        ";
    check_code(&[(PATH, text)], PERMISSIONS, "");
    check_code(
        &[(PATH, text)],
        "CUT-1031",
        "
        12:20 1031 `github.event.issue.body` is written by strangers, and becomes part of the script | hand it over as a variable, `env: { TEXT: ${{ … }} }`, and use `$TEXT`
        ",
    );
    // With an error not everything was looked at.
    check_code(&[(PATH, text)], IGNORE, "");
    let text = text.replace("echo ${{ github.event.issue.body }}", "echo");
    check_code(
        &[(PATH, &text)],
        IGNORE,
        "
        6:7 W 1018 there is no `CUT-1096` here to be ignored | remove it
        13:19 W 1018 an ignore needs the codes that it is about | for example `# cutover: ignore[CUT-1031]`
        14:19 W 1018 `CUT-1010` cannot be ignored: the file would not run
        14:19 W 1018 there is no code `CUT-9999`
        ",
    );
}
