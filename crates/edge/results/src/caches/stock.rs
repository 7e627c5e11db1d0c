//! Where caches are kept: a folder each, with its bytes and its record, and in memory the order in which
//! they are looked for.

use std::{collections::BTreeMap, fs, io};

use camino::Utf8PathBuf;
use cutover_model::{Duration, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::scope::Scope;
use crate::{blobs::Upload, disk, refusal::Refusal};

/// As many as a repository may have; the one used longest ago goes first.
const MOST_OF_A_REPOSITORY: usize = 10_000;

/// A cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Grows with time.
    pub id: u64,
    /// `owner/name`.
    pub repository: String,
    /// The full ref that saved it.
    pub git_ref: String,
    /// Whether a trusted job did.
    pub is_trusted: bool,
    /// What it is found by.
    pub key: String,
    /// What its paths and its compression come to; another version is another cache.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// When it was saved.
    pub created: Timestamp,
    /// When it was restored last, or saved.
    pub used: Timestamp,
}

/// A cache that is being saved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NewCache {
    pub(crate) repository: String,
    pub(crate) scope: Scope,
    pub(crate) version: String,
    /// Last, so that those that begin alike stand together.
    pub(crate) key: String,
}

impl Cache {
    fn name(&self) -> NewCache {
        NewCache {
            repository: self.repository.clone(),
            scope: Scope {
                is_trusted: self.is_trusted,
                git_ref: self.git_ref.clone(),
            },
            version: self.version.clone(),
            key: self.key.clone(),
        }
    }
}

/// All caches.
pub(crate) struct Caches {
    dir: Utf8PathBuf,
    stock: Mutex<Stock>,
}

#[derive(Default)]
struct Stock {
    by_id: BTreeMap<u64, Cache>,
    by_name: BTreeMap<NewCache, u64>,
}

impl Caches {
    /// Reads what there is; what was half done when a server ended is removed.
    pub(crate) fn open(dir: Utf8PathBuf) -> io::Result<Self> {
        disk::make_folder(&dir)?;
        let mut stock = Stock::default();
        for name in disk::names(&dir)? {
            let path = dir.join(&name);
            let record: Option<Cache> = disk::read_record(&path.join("cache.json"))?;
            match record.filter(|cache| name == cache.id.to_string()) {
                Some(cache) => stock.add(cache),
                None => disk::remove_folder(&path)?,
            }
        }
        Ok(Self {
            dir,
            stock: Mutex::new(stock),
        })
    }

    /// Whether one may be saved by that name.
    pub(crate) fn check_free(&self, new: &NewCache) -> Result<(), Refusal> {
        if self.stock.lock().by_name.contains_key(new) {
            return Err(Refusal::Conflict(
                "a cache with the same key, version and scope already exists".to_owned(),
            ));
        }
        Ok(())
    }

    /// Makes an upload a cache, and room for it.
    pub(crate) fn keep(
        &self,
        upload: &Upload,
        new: &NewCache,
        size: u64,
        most: u64,
        now: Timestamp,
    ) -> Result<u64, Refusal> {
        let cache = Cache {
            id: upload.id,
            repository: new.repository.clone(),
            git_ref: new.scope.git_ref.clone(),
            is_trusted: new.scope.is_trusted,
            key: new.key.clone(),
            version: new.version.clone(),
            size,
            created: now,
            used: now,
        };
        let mut stock = self.stock.lock();
        if stock.by_name.contains_key(new) {
            return Err(Refusal::Conflict(
                "another job saved it meanwhile".to_owned(),
            ));
        }
        let id = cache.id;
        let half = self.dir.join(format!("{id}.half"));
        disk::make_folder(&half)?;
        upload.take_over(&half.join("blob"))?;
        disk::write_record(&half.join("cache.json"), &cache)?;
        fs::rename(half, self.dir.join(id.to_string()))?;
        stock.add(cache);
        for old in stock.too_many(&new.repository, most, id) {
            self.remove(&mut stock, old)?;
        }
        Ok(id)
    }

