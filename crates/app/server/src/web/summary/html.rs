//! HTML in a summary. Nothing of it is handed on: tags that are known are written anew, with attributes
//! that are known, and are closed where they were opened; all else is left out, or is text.

/// What may stand there, and is closed again.
const KNOWN: [&str; 52] = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "caption",
    "code",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "picture",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "cite",
    "center",
];

/// What has no text for people in it.
const UNSEEN: [&str; 2] = ["script", "style"];

/// Elements within each other; browsers do not like more, and nobody reads them.
const DEEPEST: usize = 64;

/// Writes the tags of a text, and knows which of them are open.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// What is open; `None` where something began that only its own end may close.
    open: Vec<Option<&'static str>>,
    /// What is open and has no text for people in it.
    unseen: Option<&'static str>,
}

/// A tag as it was written.
struct Written<'a> {
    name: String,
    attributes: Vec<(String, &'a str)>,
    ends: bool,
}

impl Writer {
    /// Something begins that closes what is opened in it.
    pub(super) fn mark(&mut self) {
        self.open.push(None);
    }

    /// It ends.
    pub(super) fn unmark(&mut self) -> String {
        let mut out = String::new();
        self.unseen = None;
        while let Some(Some(name)) = self.open.pop() {
            out.push_str(&closing(name));
        }
        out
    }

    /// The text ends.
    pub(super) fn finish(&mut self) -> String {
        let mut out = String::new();
        while !self.open.is_empty() {
            out.push_str(&self.unmark());
        }
        out
    }

    pub(super) fn is_in(&self, name: &str) -> bool {
        self.open.contains(&Some(name))
    }

    /// Whether what comes now is no text for people.
    pub(super) const fn is_unseen(&self) -> bool {
        self.unseen.is_some()
    }

    /// Some HTML, as it may stand on a page.
    pub(super) fn read(&mut self, mut text: &str) -> String {
        let mut out = String::new();
        if let Some(name) = self.unseen {
            text = self.skip(text, name);
        }
        while let Some((before, rest)) = text.split_once('<') {
            push_text(&mut out, before);
            if let Some(comment) = rest.strip_prefix("!--") {
                text = comment.split_once("-->").map_or("", |(_, rest)| rest);
                continue;
            }
            let Some((tag, rest)) = tag(rest) else {
                out.push_str("&lt;");
                text = rest;
                continue;
            };
            text = rest;
            if let (Some(name), false) = (UNSEEN.iter().find(|name| **name == tag.name), tag.ends) {
                text = self.skip(text, name);
            } else {
                self.write(&tag, &mut out);
            }
        }
        push_text(&mut out, text);
        out
    }

    fn skip<'a>(&mut self, text: &'a str, name: &'static str) -> &'a str {
        let rest = behind(text, name);
        self.unseen = rest.is_none().then_some(name);
        rest.unwrap_or_default()
    }

