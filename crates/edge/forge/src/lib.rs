//! Where sources come from: git, spoken through its own command line.
//!
//! [`Host`] keeps bare repositories and speaks git's smart protocol; [`Repository`] answers questions
//! about one and makes working copies of it; [`WorkingTree`] looks at what a person is working on, and
//! never writes there; [`ActionStore`] has the actions of other repositories. What a push or a file means is decided elsewhere.
#![warn(missing_docs)]

mod actions;
mod checkout;
mod error;
mod files;
mod git;
mod history;
mod host;
mod name;
mod origin;
mod plain_refs;
mod receive;
mod refs;
mod repository;
mod seen;
mod told;
mod tree;
mod upload;
mod working_copy;
mod working_tree;

use std::collections::BTreeMap;

pub use crate::{
    actions::{
        ActionError, ActionStore, DEFAULT_ADDRESS, FoundAction, LocalRepository,
        ParseLocalRepositoryError, Pinned, Reach, TokenError,
    },
    error::Error,
    history::Commit,
    host::Host,
    receive::Received,
    refs::RefUpdate,
    repository::{Person, Repository},
    told::Told,
    upload::{Reply, Service},
    working_copy::{Submodules, WorkingCopy},
    working_tree::WorkingTree,
};

/// Files by their path in the sources, with `/` between the parts.
pub type Files = BTreeMap<String, Vec<u8>>;
