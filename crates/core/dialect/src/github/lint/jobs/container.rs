//! `container` and `services` of a job.

use crate::{
    github::lint::{
        model::{Container, Job, Text},
        syntax::{Case, Empty, Syntax, is_expression},
    },
    yaml::{Entry, Node},
};

pub(super) const CONTAINER: [&str; 6] =
    ["image", "credentials", "env", "ports", "volumes", "options"];
const SERVICE: [&str; 8] = [
    "image",
    "credentials",
    "env",
    "ports",
    "volumes",
    "options",
    "command",
    "entrypoint",
];

impl Syntax<'_> {
    pub(super) fn services<'a>(&mut self, job: &mut Job<'a>, node: &'a Node) {
        if is_expression(node) {
            job.services_expression = Some(Text { node });
            return;
        }
        for entry in self.mapping(node, "`services`", Empty::Refused, Case::Ignored) {
            let container = self.container(entry, "a service", &SERVICE);
            job.services.push((Text { node: &entry.node }, container));
        }
    }

    pub(super) fn container<'a>(
        &mut self,
        entry: &'a Entry,
        what: &str,
        keys: &[&str],
    ) -> Container<'a> {
        let mut container = Container::default();
        if entry.value.scalar().is_some() {
            container.image = self.text(&entry.value, what, Empty::Refused);
            return container;
        }
        let mut has_image = false;
        for entry in self.mapping(&entry.value, what, Empty::Refused, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                key if !keys.contains(&key) => self.unknown(entry, what, keys),
                "image" => {
                    has_image = true;
                    container.image = self.text(node, "`image`", Empty::Refused);
                }
                "credentials" => self.credentials(&mut container, entry),
                "env" => container.env = self.env(node),
                key @ ("ports" | "volumes") => {
                    let texts = self.texts(node, &format!("`{key}`"), Empty::Fine);
                    container.texts.extend(texts);
                }
                key => {
                    let text = self.text(node, &format!("`{key}`"), Empty::Fine);
                    container.texts.extend(text);
                }
            }
        }
        if !has_image {
            self.missing(entry.at, what, "image");
        }
        container
    }

    pub(super) fn credentials<'a>(&mut self, container: &mut Container<'a>, entry: &'a Entry) {
        let what = "`credentials`";
        if is_expression(&entry.value) {
            container.credentials = Some(Text { node: &entry.value });
            return;
        }
        for entry in self.mapping(&entry.value, what, Empty::Refused, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                "username" => container.username = self.text(node, "`username`", Empty::Refused),
                "password" => container.password = self.text(node, "`password`", Empty::Refused),
                _ => self.unknown(entry, what, &["username", "password"]),
            }
        }
        if container.username.is_none() || container.password.is_none() {
            self.missing(entry.at, what, "username` and `password");
        }
    }
}
