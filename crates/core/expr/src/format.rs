//! `format('{0} {{1}}', …)`.

use crate::{error::EvalError, memory::Text};

/// Fills the placeholders; `argument` gives the text and kind of the n-th argument if there is one.
pub(crate) fn fill(
    format: &str,
    out: &mut Text<'_>,
    argument: &dyn Fn(usize) -> Option<(String, &'static str)>,
) -> Result<(), EvalError> {
    let invalid = || EvalError::InvalidFormat {
        format: format.to_owned(),
    };
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        out.push(before)?;
        if let Some(behind) = brace.strip_prefix("{{") {
            out.push("{")?;
            rest = behind;
        } else if let Some(behind) = brace.strip_prefix("}}") {
            out.push("}")?;
            rest = behind;
        } else {
            let (placeholder, behind) = Placeholder::read(brace).ok_or_else(invalid)?;
            let Some((text, kind)) = argument(placeholder.argument) else {
                return Err(EvalError::MissingFormatArgument {
                    format: format.to_owned(),
                });
            };
            if !placeholder.specifiers.is_empty() {
                return Err(EvalError::InvalidFormatSpecifiers {
                    specifiers: placeholder.specifiers,
                    kind,
                });
            }
            out.push(&text)?;
            rest = behind;
        }
    }
    out.push(rest)
}

/// `{n}` or `{n:specifiers}`.
struct Placeholder {
    argument: usize,
    specifiers: String,
}

impl Placeholder {
    /// Reads one, and what is behind it.
    fn read(text: &str) -> Option<(Self, &str)> {
        let text = text.strip_prefix('{')?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = text.split_at(digits);
        // The original reads one byte here: `{256}` is not a placeholder.
        let argument = usize::from(number.parse::<u8>().ok()?);
        if let Some(behind) = behind.strip_prefix('}') {
            let specifiers = String::new();
            return Some((
                Self {
                    argument,
                    specifiers,
                },
                behind,
            ));
        }
        let (specifiers, behind) = specifiers(behind.strip_prefix(':')?)?;
        Some((
            Self {
                argument,
                specifiers,
            },
            behind,
        ))
    }
}

/// Up to the closing brace; a doubled one is a single one in the specifiers.
fn specifiers(text: &str) -> Option<(String, &str)> {
    let mut specifiers = String::new();
    let mut rest = text;
    loop {
        let at = rest.find('}')?;
        let (before, brace) = rest.split_at(at);
        specifiers.push_str(before);
        match brace.strip_prefix("}}") {
            Some(behind) => {
                specifiers.push('}');
                rest = behind;
            }
            None => return Some((specifiers, brace.strip_prefix('}')?)),
        }
    }
}
