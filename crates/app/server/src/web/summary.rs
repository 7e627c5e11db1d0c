//! What a step says at length, in Markdown as GitHub has it. Images become links to them, so that a page
//! loads nothing from elsewhere; of HTML only what lays text out is taken: see [`html`].

mod html;

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use html::Writer;

/// Bytes of a summary that are shown.
const LONGEST: usize = 128 * 1024;

/// A summary as a part of a page.
pub(super) fn shown(text: &str) -> Markup {
    let end = text.floor_char_boundary(LONGEST);
    html! {
        div.markdown { (PreEscaped(rendered(&text[..end]))) }
        @if end < text.len() {
            p.facts { (text.len() - end) " bytes more are not shown here; `cutover runs --json` has them" }
        }
    }
}

fn rendered(text: &str) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut reader = Reader::default();
    let mut events = Vec::new();
    for event in Parser::new_ext(text, options) {
        reader.read(event, &mut events);
    }
    reader.ours(&mut events, Writer::finish);
    let mut out = String::with_capacity(text.len() * 2);
    pulldown_cmark::html::push_html(&mut out, events.into_iter());
    out
}

/// Goes through a text, and lets through what may be on a page of ours.
#[derive(Default)]
struct Reader {
    writer: Writer,
    /// HTML that is not read to its end yet: a tag may have several lines.
    block: Option<String>,
    /// The links and images that are open, and whether each is a link here.
    links: Vec<bool>,
    /// How the columns of the table are set, and in which of them we are.
    columns: Vec<Alignment>,
    column: usize,
    in_head: bool,
}

impl Reader {
    fn read<'a>(&mut self, event: Event<'a>, out: &mut Vec<Event<'a>>) {
        match event {
            Event::Start(tag) => self.begin(tag, out),
            Event::End(tag) => self.end(tag, out),
            Event::Html(text) | Event::InlineHtml(text) => match &mut self.block {
                Some(block) => block.push_str(&text),
                None => self.ours(out, |writer| writer.read(&text)),
            },
            Event::Text(_) | Event::Code(_) if self.writer.is_unseen() => {}
            other => out.push(other),
        }
    }

    fn begin<'a>(&mut self, tag: Tag<'a>, out: &mut Vec<Event<'a>>) {
        match tag {
            Tag::HtmlBlock => self.block = Some(String::new()),
            Tag::Link { dest_url, .. } => self.link(&dest_url, false, out),
            Tag::Image { dest_url, .. } => self.link(&dest_url, true, out),
            Tag::Heading { level, .. } => {
                self.writer.mark();
                out.push(Event::Start(Tag::Heading {
                    level: below_ours(level),
                    id: None,
                    classes: Vec::new(),
                    attrs: Vec::new(),
                }));
            }
            Tag::Table(columns) => {
                self.writer.mark();
                // Its own way to set a column is a style, and styles are refused.
                out.push(Event::Start(Tag::Table(vec![
                    Alignment::None;
                    columns.len()
                ])));
                self.columns = columns;
            }
            Tag::TableCell => {
                let word = if self.in_head { "th" } else { "td" };
                let class = match self.columns.get(self.column) {
                    Some(Alignment::Right) => " class=\"right\"",
                    Some(Alignment::Center) => " class=\"center\"",
                    Some(Alignment::Left | Alignment::None) | None => "",
                };
                self.column += 1;
                self.writer.mark();
                out.push(written(format!("<{word}{class}>")));
            }
            Tag::TableHead | Tag::TableRow => {
                (self.column, self.in_head) = (0, matches!(tag, Tag::TableHead));
                self.writer.mark();
                out.push(Event::Start(tag));
            }
            other => {
                self.writer.mark();
                out.push(Event::Start(other));
            }
        }
    }

    fn end(&mut self, tag: TagEnd, out: &mut Vec<Event<'_>>) {
        match tag {
            TagEnd::HtmlBlock => {
                let block = self.block.take().unwrap_or_default();
                self.ours(out, |writer| writer.read(&block));
            }
            TagEnd::Link | TagEnd::Image => {
                self.ours(out, Writer::unmark);
                if self.links.pop() == Some(true) {
                    out.push(written("</a>".to_owned()));
                }
            }
            TagEnd::TableCell => {
                self.ours(out, Writer::unmark);
                let end = if self.in_head { "</th>" } else { "</td>" };
                out.push(written(end.to_owned()));
            }
            TagEnd::Heading(level) => {
                self.ours(out, Writer::unmark);
                out.push(Event::End(TagEnd::Heading(below_ours(level))));
            }
            other => {
                self.ours(out, Writer::unmark);
                out.push(Event::End(other));
            }
        }
    }

    /// A link in a link is none; neither is an image in one, which is its text then.
    fn link(&mut self, address: &str, is_image: bool, out: &mut Vec<Event<'_>>) {
        let is_link =
            html::is_address(address) && !self.links.contains(&true) && !self.writer.is_in("a");
        self.links.push(is_link);
        if is_link {
            out.push(written(html::link(address)));
        }
        if is_image {
            out.push(Event::Text(CowStr::Borrowed("image: ")));
        }
        self.writer.mark();
    }

    fn ours(&mut self, out: &mut Vec<Event<'_>>, write: impl FnOnce(&mut Writer) -> String) {
        let text = write(&mut self.writer);
        if !text.is_empty() {
            out.push(written(text));
        }
    }
}

fn written<'a>(text: String) -> Event<'a> {
    Event::Html(CowStr::Boxed(text.into_boxed_str()))
}

/// The page has headings of its own above those of a summary.
const fn below_ours(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests;
