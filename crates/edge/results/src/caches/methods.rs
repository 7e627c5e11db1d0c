//! Saving and restoring, as both cache protocols ask for it; and the methods of the second one.

use super::{
    key, scope,
    stock::{Cache, NewCache, oldest},
};
use crate::{
    core::{Core, Place, Subject},
    refusal::Refusal,
    sessions::Session,
    signed::Operation,
    twirp::{
        CacheDownloadRequest, CacheDownloadResponse, CreateCacheEntryRequest,
        CreateCacheEntryResponse, FinalizeCacheEntryRequest, FinalizeCacheEntryResponse,
    },
};

/// Begins to save. Says the upload's id.
pub(crate) fn begin(
    core: &Core,
    session: &Session,
    key: &str,
    version: &str,
) -> Result<u64, Refusal> {
    key::check(key)?;
    key::check_version(version)?;
    if !session.job.cache_mode.writes() {
        return Err(write_denied(session));
    }
    let new = name(session, key, version);
    core.caches.check_free(&new)?;
    let same = new.clone();
    let is_same = |other: &Subject| matches!(other, Subject::Cache(other) if *other == same);
    let limit = core.limits.cache_bytes;
    core.uploads.begin(
        &session.id(),
        limit,
        Subject::Cache(new),
        core.now(),
        is_same,
    )
}

fn name(session: &Session, key: &str, version: &str) -> NewCache {
    NewCache {
        repository: session.job.repository.clone(),
        scope: scope::own(&session.job),
        version: version.to_owned(),
        key: key.to_owned(),
    }
}

/// The text begins as clients expect it, who tell it from a fault.
fn write_denied(session: &Session) -> Refusal {
    let mode = session.job.cache_mode.name();
    Refusal::Denied(format!(
        "cache write denied: the job's cache mode is `{mode}`"
    ))
}

/// Saves what was uploaded.
pub(crate) fn end(core: &Core, id: u64, session: &Session, size: u64) -> Result<u64, Refusal> {
    let over = || Refusal::NotFound("no such cache is being saved by this job".to_owned());
    let (upload, subject) = core.uploads.find(id, &session.id()).ok_or_else(over)?;
    let Subject::Cache(new) = &*subject else {
        return Err(over());
    };
    let Some(sealed) = upload.sealed() else {
        return Err(Refusal::Unready("nothing was uploaded".to_owned()));
    };
    let kept = if sealed.size == size {
        let most = core.limits.cache_bytes;
        core.caches.keep(&upload, new, size, most, core.now())
    } else {
        let came = sealed.size;
        Err(Refusal::Invalid(format!(
            "`{came}` bytes came, `{size}` were announced; save it again"
        )))
    };
    core.uploads.end(id)?;
    kept
}

/// The cache to restore.
pub(crate) fn restore(
    core: &Core,
    session: &Session,
    keys: &[String],
    version: &str,
) -> Result<Option<Cache>, Refusal> {
    key::check_all(keys, version)?;
    let job = &session.job;
    if !job.cache_mode.reads() {
        let mode = job.cache_mode.name();
        return Err(Refusal::Denied(format!(
            "cache read denied: the job's cache mode is `{mode}`"
        )));
    }
    let now = core.now();
    let oldest = oldest(now, core.limits.cache_age);
    let scopes = scope::readable(job);
    Ok(core
        .caches
        .find(&job.repository, &scopes, keys, version, oldest, now)?)
}

/// Where it is downloaded from.
pub(super) fn address(core: &Core, session: &Session, cache: &Cache) -> String {
    core.address(&Place::Cache(cache.id), Operation::Read, session)
}

pub(crate) fn create(
    core: &Core,
    session: &Session,
    request: &CreateCacheEntryRequest,
) -> Result<CreateCacheEntryResponse, Refusal> {
    match begin(core, session, &request.key, &request.version) {
        Ok(id) => Ok(CreateCacheEntryResponse {
            ok: true,
            signed_upload_url: core.address(&Place::Upload(id), Operation::Write, session),
            message: String::new(),
        }),
        // What policy forbids is an answer, not an error: clients warn of it and go on.
        Err(Refusal::Denied(message)) => Ok(CreateCacheEntryResponse {
            ok: false,
            signed_upload_url: String::new(),
            message,
        }),
        Err(refusal) => Err(refusal),
    }
}

pub(crate) fn finalize(
    core: &Core,
    session: &Session,
    request: &FinalizeCacheEntryRequest,
) -> Result<FinalizeCacheEntryResponse, Refusal> {
    let wanted = name(session, &request.key, &request.version);
    let is_it = |subject: &Subject| matches!(subject, Subject::Cache(new) if *new == wanted);
    let Some((upload, _)) = core.uploads.find_for(&session.id(), is_it) else {
        return Err(Refusal::NotFound(
            "no such cache is being saved by this job".to_owned(),
        ));
    };
    let size = u64::try_from(request.size_bytes)
        .map_err(|_| Refusal::Invalid("the size is not a size".to_owned()))?;
    let id = end(core, upload.id, session, size)?;
    Ok(FinalizeCacheEntryResponse {
        ok: true,
        entry_id: i64::try_from(id).unwrap_or(i64::MAX),
        message: String::new(),
    })
}

pub(crate) fn download_url(
    core: &Core,
    session: &Session,
    request: &CacheDownloadRequest,
) -> Result<CacheDownloadResponse, Refusal> {
    let mut keys = vec![request.key.clone()];
    keys.extend(request.restore_keys.iter().cloned());
    let found = restore(core, session, &keys, &request.version)?;
    Ok(found.map_or_else(CacheDownloadResponse::default, |cache| {
        CacheDownloadResponse {
            ok: true,
            signed_download_url: address(core, session, &cache),
            matched_key: cache.key,
        }
    }))
}
