//! All certificates that tables name: read when a table comes, read anew when their files change.
//!
//! What was good stays when what follows is not. Which client is shown which is in `choice`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::sync::{Notify, Semaphore};

use super::{
    certificate::{Certificate, Fault},
    choice::Certificates,
    handshake::{AT_ONCE, Terminator},
};
use crate::{
    acme::Authority,
    control::{
        CertificateFiles, CertificateSource, CertificateStatus, Refusal, Reloaded, RouteTable, Tls,
    },
    journal::Journal,
    lock::locked,
};

/// The certificates of a balancer.
#[derive(Debug)]
pub(crate) struct Keyring {
    files: Mutex<BTreeMap<CertificateFiles, Source>>,
    /// What authorities gave, or shall give.
    pub(crate) authority: Authority,
    journal: Arc<Journal>,
    room: Arc<Semaphore>,
    /// Told when there are files to watch.
    pub(super) named: Notify,
}

/// A pair of files.
#[derive(Debug, Clone)]
struct Source {
    current: Option<Arc<Certificate>>,
    /// What the files looked like when they were read last.
    stamp: Stamp,
    error: Option<String>,
}

/// How it is known that one of the two files is another one, or has other rights.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp([Option<Look>; 2]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    inode: u64,
    changed: (i64, i64),
    length: u64,
    mode: u32,
}

impl Stamp {
    fn of(files: &CertificateFiles) -> Self {
        let look = |path: &String| {
            let found = fs::metadata(path).ok()?;
            Some(Look {
                inode: found.ino(),
                changed: (found.ctime(), found.ctime_nsec()),
                length: found.len(),
                mode: found.mode(),
            })
        };
        Self([look(&files.cert_file), look(&files.key_file)])
    }
}

/// Whether a pair of files that was never good may hinder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// Of a table that is new: it is refused.
    Strict,
    /// Of a table that was in force before: others are to be served, and an expired certificate is
    /// better than none.
    Lenient,
}

impl Keyring {
    pub(crate) fn new(authority: Authority, journal: Arc<Journal>) -> Self {
        Self {
            files: Mutex::default(),
            authority,
            journal,
            room: Arc::new(Semaphore::new(AT_ONCE)),
            named: Notify::new(),
        }
    }

    /// Reads what a table names. Blocks for as long as the disk does.
    pub(crate) fn admit(&self, table: &RouteTable, care: Care) -> Result<(), Refusal> {
        for service in &table.services {
            let Some(tls) = &service.tls else { continue };
            let refused = |fault: Fault| Refusal::Certificate {
                service: service.name.clone(),
                reason: fault.to_string(),
            };
            for files in &tls.certificates {
                self.admit_files(files, care).map_err(refused)?;
            }
            if let Some(acme) = &tls.acme {
                self.authority.admit(acme).map_err(refused)?;
            }
        }
        self.look();
        Ok(())
    }

    fn admit_files(&self, files: &CertificateFiles, care: Care) -> Result<(), Fault> {
        if locked(&self.files).contains_key(files) {
            return Ok(());
        }
        let stamp = Stamp::of(files);
        let (current, error) = match (Certificate::read(files), care) {
            (Ok(found), Care::Strict) => (Some(found.strict()?), None),
            (Ok(found), Care::Lenient) => (Some(found.certificate), found.fault),
            (Err(fault), Care::Strict) => return Err(fault),
            (Err(fault), Care::Lenient) => (None, Some(fault)),
        };
        if let Some(fault) = &error {
            self.warn(files, &fault.to_string());
        }
        let source = Source {
            current: current.map(Arc::new),
            stamp,
            error: error.map(|fault| fault.to_string()),
        };
        locked(&self.files).insert(files.clone(), source);
        self.named.notify_one();
        Ok(())
    }

    /// Reads again what looks otherwise than before. Blocks for as long as the disk does.
    pub(crate) fn look(&self) -> Reloaded {
        let known = locked(&self.files).clone();
        let mut reloaded = Reloaded::default();
        for (files, source) in known {
            let stamp = Stamp::of(&files);
            let mut next = source.clone();
            if stamp != source.stamp {
                next = self.read_again(&files, stamp, source, &mut reloaded);
                if let Some(place) = locked(&self.files).get_mut(&files) {
                    *place = next.clone();
                }
            }
            reloaded.errors.extend(next.error);
        }
        reloaded
    }

