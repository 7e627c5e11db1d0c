//! Commits into a version and a changelog; what differs between releases, and the way back.
//!
//! Pure: commits come in as id and message, newest first as git lists them; which ones they are,
//! and making the tag, is the caller's.
//!
//! ```
//! use cutover_release::{Bump, Commit, bump, changelog};
//!
//! let commits = [Commit::new("2a5d3f1c9e", "feat(api): add search"), Commit::new("91b0c7aa01", "fix: typo")];
//! let next = bump::next(Some(&"1.3.2".parse()?), &commits);
//! assert_eq!(next.bump, Bump::Minor);
//!
//! let version = next.version.unwrap_or_else(|| unreachable!("a feature asks for a release"));
//! let section = changelog::section(&version, "2026-03-01", &commits);
//! assert!(section.starts_with("## 1.4.0 - 2026-03-01\n\n### Features\n\n- **api**: add search (2a5d3f1)\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

pub mod bump;
pub mod changelog;
mod commit;
pub mod compare;
mod conventional;
pub mod freeze;
mod revert;

pub use bump::{Bump, Next};
pub use commit::Commit;
pub use conventional::{Change, Kind};
