//! Artifacts: named, digested outputs of a run, immutable once they are whole, until they are deleted or
//! their time is over.

mod methods;
mod name;
mod shelf;

pub(crate) use self::{
    methods::{create, delete, finalize, list, signed_url},
    shelf::{NewArtifact, Shelf},
};
pub use self::{name::InvalidName, shelf::Artifact};
