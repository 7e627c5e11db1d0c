//! How the server asks others over HTTP: no redirects, no proxy, and never more of an answer than fits.

/// How much of an answer is read.
const LIMIT: usize = 64 * 1024;

/// One that follows nobody anywhere.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

/// The beginning of a body; the rest is not read.
pub(crate) async fn text(mut response: reqwest::Response) -> reqwest::Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= LIMIT {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
