//! Files into a container and out of it, as tar archives on our disk. What is in an archive from a container
//! is whatever its programs wrote: whoever unpacks it must mind that.

use std::{io, path::Path, time::Duration};

use bollard::{
    body_try_stream,
    query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
};

use crate::{
    engine::Engine,
    error::{Error, is_absent},
};

const OUT: &str = "copy from a container";
const IN: &str = "copy to a container";
/// The engine takes a whole archive before it answers, and may look at many files before it begins one.
const LONG: Duration = Duration::from_hours(1);
/// What is read from an archive at once.
const PIECE: usize = 1 << 17;

impl Engine {
    /// Writes what is at an absolute path of a container, which need not run, as a tar archive to `to`: its
    /// names begin with the last part of the path. `false` when nothing is there.
    pub async fn copy_out(&self, container: &str, path: &str, to: &Path) -> Result<bool, Error> {
        let broken = |error: io::Error| Error::Broken {
            verb: OUT,
            detail: error.to_string(),
        };
        let options = DownloadFromContainerOptionsBuilder::default()
            .path(path)
            .build();
        let client = self.patient(LONG);
        let mut pieces = Box::pin(client.download_from_container(container, Some(options)));
        let mut file = File::create(to).await.map_err(broken)?;
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => file.write_all(&piece).await.map_err(broken)?,
                Err(error) if is_absent(&error) => return Ok(false),
                Err(error) => return Err(Error::from_client(OUT, error)),
            }
        }
        file.flush().await.map_err(broken)?;
        Ok(true)
    }

    /// Unpacks a tar archive below `/` of a container, over what is there.
    pub async fn copy_in(&self, container: &str, from: &Path) -> Result<(), Error> {
        let file = File::open(from).await.map_err(|error| Error::Broken {
            verb: IN,
            detail: error.to_string(),
        })?;
        let pieces = stream::try_unfold(file, |mut file| async move {
            let mut piece = vec![0; PIECE];
            let count = file.read(&mut piece).await?;
            piece.truncate(count);
            Ok::<_, io::Error>((count > 0).then(|| (Bytes::from(piece), file)))
        });
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        self.patient(LONG)
            .upload_to_container(container, Some(options), body_try_stream(pieces))
            .await
            .map_err(|error| Error::from_client(IN, error))
    }
}
