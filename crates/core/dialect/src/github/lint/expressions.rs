//! Every expression of a workflow, each with what it sees at its place.

use std::collections::BTreeMap;

use super::{
    check::{self, Scope},
    contexts::{self, Spot},
    model::{
        Call, Combination, Combinations, Concurrency, Container, Defaults, Env, Event, Input, Job,
        Matrix, Named, Row, Step, Text, Workflow,
    },
    types::{Object, Type},
};
use crate::{
    diagnostic::{Code, Sink},
    yaml::{Node, Value},
};

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

    fn strategy(&mut self, job: &Job<'_>) {
        if let Some(matrix) = &job.strategy.matrix {
            for (_, row) in &matrix.rows {
                if let Row::Values(values) = row {
                    for value in *values {
                        self.raw(value);
                    }
                }
            }
            self.combinations(&matrix.include);
            self.combinations(&matrix.exclude);
        }
        self.truth(job.strategy.fail_fast, Spot::Strategy);
        self.number(job.strategy.max_parallel, Spot::Strategy);
    }

    fn combinations(&mut self, combinations: &Combinations<'_>) {
        if let Some(text) = combinations.expression {
            let wanted = |kind: &Type| matches!(kind, Type::List(..) | Type::Any);
            self.only(text, Spot::Strategy, "a list", wanted);
        }
        for item in &combinations.items {
            match item {
                Combination::Expression(text) => self.object(Some(*text), Spot::Strategy),
                Combination::Values(values) => {
                    for (_, value) in values {
                        self.raw(value);
                    }
                }
            }
        }
    }

    fn raw(&mut self, node: &Node) {
        match &*node.value {
            Value::Scalar(_) => {
                self.found(Text { node }, Spot::Strategy, false);
            }
            Value::Sequence(items) => items.iter().for_each(|item| self.raw(item)),
            Value::Mapping(entries) => entries.iter().for_each(|entry| self.raw(&entry.value)),
        }
    }

    /// The type of `matrix`, by its rows and what `include` adds.
    fn matrix(&mut self, matrix: &Matrix<'_>) -> Type {
        if let Some(text) = matrix.expression {
            return self.whole_matrix(text);
        }
        let mut own = Object::default();
        for (name, row) in &matrix.rows {
            let kind = match row {
                Row::Expression(text) => {
                    let wanted = |kind: &Type| matches!(kind, Type::List(..) | Type::Any);
                    match self.only(*text, Spot::Strategy, "a list", wanted) {
                        Some(Type::List(item, _)) => *item,
                        _ => Type::Any,
                    }
                }
                Row::Values(values) => {
                    let kinds = values.iter().map(|value| self.quietly(value));
                    kinds.reduce(Type::merged).unwrap_or(Type::Any)
                }
            };
            own.properties.insert(name.lower(), kind);
        }
        if matrix.include.expression.is_some() {
            return Type::loose();
        }
        for item in &matrix.include.items {
            match item {
                Combination::Expression(_) => own.others = Some(Box::new(Type::Any)),
                Combination::Values(values) => {
                    for (name, value) in values {
                        let kind = self.quietly(value);
                        let name = name.lower();
                        let kind = match own.properties.remove(&name) {
                            Some(before) => before.merged(kind),
                            None => kind,
                        };
                        own.properties.insert(name, kind);
                    }
                }
            }
        }
        Type::Object(own)
    }

    fn whole_matrix(&mut self, text: Text<'_>) -> Type {
        let wanted = |kind: &Type| matches!(kind, Type::Object(_) | Type::Any);
        let Some(Type::Object(mut own)) = self.only(text, Spot::Strategy, "an object", wanted)
        else {
            return Type::loose();
        };
        own.properties.remove("exclude");
        let include = own.properties.remove("include");
        let mut all = Object {
            properties: BTreeMap::new(),
            others: own.others,
        };
        for (name, kind) in own.properties {
            let item = match kind {
                Type::List(item, _) => *item,
                _ => Type::Any,
            };
            all.properties.insert(name, item);
        }
        let whole = Type::Object(all);
        match include {
            Some(Type::List(item, _)) => whole.merged(*item),
            Some(_) => Type::loose(),
            None => whole,
        }
    }

    /// The type of a value of a matrix; what is wrong in it is told elsewhere.
    fn quietly(&mut self, node: &Node) -> Type {
        match &*node.value {
            Value::Scalar(scalar) => {
                let text = Text { node };
                if !text.has_expression() {
                    return Type::of_text(&scalar.text);
                }
                let mut aside = Sink::new("");
                std::mem::swap(self.sink, &mut aside);
                let found = self.found(text, Spot::Strategy, false);
                std::mem::swap(self.sink, &mut aside);
                match found.as_deref() {
                    Some([(_, kind)]) if text.is_expression() => kind.clone(),
                    Some(_) => Type::Text,
                    None => Type::Any,
                }
            }
            Value::Sequence(items) => {
                let kinds = items.iter().map(|item| self.quietly(item));
                let item = kinds.reduce(Type::merged).unwrap_or(Type::Any);
                Type::List(Box::new(item), false)
            }
            Value::Mapping(entries) => {
                let entries: Vec<(&str, Type)> = entries
                    .iter()
                    .map(|entry| (entry.key.as_str(), self.quietly(&entry.value)))
                    .collect();
                Type::strict(entries)
            }
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

    fn embed_all(&mut self, texts: &[Text<'_>], spot: Spot) {
        for text in texts {
            self.embed(Some(*text), spot);
        }
    }

    /// A text whose expressions become texts.
    fn embed(&mut self, text: Option<Text<'_>>, spot: Spot) {
        if let Some(text) = text {
            let found = self.found(text, spot, false);
            self.embedded(text, found);
        }
    }

    fn embedded(&mut self, text: Text<'_>, found: Found) {
        for (at, kind) in found.unwrap_or_default() {
            if matches!(kind, Type::Object(_) | Type::List(..) | Type::Null) {
                let hint = "`toJSON` makes a text of it".to_owned();
                let message = format!("{kind} does not become a useful text");
                let at = text.place(at);
                self.sink.error_hint(Code::Typing, at, message, hint);
            }
        }
    }

    /// A condition; `${{ }}` around it may be left out.
    fn condition(&mut self, text: Option<Text<'_>>, spot: Spot) {
        let Some(text) = text else {
            return;
        };
        if text.has_expression() {
            self.embed(Some(text), spot);
        } else if text.text().contains("${{") {
            self.found(text, spot, false);
        } else {
            self.one(text, 0, text.text(), spot, false);
        }
    }

    fn truth(&mut self, text: Option<Text<'_>>, spot: Spot) {
        if let Some(text) = text {
            let wanted = |kind: &Type| matches!(kind, Type::Bool | Type::Any);
            self.only(text, spot, "a truth value", wanted);
        }
    }

    fn number(&mut self, text: Option<Text<'_>>, spot: Spot) {
        if let Some(text) = text {
            let wanted = |kind: &Type| matches!(kind, Type::Number | Type::Any);
            self.only(text, spot, "a number", wanted);
        }
    }

    fn object(&mut self, text: Option<Text<'_>>, spot: Spot) {
        if let Some(text) = text {
            let wanted = |kind: &Type| matches!(kind, Type::Object(_) | Type::Any);
            self.only(text, spot, "an object", wanted);
        }
    }

    /// The type of a text that is one expression, if it is one that is wanted.
    fn only(
        &mut self,
        text: Text<'_>,
        spot: Spot,
        what: &str,
        wanted: impl Fn(&Type) -> bool,
    ) -> Option<Type> {
        let (_, kind) = self.found(text, spot, false)?.into_iter().next()?;
        if !wanted(&kind) {
            let message = format!("the expression must give {what}, and gives {kind}");
            self.sink.error(Code::Typing, text.at(), message);
            return None;
        }
        Some(kind)
    }

    fn found(&mut self, text: Text<'_>, spot: Spot, is_script: bool) -> Found {
        let written = text.text();
        if !written.contains("${{") {
            return Some(Vec::new());
        }
        let expressions = match cutover_expr::template::expressions(written) {
            Ok(expressions) => expressions,
            Err(error) => {
                let at = text.place(error.offset);
                self.sink.error(Code::Expression, at, error.to_string());
                return None;
            }
        };
        let mut kinds = Vec::new();
        for (start, expression) in expressions {
            let kind = self.one(text, start, expression, spot, is_script)?;
            let open = written[..start].rfind("${{").unwrap_or(start);
            kinds.push((open, kind));
        }
        Some(kinds)
    }

    /// The type of one expression; nothing when it does not hold.
    fn one(
        &mut self,
        text: Text<'_>,
        start: usize,
        expression: &str,
        spot: Spot,
        is_script: bool,
    ) -> Option<Type> {
        let tree = match cutover_expr::tree(expression) {
            Ok(Some(tree)) => tree,
            Ok(None) => return Some(Type::Any),
            Err(error) => {
                let at = text.place(start + error.offset);
                self.sink.error(Code::Expression, at, error.to_string());
                return None;
            }
        };
        let scope = Scope {
            contexts: &self.contexts,
            available: spot.contexts(),
            functions: spot.functions(),
            is_script,
            has_hints: !self.sink.is_full(),
        };
        let (kind, slips) = check::check(&tree, &scope);
        let holds = slips.is_empty();
        for slip in slips {
            let at = text.place(start + slip.at);
            self.sink.error_hint(slip.code, at, slip.message, slip.hint);
        }
        holds.then_some(kind)
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
