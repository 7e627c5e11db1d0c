//! What of a plan runs in containers: a job, the services beside it, a single step. What the flags of
//! `options:` mean is in `container/options.rs`; how containers are made is no matter of a plan.

mod options;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ActionSource, Bindings, Expression, JobSpec, Plan, StepBody, StepSpec, Template};

pub use self::{
    options::{ContainerOptions, Health, OptionsError},
    words::words,
};

/// A job's `container:`, or one of its `services:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerUse {
    /// Written out. `container: IMAGE` is a spec with an image and nothing else.
    Spec(Box<ContainerSpec>),
    /// An expression for all of it: it comes to a text (the image) or to a mapping.
    Expression(Template),
}

/// A container as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The image's reference; an image that comes to nothing means: no container.
    pub image: Template,
    /// `env:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Bindings,
    /// `ports:`; one template may come to a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Template>,
    /// `volumes:`; one template may come to a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Template>,
    /// `options:`, flags as `docker create` has them; see [`ContainerOptions`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Template>,
    /// Who asks the registry for the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// In place of the image's entrypoint; services only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Template>,
    /// In place of the image's command, split at blanks; services only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Template>,
}

impl ContainerSpec {
    /// A container of which nothing is said but its image.
    pub const fn new(image: Template) -> Self {
        Self {
            image,
            env: Vec::new(),
            ports: Vec::new(),
            volumes: Vec::new(),
            options: None,
            credentials: None,
            entrypoint: None,
            command: None,
        }
    }
}

/// A container's `credentials:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// Both written out.
    Pair {
        /// `username:`.
        username: Template,
        /// `password:`; never seen in a log.
        password: Template,
    },
    /// An expression that comes to a mapping with both.
    Expression(Template),
}

/// A job's `services:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Services {
    /// By the name under which they are reached, in the order written.
    Named(Vec<(String, ContainerUse)>),
    /// An expression that comes to a mapping of such.
    Expression(Template),
}

/// A step that is a container: `docker://IMAGE`, or an action that says `using: docker`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStep {
    /// `uses:` as written.
    pub uses: String,
    /// What it is made of.
    pub image: ContainerImage,
    /// The arguments: of the action, `runs.args`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Template>,
    /// In place of the image's entrypoint: of the action, `runs.entrypoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Template>,
    /// `runs.env` of the action, under what the step's own `env:` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Bindings,
    /// `runs.pre-entrypoint`: the same image, before the first step of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_entrypoint: Option<Template>,
    /// `pre-if:`; absent means `always()`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_if: Option<Expression>,
    /// `runs.post-entrypoint`: the same image, after the last step of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_entrypoint: Option<Template>,
    /// `post-if:`; absent means `always()`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_if: Option<Expression>,
    /// What `with:` gives, and an action's defaults for the rest. `args` and `entrypoint` among them
    /// win over those of the action.
    pub inputs: Bindings,
}

impl ContainerStep {
    /// A step of this image of which nothing else is said.
    pub fn new(uses: &str, image: ContainerImage) -> Self {
        Self {
            uses: uses.to_owned(),
            image,
            args: Vec::new(),
            entrypoint: None,
            env: Vec::new(),
            pre_entrypoint: None,
            pre_if: None,
            post_entrypoint: None,
            post_if: None,
            inputs: Vec::new(),
        }
    }
}

/// What the container of a step is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum ContainerImage {
    /// An image of a registry, or one that the engine has.
    Reference {
        /// Without `docker://`.
        reference: String,
    },
    /// Built from the directory of an action, once for each content of it.
    Dockerfile {
        /// Where the files of the action come from.
        #[serde(default, skip_serializing_if = "ActionSource::is_workspace")]
        source: ActionSource,
        /// The action's directory in its sources; empty for the topmost.
        directory: String,
        /// The file, from that directory: `Dockerfile`.
        file: String,
    },
}

/// The name of the step that makes a job's containers ready, before those that are written.
pub const SET_UP_NAME: &str = "Initialize containers";

impl JobSpec {
    /// Sees that the job begins with the step that makes its containers ready, when it may have any.
    #[must_use]
    pub fn with_set_up(mut self) -> Self {
        self.add_set_up();
        self
    }

    fn add_set_up(&mut self) {
        let has_it = self
            .steps
            .first()
            .is_some_and(|first| matches!(first.body, StepBody::SetUpContainers));
        let may_have =
            self.container.is_some() || self.services.is_some() || !self.runner_images.is_empty();
        if may_have && !has_it {
            let step = StepSpec {
                name: Some(Template::plain(SET_UP_NAME)),
                at: self.at,
                ..StepSpec::new(StepBody::SetUpContainers)
            };
            self.steps.insert(0, step);
        }
    }

    /// Whether anything of it is a container, as far as that can be known before it runs.
    pub fn uses_containers(&self) -> bool {
        self.steps.iter().any(is_container)
    }

    /// Whether it surely comes to a container: what has a condition, or an image that is an expression, may
    /// never need one, and says so when its turn comes.
    pub fn needs_containers(&self) -> bool {
        if self.condition.is_some() {
            return false;
        }
        let is_fixed = |template: &Template| {
            !template.text.trim().is_empty() && !template.text.contains("${{")
        };
        let has_image = |used: &ContainerUse| match used {
            ContainerUse::Spec(spec) => is_fixed(&spec.image),
            ContainerUse::Expression(_) => false,
        };
        let services = match &self.services {
            Some(Services::Named(named)) => named.iter().any(|(_, used)| has_image(used)),
            Some(Services::Expression(_)) | None => false,
        };
        let is_mapped = |label: &Template| self.runner_images.contains_key(&label.text);
        let mut called = self.call.iter().flat_map(|call| &call.jobs);
        services
            || self.container.as_ref().is_some_and(has_image)
            || self.runs_on.iter().any(is_mapped)
            || self.steps.iter().any(is_surely_container)
            || called.any(Self::needs_containers)
    }
}

fn is_surely_container(step: &StepSpec) -> bool {
    step.condition.is_none()
        && match &step.body {
            StepBody::Container(_) => true,
            StepBody::Composite { steps, .. } => steps.iter().any(is_surely_container),
            StepBody::SetUpContainers
            | StepBody::Run { .. }
            | StepBody::Builtin { .. }
            | StepBody::Lacking { .. }
            | StepBody::Wait { .. }
            | StepBody::WaitAll
            | StepBody::CancelStep { .. }
            | StepBody::Action(_) => false,
        }
}

fn is_container(step: &StepSpec) -> bool {
    match &step.body {
        StepBody::Container(_) | StepBody::SetUpContainers => true,
        StepBody::Composite { steps, .. } => steps.iter().any(is_container),
        StepBody::Run { .. }
        | StepBody::Builtin { .. }
        | StepBody::Lacking { .. }
        | StepBody::Wait { .. }
        | StepBody::WaitAll
        | StepBody::CancelStep { .. }
        | StepBody::Action(_) => false,
    }
}

impl Plan {
    /// Lets images stand for labels of `runs-on`: a job with such a label runs as if the image were its
    /// `container:`, unless it has one of its own. A label that is an expression is looked at when its
    /// turn comes.
    pub fn map_runners(&mut self, images: &BTreeMap<String, String>) {
        for job in &mut self.jobs {
            let may_be =
                |label: &Template| label.text.contains("${{") || images.contains_key(&label.text);
            if job.container.is_none() && job.runs_on.iter().any(may_be) {
                job.runner_images.clone_from(images);
                job.add_set_up();
            }
        }
    }
}
