//! The steps and jobs of one file in the order in which text goes through them.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    Action, Analysis, File, MAX_REACHED, MAX_TOLD, Reached, Summary,
    expression::{self, Spot},
    known, program,
    script::{self, Script, Written},
    trail::{Origin, Taints, Trail, look_up, merge},
};
use crate::{
    github::lint::{
        model::{Combination, Env, Event, Job, Matrix, Named, Row, Step, Text, Workflow},
        untrusted::Segment,
    },
    yaml::{Node, Value},
};

/// The variable that every step has of the branch of a pull request.
const HEAD_REF: (&str, &str) = ("GITHUB_HEAD_REF", "github.head_ref");

pub(super) struct Flow<'f, 't> {
    analysis: &'f mut Analysis<'t>,
    file: File,
    /// Inputs, outputs of jobs, variables of the whole file.
    all: Taints,
    /// Outputs of steps, the matrix, variables of the job.
    job: Taints,
    /// Variables of the step.
    step: Taints,
    reached: Vec<(Reached, Trail)>,
}

impl<'f, 't> Flow<'f, 't> {
    pub(super) fn new(analysis: &'f mut Analysis<'t>, file: File) -> Self {
        Self {
            analysis,
            file,
            all: Taints::default(),
            job: Taints::default(),
            step: Taints::default(),
            reached: Vec::new(),
        }
    }

    pub(super) fn workflow(mut self, workflow: &Workflow<'_>) -> Summary {
        let calls = workflow.events.iter().filter_map(|event| match event {
            Event::Call(call) => Some(call),
            Event::Webhook(_)
            | Event::Schedule(_)
            | Event::Dispatch(..)
            | Event::RepositoryDispatch(_) => None,
        });
        for call in calls.clone() {
            for input in &call.inputs {
                self.input(input.name.text(), input.default);
            }
        }
        for (name, trails) in self.variables(workflow.env.as_ref()) {
            self.all.set(name, trails);
        }
        for job in in_order(&workflow.jobs) {
            self.job(job);
        }
        let outputs = calls.flat_map(|call| &call.outputs);
        let outputs = outputs
            .filter_map(|(name, value)| Some((name.lower(), self.trails(value.as_ref()?.text()))))
            .filter(|(_, trails)| !trails.is_empty())
            .collect();
        self.summary(outputs)
    }

    pub(super) fn action(mut self, action: &Action<'_>) -> Summary {
        for (name, default) in &action.inputs {
            self.input(name.text(), *default);
        }
        self.steps(&action.steps);
        let outputs = action.outputs.iter();
        let outputs = outputs
            .map(|(name, value)| (name.lower(), self.trails(value.text())))
            .filter(|(_, trails)| !trails.is_empty())
            .collect();
        self.summary(outputs)
    }

    fn summary(self, outputs: BTreeMap<String, Vec<Trail>>) -> Summary {
        Summary {
            reached: self.reached,
            outputs,
        }
    }

    /// An input is tainted if the caller's is, or if its default is.
    fn input(&mut self, name: &str, default: Option<Text<'_>>) {
        let own = Trail::from(Origin::Input(name.to_lowercase().into()));
        let default = default.map_or_else(Vec::new, |text| self.trails(text.text()));
        let hop = format!("`inputs.{name}`");
        let default = default.into_iter().map(|trail| trail.through(hop.as_str()));
        let path = format!("inputs.{}", name.to_lowercase());
        self.all
            .set(path, [own].into_iter().chain(default).collect());
    }

    fn layers(&self) -> [&Taints; 3] {
        [&self.step, &self.job, &self.all]
    }

    fn trails(&self, text: &str) -> Vec<Trail> {
        let mut trails = Vec::new();
        merge(&mut trails, expression::trails(text, &self.layers()));
        trails
    }

    fn spots(&self, text: &str) -> Vec<Spot> {
        expression::of_text(text, &self.layers())
    }

