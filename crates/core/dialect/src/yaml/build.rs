//! Parser events → nodes, with the budgets that keep hostile files cheap.
//!
//! Faults that leave the tree usable (a key twice, a foreign tag) are collected; a fault of syntax or
//! of budget ends the file.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, btree_map},
    rc::Rc,
};

use cutover_model::Position;
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::{
    Anchor, Document, Entry, Fault, Kind, Layout, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Scalar,
    Value, scalar,
};

/// The tree, if there is one, and what is wrong, each with its place. Keys are held against the rules of
/// our own files: each once, no merge keys.
pub(crate) fn parse(bytes: &[u8]) -> (Option<Node>, Vec<(Position, Fault)>) {
    let document = read(bytes, Keys::Once);
    (document.root, document.faults)
}

/// A file with everything that was written: keys that are there twice and merge keys are entries like
/// others, and an alias inside of what it names is nothing.
pub(crate) fn as_written(bytes: &[u8]) -> Document {
    read(bytes, Keys::AsWritten)
}

fn read(bytes: &[u8], keys: Keys) -> Document {
    if bytes.len() > MAX_BYTES {
        return Document::refused(Fault::TooLarge(bytes.len()));
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return Document::refused(Fault::NotText);
    };
    let mut text = Cow::Borrowed(text);
    let mut moved = BTreeSet::new();
    let mut mended = 0;
    loop {
        let (mut document, mend) = build(&text, keys);
        let Some(mend) = mend.filter(|_| mended < MAX_MENDED) else {
            for (at, _) in &mut document.faults {
                *at = written(*at, &moved);
            }
            return document;
        };
        if mend.blanks == MANY {
            let lines = text.bytes().take(mend.byte).filter(|byte| *byte == b'\n');
            moved.insert(u32::try_from(lines.count() + 1).unwrap_or(u32::MAX));
        }
        text.to_mut().insert_str(mend.byte, mend.blanks);
        mended += 1;
    }
}

/// Where something stood before its line was moved.
fn written(at: Position, moved: &BTreeSet<u32>) -> Position {
    let by = if moved.contains(&at.line) {
        u32::try_from(MANY.len()).unwrap_or_default()
    } else {
        0
    };
    Position::new(at.line, at.column.saturating_sub(by).max(1))
}

/// The file, and blanks with which the parser would go on where it gave up, and the official reader does
/// without them.
fn build(text: &str, keys: Keys) -> (Document, Option<Mend>) {
    let mut builder = Builder::new(text, keys);
    let fatal = builder.run().err();
    let root = if fatal.is_none() {
        builder.root.take()
    } else {
        None
    };
    builder.faults.extend(fatal);
    let document = Document {
        root: root.map(|built| built.node),
        faults: builder.faults,
        anchors: builder.named.into_values().collect(),
    };
    (document, builder.mend)
}

/// Blanks that change nothing but how strict the parser is.
#[derive(Clone, Copy)]
struct Mend {
    byte: usize,
    blanks: &'static str,
}

/// So many mends are made, each for another reading of the file.
const MAX_MENDED: usize = 20;
/// A comment that is glued to the end of a list or mapping in brackets.
const ONE: &str = " ";
/// A line of a text in quotes that stands further to the left than what the text belongs to: blanks at its
/// beginning are not part of the text. Nothing is indented further than this by hand.
const MANY: &str = "                                                                ";

/// What becomes of a key that is there twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Once,
    AsWritten,
}

/// A finished node with what the budgets need to know of it.
#[derive(Clone)]
struct Built {
    node: Node,
    count: usize,
    height: usize,
}

impl Built {
    fn scalar(at: Position, scalar: Scalar) -> Self {
        let value = Rc::new(Value::Scalar(scalar));
        Self {
            node: Node { at, value },
            count: 1,
            height: 1,
        }
    }
}

/// A collection that is not finished.
struct Frame {
    at: Position,
    anchor: usize,
    count: usize,
    height: usize,
    body: Body,
}

enum Body {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        /// The line of each key, to name the first of two.
        seen: BTreeMap<String, u32>,
        /// A key that waits for its value.
        key: Option<Key>,
    },
}

/// A key without its value; the text is `None` when it was refused.
struct Key {
    text: Option<String>,
    node: Node,
}

