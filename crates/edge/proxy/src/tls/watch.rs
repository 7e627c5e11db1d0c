//! Looks at certificate files from time to time. Nothing else tells of a change on every kind of
//! disk, and the tools that renew certificates do not say when they have.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::keyring::Keyring;
use crate::control::Reloaded;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Waits until files have changed, and says what came of it. Looks at nothing while tables name no
/// files.
pub(crate) async fn changed(keyring: &Arc<Keyring>) -> Reloaded {
    loop {
        while !keyring.has_files() {
            keyring.named.notified().await;
        }
        sleep(EVERY).await;
        let reloaded = look(keyring).await;
        if reloaded.changed > 0 {
            return reloaded;
        }
    }
}

/// Looks now.
pub(crate) async fn look(keyring: &Arc<Keyring>) -> Reloaded {
    let keyring = Arc::clone(keyring);
    let looked = tokio::task::spawn_blocking(move || keyring.look()).await;
    looked.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _, os::unix::fs::OpenOptionsExt as _};

    use camino::Utf8Path;

    use super::*;
    use crate::{
        acme::Authority,
        control::{CertificateFiles, RouteTable, Service, Tls},
        journal::Journal,
        tls::Care,
    };

    fn put(files: &CertificateFiles) {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        for (path, text) in [(&files.cert_file, chain), (&files.key_file, key)] {
            let mut file = File::options()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(path)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_change_are_seen_without_being_told() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(dir.path()).unwrap();
        let files = CertificateFiles {
            cert_file: folder.join("c.pem").into_string(),
            key_file: folder.join("k.pem").into_string(),
        };
        put(&files);
        let journal = Arc::new(Journal::new(folder));
        let authority = Authority::new(folder, Arc::clone(&journal));
        let keyring = Arc::new(Keyring::new(authority, journal));
        let tls = Tls {
            certificates: vec![files.clone()],
            ..Tls::default()
        };
        let table = RouteTable {
            generation: 1,
            services: vec![Service {
                tls: Some(tls),
                ..Service::new("s")
            }],
        };
        keyring.admit(&table, Care::Strict).unwrap();
        // Written in place, and shorter or longer by nothing: the time of change tells.
        put(&files);
        let reloaded = changed(&keyring).await;
        assert_eq!((reloaded.changed, reloaded.errors.len()), (1, 0));
        keyring.retain(&RouteTable::default());
        assert!(!keyring.has_files(), "what nobody names is not watched");
    }
}
