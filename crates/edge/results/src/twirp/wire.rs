//! The messages of GitHub's results service. The numbers of fields are those of its protobuf files, their
//! JSON is proto3's: 64-bit numbers are texts, wrapped values are bare. Names may come in both manners.

use cutover_model::Timestamp;
use prost::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock;

/// What a job wants to upload.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(crate) struct CreateArtifactRequest {
    #[prost(string, tag = "1")]
    #[serde(alias = "workflowRunBackendId")]
    pub(crate) workflow_run_backend_id: String,
    #[prost(string, tag = "2")]
    #[serde(alias = "workflowJobRunBackendId")]
    pub(crate) workflow_job_run_backend_id: String,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "expiresAt")]
    pub(crate) expires_at: Option<Instant>,
    #[prost(int32, tag = "5")]
    pub(crate) version: i32,
    #[prost(message, optional, tag = "6")]
    #[serde(alias = "mimeType")]
    pub(crate) mime_type: Option<Text>,
}

/// Where to upload it.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct CreateArtifactResponse {
    #[prost(bool, tag = "1")]
    pub(crate) ok: bool,
    #[prost(string, tag = "2")]
    pub(crate) signed_upload_url: String,
}

/// What was uploaded.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(crate) struct FinalizeArtifactRequest {
    #[prost(string, tag = "1")]
    #[serde(alias = "workflowRunBackendId")]
    pub(crate) workflow_run_backend_id: String,
    #[prost(string, tag = "2")]
    #[serde(alias = "workflowJobRunBackendId")]
    pub(crate) workflow_job_run_backend_id: String,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(int64, tag = "4")]
    #[serde(with = "int64")]
    pub(crate) size: i64,
    #[prost(message, optional, tag = "5")]
    pub(crate) hash: Option<Text>,
}

/// It is an artifact now.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct FinalizeArtifactResponse {
    #[prost(bool, tag = "1")]
    pub(crate) ok: bool,
    #[prost(int64, tag = "2")]
    #[serde(with = "int64")]
    pub(crate) artifact_id: i64,
}

/// Which artifacts of a run.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(crate) struct ListArtifactsRequest {
    #[prost(string, tag = "1")]
    #[serde(alias = "workflowRunBackendId")]
    pub(crate) workflow_run_backend_id: String,
    #[prost(string, tag = "2")]
    #[serde(alias = "workflowJobRunBackendId")]
    pub(crate) workflow_job_run_backend_id: String,
    #[prost(message, optional, tag = "3")]
    #[serde(alias = "nameFilter")]
    pub(crate) name_filter: Option<Text>,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "idFilter")]
    pub(crate) id_filter: Option<Number>,
}

/// Those that there are.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct ListArtifactsResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) artifacts: Vec<ListedArtifact>,
}

/// One artifact of a list.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct ListedArtifact {
    #[prost(string, tag = "1")]
    pub(crate) workflow_run_backend_id: String,
    #[prost(string, tag = "2")]
    pub(crate) workflow_job_run_backend_id: String,
    #[prost(int64, tag = "3")]
    #[serde(with = "int64")]
    pub(crate) database_id: i64,
    #[prost(string, tag = "4")]
    pub(crate) name: String,
    #[prost(int64, tag = "5")]
    #[serde(with = "int64")]
    pub(crate) size: i64,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<Instant>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<Text>,
}

/// An artifact by its name: to get its address, or to delete it.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(crate) struct NamedArtifact {
    #[prost(string, tag = "1")]
    #[serde(alias = "workflowRunBackendId")]
    pub(crate) workflow_run_backend_id: String,
    #[prost(string, tag = "2")]
    #[serde(alias = "workflowJobRunBackendId")]
    pub(crate) workflow_job_run_backend_id: String,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
}

/// Where to download it.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct SignedUrlResponse {
    #[prost(string, tag = "1")]
    pub(crate) signed_url: String,
}

/// It is no more.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct DeleteArtifactResponse {
    #[prost(bool, tag = "1")]
    pub(crate) ok: bool,
    #[prost(int64, tag = "2")]
    #[serde(with = "int64")]
    pub(crate) artifact_id: i64,
}

