//! Parser events → nodes, with the budgets that keep hostile files cheap.
//!
//! Faults that leave the tree usable (a key twice, a foreign tag) are collected; a fault of syntax or
//! of budget ends the file.

use std::{
    collections::{BTreeMap, btree_map},
    rc::Rc,
};

use cutover_model::Position;
use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::{
    Entry, Fault, Kind, Layout, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Scalar, Value, scalar,
};

/// The tree, if there is one, and what is wrong, each with its place.
pub(crate) fn parse(bytes: &[u8]) -> (Option<Node>, Vec<(Position, Fault)>) {
    if bytes.len() > MAX_BYTES {
        return (
            None,
            vec![(Position::new(1, 1), Fault::TooLarge(bytes.len()))],
        );
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return (None, vec![(Position::new(1, 1), Fault::NotText)]);
    };
    let mut builder = Builder::new(text);
    let fatal = builder.run().err();
    let root = if fatal.is_none() {
        builder.root.take()
    } else {
        None
    };
    builder.faults.extend(fatal);
    (root.map(|built| built.node), builder.faults)
}

/// A finished node with what the budgets need to know of it.
#[derive(Clone)]
struct Built {
    node: Node,
    count: usize,
    height: usize,
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
        /// A key that waits for its value; `None` inside when it was refused.
        key: Option<(Option<String>, Position)>,
    },
}

struct Builder<'text> {
    text: &'text str,
    /// Byte offsets of the lines, for the layout of literal blocks.
    lines: Vec<usize>,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Built>,
    root: Option<Built>,
    documents: usize,
    faults: Vec<(Position, Fault)>,
}

type Fatal = (Position, Fault);

impl<'text> Builder<'text> {
    fn new(text: &'text str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            text,
            lines: std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            root: None,
            documents: 0,
            faults: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Fatal> {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            // Ours is the limit that people see; these only keep the parser's own memory small.
            flow_nesting_limit: MAX_DEPTH + 2,
            block_nesting_limit: MAX_DEPTH + 2,
        };
        for next in Parser::new_from_str_with_options(self.text, options) {
            match next {
                Ok((event, span)) => self.event(event, span)?,
                Err(error) => return Err((place(error.marker()), syntax(&error))),
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fatal> {
        let at = span
            .tag_start()
            .map_or(place(&span.start), |tag| place(&tag));
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((at, Fault::SecondDocument));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = self.scalar(&text, style, tag.as_deref(), span, at);
                let node = Node {
                    at,
                    value: Rc::new(Value::Scalar(scalar)),
                };
                let built = Built {
                    node,
                    count: 1,
                    height: 1,
                };
                self.finished(built, anchor)?;
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
            Event::Alias(anchor) => {
                // An anchor is known from its beginning on, its value only from its end on.
                let mut built = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or((at, Fault::RecursiveAlias))?;
                built.node.at = at;
                self.finished(built, 0)?;
            }
            Event::UnresolvedAlias(name) => {
                return Err((at, Fault::UnknownAlias(name.into_owned())));
            }
            _ => {}
        }
        Ok(())
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
                None => *key = Some(self::key(&built.node, &mut self.faults)),
                Some((name, at)) => entry(entries, seen, (name, at), built.node, &mut self.faults),
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
            Some(tag) => tagged(text, tag).unwrap_or_else(|fault| {
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

fn key(node: &Node, faults: &mut Vec<Fatal>) -> (Option<String>, Position) {
    let Some(scalar) = node.scalar() else {
        faults.push((node.at, Fault::KeyNotScalar));
        return (None, node.at);
    };
    // A quoted `<<` begins one column later: it is an ordinary key.
    if scalar.text == "<<" && matches!(scalar.layout, Layout::Line(at) if at == node.at) {
        faults.push((node.at, Fault::MergeKey));
        return (None, node.at);
    }
    let text = match scalar.kind {
        Kind::Null => String::new(),
        Kind::Bool(_) | Kind::Number(_) | Kind::Text => scalar.text.clone(),
    };
    (Some(text), node.at)
}

/// Adds an entry unless its key was refused or is already there.
fn entry(
    entries: &mut Vec<Entry>,
    seen: &mut BTreeMap<String, u32>,
    (key, at): (Option<String>, Position),
    value: Node,
    faults: &mut Vec<Fatal>,
) {
    let Some(key) = key else {
        return;
    };
    match seen.entry(key.clone()) {
        btree_map::Entry::Occupied(first) => {
            let first = *first.get();
            faults.push((at, Fault::Duplicate { key, first }));
        }
        btree_map::Entry::Vacant(place) => {
            place.insert(at.line);
            entries.push(Entry { key, at, value });
        }
    }
}

fn tagged(text: &str, tag: &Tag) -> Result<Kind, Fault> {
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

fn syntax(error: &granit_parser::ScanError) -> Fault {
    match error.kind() {
        granit_parser::ErrorKind::RecursionLimitExceeded => Fault::TooDeep,
        kind => Fault::Syntax(format!("the file is no YAML: {kind}")),
    }
}
