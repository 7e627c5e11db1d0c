//! Paths as an upstream may read them: decoded once, without empty and dotted segments.
//!
//! What is sent on is what the client sent. Only who looks at a path to decide something must see
//! all that it may mean: `//admin`, `/x/../admin` and `/%61dmin` are `/admin` to many servers.

/// What a path means to a server that cleans it up. `None` when there is nothing to clean.
pub(crate) fn cleaned(path: &str) -> Option<Vec<u8>> {
    let bytes = path.as_bytes();
    let dotted = |rest: &[u8]| matches!(rest, [b'/', b'/' | b'.' | b'\\', ..]);
    let unusual = bytes.iter().any(|byte| matches!(byte, b'%' | b'\\'))
        || (0..bytes.len()).any(|at| dotted(&bytes[at..]));
    if !unusual {
        return None;
    }
    let cleaned = without_dots(&decoded(path));
    (cleaned != bytes).then_some(cleaned)
}

/// Percent-decoded once; what is no escape stays as it is.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut rest = bytes.clone();
        let escape = rest.next().and_then(hex).zip(rest.next().and_then(hex));
        match escape {
            Some((high, low)) if byte == b'%' => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(byte));
                bytes = rest;
            }
            _ => out.push(byte),
        }
    }
    out
}

/// Without `//`, `/./` and `/../`; some servers take `\` for `/`.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
    let mut open = false;
    for segment in segments {
        open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if open || out.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_may_read_alike_is_alike() {
        for (path, clean) in [
            ("//admin", "/admin"),
            ("/./admin", "/admin"),
            ("/%61dmin", "/admin"),
            ("/%2fadmin", "/admin"),
            ("/x/../admin", "/admin"),
            ("/x/%2e%2e/admin", "/admin"),
            ("/..//../admin/", "/admin/"),
            ("/\\admin", "/admin"),
            ("/admin/.", "/admin/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            // Once: what a server decodes twice is its own affair.
            ("/%2561dmin", "/%61dmin"),
            ("/100%", "/100%"),
        ] {
            let cleaned = cleaned(path).unwrap_or_else(|| path.as_bytes().to_vec());
            assert_eq!(String::from_utf8_lossy(&cleaned), clean, "{path}");
        }
    }

    #[test]
    fn what_is_plain_costs_nothing() {
        for path in ["/", "/a", "/a/b/", "/a.b/c..d/e", "*", "/a%zz"] {
            assert_eq!(cleaned(path), None, "{path}");
        }
    }
}
