//! The forms in which a secret may show up in a log: as it is, line by line, and as the usual tools
//! encode it.

use std::collections::BTreeSet;

/// Shorter ones are masked as they are only: their encodings are so short that they would hit by
/// chance.
const ENCODED_FROM: usize = 4;
/// Shorter lines of a longer secret (`{`, `-`) would hit everywhere.
const LINE_FROM: usize = 4;
/// Where `base64` and `openssl` break their lines.
const WIDTHS: [usize; 2] = [76, 64];
/// Shorter pieces of a broken text would hit by chance.
const PIECE_FROM: usize = 12;
/// Longer texts of one line are tokens that nobody breaks into lines, and have too many pieces; and no text
/// of many lines is broken that is longer than this.
const BROKEN_TO: usize = 384;
const LINES_BROKEN_TO: usize = 4096;

/// The digits of base 64.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// All forms of one secret; none of an empty one.
pub(super) fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    add(&mut found, secret);
    let trimmed = secret.trim();
    if trimmed.len() >= LINE_FROM {
        add(&mut found, trimmed);
        for line in trimmed.lines().map(str::trim) {
            if line.len() >= LINE_FROM {
                add(&mut found, line);
            }
        }
    }
    found.remove(&Vec::new());
    found
}

fn add(found: &mut BTreeSet<Vec<u8>>, text: &str) {
    found.insert(text.as_bytes().to_vec());
    if text.len() < ENCODED_FROM {
        return;
    }
    for offset in 0..3 {
        let core = base64_core(text.as_bytes(), offset);
        let url: Vec<u8> = core.iter().copied().map(url_digit).collect();
        found.insert(url);
        found.extend(pieces(&core, text, offset));
        found.insert(with_end(core.clone(), text.as_bytes(), offset));
        found.insert(core);
    }
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        found.insert(hex(text, digits));
        found.insert(percent(text, digits, b"%20"));
        found.insert(percent(text, digits, b"+"));
    }
    let json = serde_json::Value::from(text).to_string();
    found.insert(json.as_bytes()[1..json.len() - 1].to_vec());
    for other in [
        text.replace('"', "\\\""),
        text.replace('\'', "''"),
        xml(text, ["&quot;", "&apos;"]),
        xml(text, ["&quot;", "&#x27;"]),
        xml(text, ["&#34;", "&#39;"]),
        xml(text, ["\"", "'"]),
        text.trim_matches('"').to_owned(),
        // As bash quotes it when it shows commands (`set -x`, `%q`), and as it must be written there.
        text.replace('\'', r"'\''"),
        behind_backslashes(text, " \t!\"#$&'()*,;<>?[\\]^`{|}~"),
        behind_backslashes(text, " \t!\"$&'()*,;<>?[\\]^`{|}"),
        behind_backslashes(text, "\"$\\`"),
    ] {
        if other.len() >= ENCODED_FROM {
            found.insert(other.into_bytes());
        }
    }
    found.extend(powershell(text).map(str::as_bytes).map(<[u8]>::to_vec));
}

/// As a text of XML, with one of the ways in which tools write both kinds of quotes.
fn xml(text: &str, [double, single]: [&str; 2]) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', double)
        .replace('\'', single)
}

/// With a backslash before each of these.
fn behind_backslashes(text: &str, special: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if special.contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// The parts into which the digits of a text come apart when they are broken into lines, with as many bytes
/// before it as there may be on its first line.
fn pieces(core: &[u8], text: &str, offset: usize) -> Vec<Vec<u8>> {
    let longest = if text.contains('\n') {
        LINES_BROKEN_TO
    } else {
        BROKEN_TO
    };
    if text.len() > longest {
        return Vec::new();
    }
    let first = (offset * 8).div_ceil(6);
    let mut found = Vec::new();
    for width in WIDTHS {
        for before in (first..width).step_by(4) {
            let (head, rest) = core.split_at(core.len().min(width - before));
            if rest.is_empty() {
                continue;
            }
            let parts = std::iter::once(head).chain(rest.chunks(width));
            found.extend(
                parts
                    .filter(|part| part.len() >= PIECE_FROM)
                    .map(<[u8]>::to_vec),
            );
        }
    }
    found
}

/// PowerShell colours the letter after the last `&` of what it could not execute, or the one after the
/// first `&+`, so that the parts are printed one by one. Short parts would hit by chance.
fn powershell(text: &str) -> impl Iterator<Item = &str> {
    let parts = match (text.find("&+"), text.rfind('&')) {
        (Some(place), _) => {
            let (before, after) = text.split_at(place + 2);
            let mut letters = after.chars();
            letters.next();
            [before, letters.as_str()]
        }
        (None, Some(place)) => text.split_at(place + 1).into(),
        (None, None) => ["", ""],
    };
    parts.into_iter().filter(|part| part.len() >= 6)
}

fn hex(text: &str, digits: &[u8; 16]) -> Vec<u8> {
    text.bytes()
        .flat_map(|byte| {
            [
                digits[usize::from(byte >> 4)],
                digits[usize::from(byte & 15)],
            ]
        })
        .collect()
}

fn percent(text: &str, digits: &[u8; 16], space: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            b' ' => out.extend_from_slice(space),
            _ => {
                out.push(b'%');
                out.push(digits[usize::from(byte >> 4)]);
                out.push(digits[usize::from(byte & 15)]);
            }
        }
    }
    out
}

