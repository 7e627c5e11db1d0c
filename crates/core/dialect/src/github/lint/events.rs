//! `on:`.

use super::{
    model::{Call, Event, Input, Text, Webhook},
    syntax::{Case, Empty, Syntax},
};
use crate::{
    diagnostic::Code,
    yaml::{Entry, Kind, Node, Value},
};

const FILTERS: [&str; 10] = [
    "types",
    "branches",
    "branches-ignore",
    "tags",
    "tags-ignore",
    "paths",
    "paths-ignore",
    "workflows",
    "names",
    "versions",
];
const INPUT: [&str; 6] = [
    "description",
    "required",
    "default",
    "type",
    "options",
    "deprecationMessage",
];

impl Syntax<'_> {
    /// The events of a workflow.
    pub(super) fn events<'a>(&mut self, node: &'a Node) -> Vec<Event<'a>> {
        match &*node.value {
            Value::Scalar(_) => {
                let Some(name) = self.text(node, "`on`", Empty::Refused) else {
                    return Vec::new();
                };
                self.bare(name).into_iter().collect()
            }
            Value::Sequence(items) => {
                self.sequence(node, "`on`", Empty::Refused);
                items
                    .iter()
                    .filter_map(|item| {
                        let name = self.text(item, "an event", Empty::Refused)?;
                        self.bare(name)
                    })
                    .collect()
            }
            Value::Mapping(_) => self
                .mapping(node, "`on`", Empty::Refused, Case::Matters)
                .into_iter()
                .map(|entry| self.event(entry))
                .collect(),
        }
    }

    /// An event without any settings.
    fn bare<'a>(&mut self, name: Text<'a>) -> Option<Event<'a>> {
        Some(match name.text() {
            "schedule" => {
                let hint = "for example `schedule: [{cron: '0 6 * * 1'}]`".to_owned();
                let message = "event `schedule` needs a list of patterns";
                self.sink
                    .error_hint(Code::MissingKey, name.at(), message, hint);
                return None;
            }
            "workflow_dispatch" => Event::Dispatch(name, Vec::new()),
            "repository_dispatch" => Event::RepositoryDispatch(Vec::new()),
            "workflow_call" => Event::Call(Call::default()),
            _ => Event::Webhook(Webhook {
                name,
                filters: Vec::new(),
            }),
        })
    }

    fn event<'a>(&mut self, entry: &'a Entry) -> Event<'a> {
        let node = &entry.value;
        match entry.key.as_str() {
            "schedule" => Event::Schedule(self.schedule(node)),
            "workflow_dispatch" => Event::Dispatch(Text { node: &entry.node }, self.dispatch(node)),
            "repository_dispatch" => Event::RepositoryDispatch(self.repository_dispatch(node)),
            "workflow_call" => Event::Call(self.call(node)),
            name => {
                let what = format!("`{name}`");
                let mut filters = Vec::new();
                for entry in self.mapping(node, &what, Empty::Fine, Case::Matters) {
                    if FILTERS.contains(&entry.key.as_str()) {
                        let what = format!("`{}`", entry.key);
                        let values = self.one_or_more(&entry.value, &what);
                        filters.push((Text { node: &entry.node }, values));
                    } else {
                        self.unknown(entry, &what, &FILTERS);
                    }
                }
                let name = Text { node: &entry.node };
                Event::Webhook(Webhook { name, filters })
            }
        }
    }

    fn schedule<'a>(&mut self, node: &'a Node) -> Vec<(Option<Text<'a>>, Option<Text<'a>>)> {
        let items = self.sequence(node, "`schedule`", Empty::Refused);
        let mut times = Vec::new();
        for item in items.unwrap_or_default() {
            let what = "an item of `schedule`";
            let (mut cron, mut zone, mut has_cron) = (None, None, false);
            let entries = self.mapping(item, what, Empty::Refused, Case::Matters);
            let is_mapping = !entries.is_empty();
            for entry in entries {
                match entry.key.as_str() {
                    "cron" => {
                        has_cron = true;
                        cron = self.text(&entry.value, "`cron`", Empty::Refused);
                    }
                    "timezone" => zone = self.text(&entry.value, "`timezone`", Empty::Refused),
                    _ => self.unknown(entry, what, &["cron", "timezone"]),
                }
            }
            if is_mapping && !has_cron {
                self.missing(item.at, what, "cron");
            }
            times.push((cron, zone));
        }
        times
    }

    fn repository_dispatch<'a>(&mut self, node: &'a Node) -> Vec<Text<'a>> {
        let what = "`repository_dispatch`";
        let mut types = Vec::new();
        for entry in self.mapping(node, what, Empty::Fine, Case::Matters) {
            if entry.key == "types" {
                types = self.one_or_more(&entry.value, "`types`");
            } else {
                self.unknown(entry, what, &["types"]);
            }
        }
        types
    }

    fn dispatch<'a>(&mut self, node: &'a Node) -> Vec<Input<'a>> {
        let what = "`workflow_dispatch`";
        let mut inputs = Vec::new();
        for entry in self.mapping(node, what, Empty::Fine, Case::Matters) {
            if entry.key != "inputs" {
                self.unknown(entry, what, &["inputs"]);
                continue;
            }
            for entry in self.mapping(&entry.value, "`inputs`", Empty::Fine, Case::Ignored) {
                inputs.push(self.input(
                    entry,
                    &INPUT,
                    &["string", "number", "boolean", "choice", "environment"],
                ));
            }
        }
        inputs
    }

    fn input<'a>(&mut self, entry: &'a Entry, keys: &[&str], kinds: &[&str]) -> Input<'a> {
        let mut input = Input {
            name: Text { node: &entry.node },
            kind: "",
            required: false,
            default: None,
            options: None,
            texts: Vec::new(),
        };
        let what = "an input";
        for entry in self.mapping(&entry.value, what, Empty::Fine, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                key if !keys.contains(&key) => self.unknown(entry, what, keys),
                "description" | "deprecationMessage" => {
                    let text = self.text(node, "`description`", Empty::Fine);
                    input.texts.extend(text);
                }
                "required" => {
                    input.texts.extend(self.truth(node, "`required`"));
                    input.required = is_true(node);
                }
                "default" => input.default = self.text(node, "`default`", Empty::Fine),
                "options" => {
                    input.options = Some(self.texts(node, "`options`", Empty::Refused));
                }
                _ => {
                    let Some(kind) = self.text(node, "`type`", Empty::Refused) else {
                        continue;
                    };
                    if kinds.contains(&kind.text()) {
                        input.kind = kind.text();
                    } else {
                        let hint = format!("known here: `{}`", kinds.join("`, `"));
                        let message = format!("`type` cannot be `{}`", kind.text());
                        self.sink.error_hint(Code::BadValue, node.at, message, hint);
                    }
                }
            }
        }
        input
    }

    fn call<'a>(&mut self, node: &'a Node) -> Call<'a> {
        let mut call = Call::default();
        let what = "`workflow_call`";
        for entry in self.mapping(node, what, Empty::Fine, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                "inputs" => {
                    for entry in self.mapping(node, "`inputs`", Empty::Fine, Case::Ignored) {
                        let input = self.input(
                            entry,
                            &[
                                "description",
                                "required",
                                "default",
                                "type",
                                "deprecationMessage",
                            ],
                            &["boolean", "number", "string"],
                        );
                        if !has(&entry.value, "type") {
                            let what = format!("input `{}`", entry.key);
                            self.missing(entry.at, &what, "type");
                        }
                        call.inputs.push(input);
                    }
                }
                "secrets" => {
                    let entries = self.mapping(node, "`secrets`", Empty::Fine, Case::Ignored);
                    let secrets = entries
                        .into_iter()
                        .map(|entry| self.secret(entry, &mut call.texts));
                    call.secrets = Some(secrets.collect());
                }
                "outputs" => {
                    for entry in self.mapping(node, "`outputs`", Empty::Fine, Case::Ignored) {
                        let output = self.output(entry, &mut call.texts);
                        call.outputs.push(output);
                    }
                }
                _ => self.unknown(entry, what, &["inputs", "secrets", "outputs"]),
            }
        }
        call
    }

    fn secret<'a>(&mut self, entry: &'a Entry, texts: &mut Vec<Text<'a>>) -> (Text<'a>, bool) {
        let mut required = false;
        for entry in self.mapping(&entry.value, "a secret", Empty::Fine, Case::Matters) {
            match entry.key.as_str() {
                "description" => {
                    texts.extend(self.text(&entry.value, "`description`", Empty::Fine));
                }
                "required" => {
                    texts.extend(self.truth(&entry.value, "`required`"));
                    required = is_true(&entry.value);
                }
                _ => self.unknown(entry, "a secret", &["description", "required"]),
            }
        }
        (Text { node: &entry.node }, required)
    }

    fn output<'a>(
        &mut self,
        entry: &'a Entry,
        texts: &mut Vec<Text<'a>>,
    ) -> (Text<'a>, Option<Text<'a>>) {
        let mut value = None;
        let mut has_value = false;
        for entry in self.mapping(&entry.value, "an output", Empty::Fine, Case::Matters) {
            match entry.key.as_str() {
                "description" => {
                    texts.extend(self.text(&entry.value, "`description`", Empty::Fine));
                }
                "value" => {
                    has_value = true;
                    value = self.text(&entry.value, "`value`", Empty::Refused);
                }
                _ => self.unknown(entry, "an output", &["description", "value"]),
            }
        }
        if !has_value {
            let what = format!("output `{}`", entry.key);
            self.missing(entry.at, &what, "value");
        }
        (Text { node: &entry.node }, value)
    }
}

fn has(node: &Node, key: &str) -> bool {
    match &*node.value {
        Value::Mapping(entries) => entries.iter().any(|entry| entry.key == key),
        Value::Scalar(_) | Value::Sequence(_) => false,
    }
}

fn is_true(node: &Node) -> bool {
    node.scalar()
        .is_some_and(|scalar| scalar.kind == Kind::Bool(true))
}