    /// The cache to restore: scope by scope, in each key by key, each exactly before what begins with it, the
    /// newest of those. It counts as used.
    pub(crate) fn find(
        &self,
        repository: &str,
        scopes: &[Scope],
        keys: &[String],
        version: &str,
        oldest: Timestamp,
        now: Timestamp,
    ) -> io::Result<Option<Cache>> {
        let mut stock = self.stock.lock();
        let mut wanted = scopes.iter().flat_map(|scope| {
            keys.iter().map(|key| NewCache {
                repository: repository.to_owned(),
                scope: scope.clone(),
                version: version.to_owned(),
                key: key.clone(),
            })
        });
        let Some(id) = wanted.find_map(|name| stock.matching(&name, oldest)) else {
            return Ok(None);
        };
        let Some(cache) = stock.by_id.get_mut(&id) else {
            return Ok(None);
        };
        cache.used = now;
        let record = self.dir.join(id.to_string()).join("cache.json");
        disk::write_record(&record, cache)?;
        Ok(Some(cache.clone()))
    }

    /// Those of a repository that begin with this key.
    pub(crate) fn beginning(&self, repository: &str, scopes: &[Scope], key: &str) -> Vec<Cache> {
        let stock = self.stock.lock();
        let seen = stock.by_id.values().filter(|cache| {
            let scope = cache.name().scope;
            cache.repository == repository && scopes.contains(&scope) && cache.key.starts_with(key)
        });
        seen.cloned().collect()
    }

    /// All of a repository, oldest first.
    pub(crate) fn of_repository(&self, repository: &str) -> Vec<Cache> {
        let stock = self.stock.lock();
        let own = stock.by_id.values();
        own.filter(|cache| cache.repository == repository)
            .cloned()
            .collect()
    }

    /// Where the bytes of a cache are.
    pub(crate) fn blob(&self, id: u64) -> Option<Utf8PathBuf> {
        let stock = self.stock.lock();
        let cache = stock.by_id.get(&id)?;
        Some(self.dir.join(cache.id.to_string()).join("blob"))
    }

    /// Removes those that were not used since. Says how many caches and bytes.
    pub(crate) fn sweep(&self, oldest: Timestamp) -> io::Result<(usize, u64)> {
        let mut stock = self.stock.lock();
        let unused = stock.by_id.values().filter(|cache| cache.used < oldest);
        let unused: Vec<(u64, u64)> = unused.map(|cache| (cache.id, cache.size)).collect();
        for &(id, _) in &unused {
            self.remove(&mut stock, id)?;
        }
        Ok((unused.len(), unused.iter().map(|(_, size)| size).sum()))
    }

    /// Whoever reads it at the moment reads it to its end.
    fn remove(&self, stock: &mut Stock, id: u64) -> io::Result<()> {
        if let Some(cache) = stock.by_id.remove(&id) {
            stock.by_name.remove(&cache.name());
        }
        disk::remove_folder(&self.dir.join(id.to_string()))
    }
}

/// The instant before which a cache that was not used is too old.
pub(crate) fn oldest(now: Timestamp, age: Duration) -> Timestamp {
    Timestamp(
        now.0
            .saturating_sub(i64::try_from(age.0).unwrap_or(i64::MAX)),
    )
}

impl Stock {
    fn add(&mut self, cache: Cache) {
        self.by_name.insert(cache.name(), cache.id);
        self.by_id.insert(cache.id, cache);
    }

    fn matching(&self, name: &NewCache, oldest: Timestamp) -> Option<u64> {
        let young = |id: &u64| self.by_id.get(id).is_some_and(|cache| cache.used >= oldest);
        if let Some(id) = self.by_name.get(name).filter(|id| young(id)) {
            return Some(*id);
        }
        let beginning = self.by_name.range(name..).take_while(|(other, _)| {
            other.key.starts_with(&name.key)
                && (&other.repository, &other.scope, &other.version)
                    == (&name.repository, &name.scope, &name.version)
        });
        // Ids grow with time.
        beginning.map(|(_, &id)| id).filter(young).max()
    }

    /// Those that must go, used longest ago first, so that the rest fits. The newest one stays.
    fn too_many(&self, repository: &str, most: u64, newest: u64) -> Vec<u64> {
        let own = self
            .by_id
            .values()
            .filter(|cache| cache.repository == repository);
        let mut own: Vec<&Cache> = own.collect();
        let mut bytes: u64 = own.iter().map(|cache| cache.size).sum();
        let mut count = own.len();
        if bytes <= most && count <= MOST_OF_A_REPOSITORY {
            return Vec::new();
        }
        own.sort_by_key(|cache| (cache.used, cache.id));
        let mut gone = Vec::new();
        for cache in own.into_iter().filter(|cache| cache.id != newest) {
            if bytes <= most && count <= MOST_OF_A_REPOSITORY {
                break;
            }
            bytes -= cache.size;
            count -= 1;
            gone.push(cache.id);
        }
        gone
    }
}
