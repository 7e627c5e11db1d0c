//! Secrets become `***`, wherever the borders between two reads may fall.

mod forms;
mod masker;

pub(crate) use self::masker::Masker;