    /// Variables by their paths, also those that are clean.
    fn variables(&self, env: Option<&Env<'_>>) -> Vec<(String, Vec<Trail>)> {
        match env {
            None => Vec::new(),
            Some(Env::Expression(text)) => {
                let trails = self.trails(text.text());
                vec![("env".to_owned(), trails)]
            }
            Some(Env::Variables(variables)) => variables
                .iter()
                .map(|(name, value)| {
                    let hop = format!("`env.{}`", name.text());
                    let trails = self.trails(value.text()).into_iter();
                    let trails = trails.map(|trail| trail.through(hop.as_str()));
                    (format!("env.{}", name.text()), trails.collect())
                })
                .collect(),
        }
    }

    fn job(&mut self, job: &Job<'_>) {
        self.job.clear();
        self.matrix(job);
        for (name, trails) in self.variables(job.env.as_ref()) {
            self.job.set(name, trails);
        }
        let outputs = if let Some(call) = &job.call {
            let summary = self.analysis.called(&self.file, call.uses.text());
            summary.map_or_else(Vec::new, |summary| {
                self.used(&summary, &call.inputs, call.uses.text())
            })
        } else {
            self.steps(&job.steps);
            let outputs = job.outputs.iter();
            let outputs = outputs.map(|(name, value)| (name.lower(), self.trails(value.text())));
            outputs.collect()
        };
        for (name, trails) in outputs.into_iter().filter(|(_, trails)| !trails.is_empty()) {
            let id = job.id.lower();
            let hop: Rc<str> = format!("`needs.{id}.outputs.{name}`").into();
            let needed = trails.iter().map(|trail| trail.through(Rc::clone(&hop)));
            self.all
                .set(format!("needs.{id}.outputs.{name}"), needed.collect());
            self.all.set(format!("jobs.{id}.outputs.{name}"), trails);
        }
    }

    fn matrix(&mut self, job: &Job<'_>) {
        if let Some(text) = job.strategy.expression {
            self.of_matrix("matrix", text.text());
        }
        let Some(matrix) = &job.strategy.matrix else {
            return;
        };
        let Matrix {
            expression,
            rows,
            include,
            ..
        } = matrix;
        for text in [expression, &include.expression].into_iter().flatten() {
            self.of_matrix("matrix", text.text());
        }
        for (name, row) in rows {
            let path = format!("matrix.{}", name.lower());
            match row {
                Row::Expression(text) => self.of_matrix(&path, text.text()),
                Row::Values(values) => {
                    for value in *values {
                        self.of_node(&path, value);
                    }
                }
            }
        }
        for item in &include.items {
            match item {
                Combination::Expression(text) => self.of_matrix("matrix", text.text()),
                Combination::Values(values) => {
                    for (name, value) in values {
                        self.of_node(&format!("matrix.{}", name.lower()), value);
                    }
                }
            }
        }
    }

    fn of_node(&mut self, path: &str, node: &Node) {
        match &*node.value {
            Value::Scalar(scalar) => self.of_matrix(path, &scalar.text),
            Value::Sequence(items) => {
                for item in items {
                    self.of_node(path, item);
                }
            }
            Value::Mapping(entries) => {
                for entry in entries {
                    self.of_node(path, &entry.value);
                }
            }
        }
    }

    fn of_matrix(&mut self, path: &str, text: &str) {
        let trails = self.trails(text);
        if !trails.is_empty() {
            let hop: Rc<str> = format!("`{path}`").into();
            let trails = trails.iter().map(|trail| trail.through(Rc::clone(&hop)));
            self.job.add(path.to_owned(), trails.collect::<Vec<_>>());
        }
    }

