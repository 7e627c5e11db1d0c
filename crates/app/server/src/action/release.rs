//! `cutover/release@v1`: commits since the last version tag → version, changelog, tag.

use camino::Utf8Path;
use cutover_executor::BuiltinLog;
use cutover_forge::{Person, RefUpdate, Repository};
use cutover_model::{
    Duration, Timestamp,
    gate::ApprovalRule,
    source::{GitRef, Trigger},
};
use cutover_release::{Bump, Commit, bump, changelog};
use semver::Version;

use super::{Context, Done, Left};
use crate::{Error, Sources};

/// Where the changelog lies in the workspace.
const CHANGELOG: &str = "CHANGELOG.md";

pub(super) async fn perform(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let trigger = context.trigger()?;
    let (repository, may_tag) = match &context.control.options().sources {
        Sources::Hosted => (
            context.control.host().repository(&trigger.repository)?,
            true,
        ),
        // Somebody's own repository is only read.
        Sources::WorkingTree(path) => (Repository::open(path).await?, false),
    };
    let dry = !may_tag || context.input("dry-run") == Some("true");
    let last = last_version(&repository, trigger).await?;
    if let Some((version, _)) = last.as_ref().filter(|(_, at)| *at == trigger.revision) {
        log.line(&format!(
            "{} is already released as {version}",
            trigger.revision.short()
        ));
        if may_tag {
            acknowledge(context, version).await?;
        }
        return Ok(Done::Succeeded(left(version, None, true, "")));
    }
    let since = last.as_ref().map(|(_, revision)| revision);
    let commits: Vec<Commit> = repository
        .commits(since, &trigger.revision)
        .await?
        .into_iter()
        .map(|commit| Commit::new(commit.id.0, commit.message))
        .collect();
    let previous = last.map(|(version, _)| version);
    let next = bump::next(previous.as_ref(), &commits);
    let Some(version) = next.version else {
        log.line("no commit since the last release asks for a new one");
        let version = previous.unwrap_or_else(|| Version::new(0, 0, 0));
        return Ok(Done::Succeeded(left(&version, None, false, "")));
    };
    let subject = format!(
        "release {version} of {} at {}",
        trigger.repository, trigger.revision
    );
    if next.bump == Bump::Major && !approved(context) && !dry {
        log.line(&format!(
            "{subject} breaks what users rely on: somebody has to agree"
        ));
        let rule = ApprovalRule {
            required: 1,
            from: Vec::new(),
            expires: Duration::from_mins(7 * 1_440),
        };
        return Ok(Done::ApprovalNeeded { subject, rule });
    }
    let at = repository.commit_time(&trigger.revision).await?;
    let section = changelog::section(&version, &date(at), &commits);
    write_changelog(&context.place.workspace, &section).await?;
    if dry {
        log.line(&format!("{subject}: would be tagged v{version}"));
    } else {
        let tagger = Person {
            name: trigger.actor.clone(),
            email: format!("{}@cutover.invalid", trigger.actor),
        };
        let name = format!("v{version}");
        repository
            .create_tag(&name, &trigger.revision, &section, &tagger, at)
            .await?;
        acknowledge(context, &version).await?;
        log.line(&format!("tagged {name}"));
    }
    Ok(Done::Succeeded(left(
        &version,
        previous.as_ref(),
        true,
        &section,
    )))
}

/// Our own tag is nobody's push: it triggers nothing, also not after a restart.
async fn acknowledge(context: &Context, version: &Version) -> Result<(), Error> {
    let trigger = context.trigger()?;
    let tag = RefUpdate {
        git_ref: GitRef(format!("refs/tags/v{version}")),
        before: None,
        after: Some(trigger.revision.clone()),
    };
    let host = context.control.host();
    Ok(host.acknowledge(&trigger.repository, &[tag]).await?)
}

/// Whether this step has its yes: then it is a later attempt than the one that asked.
fn approved(context: &Context) -> bool {
    context
        .run
        .approved(&context.key.job, Some(&context.key.step))
        .next()
        .is_some()
}

/// The highest version that the revision has behind it, and where it was tagged.
async fn last_version(
    repository: &Repository,
    trigger: &Trigger,
) -> Result<Option<(Version, cutover_model::source::Revision)>, Error> {
    let Some((tag, revision)) = repository.last_version_tag(&trigger.revision).await? else {
        return Ok(None);
    };
    let version = Version::parse(tag.trim_start_matches('v'))
        .map_err(|error| Error::Refused(format!("tag `{tag}` is not a version: {error}")))?;
    Ok(Some((version, revision)))
}

/// The day in UTC.
fn date(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

async fn write_changelog(workspace: &Utf8Path, section: &str) -> Result<(), Error> {
    let path = workspace.join(CHANGELOG);
    let old = match tokio::fs::read_to_string(&path).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let new = changelog::insert(&old, section);
    tokio::fs::write(&path, new)
        .await
        .map_err(Error::io("write", &path))
}

fn left(version: &Version, previous: Option<&Version>, released: bool, section: &str) -> Left {
    let left = Left::default()
        .output("version", version.to_string())
        .output("tag", format!("v{version}"))
        .output(
            "previous",
            previous.map(ToString::to_string).unwrap_or_default(),
        )
        .output("released", released.to_string())
        .output("changelog", section);
    if section.is_empty() {
        left
    } else {
        left.summary(section)
    }
}
