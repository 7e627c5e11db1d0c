//! The methods of GitHub's artifact service. A job may name its own run, and read those it was allowed.

use cutover_model::{Duration, Timestamp, source::Trust};

use super::{Artifact, NewArtifact, name};
use crate::{
    core::{Core, Place, Subject},
    disk,
    job::backend_id,
    refusal::Refusal,
    sessions::Session,
    signed::Operation,
    twirp::{
        CreateArtifactRequest, CreateArtifactResponse, DeleteArtifactResponse,
        FinalizeArtifactRequest, FinalizeArtifactResponse, ListArtifactsRequest,
        ListArtifactsResponse, ListedArtifact, NamedArtifact, SignedUrlResponse, Text,
    },
};

pub(crate) fn create(
    core: &Core,
    session: &Session,
    request: &CreateArtifactRequest,
) -> Result<CreateArtifactResponse, Refusal> {
    check_own(session, &request.workflow_run_backend_id)?;
    check_job(session, &request.workflow_job_run_backend_id)?;
    name::check(&request.name).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let now = core.now();
    let mime_type = request.mime_type.as_ref();
    let new = NewArtifact {
        run: session.job.run.clone(),
        job: session.job.job.clone(),
        attempt: session.job.attempt,
        repository: session.job.repository.clone(),
        name: request.name.clone(),
        mime_type: mime_type
            .map_or("application/zip", |text| &text.value)
            .to_owned(),
        expires: expiry(core, request, now)?,
        is_trusted: session.job.trust == Trust::Trusted,
    };
    core.artifacts.check_free(&new, now)?;
    let (run, name) = (new.run.clone(), new.name.clone());
    let is_same = |other: &Subject| matches!(other, Subject::Artifact(other) if other.run == run && other.name == name);
    let limit = core.limits.artifact_bytes;
    let id = core
        .uploads
        .begin(&session.id(), limit, Subject::Artifact(new), now, is_same)?;
    Ok(CreateArtifactResponse {
        ok: true,
        signed_upload_url: core.address(&Place::Upload(id), Operation::Write, session),
    })
}

/// A shorter time than ours is granted, a longer one is not: GitHub's clients shorten it themselves.
fn expiry(
    core: &Core,
    request: &CreateArtifactRequest,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let longest = now + Duration(core.limits.retention.0);
    let Some(wanted) = request.expires_at.as_ref().map(Timestamp::from) else {
        return Ok(longest);
    };
    if wanted <= now {
        return Err(Refusal::Invalid(format!(
            "it would have expired at {wanted}"
        )));
    }
    Ok(wanted.min(longest))
}

pub(crate) fn finalize(
    core: &Core,
    session: &Session,
    request: &FinalizeArtifactRequest,
) -> Result<FinalizeArtifactResponse, Refusal> {
    check_own(session, &request.workflow_run_backend_id)?;
    check_job(session, &request.workflow_job_run_backend_id)?;
    let is_it =
        |subject: &Subject| matches!(subject, Subject::Artifact(new) if new.name == request.name);
    let Some((upload, subject)) = core.uploads.find_for(&session.id(), is_it) else {
        return finalized(core, session, request);
    };
    let Subject::Artifact(new) = &*subject else {
        return Err(Refusal::NotFound("no such upload".to_owned()));
    };
    let Some(sealed) = upload.sealed() else {
        return Err(Refusal::Unready("nothing was uploaded".to_owned()));
    };
    let kept = check_whole(request, sealed.size)
        .and_then(|()| match sealed.sha256 {
            Some(sum) => Ok(sum),
            None => Ok(disk::sha256(&upload.blob())?),
        })
        .and_then(|sum| {
            check_digest(request, &sum)?;
            core.artifacts
                .keep(&upload, new, sealed.size, sum, core.now())
        });
    // Whole or wrong: the upload is over.
    core.uploads.end(upload.id)?;
    Ok(FinalizeArtifactResponse {
        ok: true,
        artifact_id: number(kept?.id),
    })
}

/// The answer once more, for a client that did not get it.
fn finalized(
    core: &Core,
    session: &Session,
    request: &FinalizeArtifactRequest,
) -> Result<FinalizeArtifactResponse, Refusal> {
    let there = newest(core, session, &session.run_id(), None, &request.name)?;
    let job = &session.job;
    let is_ours = there.job == job.job && there.attempt == job.attempt;
    if !is_ours || check_whole(request, there.size).is_err() {
        return Err(not_found(&request.name));
    }
    check_digest(request, &there.sha256)?;
    Ok(FinalizeArtifactResponse {
        ok: true,
        artifact_id: number(there.id),
    })
}

