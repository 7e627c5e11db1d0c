//! A workflow file and its jobs.

mod container;
mod strategy;

use super::{
    model::{Concurrency, Defaults, Job, JobCall, Snapshot, Strategy, Text, Workflow},
    permissions,
    syntax::{Case, Empty, Syntax, is_expression},
};
use crate::yaml::{Entry, Node, Value};
use container::CONTAINER;

const WORKFLOW: [&str; 9] = [
    "name",
    "run-name",
    "description",
    "on",
    "permissions",
    "env",
    "defaults",
    "concurrency",
    "jobs",
];
const JOB: [&str; 21] = [
    "name",
    "needs",
    "runs-on",
    "permissions",
    "environment",
    "concurrency",
    "outputs",
    "env",
    "defaults",
    "if",
    "steps",
    "timeout-minutes",
    "cancel-timeout-minutes",
    "strategy",
    "continue-on-error",
    "container",
    "services",
    "snapshot",
    "uses",
    "with",
    "secrets",
];
/// Keys of a job that runs steps.
const STEPS_ONLY: [&str; 12] = [
    "runs-on",
    "environment",
    "outputs",
    "env",
    "defaults",
    "steps",
    "timeout-minutes",
    "cancel-timeout-minutes",
    "continue-on-error",
    "container",
    "services",
    "snapshot",
];
impl Syntax<'_> {
    /// A whole file.
    pub(super) fn workflow<'a>(&mut self, root: &'a Node) -> Workflow<'a> {
        let mut workflow = Workflow::default();
        let what = "a workflow";
        let (mut has_on, mut has_jobs) = (false, false);
        for entry in self.mapping(root, what, Empty::Refused, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                "name" => workflow.name = self.text(node, "`name`", Empty::Fine),
                "run-name" => workflow.run_name = self.text(node, "`run-name`", Empty::Refused),
                "description" => {
                    self.text(node, "`description`", Empty::Fine);
                }
                "on" => {
                    has_on = true;
                    workflow.events = self.events(node);
                }
                "permissions" => workflow.permissions = Some(permissions::granted(self, node)),
                "env" => workflow.env = self.env(node),
                "defaults" => workflow.defaults = self.defaults(node),
                "concurrency" => workflow.concurrency = self.concurrency(entry),
                "jobs" => {
                    has_jobs = true;
                    workflow.jobs = self
                        .mapping(node, "`jobs`", Empty::Refused, Case::Ignored)
                        .into_iter()
                        .map(|entry| self.job(entry))
                        .collect();
                }
                _ => self.unknown(entry, what, &WORKFLOW),
            }
        }
        for (key, is_there) in [("on", has_on), ("jobs", has_jobs)] {
            if !is_there {
                self.missing(root.at, what, key);
            }
        }
        workflow
    }

    fn defaults<'a>(&mut self, node: &'a Node) -> Defaults<'a> {
        let mut defaults = Defaults::default();
        let what = "`defaults`";
        let mut has_run = false;
        let entries = self.mapping(node, what, Empty::Refused, Case::Matters);
        let is_empty = entries.is_empty();
        for entry in entries {
            if entry.key != "run" {
                self.unknown(entry, what, &["run"]);
                continue;
            }
            has_run = true;
            for entry in self.mapping(&entry.value, "`run`", Empty::Refused, Case::Matters) {
                let node = &entry.value;
                match entry.key.as_str() {
                    "shell" => defaults.shell = self.text(node, "`shell`", Empty::Refused),
                    "working-directory" => {
                        defaults.working_directory =
                            self.text(node, "`working-directory`", Empty::Refused);
                    }
                    _ => self.unknown(entry, "`run`", &["shell", "working-directory"]),
                }
            }
        }
        if !has_run && !is_empty {
            self.missing(node.at, what, "run");
        }
        defaults
    }

    fn concurrency<'a>(&mut self, entry: &'a Entry) -> Concurrency<'a> {
        let mut own = Concurrency::default();
        let what = "`concurrency`";
        if entry.value.scalar().is_some() {
            own.group = self.text(&entry.value, what, Empty::Refused);
            return own;
        }
        let mut has_group = false;
        for entry in self.mapping(&entry.value, what, Empty::Refused, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                "group" => {
                    has_group = true;
                    own.group = self.text(node, "`group`", Empty::Refused);
                }
                "cancel-in-progress" => {
                    own.cancel = self.truth(node, "`cancel-in-progress`");
                    let text = Text { node };
                    own.cancels = text.text().eq_ignore_ascii_case("true").then_some(text);
                }
                "queue" => {
                    self.text(node, "`queue`", Empty::Refused);
                }
                _ => self.unknown(entry, what, &["group", "cancel-in-progress", "queue"]),
            }
        }
        if !has_group {
            self.missing(entry.at, what, "group");
        }
        own
    }

    fn job<'a>(&mut self, entry: &'a Entry) -> Job<'a> {
        let id = Text { node: &entry.node };
        let mut job = Job::new(id);
        let what = format!("job `{}`", entry.key);
        let (mut steps_only, mut call_only) = (None, None);
        let (mut has_steps, mut has_runs_on) = (false, false);
        let mut call = JobCall {
            uses: id,
            inputs: Vec::new(),
            secrets: Vec::new(),
            inherits: false,
        };
        let mut calls = false;
        for entry in self.mapping(&entry.value, &what, Empty::Refused, Case::Matters) {
            let key = entry.key.as_str();
            if STEPS_ONLY.contains(&key) {
                steps_only = Some(entry);
            }
            match key {
                "uses" | "with" | "secrets" => {
                    call_only = Some(entry);
                    calls |= self.call_key(&mut call, entry);
                }
                "steps" => {
                    let items = self.sequence(&entry.value, "`steps`", Empty::Refused);
                    has_steps = items.is_some();
                    let items = items.unwrap_or_default().iter();
                    job.steps = items.flat_map(|item| self.step(item)).collect();
                }
                "runs-on" => {
                    has_runs_on = true;
                    self.runs_on(&mut job, &entry.value);
                }
                _ => self.job_key(&mut job, entry),
            }
        }
        if !calls {
            for (key, is_there) in [("steps", has_steps), ("runs-on", has_runs_on)] {
                if !is_there {
                    self.missing(entry.at, &what, key);
                }
            }
            if let Some(key) = call_only {
                self.excluded(key, "without `uses`");
            }
        } else if let Some(key) = steps_only {
            self.excluded(key, "beside `uses`");
        } else {
            job.call = Some(call);
        }
        job
    }

    fn excluded(&mut self, entry: &Entry, why: &str) {
        let message = format!("`{}` may not stand {why} in a job", entry.key);
        self.sink
            .error(crate::diagnostic::Code::Conflict, entry.at, message);
    }

    /// A key of a job that calls a workflow; whether it names the workflow.
    fn call_key<'a>(&mut self, call: &mut JobCall<'a>, entry: &'a Entry) -> bool {
        let node = &entry.value;
        match entry.key.as_str() {
            "uses" => {
                if let Some(uses) = self.text(node, "`uses`", Empty::Refused) {
                    call.uses = uses;
                }
                return true;
            }
            "with" => call.inputs = self.bindings(node, "`with`", Empty::Refused),
            _ => match node.scalar() {
                Some(scalar) if scalar.text == "inherit" => call.inherits = true,
                Some(_) => self.wrong_type(node, "`secrets`", "a mapping or `inherit`"),
                None => call.secrets = self.bindings(node, "`secrets`", Empty::Refused),
            },
        }
        false
    }

    fn job_key<'a>(&mut self, job: &mut Job<'a>, entry: &'a Entry) {
        let node = &entry.value;
        match entry.key.as_str() {
            "name" => job.name = self.text(node, "`name`", Empty::Fine),
            "needs" => job.needs = self.one_or_more(node, "`needs`"),
            "permissions" => job.permissions = Some(permissions::granted(self, node)),
            "environment" => self.environment(job, entry),
            "concurrency" => job.concurrency = self.concurrency(entry),
            "outputs" => job.outputs = self.bindings(node, "`outputs`", Empty::Refused),
            "env" => job.env = self.env(node),
            "defaults" => job.defaults = self.defaults(node),
            "if" => job.condition = self.text(node, "`if`", Empty::Refused),
            "timeout-minutes" | "cancel-timeout-minutes" => {
                let what = format!("`{}`", entry.key);
                job.timeouts.extend(self.number(node, &what, false));
            }
            "strategy" => job.strategy = self.strategy(node),
            "continue-on-error" => {
                job.continue_on_error = self.truth(node, "`continue-on-error`");
            }
            "container" => {
                job.container = Some(self.container(entry, "`container`", &CONTAINER));
            }
            "services" => self.services(job, node),
            "snapshot" => job.snapshot = self.snapshot(node),
            _ => self.unknown(entry, "a job", &JOB),
        }
    }

    fn runs_on<'a>(&mut self, job: &mut Job<'a>, node: &'a Node) {
        if is_expression(node) {
            job.runs_on_expression = Some(Text { node });
            job.runs_on = vec![Text { node }];
            return;
        }
        let Value::Mapping(_) = &*node.value else {
            job.runs_on = self.one_or_more(node, "`runs-on`");
            return;
        };
        for entry in self.mapping(node, "`runs-on`", Empty::Refused, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                "labels" if is_expression(node) => {
                    job.runs_on_expression = Some(Text { node });
                    job.runs_on = vec![Text { node }];
                }
                "labels" => job.runs_on = self.one_or_more(node, "`labels`"),
                "group" => job.group = self.text(node, "`group`", Empty::Refused),
                _ => self.unknown(entry, "`runs-on`", &["group", "labels"]),
            }
        }
    }

    fn environment<'a>(&mut self, job: &mut Job<'a>, entry: &'a Entry) {
        let what = "`environment`";
        if entry.value.scalar().is_some() {
            // An empty name is none.
            job.environment = self.text(&entry.value, what, Empty::Fine);
            return;
        }
        let mut has_name = false;
        for entry in self.mapping(&entry.value, what, Empty::Refused, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                "name" => {
                    has_name = true;
                    job.environment = self.text(node, "`name`", Empty::Refused);
                }
                "url" => job.url = self.text(node, "`url`", Empty::Refused),
                "deployment" => {
                    self.truth(node, "`deployment`");
                    let text = Text { node }.text();
                    job.only_uses_environment = text.eq_ignore_ascii_case("false");
                }
                _ => self.unknown(entry, what, &["name", "url", "deployment"]),
            }
        }
        if !has_name {
            self.missing(entry.at, what, "name");
        }
    }

    fn snapshot<'a>(&mut self, node: &'a Node) -> Snapshot<'a> {
        let mut snapshot = Snapshot::default();
        let what = "`snapshot`";
        if node.scalar().is_some() {
            snapshot.name = self.text(node, what, Empty::Refused);
            return snapshot;
        }
        let mut has_name = false;
        for entry in self.mapping(node, what, Empty::Refused, Case::Matters) {
            let node = &entry.value;
            match entry.key.as_str() {
                "image-name" => {
                    has_name = true;
                    snapshot.name = self.text(node, "`image-name`", Empty::Refused);
                }
                "version" => snapshot.version = self.text(node, "`version`", Empty::Refused),
                "if" => snapshot.condition = self.text(node, "`if`", Empty::Refused),
                _ => self.unknown(entry, what, &["image-name", "version", "if"]),
            }
        }
        if !has_name {
            self.missing(node.at, what, "image-name");
        }
        snapshot
    }
}

impl<'a> Job<'a> {
    fn new(id: Text<'a>) -> Self {
        Self {
            id,
            name: None,
            needs: Vec::new(),
            condition: None,
            runs_on: Vec::new(),
            runs_on_expression: None,
            group: None,
            permissions: None,
            environment: None,
            only_uses_environment: false,
            url: None,
            concurrency: Concurrency::default(),
            outputs: Vec::new(),
            env: None,
            defaults: Defaults::default(),
            continue_on_error: None,
            timeouts: Vec::new(),
            strategy: Strategy::default(),
            container: None,
            services: Vec::new(),
            services_expression: None,
            snapshot: Snapshot::default(),
            steps: Vec::new(),
            call: None,
        }
    }
}
