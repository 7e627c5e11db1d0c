//! A blob on its way to a client: all of it or a part, a piece at a time.

use std::io::SeekFrom;

use axum::{body::Body, response::Response};
use camino::Utf8PathBuf;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};
use tokio_util::io::ReaderStream;

use super::range;
use crate::refusal::Refusal;

/// What is read from the disk at once.
const PIECE: usize = 1 << 17;

/// A blob, and how it calls itself.
pub(crate) struct Download {
    pub(crate) path: Utf8PathBuf,
    pub(crate) mime_type: String,
    /// The file that it is saved as.
    pub(crate) file_name: String,
}

/// The answer. A blob that was removed meanwhile is not found; one that is being read stays readable.
pub(crate) async fn send(
    download: Download,
    headers: &HeaderMap,
    with_body: bool,
) -> Result<Response, Refusal> {
    let mut file = File::open(&download.path)
        .await
        .map_err(|_| Refusal::NotFound("the blob is gone".to_owned()))?;
    let length = file.metadata().await?.len();
    let Ok(part) = range::asked(headers, length) else {
        let mut response = Refusal::Invalid("there is no such part".to_owned()).azure();
        *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
        return Ok(response);
    };
    let all = 0..length;
    let piece = part.clone().unwrap_or(all);
    let count = piece.end - piece.start;
    let body = if with_body {
        file.seek(SeekFrom::Start(piece.start)).await?;
        Body::from_stream(ReaderStream::with_capacity(file.take(count), PIECE))
    } else {
        Body::empty()
    };
    let mut response = Response::new(body);
    describe(&mut response, &download);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    if part.is_some() {
        let text = format!("bytes {}-{}/{length}", piece.start, piece.end - 1);
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn describe(response: &mut Response, download: &Download) {
    let unknown = HeaderValue::from_static("application/octet-stream");
    let mime_type = HeaderValue::from_str(&download.mime_type).unwrap_or(unknown);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, mime_type);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let sniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, sniff);
    headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
    let name = format!(
        "attachment; filename*=UTF-8''{}",
        percent(&download.file_name)
    );
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
}

/// RFC 5987: what is not a letter, a digit or harmless is written by its bytes.
fn percent(text: &str) -> String {
    use std::fmt::Write as _;

    let mut written = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            written.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _done = write!(written, "%{byte:02X}");
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_header() {
        assert_eq!(percent("a b\"\r\n;ü.txt"), "a%20b%22%0D%0A%3B%C3%BC.txt");
    }
}