fn check_whole(request: &FinalizeArtifactRequest, size: u64) -> Result<(), Refusal> {
    if u64::try_from(request.size) == Ok(size) {
        return Ok(());
    }
    let wanted = request.size;
    Err(Refusal::Invalid(format!(
        "`{size}` bytes came, `{wanted}` were announced; upload it again"
    )))
}

fn check_digest(request: &FinalizeArtifactRequest, sum: &str) -> Result<(), Refusal> {
    let Some(Text { value: wanted }) = &request.hash else {
        return Ok(());
    };
    match wanted.strip_prefix("sha256:") {
        Some(digits) if digits.eq_ignore_ascii_case(sum) => Ok(()),
        Some(_) => Err(Refusal::Invalid(format!(
            "the digest of what came is `sha256:{sum}`, not `{wanted}`; upload it again"
        ))),
        None => Err(Refusal::Invalid(format!(
            "`{wanted}` is no `sha256:` digest"
        ))),
    }
}

pub(crate) fn list(
    core: &Core,
    session: &Session,
    request: &ListArtifactsRequest,
) -> Result<ListArtifactsResponse, Refusal> {
    check_readable(session, &request.workflow_run_backend_id)?;
    let mut artifacts = core
        .artifacts
        .of_run(&request.workflow_run_backend_id, core.now())?;
    if let Some(name) = &request.name_filter {
        artifacts.retain(|artifact| artifact.name == name.value);
    }
    if let Some(id) = &request.id_filter {
        artifacts.retain(|artifact| number(artifact.id) == id.value);
    }
    Ok(ListArtifactsResponse {
        artifacts: artifacts.iter().map(listed).collect(),
    })
}

fn listed(artifact: &Artifact) -> ListedArtifact {
    ListedArtifact {
        workflow_run_backend_id: artifact.run_id(),
        workflow_job_run_backend_id: artifact.job_id(),
        database_id: number(artifact.id),
        name: artifact.name.clone(),
        size: number(artifact.size),
        created_at: Some(artifact.created.into()),
        digest: Some(Text {
            value: format!("sha256:{}", artifact.sha256),
        }),
    }
}

pub(crate) fn signed_url(
    core: &Core,
    session: &Session,
    request: &NamedArtifact,
) -> Result<SignedUrlResponse, Refusal> {
    let run_id = &request.workflow_run_backend_id;
    check_readable(session, run_id)?;
    let job_id = &request.workflow_job_run_backend_id;
    let artifact = newest(core, session, run_id, Some(job_id), &request.name)?;
    let place = Place::Artifact(artifact.run_id(), artifact.id);
    Ok(SignedUrlResponse {
        signed_url: core.address(&place, Operation::Read, session),
    })
}

pub(crate) fn delete(
    core: &Core,
    session: &Session,
    request: &NamedArtifact,
) -> Result<DeleteArtifactResponse, Refusal> {
    let run_id = &request.workflow_run_backend_id;
    check_own(session, run_id)?;
    let job_id = &request.workflow_job_run_backend_id;
    let artifact = newest(core, session, run_id, Some(job_id), &request.name)?;
    core.artifacts.remove(&artifact)?;
    Ok(DeleteArtifactResponse {
        ok: true,
        artifact_id: number(artifact.id),
    })
}

/// The newest of that name; of the job that is named, when it has one.
fn newest(
    core: &Core,
    session: &Session,
    run_id: &str,
    job_id: Option<&str>,
    name: &str,
) -> Result<Artifact, Refusal> {
    check_readable(session, run_id)?;
    let artifacts = core.artifacts.of_run(run_id, core.now())?;
    let named = artifacts
        .into_iter()
        .filter(|artifact| artifact.name == name);
    let of_job = |artifact: &Artifact| job_id == Some(artifact.job_id().as_str());
    named
        .max_by_key(|artifact| (of_job(artifact), artifact.id))
        .ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> Refusal {
    Refusal::NotFound(format!("there is no artifact `{name}` in this run"))
}

fn check_own(session: &Session, run_id: &str) -> Result<(), Refusal> {
    if run_id == session.run_id() {
        return Ok(());
    }
    Err(Refusal::Denied("the token is for another run".to_owned()))
}

fn check_job(session: &Session, job_id: &str) -> Result<(), Refusal> {
    if job_id == session.job_id() {
        return Ok(());
    }
    Err(Refusal::Denied("the token is for another job".to_owned()))
}

fn check_readable(session: &Session, run_id: &str) -> Result<(), Refusal> {
    let mut readable = session.job.readable_runs.iter();
    if run_id == session.run_id() || readable.any(|run| backend_id(&[run]) == run_id) {
        return Ok(());
    }
    Err(Refusal::Denied(
        "the token does not reach the artifacts of that run".to_owned(),
    ))
}

/// Ids and sizes are far below where the two kinds of numbers part.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
