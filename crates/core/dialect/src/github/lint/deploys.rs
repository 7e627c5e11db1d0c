//! Jobs that deploy: one at a time, and each to its end.

use super::model::{Concurrency, Event, Job, Text, Workflow};
use crate::diagnostic::{Code, Sink};

/// Actions that deploy, whatever the job says of itself.
const DEPLOYING: [&str; 5] = [
    "actions/deploy-pages",
    "azure/functions-action",
    "azure/webapps-deploy",
    "cutover/deploy",
    "google-github-actions/deploy-cloudrun",
];
/// What waits for its turn by itself.
const QUEUES: &str = "cutover/deploy";

pub(super) fn check(workflow: &Workflow<'_>, sink: &mut Sink) {
    if workflow.events.iter().all(is_aside) {
        return;
    }
    for job in &workflow.jobs {
        let environment = job.environment.filter(|_| !job.only_uses_environment);
        let uses = |action: &str| job.steps.iter().any(|step| is(step.uses, action));
        if environment.is_none() && !DEPLOYING.iter().any(|action| uses(action)) {
            continue;
        }
        let place = environment.map_or_else(
            || "its target".to_owned(),
            |name| format!("`{}`", name.text()),
        );
        for concurrency in [&job.concurrency, &workflow.concurrency] {
            cancels(job, concurrency, &place, sink);
        }
        let is_alone = job.concurrency.group.is_some() || workflow.concurrency.group.is_some();
        if let Some(name) = environment
            && !is_alone
            && !uses(QUEUES)
        {
            let message = format!(
                "two runs may deploy to {place} at the same time, and the older one may end last"
            );
            let group = if name.has_expression() {
                format!("deploy-{}", name.text())
            } else {
                name.text().to_owned()
            };
            let hint = format!(
                "`concurrency: {{ group: {group}, cancel-in-progress: false }}` in job `{}`",
                job.id.text()
            );
            sink.warning(Code::Overlap, name.at(), message, hint);
        }
    }
}

fn cancels(job: &Job<'_>, concurrency: &Concurrency<'_>, place: &str, sink: &mut Sink) {
    if let Some(text) = concurrency.cancels {
        let message = format!(
            "the next run stops job `{}` while it deploys to {place}, wherever it is",
            job.id.text()
        );
        let hint = "let it wait: `cancel-in-progress: false`".to_owned();
        sink.warning(Code::Overlap, text.at(), message, hint);
    }
}

/// Calls leave it to their callers; what is deployed for a pull request is thrown away with it.
fn is_aside(event: &Event<'_>) -> bool {
    match event {
        Event::Call(_) => true,
        Event::Webhook(webhook) => webhook.name.text().starts_with("pull_request"),
        Event::Schedule(_) | Event::Dispatch(..) | Event::RepositoryDispatch(_) => false,
    }
}

fn is(uses: Option<Text<'_>>, action: &str) -> bool {
    let name = uses.and_then(|uses| uses.text().split_once('@'));
    name.is_some_and(|(name, _)| name.eq_ignore_ascii_case(action))
}