struct Builder<'text> {
    text: &'text str,
    keys: Keys,
    /// The byte where the token before this one ended.
    behind: usize,
    /// What would have let the reading go on where it ended.
    mend: Option<Mend>,
    /// Byte offsets of the lines, for the layout of literal blocks.
    lines: Vec<usize>,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Built>,
    /// Every anchor by its number, finished or not.
    named: BTreeMap<usize, Anchor>,
    root: Option<Built>,
    documents: usize,
    faults: Vec<(Position, Fault)>,
}

type Fatal = (Position, Fault);

impl<'text> Builder<'text> {
    fn new(text: &'text str, keys: Keys) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            text,
            keys,
            behind: 0,
            mend: None,
            lines: std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            named: BTreeMap::new(),
            root: None,
            documents: 0,
            faults: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Fatal> {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            emit_anchor_events: true,
            // Ours is the limit that people see; these only keep the parser's own memory small.
            flow_nesting_limit: MAX_DEPTH + 2,
            block_nesting_limit: MAX_DEPTH + 2,
        };
        let mut events = Parser::new_from_str_with_options(self.text, options).peekable();
        while let Some(next) = events.next() {
            let (event, span) = next.map_err(|error| self.failed(&error))?;
            // The name of an anchor comes right behind the event of its node.
            let anchor = match events.peek() {
                Some(Ok((Event::Anchor(id, name), span))) => {
                    let at = place(&span.start);
                    let name = name.clone().into_owned();
                    let used = false;
                    self.named.insert(*id, Anchor { name, at, used });
                    Some(at)
                }
                _ => None,
            };
            let end = span.end.byte_offset();
            self.event(event, span, anchor)?;
            self.behind = end.unwrap_or(self.behind);
        }
        Ok(())
    }

    fn failed(&mut self, error: &ScanError) -> Fatal {
        let byte = error.marker().byte_offset();
        let glued = |byte: &usize| {
            let (before, rest) = self.text.split_at_checked(*byte).unwrap_or_default();
            before.ends_with([']', '}']) && rest.starts_with('#')
        };
        let far_left = |byte: &usize| {
            let before = self.text.get(..*byte).unwrap_or_default();
            let line = before.rsplit('\n').next().unwrap_or_default();
            line.len() < MANY.len() && line.bytes().all(|byte| byte == b' ')
        };
        let (byte, blanks) = match error.kind() {
            ErrorKind::CommentNotSeparated => (byte.filter(glued), ONE),
            ErrorKind::InvalidQuotedScalarIndent => (byte.filter(far_left), MANY),
            _ => (None, ONE),
        };
        self.mend = byte.map(|byte| Mend { byte, blanks });
        (place(error.marker()), syntax(error))
    }

    fn event(
        &mut self,
        event: Event<'_>,
        span: Span,
        anchored: Option<Position>,
    ) -> Result<(), Fatal> {
        // A node begins where its first property does.
        let tagged = span.tag_start().map(|tag| place(&tag));
        let at = [anchored, tagged].into_iter().flatten().min();
        let at = at.unwrap_or_else(|| place(&span.start));
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((at, Fault::SecondDocument));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let at = if at == place(&span.start) {
                    self.first(style, span)
                } else {
                    at
                };
                let scalar = self.scalar(&text, style, tag.as_deref(), span, at);
                self.finished(Built::scalar(at, scalar), anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", at);
                self.open(at, anchor, Body::Sequence(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", at);
                let body = Body::Mapping {
                    entries: Vec::new(),
                    seen: BTreeMap::new(),
                    key: None,
                };
                self.open(at, anchor, body)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => self.alias(anchor, at)?,
            Event::UnresolvedAlias(name) => {
                return Err((at, Fault::UnknownAlias(name.into_owned())));
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts in what an anchor names; it keeps its own place.
    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Fatal> {
        let named = self.named.get_mut(&anchor).map(|named| {
            named.used = true;
            (named.name.clone(), named.at)
        });
        // An anchor is known from its beginning on, its value only from its end on.
        if let Some(built) = self.anchors.get(&anchor).cloned() {
            return self.finished(built, 0);
        }
        let (name, first) = named.unwrap_or_default();
        let fault = (at, Fault::RecursiveAlias { name, first });
        if self.keys == Keys::Once {
            return Err(fault);
        }
        self.faults.push(fault);
        let nothing = Scalar {
            text: String::new(),
            kind: Kind::Null,
            layout: Layout::Recursive,
        };
        self.finished(Built::scalar(at, nothing), 0)
    }

    /// Where a scalar without properties begins: a block at its `|` or `>`, nothing behind its key's `:`.
    fn first(&self, style: ScalarStyle, span: Span) -> Position {
        let start = place(&span.start);
        let Some(byte) = span.start.byte_offset() else {
            return start;
        };
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let between = self.text.get(self.behind..byte).unwrap_or_default();
                match between.find(['|', '>']) {
                    Some(header) => self.place_at(self.behind + header),
                    None => start,
                }
            }
            ScalarStyle::Plain if span.end.byte_offset() == Some(byte) => {
                let rest = self.text.get(byte..).unwrap_or_default();
                let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                if self.awaits_value() && rest[blanks..].starts_with(':') {
                    self.place_at(byte + blanks + 1)
                } else {
                    start
                }
            }
            _ => start,
        }
    }

    /// Whether the next node is the value of a key.
    fn awaits_value(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Frame {
                body: Body::Mapping { key: Some(_), .. },
                ..
            })
        )
    }

    fn place_at(&self, byte: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..byte).unwrap_or_default();
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position::new(number(line), number(before.chars().count() + 1))
    }

