//! One binary for all tests of this crate that need more than its code.

#[cfg(test)]
mod docker;
#[cfg(test)]
mod process;
#[cfg(test)]
mod support;