    fn write(&mut self, tag: &Written<'_>, out: &mut String) {
        let said = |name: &str| {
            let found = tag.attributes.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| decoded(value))
        };
        match tag.name.as_str() {
            "br" => return out.push_str("<br>"),
            "hr" => return out.push_str("<hr>"),
            "img" => {
                let alt = said("alt").filter(|alt| !alt.is_empty());
                let alt = format!("image: {}", alt.as_deref().unwrap_or("without a name"));
                let source = said("src").filter(|source| is_address(source));
                let begin = source.filter(|_| !self.is_in("a"));
                let begin = begin.map(|source| link(&source));
                let end = if begin.is_some() { "</a>" } else { "" };
                return out.extend([begin.as_deref().unwrap_or_default(), &escaped(&alt), end]);
            }
            _ => {}
        }
        let Some(name) = KNOWN.iter().find(|name| **name == tag.name) else {
            return;
        };
        if tag.ends {
            return self.close(name, out);
        }
        let depth = self.open.len();
        let is_nested_link = *name == "a" && self.is_in("a");
        if depth >= DEEPEST || is_nested_link {
            return;
        }
        let number = |key: &str| {
            let number = said(key).and_then(|value| value.trim().parse::<u16>().ok());
            let number = number.filter(|number| (1..=1_000).contains(number));
            number.map_or_else(String::new, |number| format!(" {key}=\"{number}\""))
        };
        let text = match *name {
            "a" => match said("href").filter(|address| is_address(address)) {
                Some(address) => link(&address),
                None => "<a>".to_owned(),
            },
            "td" | "th" => {
                let side = said("align").map(|side| side.to_ascii_lowercase());
                let class = match side.as_deref() {
                    Some("right") => " class=\"right\"",
                    Some("center") => " class=\"center\"",
                    _ => "",
                };
                format!("<{name}{class}{}{}>", number("colspan"), number("rowspan"))
            }
            "ol" => format!("<ol{}>", number("start")),
            "details" if said("open").is_some() => "<details open>".to_owned(),
            name => format!("<{}>", ours(name)),
        };
        self.open.push(Some(name));
        out.push_str(&text);
    }

    /// What was opened since the last mark is closed, up to the one that is meant.
    fn close(&mut self, name: &str, out: &mut String) {
        let since = self.open.iter().rev().map_while(|open| *open);
        if !since.clone().any(|open| open == name) {
            return;
        }
        while let Some(Some(open)) = self.open.pop() {
            out.push_str(&closing(open));
            if open == name {
                return;
            }
        }
    }
}

/// The page has headings of its own, and no words of yesterday.
const fn ours(name: &str) -> &str {
    match name.as_bytes() {
        b"h1" => "h3",
        b"h2" => "h4",
        b"h3" => "h5",
        b"h4" | b"h5" => "h6",
        b"center" | b"picture" => "div",
        b"strike" => "s",
        b"tt" => "code",
        _ => name,
    }
}

fn closing(name: &str) -> String {
    format!("</{}>", ours(name))
}

/// The beginning of a link that leads away from here.
pub(super) fn link(address: &str) -> String {
    let address = escaped(address);
    format!("<a href=\"{address}\" rel=\"noopener noreferrer nofollow\">")
}

/// Whether a browser only goes there. What is relative is relative to another page.
pub(super) fn is_address(address: &str) -> bool {
    let begins = |scheme: &str| {
        let head = address.get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    };
    ["https://", "http://", "mailto:"].into_iter().any(begins)
}

/// The tag that begins here, without its `<`, and what follows it.
fn tag(text: &str) -> Option<(Written<'_>, &str)> {
    let ends = text.starts_with('/');
    let mut rest = text.strip_prefix('/').unwrap_or(text);
    let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
    if !rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let name = rest[..length].to_ascii_lowercase();
    rest = &rest[length..];
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(rest) = rest.strip_prefix('>') {
            let tag = Written {
                name,
                attributes,
                ends,
            };
            return Some((tag, rest));
        }
        let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/');
        let length = rest.find(is_end)?;
        let key = rest[..length].to_ascii_lowercase();
        rest = rest[length..].trim_start();
        let mut value = "";
        if let Some(given) = rest.strip_prefix('=') {
            (value, rest) = value_of(given.trim_start())?;
        } else if length == 0 {
            return None;
        }
        attributes.push((key, value));
    }
}

fn value_of(text: &str) -> Option<(&str, &str)> {
    for quote in ['"', '\''] {
        if let Some(text) = text.strip_prefix(quote) {
            return text.split_once(quote);
        }
    }
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>')?;
    Some(text.split_at(end))
}

/// The text behind the end of such an element.
fn behind<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("</") {
        let is_end = after.get(..name.len());
        if is_end.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return after.split_once('>').map(|(_, rest)| rest);
        }
        rest = after;
    }
    None
}

/// What stands for characters in an attribute, as far as addresses have it.
fn decoded(value: &str) -> String {
    let pairs = [
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    let mut value = value.to_owned();
    for (from, to) in pairs {
        value = value.replace(from, to);
    }
    value
}

/// Text of HTML: `&lt;` stays what it is.
fn push_text(out: &mut String, text: &str) {
    out.push_str(&text.replace('>', "&gt;"));
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
