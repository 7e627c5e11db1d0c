//! What an id token says of a job: GitHub's claims, and `sub` by GitHub's rules.

use cutover_model::{Duration, Timestamp};
use serde_json::{Map, Value};

use crate::{clock, disk, job::JobGrant, refusal::Refusal};

/// How long an id token is good.
const LIFETIME: Duration = Duration::from_mins(5);
/// A clock that is behind ours takes it nonetheless.
const LENIENCE: i64 = 60;

/// The claims that a token may have.
pub(super) const NAMES: &[&str] = &[
    "sub",
    "aud",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "ref",
    "ref_type",
    "sha",
    "repository",
    "repository_owner",
    "repository_visibility",
    "run_id",
    "run_number",
    "run_attempt",
    "actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "job_workflow_ref",
    "job_workflow_sha",
    "head_ref",
    "base_ref",
    "event_name",
    "environment",
    "runner_environment",
];

/// All claims of a token for this audience.
pub(super) fn of(
    job: &JobGrant,
    issuer: &str,
    audience: Option<String>,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let mut claims = identity(job);
    let owner = owner(job);
    let server = job.identity.server_url.trim_end_matches('/');
    let audience = audience.unwrap_or_else(|| format!("{server}/{owner}"));
    let issued = clock::seconds(now);
    claims.insert("sub".to_owned(), subject(job, &claims)?.into());
    claims.insert("aud".to_owned(), audience.into());
    claims.insert("iss".to_owned(), issuer.into());
    claims.insert("jti".to_owned(), hex::encode(disk::random::<16>()?).into());
    claims.insert("iat".to_owned(), issued.into());
    claims.insert("nbf".to_owned(), (issued - LENIENCE).into());
    claims.insert("exp".to_owned(), clock::seconds(now + LIFETIME).into());
    Ok(Value::Object(claims))
}

/// What the job is, all of it as texts, as GitHub has it.
fn identity(job: &JobGrant) -> Map<String, Value> {
    let of = &job.identity;
    let ref_type = if job.git_ref.starts_with("refs/tags/") {
        "tag"
    } else {
        "branch"
    };
    let mut claims = Map::new();
    let mut add = |name: &str, value: &str| {
        claims.insert(name.to_owned(), value.into());
    };
    add("ref", &job.git_ref);
    add("ref_type", ref_type);
    add("sha", &of.sha);
    add("repository", &job.repository);
    add("repository_owner", owner(job));
    add("repository_visibility", &of.repository_visibility);
    add("run_id", &of.run_id);
    add("run_number", &of.run_number.to_string());
    add("run_attempt", &of.run_attempt.to_string());
    add("actor", &of.actor);
    add("workflow", &of.workflow);
    add("workflow_ref", &of.workflow_ref);
    add("workflow_sha", &of.workflow_sha);
    add("job_workflow_ref", &of.job_workflow_ref);
    add("job_workflow_sha", &of.job_workflow_sha);
    add("head_ref", of.head_ref.as_deref().unwrap_or_default());
    add("base_ref", job.base_ref.as_deref().unwrap_or_default());
    add("event_name", &of.event_name);
    add("runner_environment", &of.runner_environment);
    if let Some(environment) = &of.environment {
        add("environment", environment);
    }
    claims
}

fn owner(job: &JobGrant) -> &str {
    job.repository
        .split_once('/')
        .map_or(&*job.repository, |(owner, _)| owner)
}

/// `repo:o/r:environment:e`, `repo:o/r:pull_request` or `repo:o/r:ref:refs/heads/b`; or what the
/// repository has chosen. A colon in a value is written `%3A`, so that it cannot begin another part.
fn subject(job: &JobGrant, claims: &Map<String, Value>) -> Result<String, Refusal> {
    let chosen = &job.identity.subject_claims;
    if chosen.is_empty() {
        return Ok(format!(
            "repo:{}:{}",
            escaped(&job.repository),
            context(job)
        ));
    }
    let parts = chosen.iter().map(|name| match name.as_str() {
        "repo" => Ok(format!("repo:{}", escaped(&job.repository))),
        "context" => Ok(context(job)),
        // Left out of the claims when the job has none; a rule on it must not match by chance.
        "environment" => Ok(format!(
            "environment:{}",
            escaped(job.identity.environment.as_deref().unwrap_or_default())
        )),
        name => match claims.get(name).and_then(Value::as_str) {
            Some(value) => Ok(format!("{name}:{}", escaped(value))),
            None => Err(Refusal::Unready(format!(
                "the subject of id tokens is to have `{name}`, which is no claim of this job"
            ))),
        },
    });
    let parts: Vec<String> = parts.collect::<Result<_, _>>()?;
    Ok(parts.join(":"))
}

fn context(job: &JobGrant) -> String {
    match &job.identity.environment {
        Some(environment) => format!("environment:{}", escaped(environment)),
        None if job.identity.event_name == "pull_request" => "pull_request".to_owned(),
        None => format!("ref:{}", escaped(&job.git_ref)),
    }
}

fn escaped(value: &str) -> String {
    value.replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn subject_of(change: impl FnOnce(&mut JobGrant)) -> String {
        let mut job = testing::job("run", "job");
        change(&mut job);
        let claims = of(&job, "https://ci.example", None, Timestamp(0)).unwrap();
        claims["sub"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_subject_has_githubs_forms() {
        assert_eq!(subject_of(|_| ()), "repo:octo/hello:ref:refs/heads/main");
        let pull = subject_of(|job| job.identity.event_name = "pull_request".to_owned());
        assert_eq!(pull, "repo:octo/hello:pull_request");
        let environment = subject_of(|job| job.identity.environment = Some("prod:eu".to_owned()));
        assert_eq!(environment, "repo:octo/hello:environment:prod%3Aeu");
    }

    #[test]
    fn a_subject_can_be_chosen_and_a_part_that_is_no_claim_is_refused() {
        let chosen = |names: &[&str]| {
            let mut job = testing::job("run", "job");
            job.identity.subject_claims = names.iter().map(|&name| name.to_owned()).collect();
            of(&job, "i", None, Timestamp(0))
                .map(|claims| claims["sub"].as_str().unwrap().to_owned())
        };
        let subject = chosen(&["repository_owner", "context", "job_workflow_ref"]).unwrap();
        assert_eq!(
            subject,
            "repository_owner:octo:ref:refs/heads/main:job_workflow_ref:octo/hello/.github/workflows/ci.yml@refs/heads/main"
        );
        assert!(chosen(&["repo", "enterprise"]).is_err());
    }

    #[test]
    fn a_token_is_good_for_five_minutes_and_for_the_owner_unless_it_is_said() {
        let job = testing::job("run", "job");
        let claims = of(&job, "i", None, Timestamp(1_000_000)).unwrap();
        assert_eq!(claims["aud"], "https://github.com/octo");
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&1_000.into(), &1_300.into())
        );
        assert_eq!(claims["run_number"], "7");
        assert!(claims.get("environment").is_none());
        let names = claims.as_object().unwrap().keys();
        assert!(names.clone().all(|name| NAMES.contains(&name.as_str())));
    }
}
