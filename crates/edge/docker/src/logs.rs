//! The end of a container's log, for people who ask why it does not live.

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;

use crate::{
    engine::Engine,
    error::{Error, is_absent},
};

/// No more than this is held; a program that never ends its line cannot fill our memory.
const LIMIT: usize = 256 * 1024;

impl Engine {
    /// The last `count` lines of both streams. Bytes that are not UTF-8 are replaced; of very long
    /// lines only the end is kept.
    pub async fn logs_tail(&self, name: &str, count: usize) -> Result<Vec<String>, Error> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .tail(&count.to_string())
            .build();
        let mut answer = Box::pin(self.client().logs(name, Some(options)));
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(piece) = answer.next().await {
            match piece {
                Ok(piece) => bytes.extend_from_slice(&piece.into_bytes()),
                Err(error) if is_absent(&error) => {
                    return Err(Error::Absent {
                        name: name.to_owned(),
                    });
                }
                Err(error) => return Err(Error::from_client("read a log", error)),
            }
            if bytes.len() > 2 * LIMIT {
                bytes.drain(..bytes.len() - LIMIT);
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        Ok(lines[lines.len().saturating_sub(count)..].to_vec())
    }
}
