//! Workflow files as the official reader sees them: accepted with a template that can be evaluated, or
//! refused in its very words and places.
//!
//! Nothing here knows plans. What cutover cannot do yet is accepted here; `parse` refuses it later.

mod calls;
mod convert;
mod events;
mod ids;
mod memory;
mod permissions;
mod reader;
mod scalar;
mod schema;
mod token;

use std::collections::BTreeMap;

use cutover_model::Position;
use serde_json::Value as Json;

use self::{
    convert::{Job, Workflow},
    memory::{Memory, TooMuch},
    reader::Reader,
    schema::ROOT,
    token::{Place, Token},
};
use crate::{
    SourceTree,
    yaml::{self, Document, Fault},
};

/// The most errors that are told, and how long each may be.
const MAX_ERRORS: usize = 10;
const MAX_MESSAGE: usize = 500;

/// Limits and circumstances of reading a workflow together with those that it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// The largest file, in characters.
    pub max_file_size: usize,
    /// The largest template, in bytes as the official reader counts them.
    pub max_result_size: usize,
    /// The most jobs, those of called workflows included; 0 for any number.
    pub max_jobs: usize,
    /// The most files, called workflows included.
    pub max_files: usize,
    /// How deep workflows may call others.
    pub max_call_depth: usize,
    /// What a token may do when no file says anything.
    pub default_permissions: DefaultPermissions,
    /// Whether called workflows are left alone.
    pub skip_calls: bool,
    /// Whether the template tells where each value was written.
    pub places: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            max_file_size: yaml::MAX_BYTES,
            max_result_size: 10 << 20,
            max_jobs: 0,
            max_files: 51,
            max_call_depth: 10,
            default_permissions: DefaultPermissions::Write,
            skip_calls: false,
            places: false,
        }
    }
}

/// What a token may do when no file says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultPermissions {
    /// Read the sources and the packages.
    LimitedRead,
    /// Write everything.
    Write,
}

/// Why a workflow is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// The whole text, file and place in front where there are any.
    pub message: String,
    /// The text without them.
    pub what: String,
    /// The file, when it is about one.
    pub path: Option<String>,
    /// The place in it.
    pub at: Option<Position>,
}

/// The template of a workflow, or why there is none. Called workflows are looked up in the tree: those of
/// other repositories by their whole reference, local ones by their path.
pub fn read(tree: &SourceTree, path: &str, options: &ReadOptions) -> Result<Json, Vec<ReadError>> {
    let mut reading = Reading::new(tree, options);
    let workflow = reading.workflow(path);
    match workflow {
        Some(workflow) if reading.errors.is_empty() => Ok(workflow.json(&reading)),
        _ => Err(reading.errors),
    }
}

/// What the official reader objects to in a file that has been parsed; called workflows are not looked at.
pub(crate) fn objections(path: &str, document: &Document) -> Vec<ReadError> {
    let options = ReadOptions {
        skip_calls: true,
        ..ReadOptions::default()
    };
    let tree = SourceTree::new();
    let mut reading = Reading::new(&tree, &options);
    let file = reading.file(path);
    if let Some(token) = reading.tokens(file, document) {
        Workflow::convert(&token, &mut reading);
    }
    reading.errors
}

/// The names of all events.
pub(crate) fn event_names() -> impl Iterator<Item = &'static str> + Clone {
    schema::events().iter().map(|event| event.name)
}

/// The types of an event; `None` when there is no such event.
pub(crate) fn event_types(name: &str) -> Option<&'static [&'static str]> {
    let event = schema::events().iter().find(|event| event.name == name)?;
    Some(event.value.words_of("types"))
}

/// What is known while workflows are read.
struct Reading<'a> {
    tree: &'a SourceTree,
    options: &'a ReadOptions,
    memory: Memory,
    files: Vec<String>,
    /// The tokens of the files that were called before.
    parsed: BTreeMap<String, Document>,
    errors: Vec<ReadError>,
}

