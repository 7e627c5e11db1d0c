//! One certificate with its key: read from PEM, checked, and what it covers.

use std::{fmt, fs, io, os::unix::fs::MetadataExt as _, sync::Arc, time::Duration};

use tokio_rustls::rustls::{
    self,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::{clock, control::CertificateFiles};

/// How long a certificate of the balancer's own is said to last. It goes with the process.
const OWN_DAYS: u64 = 90;
/// The rights of users who are neither owner nor group.
const OTHERS: u32 = 0o007;

/// A certificate ready to be shown.
pub(crate) struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    /// The hosts that it covers, in lower case; some begin with `*.`.
    pub(crate) names: Vec<String>,
    /// Since 1970.
    pub(crate) begins: Duration,
    pub(crate) ends: Duration,
    pub(crate) self_signed: bool,
}

/// Why a certificate is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("cannot read `{path}`: {source}")]
    Read { path: String, source: io::Error },
    #[error("others may read the key `{path}`; take that right away (`chmod o-rwx`)")]
    Open { path: String },
    #[error("`{path}` is not PEM of {expected}: {reason}")]
    Pem {
        path: String,
        expected: &'static str,
        reason: String,
    },
    #[error("`{path}` is not a certificate that can be used: {reason}")]
    Unusable { path: String, reason: String },
    #[error("the key is not that of the certificate `{path}`")]
    Mismatch { path: String },
    #[error("the certificate `{path}` has expired; put a newer one there")]
    Expired { path: String },
    #[error("a certificate of its own cannot be made: {0}")]
    Own(#[from] rcgen::Error),
}

impl Fault {
    /// Whether what was found can be shown all the same, when there is nothing better.
    fn is_tolerable(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Expired { .. })
    }
}

/// A certificate, and what should not be as it is.
pub(crate) struct Found {
    pub(crate) certificate: Certificate,
    pub(crate) fault: Option<Fault>,
}

impl Found {
    /// The certificate, if nothing is wrong with it.
    pub(crate) fn strict(self) -> Result<Certificate, Fault> {
        match self.fault {
            None => Ok(self.certificate),
            Some(fault) => Err(fault),
        }
    }
}

impl Certificate {
    /// Reads a pair of files.
    pub(crate) fn read(files: &CertificateFiles) -> Result<Found, Fault> {
        let text = |path: &str| {
            fs::read(path).map_err(|source| Fault::Read {
                path: path.to_owned(),
                source,
            })
        };
        let metadata = fs::metadata(&files.key_file).map_err(|source| Fault::Read {
            path: files.key_file.clone(),
            source,
        })?;
        let open = (metadata.mode() & OTHERS != 0).then(|| Fault::Open {
            path: files.key_file.clone(),
        });
        let (chain, key) = (text(&files.cert_file)?, text(&files.key_file)?);
        let certificate = Self::parse(&chain, &key, &files.cert_file, &files.key_file)?;
        let expired = certificate.has_expired().then(|| Fault::Expired {
            path: files.cert_file.clone(),
        });
        let fault = open.or(expired);
        debug_assert!(fault.as_ref().is_none_or(Fault::is_tolerable));
        Ok(Found { certificate, fault })
    }

    /// A chain and its key, with the paths that errors name.
    pub(crate) fn parse(
        chain: &[u8],
        key: &[u8],
        cert_file: &str,
        key_file: &str,
    ) -> Result<Self, Fault> {
        let pem = |path: &str, expected, reason: &dyn fmt::Display| Fault::Pem {
            path: path.to_owned(),
            expected,
            reason: reason.to_string(),
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| pem(cert_file, "a certificate", &error))?;
        if chain.is_empty() {
            return Err(pem(cert_file, "a certificate", &"there is none in it"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            // Not what the reader says of it: that may have bytes of the key.
            .map_err(|_| pem(key_file, "a private key", &"it cannot be read as one"))?;
        Self::new(chain, key, cert_file)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        path: &str,
    ) -> Result<Self, Fault> {
        let unusable = |reason: String| Fault::Unusable {
            path: path.to_owned(),
            reason,
        };
        let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|e| unusable(e.to_string()))?;
        let names = names(&parsed);
        let since_epoch = |time: i64| Duration::from_secs(u64::try_from(time).unwrap_or(0));
        let validity = parsed.validity();
        let begins = since_epoch(validity.not_before.timestamp());
        let ends = since_epoch(validity.not_after.timestamp());
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider());
        let key = key.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Fault::Mismatch {
                path: path.to_owned(),
            },
            other => unusable(other.to_string()),
        })?;
        Ok(Self {
            key: Arc::new(key),
            names,
            begins,
            ends,
            self_signed: false,
        })
    }

    /// One of the balancer's own, which nobody trusts.
    pub(crate) fn own(hosts: &[String]) -> Result<Self, Fault> {
        let key = rcgen::KeyPair::generate()?;
        let signed = rcgen::CertificateParams::new(hosts.to_vec())?.self_signed(&key)?;
        let der = PrivatePkcs8KeyDer::from(key.serialize_der());
        let made = Self::new(vec![signed.der().clone()], der.into(), "self-signed")?;
        let now = clock::since_epoch();
        Ok(Self {
            begins: now,
            ends: now + Duration::from_hours(24 * OWN_DAYS),
            self_signed: true,
            ..made
        })
    }

    pub(crate) fn has_expired(&self) -> bool {
        self.ends <= clock::since_epoch()
    }

    /// Whether it is for this host.
    pub(crate) fn covers(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let parent = wildcard(&host);
        let covers = |name: &String| *name == host || parent.as_ref() == Some(name);
        self.names.iter().any(covers)
    }
}

/// The only wildcard that may cover a host: one label is left out, not more.
pub(super) fn wildcard(host: &str) -> Option<String> {
    let (_, parent) = host.split_once('.')?;
    Some(format!("*.{parent}"))
}

/// The hosts and addresses of a certificate.
fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let alternatives = alternatives.map(|found| found.value.general_names.as_slice());
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    };
    alternatives
        .unwrap_or_default()
        .iter()
        .filter_map(name)
        .collect()
}

/// An address as it stands in `Host`.
fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let six = <[u8; 16]>::try_from(bytes).ok()?;
    Some(format!("[{}]", std::net::Ipv6Addr::from(six)))
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}