    fn open(&mut self, at: Position, anchor: usize, body: Body) -> Result<(), Fatal> {
        if self.stack.len() >= MAX_DEPTH {
            return Err((at, Fault::TooDeep));
        }
        self.stack.push(Frame {
            at,
            anchor,
            count: 1,
            height: 1,
            body,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fatal> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let value = match frame.body {
            Body::Sequence(items) => Value::Sequence(items),
            Body::Mapping { entries, .. } => Value::Mapping(entries),
        };
        let built = Built {
            node: Node {
                at: frame.at,
                value: Rc::new(value),
            },
            count: frame.count,
            height: frame.height,
        };
        self.finished(built, frame.anchor)
    }

    /// Puts a finished node where it belongs.
    fn finished(&mut self, built: Built, anchor: usize) -> Result<(), Fatal> {
        let at = built.node.at;
        if built.count > MAX_NODES {
            return Err((at, Fault::TooMany));
        }
        if self.stack.len() + built.height > MAX_DEPTH + 1 {
            return Err((at, Fault::TooDeep));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(built);
            return Ok(());
        };
        frame.count = frame.count.saturating_add(built.count);
        if frame.count > MAX_NODES {
            return Err((at, Fault::TooMany));
        }
        frame.height = frame.height.max(built.height + 1);
        match &mut frame.body {
            Body::Sequence(items) => items.push(built.node),
            Body::Mapping { entries, seen, key } => match key.take() {
                None => {
                    let text = self::key(&built.node, self.keys, &mut self.faults);
                    let node = built.node;
                    *key = Some(Key { text, node });
                }
                Some(key) => match self.keys {
                    Keys::Once => entry(entries, seen, key, built.node, &mut self.faults),
                    Keys::AsWritten => entries.extend(key.with(built.node)),
                },
            },
        }
        Ok(())
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, own: &str, at: Position) {
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema_tag(own)
        {
            self.faults.push((at, Fault::Tag(tag.original())));
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
        at: Position,
    ) -> Scalar {
        let own = match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Kind::Text,
        };
        let kind = match tag {
            None => own,
            Some(tag) => tagged(text, style, tag).unwrap_or_else(|fault| {
                self.faults.push((at, fault));
                Kind::Text
            }),
        };
        Scalar {
            text: text.to_owned(),
            kind,
            layout: self.layout(text, style, span),
        }
    }

    fn layout(&self, text: &str, style: ScalarStyle, span: Span) -> Layout {
        let start = place(&span.start);
        let source = span.slice(self.text).unwrap_or_default();
        match style {
            ScalarStyle::Plain if source == text => Layout::Line(start),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted
                if source.get(1..source.len().saturating_sub(1)) == Some(text) =>
            {
                Layout::Line(Position::new(start.line, start.column + 1))
            }
            ScalarStyle::Literal => self.literal(text, start),
            _ => Layout::Opaque,
        }
    }

    /// Finds the text of a literal block in the file. The first line of it that is not blank shows the
    /// indentation; the scanner's span begins at that line or at the one above.
    fn literal(&self, text: &str, start: Position) -> Layout {
        let Some((blank, first)) = text.lines().enumerate().find(|(_, line)| !line.is_empty())
        else {
            return Layout::Opaque;
        };
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let index = usize::try_from(start.line).unwrap_or(usize::MAX);
        for line in [index.saturating_sub(1), index] {
            let Some(&from) = self.lines.get(line) else {
                continue;
            };
            let source = self.text[from..].lines().next().unwrap_or_default();
            if let Some(indent) = source.strip_suffix(first)
                && indent.bytes().all(|byte| byte == b' ')
                && line >= blank
            {
                let place = Position::new(number(line - blank + 1), number(indent.len() + 1));
                return Layout::Block(place);
            }
        }
        Layout::Opaque
    }
}

impl Key {
    fn with(self, value: Node) -> Option<Entry> {
        let text = self.text?;
        Some(Entry {
            at: self.node.at,
            key: text,
            node: self.node,
            value,
        })
    }
}

fn key(node: &Node, keys: Keys, faults: &mut Vec<Fatal>) -> Option<String> {
    let Some(scalar) = node.scalar() else {
        faults.push((node.at, Fault::KeyNotScalar));
        return None;
    };
    if keys == Keys::Once && node.is_merge_key() {
        faults.push((node.at, Fault::MergeKey));
        return None;
    }
    Some(match scalar.kind {
        Kind::Null => String::new(),
        Kind::Bool(_) | Kind::Number(_) | Kind::Text => scalar.text.clone(),
    })
}

/// Adds an entry unless its key was refused or is already there.
fn entry(
    entries: &mut Vec<Entry>,
    seen: &mut BTreeMap<String, u32>,
    key: Key,
    value: Node,
    faults: &mut Vec<Fatal>,
) {
    let Some(entry) = key.with(value) else {
        return;
    };
    match seen.entry(entry.key.clone()) {
        btree_map::Entry::Occupied(first) => {
            let first = *first.get();
            let key = entry.key;
            faults.push((entry.at, Fault::Duplicate { key, first }));
        }
        btree_map::Entry::Vacant(place) => {
            place.insert(entry.at.line);
            entries.push(entry);
        }
    }
}

/// What a scalar is by its tag. Only plain ones may be something else than a text.
fn tagged(text: &str, style: ScalarStyle, tag: &Tag) -> Result<Kind, Fault> {
    let style = match style {
        ScalarStyle::Plain => None,
        ScalarStyle::SingleQuoted => Some("SingleQuoted"),
        ScalarStyle::DoubleQuoted => Some("DoubleQuoted"),
        ScalarStyle::Literal => Some("Literal"),
        ScalarStyle::Folded => Some("Folded"),
    };
    if let (Some(style), Some(name @ ("null" | "bool" | "float" | "int"))) =
        (style, tag.core_suffix())
    {
        let tag = name.to_owned();
        return Err(Fault::StyleOfTag { style, tag });
    }
    let wrong = |wanted, tag: &str| Fault::NotOfTag {
        text: text.to_owned(),
        wanted,
        tag: tag.to_owned(),
    };
    match (tag.core_suffix(), scalar::resolve(text)) {
        (Some("str"), _) => Ok(Kind::Text),
        (Some("null"), Kind::Null) => Ok(Kind::Null),
        (Some("bool"), Kind::Bool(value)) => Ok(Kind::Bool(value)),
        (Some("float"), Kind::Number(value)) => Ok(Kind::Number(value)),
        (Some("int"), Kind::Number(value)) if value.is_finite() && value.fract() == 0.0 => {
            Ok(Kind::Number(value))
        }
        (Some(name @ "null"), _) => Err(wrong("nothing", name)),
        (Some(name @ "bool"), _) => Err(wrong("a truth value", name)),
        (Some(name @ "float"), _) => Err(wrong("a number", name)),
        (Some(name @ "int"), _) => Err(wrong("a whole number", name)),
        _ => Err(Fault::Tag(tag.original())),
    }
}

fn place(marker: &Marker) -> Position {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position::new(
        number(marker.line()),
        number(marker.col()).saturating_add(1),
    )
}

fn syntax(error: &ScanError) -> Fault {
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => Fault::TooDeep,
        kind => Fault::Syntax(format!("the file is no YAML: {kind}")),
    }
}