/// The digits of base 64 that the secret alone determines when `offset` bytes (modulo 3) are before
/// it; what stands beside it has its say in the digits at both ends.
fn base64_core(secret: &[u8], offset: usize) -> Vec<u8> {
    let bit = |index: usize| {
        let index = index - offset * 8;
        (secret[index / 8] >> (7 - index % 8)) & 1
    };
    let first = (offset * 8).div_ceil(6);
    let end = (offset + secret.len()) * 8 / 6;
    (first..end)
        .map(|digit| {
            let value = (digit * 6..digit * 6 + 6).fold(0, |sum, index| (sum << 1) | bit(index));
            DIGITS[usize::from(value)]
        })
        .collect()
}

/// The same when nothing follows the secret: with the last digit and what fills it up.
fn with_end(mut core: Vec<u8>, secret: &[u8], offset: usize) -> Vec<u8> {
    let length = offset + secret.len();
    let last = secret.last().copied().unwrap_or_default();
    match length % 3 {
        1 => {
            core.push(DIGITS[usize::from((last & 3) << 4)]);
            core.extend_from_slice(b"==");
        }
        2 => {
            core.push(DIGITS[usize::from((last & 15) << 2)]);
            core.push(b'=');
        }
        _ => {}
    }
    core
}

const fn url_digit(digit: u8) -> u8 {
    match digit {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(secret: &str, form: &str) {
        let found = forms(secret);
        assert!(
            found
                .iter()
                .any(|known| form.contains(&*String::from_utf8_lossy(known))),
            "no form of `{secret}` is in `{form}`"
        );
    }

    #[test]
    fn encodings_as_other_tools_print_them() {
        // printf 'hunter2' | base64, and with one and two bytes before it.
        has("hunter2", "aHVudGVyMg==");
        has("hunter2", "eGh1bnRlcjI=");
        has("hunter2", "eHhodW50ZXIyeA==");
        let found = forms("hunter2");
        for whole in [&b"aHVudGVyMg=="[..], b"h1bnRlcjI=", b"odW50ZXIy"] {
            assert!(found.contains(whole));
        }
        has("hunter2", "68756e74657232");
        has("hunter2", "68756E74657232");
        has("a b&c/d", "a%20b%26c%2Fd");
        has("a b&c/d", "a+b%26c%2fd");
        has("say \"hi\"\n", r#"say \"hi\"\n"#);
        has("a\"b'c<d", "a\\\"b'c<d");
        has("a\"b'c<d", "a\"b''c<d");
        has("a\"b'c<d", "a&quot;b&apos;c&lt;d");
        has("\"quoted\"", "quoted");
        for part in [&b"secret1&secret2&"[..], b"secret3"] {
            assert!(forms("secret1&secret2&secret3").contains(part));
        }
        for part in [&b"secret1&+"[..], b"ecret2&secret3"] {
            assert!(forms("secret1&+secret2&secret3").contains(part));
        }
        // Base 64 for addresses.
        has("\u{7ff}\u{7ff}???>>>", "37_fvz8_Pz4-Pg");
    }

    #[test]
    fn as_shells_and_pages_quote_it() {
        has("it's-a-Secret", r"'it'\''s-a-Secret'");
        has("it's-a-Secret", r"it\'s-a-Secret");
        has("it's-a-Secret", "it&#x27;s-a-Secret");
        has("it's-a-Secret", "it&#39;s-a-Secret");
        has("pa$$word \"x", r#"pa\$\$word\ \"x"#);
        has("pass&word-S", r"pass\&word-S");
        has("a<b'c", "a&lt;b'c");
    }

    #[test]
    fn lines_of_base64_may_break_it_anywhere() {
        let token = "ghp_aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzA1bC2dE3fH4iJ5kM6nO7pR8sT9uV0wX1yZ2";
        let finder = aho_corasick::AhoCorasick::new(forms(token)).unwrap();
        for (before, width) in (0..160).flat_map(|before| WIDTHS.map(|width| (before, width))) {
            let text = format!("{}{token}{}", "u".repeat(before), "x".repeat(before % 7));
            let digits = with_end(base64_core(text.as_bytes(), 0), text.as_bytes(), 0);
            let wrapped = digits.chunks(width).collect::<Vec<_>>().join(&b'\n');
            let mut seen = wrapped.clone();
            for found in finder.find_overlapping_iter(&wrapped) {
                seen[found.range()].fill(b'*');
            }
            seen.retain(|byte| *byte != b'\n');
            let of_token = before * 8 / 6..((before + token.len()) * 8).div_ceil(6);
            let left = seen[of_token].split(|byte| *byte == b'*');
            let longest = left.map(<[u8]>::len).max().unwrap_or_default();
            // Pieces at a border that are too short to be of use, and a digit that has a neighbour's bits.
            let shown = String::from_utf8_lossy(&seen);
            assert!(
                longest < PIECE_FROM,
                "{before} before, {width} wide: `{shown}`"
            );
        }
    }

    #[test]
    fn a_secret_of_many_lines_is_known_by_each_that_is_long_enough() {
        let found = forms("{\n  \"key\": 1\n}\n");
        assert!(found.contains(b"\"key\": 1".as_slice()));
        assert!(!found.contains(b"{".as_slice()));
    }

    #[test]
    fn short_ones_are_masked_as_they_are_and_empty_ones_not_at_all() {
        assert_eq!(forms("ab"), BTreeSet::from([b"ab".to_vec()]));
        assert!(forms("").is_empty());
    }

    #[test]
    fn long_ones_are_known_in_the_lines_that_base64_breaks_them_into() {
        let secret = "x".repeat(100);
        let found = forms(&secret);
        assert!(found.contains(&b"eHh4".repeat(19)));
        assert!(found.contains(&b"eHh4".repeat(16)));
    }
}
