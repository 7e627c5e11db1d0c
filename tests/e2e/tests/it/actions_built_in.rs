//! The actions that the binary has built in, in workflows as people write them: caches, artifacts, tools of
//! this machine, and keys of AWS.

use std::fs;

use crate::{aws_double::Aws, repository::Repository, world::World};

fn job(permissions: &str, steps: &str) -> String {
    format!(
        "name: t\non: push\n{permissions}jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}"
    )
}

#[test]
fn a_cache_is_saved_after_the_job_and_restored_into_the_next() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    repository.write("Cargo.lock", "one\n");
    repository.workflow(&job(
        "",
        "      - uses: actions/checkout@v4
      - id: c
        uses: actions/cache@v4
        with:
          path: |
            target
            ~/.tool
            !target/not
          key: k-${{ hashFiles('Cargo.lock') }}
          restore-keys: k-
      - run: |
          echo \"hit=${{ steps.c.outputs.cache-hit }} matched=${{ steps.c.outputs.cache-matched-key }}\"
          cat target/made ~/.tool/made || true
          mkdir -p target ~/.tool && echo from-target > target/made && echo from-home > ~/.tool/made
",
    ));
    repository.commit("one");
    let run = || world.cutover(&["run", "-C", repository.path()]).exits(0);
    run().says(&["hit=false matched=", "saved cache `k-"]);
    fs::remove_dir_all(world.path("home/.tool")).unwrap();
    run().says(&["hit=true", "from-target", "from-home"]);
    // Another key: the one that begins so is found, and the new one is saved.
    repository.write("Cargo.lock", "two\n");
    let third = run().says(&["hit=false matched=k-", "from-target", "saved cache `k-"]);
    assert!(!third.said().contains("fail"), "{}", third.said());
    // A job that fails keeps nothing.
    repository.write("Cargo.lock", "three\n");
    repository.workflow(&job(
        "",
        "      - uses: actions/checkout@v4
      - uses: actions/cache@v4
        with: { path: README, key: 'f-${{ github.run_number }}' }
      - run: touch README; exit 1
",
    ));
    let failed = world.cutover(&["run", "-C", repository.path()]).exits(1);
    assert!(!failed.said().contains("saved cache"), "{}", failed.said());
}

const ARTIFACTS: &str = "name: t
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir -p out/deep && echo one > out/one && echo two > out/deep/two && echo x > out/.hidden
      - run: echo out/one >> $GITHUB_ARTIFACTS
      - run: grep -q '\"name\":\"one\"' $GITHUB_ARTIFACTS_LIST
      - id: up
        uses: actions/upload-artifact@v4
        with: { name: report, path: out, retention-days: 3 }
      - run: echo \"id ${{ steps.up.outputs.artifact-id }} digest ${{ steps.up.outputs.artifact-digest }}\"
      - uses: actions/upload-artifact@v4
        with: { name: report-2, path: 'out/**/two', if-no-files-found: error }
      - uses: actions/upload-artifact@v4
        with: { name: report, path: out/one, overwrite: true }
      - uses: actions/upload-artifact@v4
        with: { name: none, path: nothing }
      - uses: actions/upload-artifact@v7
        with: { name: not-this, path: out/deep/two, archive: false }
  b:
    needs: a
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v4
        with: { name: report, path: here }
      - run: test -f here/one && test ! -e here/deep && cat here/one
      - uses: actions/download-artifact@v4
        with: { pattern: 'report*', path: all }
      - run: test -f all/report/one && cat all/report-2/deep/two
      - uses: actions/download-artifact@v8
        with: { name: two, path: plain, digest-mismatch: warn }
      - run: test \"$(cat plain/two)\" = two
      - uses: actions/download-artifact@v8
        with: { name: report, path: packed, skip-decompress: true }
      - run: test \"$(head -c 2 packed/report.zip)\" = PK && echo PACKED
      - uses: actions/download-artifact@v4
        with: { merge-multiple: true, pattern: 'report*' }
      - run: cat one deep/two && test ! -e .hidden && echo MERGED
";

