//! `Range` and `Content-Range`: which part of a blob is asked for, or brought.

use std::ops::Range;

use http::HeaderMap;

/// What part of `length` bytes a request asks for. `Ok(None)` is all of it; `Err` when there is no such part.
/// Several ranges at once are answered with all, as the standard allows.
pub(crate) fn asked(headers: &HeaderMap, length: u64) -> Result<Option<Range<u64>>, ()> {
    // Azure's own header comes first.
    let value = headers.get("x-ms-range").or_else(|| headers.get("range"));
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let Some(wanted) = value.trim().strip_prefix("bytes=") else {
        return Ok(None);
    };
    let Some((first, last)) = wanted.split_once('-') else {
        return Ok(None);
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Ok(None),
    };
    if range.is_empty() {
        Err(())
    } else {
        Ok(Some(range))
    }
}

/// `bytes 0-199/*`, as the first cache protocol sends it: from the first byte to the one after the last.
pub(crate) fn parse_content_range(headers: &HeaderMap) -> Option<Range<u64>> {
    let value = headers.get("content-range")?.to_str().ok()?;
    let (range, _) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then(|| first..last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(range: &str) -> Result<Option<Range<u64>>, ()> {
        let mut headers = HeaderMap::new();
        headers.insert("range", range.parse().unwrap());
        asked(&headers, 10)
    }

    #[test]
    fn parts_are_those_of_the_standard() {
        assert_eq!(ask("bytes=0-3"), Ok(Some(0..4)));
        assert_eq!(ask("bytes=4-"), Ok(Some(4..10)));
        assert_eq!(ask("bytes=-3"), Ok(Some(7..10)));
        assert_eq!(ask("bytes=8-99"), Ok(Some(8..10)));
        assert_eq!(ask("bytes=10-12"), Err(()));
        assert_eq!(ask("bytes=3-1"), Ok(None));
        assert_eq!(ask("bytes=0-1,4-5"), Ok(None));
        assert_eq!(ask("lines=0-1"), Ok(None));
        assert_eq!(asked(&HeaderMap::new(), 10), Ok(None));
    }

    #[test]
    fn a_content_range_counts_its_last_byte() {
        let mut headers = HeaderMap::new();
        headers.insert("content-range", "bytes 0-199/*".parse().unwrap());
        assert_eq!(parse_content_range(&headers), Some(0..200));
        headers.insert("content-range", "bytes 9-3/*".parse().unwrap());
        assert_eq!(parse_content_range(&headers), None);
    }
}
