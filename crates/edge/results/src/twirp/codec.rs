//! JSON or protobuf: an answer is written as its request was.

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::refusal::Refusal;

#[derive(Debug, Clone, Copy)]
pub(super) enum Codec {
    Json,
    Protobuf,
}

impl Codec {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let value = headers.get(header::CONTENT_TYPE);
        let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
        match text.split(';').next().map(str::trim) {
            Some("application/json") => Ok(Self::Json),
            Some("application/protobuf") => Ok(Self::Protobuf),
            _ => Err(Refusal::Invalid(format!(
                "the content type `{text}` is neither `application/json` nor `application/protobuf`"
            ))),
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/protobuf",
        }
    }
}

pub(super) struct Request {
    pub(super) codec: Codec,
    pub(super) body: Bytes,
}

impl Request {
    /// Fields that we do not know are passed over: so the protocol lets its clients grow.
    pub(super) fn read<M>(&self) -> Result<M, Refusal>
    where
        M: prost::Message + Default + DeserializeOwned,
    {
        let text = match self.codec {
            Codec::Json => match serde_json::from_slice(&self.body) {
                Ok(message) => return Ok(message),
                Err(error) => error.to_string(),
            },
            Codec::Protobuf => match M::decode(self.body.clone()) {
                Ok(message) => return Ok(message),
                Err(error) => error.to_string(),
            },
        };
        Err(Refusal::Invalid(format!(
            "the request cannot be read: {text}"
        )))
    }

    pub(super) fn answer(&self, message: &(impl prost::Message + Serialize)) -> Answer {
        let body = match self.codec {
            Codec::Json => serde_json::to_vec(message).unwrap_or_default(),
            Codec::Protobuf => message.encode_to_vec(),
        };
        Answer(body)
    }
}

pub(super) struct Answer(Vec<u8>);

impl Answer {
    pub(super) fn into_response(self, codec: Codec) -> Response {
        ([(header::CONTENT_TYPE, codec.content_type())], self.0).into_response()
    }
}
