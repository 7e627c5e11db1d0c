//! What is kept of authorities, in the state folder: account keys, and certificates with their keys.
//! For nobody else to read.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use instant_acme::AccountCredentials;
use sha2::{Digest as _, Sha256};

use super::order::OrderError;
use crate::{control::Acme, tls::Certificate};

/// Where it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Vault(Utf8PathBuf);

/// What an authority gave: PEM.
pub(super) struct Given {
    pub(super) key: String,
    pub(super) chain: String,
}

impl Vault {
    pub(super) fn new(state: &Utf8Path) -> Self {
        Self(state.join("acme"))
    }

    /// The certificate that was kept last for the same hosts from the same authority.
    pub(super) fn certificate(&self, acme: &Acme) -> Option<Certificate> {
        let path = self.certificate_path(acme);
        let text = fs::read(&path).ok()?;
        Certificate::parse(&text, &text, path.as_str(), path.as_str()).ok()
    }

    /// Keeps what was given, if it can be used.
    pub(super) fn keep(&self, acme: &Acme, given: &Given) -> Result<Certificate, OrderError> {
        let path = self.certificate_path(acme);
        let text = format!("{}\n{}", given.key.trim_end(), given.chain);
        let bytes = text.as_bytes();
        let certificate = Certificate::parse(bytes, bytes, path.as_str(), path.as_str())?;
        if certificate.has_expired() {
            return Err(OrderError::Expired);
        }
        if let Some(host) = acme.hosts.iter().find(|host| !certificate.covers(host)) {
            return Err(OrderError::Uncovered { host: host.clone() });
        }
        self.write(&path, bytes)
            .map_err(|source| OrderError::Keep { path, source })?;
        Ok(certificate)
    }

    /// The account with an authority, if there is one.
    pub(super) fn account(&self, acme: &Acme) -> Option<AccountCredentials> {
        let text = fs::read(self.account_path(acme)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn keep_account(
        &self,
        acme: &Acme,
        account: &AccountCredentials,
    ) -> Result<(), OrderError> {
        let path = self.account_path(acme);
        let written = serde_json::to_vec(account)
            .map_err(io::Error::from)
            .and_then(|text| self.write(&path, &text));
        written.map_err(|source| OrderError::Keep { path, source })
    }

    /// Forgets an account that the authority does not know any more.
    pub(super) fn forget_account(&self, acme: &Acme) {
        let _gone = fs::remove_file(self.account_path(acme));
    }

    fn certificate_path(&self, acme: &Acme) -> Utf8PathBuf {
        let hosts = acme.hosts.join(",");
        let name = digest(&[acme.directory(), &hosts]);
        self.0.join(format!("certificate-{name}.pem"))
    }

    /// Other contacts make another account.
    fn account_path(&self, acme: &Acme) -> Utf8PathBuf {
        let name = digest(&[acme.directory(), &acme.contact.join(",")]);
        self.0.join(format!("account-{name}.json"))
    }

    /// Writes durably, as a whole or not at all.
    fn write(&self, path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)?;
        let temporary = path.with_extension("new");
        let _left = fs::remove_file(&temporary);
        let mut file = File::options()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(&self.0)?.sync_all()
    }
}

fn digest(parts: &[&str]) -> String {
    let hash = Sha256::digest(parts.join("\n").as_bytes());
    let head = hash
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("{head:016x}")
}