impl<'a> Reading<'a> {
    fn new(tree: &'a SourceTree, options: &'a ReadOptions) -> Self {
        Self {
            tree,
            options,
            memory: Memory::new(options.max_result_size),
            files: Vec::new(),
            parsed: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    fn workflow(&mut self, path: &str) -> Option<Workflow> {
        let token = self.load(path)?;
        let mut workflow = Workflow::convert(&token, self);
        workflow.inherit();
        if self.errors.is_empty() && !self.options.skip_calls {
            calls::follow(&mut workflow.jobs, self);
        }
        let limit = self.options.max_jobs;
        if self.errors.is_empty() && limit > 0 && count(&workflow.jobs) > limit {
            let message = format!("The workflow may not contain more than {limit} jobs");
            self.refuse(None, None, &message);
        }
        Some(workflow)
    }

    /// The number of a file, from 1. One that is new takes memory; the limit is told with the next value.
    fn file(&mut self, path: &str) -> usize {
        if let Some(at) = self.files.iter().position(|known| known == path) {
            return at + 1;
        }
        self.files.push(path.to_owned());
        if let Err(limit) = self.memory.text(path) {
            self.refuse(Some(path), None, &limit.to_string());
        }
        self.files.len()
    }

    /// The tokens of a file of the tree.
    fn load(&mut self, path: &str) -> Option<Token> {
        let limit = self.options.max_files;
        if self.files.len() >= limit && !self.files.iter().any(|known| known == path) {
            let message = format!("The maximum file count of {limit} has been exceeded");
            self.refuse(None, None, &message);
            return None;
        }
        let file = self.file(path);
        let document = match self.parsed.remove(path) {
            Some(document) => document,
            None => self.parse(path)?,
        };
        let token = self.tokens(file, &document);
        self.parsed.insert(path.to_owned(), document);
        token
    }

    fn parse(&mut self, path: &str) -> Option<Document> {
        let Some(bytes) = self.tree.get(path) else {
            self.refuse(Some(path), None, "The file is not among the sources");
            return None;
        };
        let limit = self.options.max_file_size;
        if is_longer(bytes, limit) {
            let message = format!("The maximum file size of {limit} characters has been exceeded");
            self.refuse(Some(path), None, &message);
            return None;
        }
        Some(yaml::as_written(bytes))
    }

    fn tokens(&mut self, file: usize, document: &Document) -> Option<Token> {
        let path = self
            .files
            .get(file.saturating_sub(1))
            .cloned()
            .unwrap_or_default();
        let fault = document.faults.first();
        let mut reader = Reader::new(file, &mut self.memory);
        let token = document.root.as_ref().map(|root| reader.read(root, &ROOT));
        for (at, message) in reader.errors {
            // A fault of YAML ended the reading there.
            if fault.is_none_or(|(fault, _)| at < *fault) {
                self.refuse(Some(&path), Some(at), &message);
            }
        }
        if let Some((at, fault)) = fault {
            self.refuse(Some(&path), None, &words(*at, fault));
            return None;
        }
        match token {
            None => {
                self.refuse(Some(&path), None, "The file is empty");
                None
            }
            Some(Err(TooMuch)) => {
                self.refuse(Some(&path), None, &TooMuch.to_string());
                None
            }
            Some(Ok(token)) => self.errors.is_empty().then_some(token),
        }
    }

    /// Says that something is wrong at a token.
    fn error(&mut self, token: &Token, message: &str) {
        self.error_at(token.place, message);
    }

    fn error_at(&mut self, place: Option<Place>, message: &str) {
        let path = place.and_then(|place| self.files.get(place.file - 1).cloned());
        self.refuse(path.as_deref(), place.map(|place| place.at), message);
    }

    fn refuse(&mut self, path: Option<&str>, at: Option<Position>, what: &str) {
        if self.errors.len() >= MAX_ERRORS {
            return;
        }
        let message = match (path, at) {
            (Some(path), Some(at)) => {
                format!("{path} (Line: {}, Col: {}): {what}", at.line, at.column)
            }
            (Some(path), None) => format!("{path}: {what}"),
            (None, _) => what.to_owned(),
        };
        let message = match message.char_indices().nth(MAX_MESSAGE) {
            Some((end, _)) => format!("{}[...]", &message[..end]),
            None => message,
        };
        self.errors.push(ReadError {
            message,
            what: what.to_owned(),
            path: path.map(str::to_owned),
            at,
        });
    }
}

/// Jobs with those of the workflows that they call.
fn count(jobs: &[Job]) -> usize {
    jobs.iter().map(|job| 1 + count(&job.jobs)).sum()
}

/// A fault of YAML in the words of the official reader.
fn words(at: Position, fault: &Fault) -> String {
    match fault {
        Fault::Tag(tag) => {
            let tag = tag
                .strip_prefix("!!")
                .map_or_else(|| tag.clone(), |tag| format!("tag:yaml.org,2002:{tag}"));
            format!("Unexpected tag '{tag}'")
        }
        Fault::NotOfTag { text, tag, .. } => format!(
            "The value '{text}' on line {} and column {} is invalid for the type 'tag:yaml.org,2002:{tag}'",
            at.line, at.column
        ),
        Fault::StyleOfTag { style, tag } => format!(
            "The scalar style '{style}' on line {} and column {} is not valid with the tag 'tag:yaml.org,2002:{tag}'",
            at.line, at.column
        ),
        Fault::UnknownAlias(name) => format!("Unknown anchor '{name}'"),
        Fault::TooMany => "Maximum YAML nodes exceeded".to_owned(),
        Fault::TooDeep | Fault::RecursiveAlias { .. } => "Maximum object depth exceeded".to_owned(),
        fault => format!("(Line: {}, Col: {}): {fault}", at.line, at.column),
    }
}

/// Whether a file has more characters than allowed. Counting them is dear; most are small enough by their
/// bytes.
fn is_longer(bytes: &[u8], limit: usize) -> bool {
    bytes.len() > limit && str::from_utf8(bytes).map_or(true, |text| text.chars().count() > limit)
}
