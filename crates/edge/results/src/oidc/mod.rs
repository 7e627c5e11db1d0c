//! Id tokens: who a job is, signed, for whoever trusts this issuer. With the documents by which it is
//! verified.

mod claims;
mod http;
mod keys;

pub(crate) use self::{
    http::{asking, documents},
    keys::Issuer,
};
