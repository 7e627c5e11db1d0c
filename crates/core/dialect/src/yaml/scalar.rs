//! The core schema of YAML 1.2: which plain scalars are nothing, truth values or numbers.

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number; integers above 2⁵³ lose digits, as they do for the official runner.
    Number(f64),
    /// Everything else.
    Text,
}

/// What a plain scalar is.
pub(super) fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ => number(text).map_or(Kind::Text, Kind::Number),
    }
}

fn number(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if rest.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    is_decimal(rest).then(|| rest.parse::<f64>().ok().map(|value| sign * value))?
}

/// `[0-9]* (. [0-9]*)? ([eE] [-+]? [0-9]+)?` with at least one digit before the exponent.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_holds = exponent.is_none_or(|exponent| {
        let part = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !part.is_empty() && digits(part)
    });
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && exponent_holds
}

fn radix(digits: &str, base: u32) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0.0, |sum: f64, digit| {
        digit
            .to_digit(base)
            .map(|digit| sum.mul_add(f64::from(base), f64::from(digit)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_tells_kinds_apart() {
        for (text, kind) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("true", Kind::Bool(true)),
            ("FALSE", Kind::Bool(false)),
            ("tRue", Kind::Text),
            ("yes", Kind::Text),
            ("on", Kind::Text),
            ("12", Kind::Number(12.0)),
            ("-1.5", Kind::Number(-1.5)),
            ("+.5", Kind::Number(0.5)),
            ("1.", Kind::Number(1.0)),
            ("1e3", Kind::Number(1000.0)),
            ("0x1F", Kind::Number(31.0)),
            ("0o17", Kind::Number(15.0)),
            ("12_345", Kind::Text),
            ("0x", Kind::Text),
            (".", Kind::Text),
            ("e5", Kind::Text),
            ("1e", Kind::Text),
            ("-.inf", Kind::Number(f64::NEG_INFINITY)),
            ("inf", Kind::Text),
            ("nan", Kind::Text),
            ("-.nan", Kind::Text),
            ("1.2.3", Kind::Text),
            ("12:30:45", Kind::Text),
        ] {
            assert_eq!(resolve(text), kind, "{text}");
        }
        assert!(matches!(resolve(".nan"), Kind::Number(value) if value.is_nan()));
    }
}
