//! Numbers as text, both ways: what counts as a number, and how one is printed.

/// Reads a number as the language coerces strings: surrounding blanks are ignored, nothing is zero,
/// `0x` and `0o` are 32-bit integers, and what is not a number is NaN.
pub(crate) fn parse(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return integer(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return integer(digits, 8);
    }
    match text {
        "Infinity" | "+Infinity" => return f64::INFINITY,
        "-Infinity" => return f64::NEG_INFINITY,
        _ => {}
    }
    // Rust also reads `inf` and `nan`; the language does not.
    let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    if text.bytes().all(plain) {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

/// Wraps around into the sign bit (`0xffffffff` is -1), as the original's 32-bit integers do.
fn integer(digits: &str, radix: u32) -> f64 {
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return f64::NAN;
    }
    u32::from_str_radix(digits, radix).map_or(f64::NAN, |bits| f64::from(bits.cast_signed()))
}

/// Prints a number with at most 15 significant digits, in scientific notation outside of
/// 1e-4 ≤ x < 1e15 (the format `G15` of .NET).
pub(crate) fn print(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:.14e}", number.abs());
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let sign = if number < 0.0 { "-" } else { "" };
    format!("{sign}{}", place_point(digits, exponent))
}

fn place_point(digits: &str, exponent: i32) -> String {
    if !(-4..15).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{first}{point}{rest}E{sign}{:02}", exponent.abs());
    }
    match usize::try_from(exponent) {
        Err(_) => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
            format!("0.{}{digits}", "0".repeat(zeros))
        }
        Ok(whole) if digits.len() <= whole + 1 => {
            format!("{digits}{}", "0".repeat(whole + 1 - digits.len()))
        }
        Ok(whole) => {
            let (before, after) = digits.split_at(whole + 1);
            format!("{before}.{after}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_like_g15() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (120.0, "120"),
            (123_456.789, "123456.789"),
            (0.845_512_408_225_570_1, "0.84551240822557"),
            (0.1 + 0.2, "0.3"),
            (0.000_1, "0.0001"),
            (0.000_01, "1E-05"),
            (0.000_001, "1E-06"),
            (1.5e-7, "1.5E-07"),
            (999_999_999_999_999.0, "999999999999999"),
            (1e15, "1E+15"),
            (123_456_789_012_345_680.0, "1.23456789012346E+17"),
            (1e100, "1E+100"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ];
        for (number, text) in cases {
            assert_eq!(print(number), text);
        }
    }

    #[test]
    fn reads_what_the_language_calls_a_number() {
        let cases = [
            ("", 0.0),
            (" \t", 0.0),
            (" 1 ", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1.2e+2", 120.0),
            ("0xff", 255.0),
            ("0xffffffff", -1.0),
            ("0o17", 15.0),
            ("-Infinity", f64::NEG_INFINITY),
        ];
        for (text, number) in cases {
            assert_eq!(parse(text).to_bits(), number.to_bits(), "{text}");
        }
        for text in [
            "inf",
            "nan",
            "NaN",
            "1_000",
            "0x",
            "0x1ffffffff",
            "0o8",
            "-0x1",
            "1e",
            "1,5",
            ".",
        ] {
            assert!(parse(text).is_nan(), "{text}");
        }
    }
}
