//! Stories as text: see tests/it.
