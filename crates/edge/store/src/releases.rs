//! Releases: put once, never changed.

use cutover_model::{ReleaseId, RunId, delivery::Release};

use crate::{
    Error, Store,
    db::{Tx, json},
};

sql! {
    INSERT = "INSERT INTO release (id, service, version, digest, run, body, created_at)
              VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";
    BY_ID = "SELECT body FROM release WHERE id = $1";
    FIND = "SELECT body FROM release
            WHERE service = $1
              AND (version = $2 OR id = $2 OR (digest >= $3 AND digest < $4))
            ORDER BY created_at DESC, id DESC";
    LIST = "SELECT body FROM release WHERE service = $1
            ORDER BY created_at DESC, id DESC LIMIT $2";
    SERVICES = "SELECT DISTINCT service FROM release ORDER BY service";
    BY_RUN = "SELECT body FROM release WHERE service = $1 AND run = $2 ORDER BY id";
}

/// Fewer digits of a digest than this are taken for anything else.
const SHORTEST_DIGEST: usize = 4;

/// A release as it comes out of its row.
pub(crate) struct Stored(pub(crate) Release);

from_row!(Stored, |row| Ok(Self(json(
    &row.try_get::<String, _>("body")?
)?)));

impl Store {
    /// Keeps a release. To put the same once more changes nothing; to put another with its id is
    /// refused.
    pub async fn put_release(&self, release: &Release) -> Result<(), Error> {
        let body = serde_json::to_string(release).map_err(|source| Error::Json {
            what: release.id.to_string(),
            source,
        })?;
        let mut tx = self.db.begin().await?;
        let added = execute!(
            &mut tx,
            INSERT,
            release.id.as_str(),
            &release.service,
            &release.version,
            release.package.digest().hex(),
            release.run.as_str(),
            body,
            release.created_at.0,
        )?;
        if added == 0 && by_id(&mut tx, &release.id).await?.as_ref() != Some(release) {
            return Err(Error::ReleaseDiffers(release.id.to_string()));
        }
        tx.commit().await
    }

    /// One release.
    pub async fn release(&self, release: &ReleaseId) -> Result<Option<Release>, Error> {
        let row = fetch_optional!(&self.db, Stored, BY_ID, release.as_str())?;
        Ok(row.map(|stored| stored.0))
    }

    /// The releases of a service that a person may mean by a text: a version, an id, or the first
    /// digits of a digest (four at least, with or without `sha256:`). The newest first.
    pub async fn find_release(&self, service: &str, text: &str) -> Result<Vec<Release>, Error> {
        let (from, to) = digest_range(text);
        let rows = fetch_all!(&self.db, Stored, FIND, service, text, from, to)?;
        Ok(rows.into_iter().map(|stored| stored.0).collect())
    }

    /// The releases of a service that a run has built.
    pub async fn releases_of_run(&self, service: &str, run: &RunId) -> Result<Vec<Release>, Error> {
        let rows = fetch_all!(&self.db, Stored, BY_RUN, service, run.as_str())?;
        Ok(rows.into_iter().map(|stored| stored.0).collect())
    }

    /// The services that have a release, in order.
    pub async fn services(&self) -> Result<Vec<String>, Error> {
        let rows = fetch_all!(&self.db, (String,), SERVICES)?;
        Ok(rows.into_iter().map(|(service,)| service).collect())
    }

    /// The releases of a service, the newest first, at most so many.
    pub async fn releases(&self, service: &str, limit: u32) -> Result<Vec<Release>, Error> {
        let rows = fetch_all!(&self.db, Stored, LIST, service, i64::from(limit))?;
        Ok(rows.into_iter().map(|stored| stored.0).collect())
    }
}

async fn by_id(tx: &mut Tx, release: &ReleaseId) -> Result<Option<Release>, Error> {
    let row = fetch_in!(tx, Stored, BY_ID, release.as_str())?;
    Ok(row.map(|stored| stored.0))
}

/// From the first digits to what sorts after all that begin with them: a range that an index knows.
/// An empty range when the text is no beginning of a digest.
fn digest_range(text: &str) -> (String, String) {
    let digits = text
        .strip_prefix("sha256:")
        .unwrap_or(text)
        .to_ascii_lowercase();
    if digits.len() < SHORTEST_DIGEST || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return (String::new(), String::new());
    }
    let end = format!("{digits}g");
    (digits, end)
}
