//! Identifiers: a short prefix and a time-ordered part, the same in the log, the API and on the page.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The digits of Crockford's base 32, in lower case; no `i`, `l`, `o`, `u`.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters after the prefix: 48 bits of milliseconds and 80 bits of chance.
const LENGTH: usize = 26;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an identifier of the form `{prefix}_` and {LENGTH} characters")]
pub struct ParseIdError {
    prefix: &'static str,
    text: String,
}

fn encode(bits: u128) -> String {
    (0..LENGTH)
        .rev()
        .map(|place| {
            let digit = (bits >> (place * 5)) & 31;
            char::from(DIGITS[usize::try_from(digit).unwrap_or_default()])
        })
        .collect()
}

fn check(prefix: &'static str, text: &str) -> Result<(), ParseIdError> {
    let body = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'));
    match body {
        Some(body) if body.len() == LENGTH && body.bytes().all(|byte| DIGITS.contains(&byte)) => {
            Ok(())
        }
        _ => Err(ParseIdError {
            prefix,
            text: text.to_owned(),
        }),
    }
}

/// FNV-1a over 128 bits: stable across builds and machines, which `std`'s hasher does not promise.
fn hash(parts: &[&str]) -> u128 {
    let mut sum: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            sum ^= u128::from(byte);
            sum = sum.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    sum
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The prefix with which it is written.
            pub const PREFIX: &'static str = $prefix;

            /// Builds one from milliseconds since 1970 and chance, both from outside.
            pub fn from_parts(milliseconds: u64, chance: u128) -> Self {
                let bits = (u128::from(milliseconds) << 80) | (chance & ((1 << 80) - 1));
                Self(format!(concat!($prefix, "_{}"), encode(bits)))
            }

            /// Builds the one that always belongs to these names: the same names, the same id.
            /// This is how an effect that is repeated after a crash finds what it made before.
            pub fn derived(parts: &[&str]) -> Self {
                Self(format!(concat!($prefix, "_{}"), encode(hash(parts) & ((1 << 125) - 1))))
            }

            /// The text as it is stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                check($prefix, text).map(|()| Self(text.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// One execution of a plan.
    RunId, "run"
);
id!(
    /// One attempt to make a release current at an environment.
    DeploymentId, "dep"
);
id!(
    /// An immutable, versioned bundle.
    ReleaseId, "rel"
);
id!(
    /// One question that a person answers.
    GateId, "gate"
);
id!(
    /// One message to the outside; also its idempotency key.
    NotificationId, "note"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_round() {
        let id = RunId::from_parts(1_700_000_000_000, 42);
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id.clone()));
        assert!(id.as_str().starts_with("run_"));
        assert!(id.as_str().parse::<DeploymentId>().is_err());
        assert!("run_UPPER".parse::<RunId>().is_err());
    }

    #[test]
    fn later_sorts_after() {
        assert!(RunId::from_parts(1, u128::MAX) < RunId::from_parts(2, 0));
    }

    #[test]
    fn the_same_names_give_the_same_id() {
        assert_eq!(
            DeploymentId::derived(&["a", "b"]),
            DeploymentId::derived(&["a", "b"])
        );
        assert_ne!(
            DeploymentId::derived(&["a", "b"]),
            DeploymentId::derived(&["ab", ""])
        );
    }
}
