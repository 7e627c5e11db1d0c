//! Which version of a secret is in force: a number for each name, which grows whenever the value is
//! another one. The value is not kept, and nothing from which it could be guessed without the key: its
//! fingerprint is made with a key that lies beside the database and not in it.

use std::{
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use camino::Utf8Path;
use cutover_model::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{Control, Error};

/// Where the numbers lie in the store.
const FOLDER: &str = "secret/";
/// Where the key lies in the data directory.
const KEY_FILE: &str = "secret-versions.key";

/// What is known of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    version: u64,
    fingerprint: String,
}

impl Control {
    /// The version of the value that is in force now; `None` when there is no such secret.
    pub(crate) async fn secret_version(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(secret) = self.secrets().get(name) else {
            return Ok(None);
        };
        let folder = self.options().data_dir.clone();
        let path = folder.join(KEY_FILE);
        let key = key(&path).map_err(|error| Error::Corrupt(format!("`{path}`: {error}")))?;
        let place = format!("{FOLDER}{name}");
        let before: Option<Known> = match self.store().setting(&place).await? {
            Some(text) => Some(
                serde_json::from_str(&text)
                    .map_err(|error| Error::Corrupt(format!("`{place}`: {error}")))?,
            ),
            None => None,
        };
        let now = next(before.as_ref(), fingerprint(&key, name, secret)?);
        if before.as_ref() != Some(&now) {
            let text = serde_json::to_string(&now)
                .map_err(|error| Error::Corrupt(format!("`{place}`: {error}")))?;
            self.store().set_setting(&place, &text).await?;
        }
        Ok(Some(now.version.to_string()))
    }
}

fn next(before: Option<&Known>, fingerprint: String) -> Known {
    let version = match before {
        Some(known) if known.fingerprint == fingerprint => known.version,
        Some(known) => known.version + 1,
        None => 1,
    };
    Known {
        version,
        fingerprint,
    }
}

/// With its name, so that two secrets of one value are not seen to be equal.
fn fingerprint(key: &[u8], name: &str, secret: &Secret) -> Result<String, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|error| Error::Corrupt(format!("the key of secrets' versions: {error}")))?;
    mac.update(name.as_bytes());
    mac.update(&[0]);
    mac.update(secret.expose().as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// The key, which is made the first time. Readable by us alone.
fn key(path: &Utf8Path) -> io::Result<Vec<u8>> {
    // Nobody is to find the file before the key is in it.
    static ONE_AT_A_TIME: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            let key: [u8; 32] = rand::random();
            file.write_all(&key)?;
            file.sync_all()?;
            Ok(key.to_vec())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let key = std::fs::read(path)?;
            if key.len() != 32 {
                let why = "it is not 32 bytes long: remove it, and all versions are counted anew";
                return Err(io::Error::other(why));
            }
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_number_grows_with_the_value_and_the_value_is_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join(KEY_FILE);
        let made = key(&path).unwrap();
        assert_eq!(key(&path).unwrap(), made, "it is found again");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let of = |value: &str| fingerprint(&made, "TOKEN", &Secret::new(value)).unwrap();
        let first = next(None, of("hunter2"));
        assert_eq!(first.version, 1);
        assert_eq!(next(Some(&first), of("hunter2")), first);
        let second = next(Some(&first), of("hunter3"));
        assert_eq!(second.version, 2);
        assert_eq!(next(Some(&second), of("hunter2")).version, 3);
        assert!(!serde_json::to_string(&second).unwrap().contains("hunter"));
        let other = fingerprint(&made, "OTHER", &Secret::new("hunter2")).unwrap();
        assert_ne!(other, of("hunter2"));
        std::fs::write(&path, "short").unwrap();
        assert!(key(&path).is_err());
    }
}
