//! Where holds lie: beside what is current, by place. Made and met by deployments, lifted by people.

use cutover_model::guard::Hold;

use super::Work;
use crate::{Control, Error, routes};

/// Where the holds lie in the store.
const FOLDER: &str = "hold/";
/// What stands there when a hold was lifted.
const LIFTED: &str = "null";

fn key(environment: &str, service: &str) -> String {
    format!("{FOLDER}{}", routes::name(service, environment))
}

impl Control {
    /// What pins a service of an environment, if something does.
    pub async fn hold(&self, environment: &str, service: &str) -> Result<Option<Hold>, Error> {
        let key = key(environment, service);
        let Some(text) = self.store().setting(&key).await? else {
            return Ok(None);
        };
        serde_json::from_str(&text).map_err(|error| Error::Corrupt(format!("`{key}`: {error}")))
    }

    /// All holds, each with its environment and service.
    pub(crate) async fn holds(&self) -> Result<Vec<((String, String), Hold)>, Error> {
        let mut holds = Vec::new();
        for (key, text) in self.store().settings(FOLDER).await? {
            let hold: Option<Hold> = serde_json::from_str(&text)
                .map_err(|error| Error::Corrupt(format!("`{key}`: {error}")))?;
            let place = key.strip_prefix(FOLDER).and_then(|it| it.split_once('@'));
            if let (Some(hold), Some((service, environment))) = (hold, place) {
                holds.push(((environment.to_owned(), service.to_owned()), hold));
            }
        }
        Ok(holds)
    }

    /// Lifts it; says what was lifted, if anything was.
    pub async fn lift_hold(&self, environment: &str, service: &str) -> Result<Option<Hold>, Error> {
        let hold = self.hold(environment, service).await?;
        if hold.is_some() {
            let key = key(environment, service);
            self.store().set_setting(&key, LIFTED).await?;
        }
        Ok(hold)
    }
}

impl Work {
    /// Only while the lock is ours: what comes later is not for us to pin.
    pub(super) async fn place_hold(&self, hold: &Hold) {
        let place = self.lock_place();
        let holder = self.until_done("see who deploys here", || {
            self.control.locks().holder(&place)
        });
        if holder.await.flatten().as_ref() != Some(self.id()) {
            return;
        }
        self.until_done("place the hold", || async {
            let text = serde_json::to_string(hold)
                .map_err(|error| Error::Corrupt(format!("a hold: {error}")))?;
            let key = key(&place.0, &place.1);
            Ok(self.control.store().set_setting(&key, &text).await?)
        })
        .await;
    }

    /// Another deployment's; one that this one has placed meanwhile stays.
    pub(super) async fn lift_hold(&self) {
        let place = self.lock_place();
        self.until_done("lift the hold", || async {
            let hold = self.control.hold(&place.0, &place.1).await?;
            if hold.is_some_and(|hold| hold.deployment != *self.id()) {
                self.control.lift_hold(&place.0, &place.1).await?;
            }
            Ok(())
        })
        .await;
    }
}
