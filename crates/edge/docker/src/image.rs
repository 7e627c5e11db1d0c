//! Images that are fetched: found here, or asked for at their registry, with or without a name.

use bollard::{auth::DockerCredentials, query_parameters::CreateImageOptionsBuilder};
use futures_util::StreamExt as _;

use crate::{engine::Engine, error::Error};

/// Which image, and who asks for it.
#[derive(Clone, Copy)]
pub struct ImageWish<'a> {
    /// `name[:tag]` or `name@digest`, with the registry before it unless it is the usual one.
    pub reference: &'a str,
    /// A name and a password for the registry.
    pub credentials: Option<(&'a str, &'a str)>,
    /// `linux/arm64`; the engine's own when absent.
    pub platform: Option<&'a str>,
}

impl Engine {
    /// Sees that an image is there; one that is is not asked for again. What the registry says of its
    /// layers goes to `on_line`.
    pub async fn ensure_image(
        &self,
        wish: ImageWish<'_>,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), Error> {
        if self.image_exists(wish.reference).await? {
            return Ok(());
        }
        on_line(&format!("fetching `{}`", wish.reference));
        let mut options = CreateImageOptionsBuilder::default().from_image(&tagged(wish.reference));
        if let Some(platform) = wish.platform {
            options = options.platform(platform);
        }
        let credentials = wish.credentials.map(|(name, password)| DockerCredentials {
            username: Some(name.to_owned()),
            password: Some(password.to_owned()),
            serveraddress: Some(registry(wish.reference).to_owned()),
            ..DockerCredentials::default()
        });
        let mut answer = Box::pin(self.client().create_image(
            Some(options.build()),
            None,
            credentials,
        ));
        while let Some(news) = answer.next().await {
            let news = news.map_err(|error| Error::Fetch {
                reference: wish.reference.to_owned(),
                message: words(error),
            })?;
            // Progress bars are no lines.
            let bar = news.progress_detail.is_some_and(|bar| bar.total.is_some());
            if let Some(status) = news.status.filter(|_| !bar) {
                match news.id {
                    Some(id) => on_line(&format!("{id}: {status}")),
                    None => on_line(&status),
                }
            }
        }
        Ok(())
    }

    /// The `PATH` that an image gives its containers.
    pub async fn image_path(&self, reference: &str) -> Result<Option<String>, Error> {
        let image = self.client().inspect_image(reference).await;
        let image = image.map_err(|error| Error::from_client("look at an image", error))?;
        let env = image.config.and_then(|config| config.env);
        let path = env.into_iter().flatten();
        Ok(path
            .filter_map(|pair| Some(pair.strip_prefix("PATH=")?.to_owned()))
            .next_back())
    }
}

fn words(error: bollard::errors::Error) -> String {
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => message,
        bollard::errors::Error::DockerStreamError { error } => error,
        other => crate::error::with_causes(&other),
    }
}

/// Without a tag the engine would fetch them all.
fn tagged(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if reference.contains('@') || last.contains(':') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// The registry of a reference.
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "https://index.docker.io/v1/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_a_tag_and_a_registry() {
        assert_eq!(tagged("alpine"), "alpine:latest");
        assert_eq!(tagged("a.b:1/x"), "a.b:1/x:latest");
        assert_eq!(tagged("a.b:1/x:2"), "a.b:1/x:2");
        assert_eq!(tagged("x@sha256:00"), "x@sha256:00");
        assert_eq!(registry("localhost/x"), "localhost");
        assert_eq!(registry("127.0.0.1:5000/x"), "127.0.0.1:5000");
        assert_eq!(registry("library/x"), "https://index.docker.io/v1/");
    }
}