/// What a job wants to save.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(crate) struct CreateCacheEntryRequest {
    #[prost(string, tag = "2")]
    pub(crate) key: String,
    #[prost(string, tag = "3")]
    pub(crate) version: String,
}

/// Where to save it, or why not.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct CreateCacheEntryResponse {
    #[prost(bool, tag = "1")]
    pub(crate) ok: bool,
    #[prost(string, tag = "2")]
    pub(crate) signed_upload_url: String,
    #[prost(string, tag = "3")]
    pub(crate) message: String,
}

/// What was saved.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(crate) struct FinalizeCacheEntryRequest {
    #[prost(string, tag = "2")]
    pub(crate) key: String,
    #[prost(int64, tag = "3")]
    #[serde(alias = "sizeBytes", with = "int64")]
    pub(crate) size_bytes: i64,
    #[prost(string, tag = "4")]
    pub(crate) version: String,
}

/// It is a cache now, or why not.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct FinalizeCacheEntryResponse {
    #[prost(bool, tag = "1")]
    pub(crate) ok: bool,
    #[prost(int64, tag = "2")]
    #[serde(with = "int64")]
    pub(crate) entry_id: i64,
    #[prost(string, tag = "3")]
    pub(crate) message: String,
}

/// Which cache to restore: the key, then those that will do as well.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(crate) struct CacheDownloadRequest {
    #[prost(string, tag = "2")]
    pub(crate) key: String,
    #[prost(string, repeated, tag = "3")]
    #[serde(alias = "restoreKeys")]
    pub(crate) restore_keys: Vec<String>,
    #[prost(string, tag = "4")]
    pub(crate) version: String,
}

/// Where it is; not `ok` when there is none.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(crate) struct CacheDownloadResponse {
    #[prost(bool, tag = "1")]
    pub(crate) ok: bool,
    #[prost(string, tag = "2")]
    pub(crate) signed_download_url: String,
    #[prost(string, tag = "3")]
    pub(crate) matched_key: String,
}

/// A text that may be absent: `google.protobuf.StringValue`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text {
    #[prost(string, tag = "1")]
    pub(crate) value: String,
}

/// A number that may be absent: `google.protobuf.Int64Value`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(transparent)]
pub(crate) struct Number {
    #[prost(int64, tag = "1")]
    #[serde(with = "int64")]
    pub(crate) value: i64,
}

/// `google.protobuf.Timestamp`; RFC 3339 in JSON.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Instant {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        let millis = i32::try_from(at.0.rem_euclid(1_000)).unwrap_or(0);
        Self {
            seconds: clock::seconds(at),
            nanos: millis * 1_000_000,
        }
    }
}

impl From<&Instant> for Timestamp {
    fn from(at: &Instant) -> Self {
        let millis = i64::from(at.nanos) / 1_000_000;
        Self(at.seconds.saturating_mul(1_000).saturating_add(millis))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Timestamp::from(self))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = clock::parse(&text);
        at.map(Self::from)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not an instant of RFC 3339")))
    }
}

/// 64-bit numbers: written as texts, read as both.
mod int64 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        match Either::deserialize(deserializer)? {
            Either::Number(value) => Ok(value),
            Either::Text(text) => text
                .parse()
                .map_err(|_| de::Error::custom(format!("`{text}` is not a whole number"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_in_both_manners_and_numbers_as_texts() {
        let one = r#"{"workflow_run_backend_id":"r","name":"n","size":"12","hash":"sha256:ab","later":1}"#;
        let two = r#"{"workflowRunBackendId":"r","name":"n","size":12,"hash":"sha256:ab"}"#;
        let [one, two] = [one, two].map(serde_json::from_str::<FinalizeArtifactRequest>);
        let one = one.unwrap();
        assert_eq!(one, two.unwrap());
        assert_eq!(
            (one.size, one.hash.unwrap().value.as_str()),
            (12, "sha256:ab")
        );
    }

    #[test]
    fn an_instant_is_the_same_in_both_codecs() {
        let text = "\"2026-11-21T10:00:00.250Z\"";
        let instant: Instant = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&instant).unwrap(), text);
        assert_eq!(
            Instant::decode(instant.encode_to_vec().as_slice()).unwrap(),
            instant
        );
    }
}