    fn steps(&mut self, steps: &[Step<'_>]) {
        for step in steps {
            let own = self.variables(step.env.as_ref());
            for (name, trails) in own {
                self.step.set(name, trails);
            }
            let mut later = Vec::new();
            if let Some(run) = step.run {
                let spots = self.script(run, "the script");
                later = self.written(run, &spots, script::written);
            }
            if let Some(uses) = step.uses {
                later = self.uses(step, uses);
            }
            self.step.clear();
            for written in later {
                self.remember(step, written);
            }
        }
    }

    /// What a script has written is seen by the steps behind it.
    fn remember(&mut self, step: &Step<'_>, written: Written) {
        let Written { to, name, trails } = written;
        let path = match (to, step.id) {
            (script::File::Output, Some(id)) => {
                format!("steps.{}.outputs.{}", id.lower(), name.to_lowercase())
            }
            (script::File::Output, None) => return,
            (script::File::Env, _) => format!("env.{name}"),
        };
        let hop: Rc<str> = match (to, step.id) {
            (script::File::Output, Some(id)) => format!("`steps.{}.outputs.{name}`", id.text()),
            _ => format!("`env.{name}`"),
        }
        .into();
        let trails = trails.iter().map(|trail| trail.through(Rc::clone(&hop)));
        self.job.add(path, trails.collect::<Vec<_>>());
    }

    /// A text that is run; gives its tainted parts.
    fn script(&mut self, text: Text<'_>, what: &str) -> Vec<Spot> {
        let spots = self.spots(text.text());
        // Each place is counted from the beginning of the text.
        for (at, trail) in spots.iter().take(MAX_TOLD) {
            let reached = Reached {
                file: Rc::clone(&self.file.path),
                is_ours: self.file.home == super::Home::Ours,
                at: text.place(*at),
                what: what.into(),
            };
            self.reach(reached, trail.clone());
        }
        spots
    }

    fn reach(&mut self, reached: Reached, trail: Trail) {
        match &trail.origin {
            Origin::Input(_) => {
                if self.reached.len() < MAX_REACHED {
                    self.reached.push((reached, trail));
                }
            }
            // What others write wrong in their files is theirs, and what is plain to see in a workflow
            // the rules of expressions say.
            Origin::Stranger(_) => {
                let found = self.analysis.found.len();
                let is_news = self.file.is_action || !trail.is_direct();
                if reached.is_ours && is_news && found < MAX_TOLD {
                    self.analysis.found.push((reached, trail));
                }
            }
        }
    }

    fn written(
        &self,
        text: Text<'_>,
        spots: &[Spot],
        read: impl Fn(&Script<'_>) -> Vec<Written>,
    ) -> Vec<Written> {
        let variable = |name: &str| {
            let path = [
                Segment::Name("env".to_owned()),
                Segment::Name(name.to_owned()),
            ];
            let trails = look_up(&self.layers(), &path);
            if trails.is_empty() && name == HEAD_REF.0 {
                return vec![Trail::stranger(HEAD_REF.1)];
            }
            trails
        };
        read(&Script {
            text: text.text(),
            spots,
            variable: &variable,
        })
    }

    fn uses(&mut self, step: &Step<'_>, uses: Text<'_>) -> Vec<Written> {
        let name = known::name(uses.text());
        let mut later = Vec::new();
        for (input, value) in &step.with {
            if known::is_script(&name, input.text()) {
                let what = format!("`{}`, which `{name}` runs", input.text());
                let spots = self.script(*value, &what);
                if name == "actions/github-script" {
                    later = self.written(*value, &spots, program::written);
                }
            }
        }
        let Some(id) = step.id else {
            self.action_of(step, uses);
            return later;
        };
        for (end, what) in known::outputs(&name) {
            // Outputs are not listed anywhere: names with this end are looked for where they are asked.
            self.known_output(id, end, what);
        }
        for (output, trails) in self.action_of(step, uses) {
            later.push(Written {
                to: script::File::Output,
                name: output,
                trails,
            });
        }
        later
    }

    fn known_output(&mut self, id: Text<'_>, end: &str, what: &str) {
        const KINDS: [&str; 9] = [
            "added",
            "all_changed",
            "all_changed_and_modified",
            "all_modified",
            "changed",
            "deleted",
            "modified",
            "other_changed",
            "renamed",
        ];
        let names: Vec<String> = if end.starts_with('_') {
            KINDS.iter().map(|kind| format!("{kind}{end}")).collect()
        } else {
            vec![end.to_owned()]
        };
        for name in names {
            let hop = format!("`steps.{}.outputs.{name}`", id.text());
            let trail = Trail::stranger(what).through(hop);
            self.job
                .add(format!("steps.{}.outputs.{name}", id.lower()), [trail]);
        }
    }

    fn action_of(&mut self, step: &Step<'_>, uses: Text<'_>) -> Vec<(String, Vec<Trail>)> {
        match self.analysis.action(&self.file, uses.text()) {
            Some(summary) => self.used(&summary, &step.with, uses.text()),
            None => Vec::new(),
        }
    }

    /// Puts what a caller gives in the place of the inputs of a file; gives the outputs that are tainted.
    fn used(
        &mut self,
        summary: &Summary,
        given: &[Named<'_>],
        uses: &str,
    ) -> Vec<(String, Vec<Trail>)> {
        let mut inputs: BTreeMap<String, Vec<(Spot, Text<'_>)>> = BTreeMap::new();
        for (name, value) in given {
            let hop: Rc<str> = format!("`inputs.{}` of `{uses}`", name.text()).into();
            let spots = self.spots(value.text()).into_iter();
            let spots = spots.map(|(at, trail)| ((at, trail.through(Rc::clone(&hop))), *value));
            inputs.insert(name.lower(), spots.collect());
        }
        for (reached, trail) in &summary.reached {
            let Origin::Input(name) = &trail.origin else {
                continue;
            };
            for ((at, before), value) in inputs.get(&**name).into_iter().flatten() {
                let trail = trail.behind(before);
                if reached.is_ours {
                    self.reach(reached.clone(), trail);
                } else {
                    // Nobody here can change their file; who hands it over can be told.
                    let reached = Reached {
                        file: Rc::clone(&self.file.path),
                        is_ours: self.file.home == super::Home::Ours,
                        at: value.place(*at),
                        what: format!("a script of `{uses}`").into(),
                    };
                    self.reach(reached, trail);
                }
            }
        }
        let outputs = summary.outputs.iter().map(|(name, trails)| {
            let mut all = Vec::new();
            for trail in trails {
                match &trail.origin {
                    Origin::Stranger(_) => merge(&mut all, [trail.clone()]),
                    Origin::Input(input) => {
                        let given = inputs.get(&**input).into_iter().flatten();
                        merge(&mut all, given.map(|((_, before), _)| trail.behind(before)));
                    }
                }
            }
            (name.clone(), all)
        });
        outputs.filter(|(_, trails)| !trails.is_empty()).collect()
    }
}

/// Jobs behind those that they need; those that wait for each other are left out.
fn in_order<'j, 'a>(jobs: &'j [Job<'a>]) -> Vec<&'j Job<'a>> {
    let places: BTreeMap<String, usize> = jobs
        .iter()
        .enumerate()
        .map(|(place, job)| (job.id.lower(), place))
        .collect();
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); jobs.len()];
    let mut open: Vec<usize> = vec![0; jobs.len()];
    for (place, job) in jobs.iter().enumerate() {
        for need in &job.needs {
            if let Some(&before) = places.get(&need.lower()) {
                behind[before].push(place);
                open[place] += 1;
            }
        }
    }
    let mut ready: Vec<usize> = (0..jobs.len()).filter(|&place| open[place] == 0).collect();
    let mut next = 0;
    while let Some(&place) = ready.get(next) {
        next += 1;
        for &later in &behind[place] {
            open[later] -= 1;
            if open[later] == 0 {
                ready.push(later);
            }
        }
    }
    ready.into_iter().map(|place| &jobs[place]).collect()
}
