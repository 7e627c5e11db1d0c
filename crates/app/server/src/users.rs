//! Who may ask: users with a token each; only the token's digest is kept.

use cutover_model::Secret;
use sha2::{Digest as _, Sha256};

use crate::{Control, Error};

/// Under which name a user's digest lies in the store.
fn setting(name: &str) -> String {
    format!("user/{name}")
}

fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Under which name the first user's name lies in the store.
const OWNER: &str = "owner";
/// The file with the first user's token, for the command line on the same machine.
const TOKEN_FILE: &str = "token";

impl Control {
    /// Creates a user, or gives an old one a new token; the token is shown once.
    pub async fn add_user(&self, name: &str) -> Result<Secret, Error> {
        let fine = !name.is_empty()
            && name.len() <= 64
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !fine {
            return Err(Error::Malformed(format!(
                "`{name}` is not a user name: letters, digits, `.`, `_` and `-`, at most 64"
            )));
        }
        let token = format!(
            "cut_{:032x}{:032x}",
            rand::random::<u128>(),
            rand::random::<u128>()
        );
        self.store()
            .set_setting(&setting(name), &digest(&token))
            .await?;
        Ok(Secret::new(token))
    }

    /// The same, asked for by somebody: everybody may renew their own token, and only the owner may
    /// add people or renew the tokens of others. Whoever could would be anybody, also those whose
    /// approval is wanted.
    pub async fn add_user_by(&self, name: &str, by: &str) -> Result<Secret, Error> {
        let owner = self.store().setting(OWNER).await?;
        if name != by && owner.as_deref().is_some_and(|owner| owner != by) {
            return Err(Error::Refused(format!(
                "only `{}` may add users or renew the tokens of others",
                owner.unwrap_or_default()
            )));
        }
        self.add_user(name).await
    }

    /// The user whose token this is.
    pub async fn user_of(&self, token: &str) -> Result<Option<String>, Error> {
        // Digests are compared, not tokens: how long it takes tells nothing about a token.
        let wanted = digest(token);
        let users = self.store().settings("user/").await?;
        Ok(users
            .into_iter()
            .find(|(_, digest)| *digest == wanted)
            .map(|(name, _)| name.trim_start_matches("user/").to_owned()))
    }

    /// All users' names.
    pub async fn users(&self) -> Result<Vec<String>, Error> {
        let users = self.store().settings("user/").await?;
        Ok(users
            .into_iter()
            .map(|(name, _)| name.trim_start_matches("user/").to_owned())
            .collect())
    }

    /// The first user, for whoever owns the data directory; their token lies in a file that only
    /// they can read.
    pub async fn ensure_owner(&self, name: &str) -> Result<(), Error> {
        let path = self.data_dir().join(TOKEN_FILE);
        if tokio::fs::try_exists(&path)
            .await
            .map_err(Error::io("look for", &path))?
        {
            return Ok(());
        }
        let token = self.add_user(name).await?;
        self.store().set_setting(OWNER, name).await?;
        // Renamed into place: half a token would lock the owner out for good.
        let new = self.data_dir().join(format!("{TOKEN_FILE}.new"));
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options
            .open(&new)
            .await
            .map_err(Error::io("create", &new))?;
        let text = format!("{}\n", token.expose());
        tokio::io::AsyncWriteExt::write_all(&mut file, text.as_bytes())
            .await
            .map_err(Error::io("write", &new))?;
        file.sync_all().await.map_err(Error::io("write", &new))?;
        tokio::fs::rename(&new, &path)
            .await
            .map_err(Error::io("create", &path))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use camino::Utf8Path;

    use super::*;
    use crate::{Options, Sources};

    async fn control(dir: &Utf8Path) -> Control {
        Control::open(Options {
            data_dir: dir.to_owned(),
            executable: "/nowhere".into(),
            numbers: None,
            runners: 1,
            secrets: BTreeMap::new(),
            vars: BTreeMap::new(),
            sources: Sources::Hosted,
            actions: cutover_forge::ActionStore::new(dir.join("actions"), dir.as_str(), Vec::new()),
            docker_host: None,
            address: None,
            base_env: BTreeMap::new(),
            recover: true,
            power_safe: true,
            supervisors: None,
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn nobody_but_the_owner_becomes_somebody_else() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let control = control(dir).await;
        control.ensure_owner("ada").await.unwrap();
        let token = std::fs::read_to_string(dir.join(TOKEN_FILE)).unwrap();
        let user = control.user_of(token.trim()).await.unwrap();
        assert_eq!(user.as_deref(), Some("ada"));

        let first = control.add_user_by("bob", "ada").await.unwrap();
        for name in ["ada", "eve"] {
            let refused = control.add_user_by(name, "bob").await;
            assert!(matches!(refused, Err(Error::Refused(_))), "{name}");
        }
        let second = control.add_user_by("bob", "bob").await.unwrap();
        let user = control.user_of(first.expose()).await.unwrap();
        assert_eq!(user, None, "a token that was renewed is no token");
        let user = control.user_of(second.expose()).await.unwrap();
        assert_eq!(user.as_deref(), Some("bob"));

        control.ensure_owner("eve").await.unwrap();
        let users = control.users().await.unwrap();
        assert_eq!(users, ["ada", "bob"], "there is an owner already");
        control.settle().await;
    }
}
