//! Reading the cookies of a request.

use http::{HeaderMap, HeaderValue, header};

/// Values of all cookies with this name, in the order in which they were sent.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line: &HeaderValue| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(move |pair| {
            let (found, value) = pair.split_once('=')?;
            (found.trim() == name).then(|| value.trim().trim_matches('"'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let lines = ["a=1; bb=2;b=3", "b=\"4\"; c"];
        let lines = lines.map(|line| (header::COOKIE, HeaderValue::from_static(line)));
        let headers: HeaderMap = lines.into_iter().collect();
        assert_eq!(values(&headers, "b").collect::<Vec<_>>(), ["3", "4"]);
        assert_eq!(values(&headers, "c").count(), 0);
    }
}
