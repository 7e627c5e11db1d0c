//! Secrets become `***`, wherever the borders between two reads may fall.

mod forms;
mod masker;
mod patterns;
mod text;

pub(crate) use self::masker::Masker;
pub use self::text::TextMask;
