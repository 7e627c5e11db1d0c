//! Blobs: bytes on disk, and the part of Azure's blob protocol by which clients write and read them.
//!
//! An upload is filled in whatever way its client knows, sealed once, and then taken over by what it
//! was for: an artifact or a cache. It knows nothing of those.

mod azure;
mod block_list;
mod download;
mod fill;
mod range;
mod ranges;
mod upload;
mod uploads;

pub(crate) use self::{
    azure::router, download::Download, range::parse_content_range, upload::Upload, uploads::Uploads,
};