    fn read_again(
        &self,
        files: &CertificateFiles,
        stamp: Stamp,
        source: Source,
        reloaded: &mut Reloaded,
    ) -> Source {
        match Certificate::read(files).and_then(super::certificate::Found::strict) {
            Ok(certificate) => {
                let same = source
                    .current
                    .as_ref()
                    .is_some_and(|known| known.key.cert == certificate.key.cert);
                if !same {
                    reloaded.changed += 1;
                    self.journal.note(
                        "certificate_reloaded",
                        &[
                            ("file", Value::from(files.cert_file.as_str())),
                            ("names", Value::from(certificate.names.clone())),
                        ],
                    );
                }
                Source {
                    current: Some(Arc::new(certificate)),
                    stamp,
                    error: None,
                }
            }
            Err(fault) => {
                let error = fault.to_string();
                if source.error.as_ref() != Some(&error) {
                    self.warn(files, &error);
                }
                Source {
                    stamp,
                    error: Some(error),
                    ..source
                }
            }
        }
    }

    fn warn(&self, files: &CertificateFiles, reason: &str) {
        self.journal.note(
            "certificate_refused",
            &[
                ("file", Value::from(files.cert_file.as_str())),
                ("reason", Value::from(reason)),
            ],
        );
    }

    /// Forgets what a table does not name any more.
    pub(crate) fn retain(&self, table: &RouteTable) {
        let tls = || {
            table
                .services
                .iter()
                .filter_map(|service| service.tls.as_ref())
        };
        let files: BTreeSet<_> = tls().flat_map(|tls| &tls.certificates).collect();
        locked(&self.files).retain(|known, _| files.contains(known));
        let wanted: BTreeSet<_> = tls().filter_map(|tls| tls.acme.as_ref()).collect();
        self.authority.retain(&wanted);
    }

    /// Whether there are files that may change.
    pub(super) fn has_files(&self) -> bool {
        !locked(&self.files).is_empty()
    }

    /// Where the TLS of a new door ends.
    pub(crate) fn terminator(&self) -> Terminator {
        Terminator::new(Arc::clone(&self.room))
    }

    /// What a door shows for these services, in their order.
    pub(crate) fn certificates<'a>(&self, told: impl Iterator<Item = &'a Tls>) -> Certificates {
        let files = locked(&self.files);
        let mut certificates = Vec::new();
        for tls in told {
            let named = tls.certificates.iter().filter_map(|pair| files.get(pair));
            certificates.extend(named.filter_map(|source| source.current.clone()));
            certificates.extend(
                tls.acme
                    .as_ref()
                    .and_then(|acme| self.authority.shown(acme)),
            );
        }
        Certificates::new(certificates)
    }

    /// How the certificates of a service are.
    pub(crate) fn statuses(&self, tls: &Tls) -> Vec<CertificateStatus> {
        let files = locked(&self.files);
        let named = tls.certificates.iter().map(|pair| {
            let source = files.get(pair);
            let current = source.and_then(|source| source.current.as_deref());
            let mut status = status(CertificateSource::Files(pair.clone()), current);
            let error = source.and_then(|source| source.error.clone());
            status.error = error.or(status.error);
            status
        });
        let mut statuses: Vec<_> = named.collect();
        if let Some(acme) = &tls.acme {
            let source = CertificateSource::Acme {
                directory: acme.directory().to_owned(),
            };
            let mut status = status(source, self.authority.shown(acme).as_deref());
            let (error, next) = self.authority.prospect(acme);
            status.error = error.or(status.error);
            status.next_order_unix_ms = next;
            statuses.push(status);
        }
        statuses
    }
}

fn status(source: CertificateSource, current: Option<&Certificate>) -> CertificateStatus {
    let expired = current.filter(|certificate| certificate.has_expired());
    CertificateStatus {
        source,
        names: current.map_or_else(Vec::new, |certificate| certificate.names.clone()),
        expires_unix_ms: current.map_or(0, |certificate| {
            u64::try_from(certificate.ends.as_millis()).unwrap_or(u64::MAX)
        }),
        self_signed: current.is_some_and(|certificate| certificate.self_signed),
        error: expired.map(|_| "the certificate has expired".to_owned()),
        next_order_unix_ms: None,
    }
}
