//! Every expression of a workflow, each with what it sees at its place.

mod matrix;
mod text;

use std::collections::BTreeMap;

use super::{
    contexts::{self, Spot},
    model::{
        Call, Concurrency, Container, Defaults, Env, Event, Input, Job, Named, Step, Text, Workflow,
    },
    types::{Object, Type},
};
use crate::diagnostic::Sink;

/// Says what is wrong with the expressions of a workflow.
pub(super) fn check(workflow: &Workflow<'_>, sink: &mut Sink) {
    let mut expressions = Expressions {
        contexts: contexts::all(),
        sink,
    };
    expressions.workflow(workflow);
}

struct Expressions<'s> {
    contexts: Object,
    sink: &'s mut Sink,
}

/// Of a job with more outputs their names are not looked at: others who need it would each copy them.
const MAX_OUTPUTS: usize = 100;

/// The expressions of a text with their types; nothing when one of them does not hold.
type Found = Option<Vec<(usize, Type)>>;

impl Expressions<'_> {
    fn set(&mut self, context: &str, kind: Type) {
        self.contexts.properties.insert(context.to_owned(), kind);
    }

    fn workflow(&mut self, workflow: &Workflow<'_>) {
        self.embed(workflow.name, Spot::Nothing);
        for event in &workflow.events {
            self.event(event);
        }
        self.embed(workflow.run_name, Spot::Root);
        self.env(workflow.env.as_ref(), Spot::RootEnv);
        self.defaults(&workflow.defaults, Spot::Nothing);
        self.concurrency(&workflow.concurrency, Spot::Root);
        let outputs: BTreeMap<String, Type> = workflow
            .jobs
            .iter()
            .map(|job| (job.id.lower(), outputs(job)))
            .collect();
        for job in &workflow.jobs {
            self.job(job, &outputs);
        }
        let jobs = outputs
            .iter()
            .map(|(id, outputs)| (id.as_str(), Type::strict([("outputs", outputs.clone())])));
        self.set("jobs", Type::strict(jobs));
        for event in &workflow.events {
            if let Event::Call(call) = event {
                for (_, value) in &call.outputs {
                    self.embed(*value, Spot::CallOutput);
                }
            }
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Webhook(webhook) => {
                for (_, values) in &webhook.filters {
                    self.embed_all(values, Spot::Nothing);
                }
            }
            Event::Schedule(times) => {
                for (cron, _) in times {
                    self.embed(*cron, Spot::Nothing);
                }
            }
            Event::Dispatch(_, inputs) => {
                let texts = inputs.iter().map(|input| (input.name.text(), Type::Text));
                let texts = Type::strict(texts);
                self.inputs(inputs, Spot::Nothing);
                if let Some(Type::Object(github)) = self.contexts.properties.get_mut("github")
                    && let Some(Type::Object(event)) = github.properties.get_mut("event")
                {
                    event.properties.insert("inputs".to_owned(), texts);
                }
            }
            Event::RepositoryDispatch(types) => self.embed_all(types, Spot::Nothing),
            Event::Call(call) => self.call(call),
        }
    }

    fn inputs(&mut self, inputs: &[Input<'_>], default: Spot) {
        for input in inputs {
            self.embed_all(&input.texts, Spot::Nothing);
            self.embed_all(input.options.as_deref().unwrap_or_default(), Spot::Nothing);
            self.embed(input.default, default);
        }
        let kind = |input: &Input<'_>| match input.kind {
            "boolean" => Type::Bool,
            "number" => Type::Number,
            "string" | "choice" | "environment" => Type::Text,
            _ => Type::Any,
        };
        let own = Type::strict(inputs.iter().map(|input| (input.name.text(), kind(input))));
        // A workflow that is started in both ways has the inputs of both.
        let before = self.contexts.properties.remove("inputs");
        self.set(
            "inputs",
            before.map_or(own.clone(), |before| before.merged(own)),
        );
    }

    fn call(&mut self, call: &Call<'_>) {
        self.embed_all(&call.texts, Spot::Nothing);
        self.inputs(&call.inputs, Spot::Root);
        // Without `secrets` all of the caller's may be inherited.
        if let Some(secrets) = &call.secrets {
            const GIVEN: [&str; 3] = ["github_token", "actions_step_debug", "actions_runner_debug"];
            let own = secrets.iter().map(|(name, _)| name.text());
            let all = own.chain(GIVEN).map(|name| (name, Type::Text));
            self.set("secrets", Type::strict(all));
        }
    }

    fn job(&mut self, job: &Job<'_>, outputs: &BTreeMap<String, Type>) {
        self.set("needs", needs(job, outputs));
        if let Some(matrix) = &job.strategy.matrix {
            let kind = self.matrix(matrix);
            self.set("matrix", kind);
        }
        if job.strategy.expression.is_some() {
            self.set("matrix", Type::loose());
        }
        self.embed(job.name, Spot::Job);
        self.embed_all(&job.needs, Spot::Nothing);
        match job.runs_on_expression {
            Some(text) => {
                let wanted = |kind: &Type| matches!(kind, Type::List(..) | Type::Text | Type::Any);
                self.only(text, Spot::Job, "a text or a list", wanted);
            }
            None => self.embed_all(&job.runs_on, Spot::Job),
        }
        self.embed(job.group, Spot::Job);
        self.concurrency(&job.concurrency, Spot::Job);
        self.env(job.env.as_ref(), Spot::JobEnv);
        self.defaults(&job.defaults, Spot::Defaults);
        self.condition(job.condition, Spot::JobIf);
        self.strategy(job);
        self.truth(job.continue_on_error, Spot::Job);
        for timeout in &job.timeouts {
            self.number(Some(*timeout), Spot::Job);
        }
        if let Some(container) = &job.container {
            self.container(container);
        }
        for (_, container) in &job.services {
            self.container(container);
        }
        self.object(job.services_expression, Spot::Job);
        self.embed(job.snapshot.name, Spot::Job);
        self.embed(job.snapshot.version, Spot::Job);
        self.condition(job.snapshot.condition, Spot::Job);
        if let Some(call) = &job.call {
            self.embed(Some(call.uses), Spot::Nothing);
            self.values(&call.inputs, Spot::Job);
            self.values(&call.secrets, Spot::JobEnv);
        }
        self.set("steps", Type::strict([]));
        for step in &job.steps {
            self.step(step);
        }
        self.embed(job.environment, Spot::Job);
        self.embed(job.url, Spot::Url);
        self.values(&job.outputs, Spot::Output);
        for context in ["steps", "matrix", "needs"] {
            self.set(context, Type::strict([]));
        }
    }

    fn step(&mut self, step: &Step<'_>) {
        self.embed(step.name, Spot::Step);
        self.condition(step.condition, Spot::StepIf);
        if let Some(run) = step.run {
            self.script(run);
        }
        self.embed(step.shell, Spot::Nothing);
        self.embed(step.working_directory, Spot::Step);
        self.embed(step.uses, Spot::Nothing);
        let uses = step.uses.map(Text::text).unwrap_or_default();
        let is_script = uses.starts_with("actions/github-script@");
        for (name, value) in &step.with {
            if is_script && name.lower() == "script" {
                self.script(*value);
            } else {
                self.embed(Some(*value), Spot::Step);
            }
        }
        self.env(step.env.as_ref(), Spot::Step);
        self.truth(step.continue_on_error, Spot::Step);
        self.number(step.timeout, Spot::Step);
        let Some(id) = step.id else {
            return;
        };
        // What an action gives is in its own file; only `run` and names that we know give texts.
        let outputs = if is_script {
            Type::loose()
        } else {
            Type::map(Type::Text)
        };
        let own = Type::strict([
            ("outputs", outputs),
            ("conclusion", Type::Text),
            ("outcome", Type::Text),
        ]);
        if let Some(Type::Object(steps)) = self.contexts.properties.get_mut("steps") {
            if id.has_expression() {
                steps.others = Some(Box::new(Type::Any));
            }
            steps.properties.insert(id.lower(), own);
        }
    }

    fn script(&mut self, text: Text<'_>) {
        let found = self.found(text, Spot::Step, true);
        self.embedded(text, found);
    }

    fn container(&mut self, container: &Container<'_>) {
        self.embed(container.image, Spot::Job);
        self.object(container.credentials, Spot::Credentials);
        self.embed(container.username, Spot::Credentials);
        self.embed(container.password, Spot::Credentials);
        self.env(container.env.as_ref(), Spot::ContainerEnv);
        self.embed_all(&container.texts, Spot::Job);
    }

    fn concurrency(&mut self, concurrency: &Concurrency<'_>, spot: Spot) {
        self.embed(concurrency.group, spot);
        self.truth(concurrency.cancel, spot);
    }

    fn defaults(&mut self, defaults: &Defaults<'_>, spot: Spot) {
        self.embed(defaults.shell, spot);
        self.embed(defaults.working_directory, spot);
    }

    fn env(&mut self, env: Option<&Env<'_>>, spot: Spot) {
        match env {
            None => {}
            Some(Env::Expression(text)) => self.object(Some(*text), spot),
            Some(Env::Variables(variables)) => {
                for (name, value) in variables {
                    self.embed(Some(*name), spot);
                    self.embed(Some(*value), spot);
                }
            }
        }
    }

    fn values(&mut self, values: &[Named<'_>], spot: Spot) {
        for (_, value) in values {
            self.embed(Some(*value), spot);
        }
    }
}

/// What a job gives to those that need it.
fn outputs(job: &Job<'_>) -> Type {
    if job.call.is_some() || job.outputs.len() > MAX_OUTPUTS {
        return Type::map(Type::Text);
    }
    Type::strict(
        job.outputs
            .iter()
            .map(|(name, _)| (name.text(), Type::Text)),
    )
}

fn needs(job: &Job<'_>, outputs: &BTreeMap<String, Type>) -> Type {
    let own = job.id.lower();
    let ids: Vec<String> = job.needs.iter().map(|need| need.lower()).collect();
    let needs = ids.iter().filter(|id| **id != own).filter_map(|id| {
        let outputs = outputs.get(id)?.clone();
        let need = Type::strict([("outputs", outputs), ("result", Type::Text)]);
        Some((id.as_str(), need))
    });
    Type::strict(needs)
}
