//! `cutover/release@v1`: commits since the last version tag → version, changelog, tag.

use camino::Utf8Path;
use cutover_executor::BuiltinLog;
use cutover_forge::{Repository, WorkingTree};
use cutover_model::{Duration, gate::ApprovalRule};
use cutover_release::{
    bump::{self, Bump, Commit},
    changelog,
};
use semver::Version;

use super::{Context, Done, Left};
use crate::{Error, Sources};

/// Where the changelog lies in the workspace.
const CHANGELOG: &str = "CHANGELOG.md";

pub(super) async fn perform(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let trigger = context.run.trigger();
    let (repository, may_tag) = match &context.control.options().sources {
        Sources::Hosted => (context.control.host().repository(&trigger.repository)?, true),
        // Somebody's own repository is only read.
        Sources::WorkingTree(path) => (WorkingTree::open(path).await?.repository().clone(), false),
    };
    let dry = !may_tag || context.input("dry-run") == Some("true");
    if let Some(version) = repository.version_tag_at(&trigger.revision).await? {
        log.line(&format!("{} is already released as {version}", trigger.revision.short())).await;
        return Ok(Done::Succeeded(left(&version, None, true, "")));
    }
    let last = repository.last_version_tag(&trigger.revision).await?;
    let since = last.as_ref().map(|(_, revision)| revision);
    let commits: Vec<Commit> = repository
        .commits(since, &trigger.revision)
        .await?
        .into_iter()
        .map(|commit| Commit { id: commit.id, message: commit.message })
        .collect();
    let previous = last.map(|(version, _)| version);
    let next = bump::next(previous.as_ref(), &commits);
    if next.bump == Bump::None {
        log.line("no commit since the last release asks for a new one").await;
        let version = previous.unwrap_or_else(|| Version::new(0, 0, 0));
        return Ok(Done::Succeeded(left(&version, None, false, "")));
    }
    let subject = format!("release {} of {} at {}", next.version, trigger.repository, trigger.revision);
    if next.bump == Bump::Major && !approved(context) && !dry {
        log.line(&format!("{subject} breaks what users rely on: somebody has to agree")).await;
        let rule = ApprovalRule { required: 1, from: Vec::new(), expires: Duration::from_mins(7 * 1_440) };
        return Ok(Done::ApprovalNeeded { subject, rule });
    }
    let date = repository.commit_date(&trigger.revision).await?;
    let section = changelog::section(&next.version, &date, &commits);
    write_changelog(&context.place.workspace, &section).await?;
    if dry {
        log.line(&format!("{}: would be tagged v{}", subject, next.version)).await;
    } else {
        tag(&repository, &next.version, &section, context).await?;
        log.line(&format!("tagged v{}", next.version)).await;
    }
    Ok(Done::Succeeded(left(&next.version, previous.as_ref(), true, &section)))
}

/// Whether this step has its yes: then it is a later attempt than the one that asked.
fn approved(context: &Context) -> bool {
    context.run.step_approved(&context.key.job, &context.key.step)
}

async fn tag(
    repository: &Repository,
    version: &Version,
    section: &str,
    context: &Context,
) -> Result<(), Error> {
    let trigger = context.run.trigger();
    let name = format!("v{version}");
    repository.create_tag(&name, &trigger.revision, section, &trigger.actor).await?;
    Ok(())
}

async fn write_changelog(workspace: &Utf8Path, section: &str) -> Result<(), Error> {
    let path = workspace.join(CHANGELOG);
    let old = match tokio::fs::read_to_string(&path).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let new = changelog::insert(&old, section);
    tokio::fs::write(&path, new).await.map_err(Error::io("write", &path))
}

fn left(version: &Version, previous: Option<&Version>, released: bool, section: &str) -> Left {
    let left = Left::default()
        .output("version", version.to_string())
        .output("tag", format!("v{version}"))
        .output("previous", previous.map(ToString::to_string).unwrap_or_default())
        .output("released", released.to_string())
        .output("changelog", section);
    if section.is_empty() { left } else { left.summary(section) }
}