#[test]
fn artifacts_go_from_job_to_job_and_to_people() {
    let world = World::new();
    world.serve();
    let repository = Repository::new(&world, "small");
    repository.workflow(ARTIFACTS).ship("one");
    let run = world.run_ended(1, std::time::Duration::from_mins(1));
    let log = world.cutover(&["logs", "1"]);
    assert_eq!(run["outcome"], "succeeded", "{}", log.said());
    log.says(&["MERGED", "PACKED", "no file for `nothing`"]);
    let listed = world.ask(&["artifacts", "1"]);
    let names: Vec<&str> = listed["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["report-2", "report", "two"]);
    let made = &listed["subjects"][0];
    assert_eq!((&made["name"], &made["job"]), (&"one".into(), &"a".into()));
    let digest = "sha256:2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806";
    assert_eq!(made["digest"], digest);
    let to = world.path("here");
    world
        .cutover(&["artifacts", "1", "report", "--to", to.to_str().unwrap()])
        .exits(0);
    assert_eq!(fs::read_to_string(to.join("report/one")).unwrap(), "one\n");
    world.cutover(&["artifacts", "1", "none"]).exits(2);
}

#[test]
fn tools_are_those_of_the_machine_and_what_does_not_fit_is_refused() {
    let world = World::new();
    let repository = Repository::new(&world, "small");
    let tool = |name: &str, version: &str| {
        let path = world.path(&format!("home/.nvm/versions/node/v{version}/bin/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\necho v{version}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).unwrap();
    };
    tool("node", "4.2.6");
    repository.workflow(&job(
        "",
        "      - uses: actions/setup-node@v4
        with: { node-version: 4.x }
      - run: echo \"this is $(node --version)\"
      - uses: actions/setup-node@v4
        with: { node-version: '3' }
",
    ));
    repository.commit("one");
    let done = world.cutover(&["run", "-C", repository.path()]).exits(1);
    done.says(&[
        "this is v4.2.6",
        "no node `3` on this machine; there is",
        "4.2.6",
        // It is an annotation, too.
        "(a / Run actions/setup-node)",
    ]);
    repository.workflow(&job(
        "",
        "      - uses: actions/setup-node@v4
        with: { node-version: 4.x, registry: 'https://r.example' }
",
    ));
    let advised = world.cutover(&["run", "-C", repository.path()]).exits(0);
    advised.says(&["ci.yml:8:", "has no input `registry`", "registry-url"]);
}

#[test]
fn a_role_is_taken_by_an_id_token_and_its_keys_are_never_seen() {
    let world = World::new();
    let aws = Aws::start();
    let repository = Repository::new(&world, "small");
    let steps = "      - id: aws
        uses: aws-actions/configure-aws-credentials@v4
        with: { role-to-assume: 'arn:aws:iam::123456789012:role/deploy', aws-region: eu-west-1 }
      - run: |
          echo \"key $AWS_ACCESS_KEY_ID, secret $AWS_SECRET_ACCESS_KEY, token $AWS_SESSION_TOKEN\"
          test \"$AWS_SECRET_ACCESS_KEY\" = \"$(printf 'secret-%s' of-the-role)\"
          echo \"region $AWS_REGION, account ${{ steps.aws.outputs.aws-account-id }}\"
";
    let endpoint = format!("AWS_ENDPOINT_URL={}", aws.url());
    let run = || world.cutover(&["run", "-C", repository.path(), "--env", &endpoint]);
    repository.workflow(&job("permissions: { id-token: write }\n", steps));
    repository.commit("one");
    let done = run().exits(0);
    let done = done.says(&[
        "key ***, secret ***, token ***",
        "region eu-west-1, account 123456789012",
    ]);
    assert!(!done.said().contains("of-the-role"), "{}", done.said());
    let asked = aws.asked();
    assert_eq!(asked[0], "AssumeRoleWithWebIdentity by ");
    assert_eq!(asked[1].split('.').count(), 3, "an id token: {}", asked[1]);
    assert!(!done.said().contains(&asked[1]), "the id token is seen");
    assert_eq!(asked[2], "GetCallerIdentity by ASIADOUBLE");
    repository.workflow(&job("", steps));
    run().exits(1).says(&["`permissions: id-token: write`"]);
}

#[test]
fn roles_are_taken_one_by_the_other_when_that_is_said_and_by_a_token_else() {
    let world = World::new();
    let aws = Aws::start();
    let repository = Repository::new(&world, "small");
    let role = "role-to-assume: 'arn:aws:iam::123456789012:role/r', aws-region: eu-west-1";
    let steps = format!(
        "      - uses: aws-actions/configure-aws-credentials@v4
        with: {{ {role}, managed-session-policies: 'arn:aws:iam::aws:policy/ReadOnlyAccess' }}
      - uses: aws-actions/configure-aws-credentials@v4
        with: {{ {role} }}
      - uses: aws-actions/configure-aws-credentials@v4
        with: {{ {role}, role-chaining: true, disable-retry: true, retry-max-attempts: 3 }}
      - uses: aws-actions/configure-aws-credentials@v4
        with: {{ aws-region: eu-west-1, use-existing-credentials: true }}
      - uses: aws-actions/amazon-ecr-login@v2
        with: {{ registry-type: public }}
      - uses: aws-actions/configure-aws-credentials@v4
        with: {{ {role}, allowed-account-ids: '999999999999' }}
"
    );
    repository.workflow(&job("permissions: { id-token: write }\n", &steps));
    repository.commit("one");
    let endpoint = format!("AWS_ENDPOINT_URL={}", aws.url());
    let done = world.cutover(&["run", "-C", repository.path(), "--env", &endpoint]);
    let done = done.exits(1).says(&[
        "there are credentials that hold",
        "logged in at public.ecr.aws",
        "`allowed-account-ids` does not name",
    ]);
    assert!(!done.said().contains("of-the-role"), "{}", done.said());
    let asked = aws.asked();
    let calls: Vec<&str> = asked
        .iter()
        .filter_map(|call| call.split_once(" by "))
        .map(|(call, _)| call)
        .collect();
    let (token, chained, who) = (
        "AssumeRoleWithWebIdentity",
        "AssumeRole",
        "GetCallerIdentity",
    );
    assert_eq!(
        calls,
        [
            token,
            who,
            token,
            who,
            chained,
            who,
            who,
            "PublicGetAuthorizationToken",
            token,
            who
        ]
    );
    assert!(
        asked.contains(&"AssumeRole by ASIADOUBLE".to_owned()),
        "{asked:?}"
    );
}
