//! `schedule`: workflows of the default branches, started by the clock. What is due is started under an id
//! that belongs to that time, so that it is started once however often it is tried.

mod calendar;

use std::{collections::BTreeSet, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_dialect as dialect;
use cutover_model::{
    RunId, Timestamp,
    source::{GitRef, Trigger, TriggerKind, Trust},
};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use self::calendar::{Calendar, Due, Entry};
use crate::{Control, Error, hear::tree_of};

/// The longest sleep: somebody may set the clock.
const LONGEST: Duration = Duration::from_mins(10);
/// Who is said to have done it.
const ACTOR: &str = "cutover";

/// The calendar, and who asks for it to be read again.
#[derive(Default)]
pub(crate) struct Schedules {
    calendar: Mutex<Calendar>,
    /// Repositories whose default branch has moved.
    moved: Mutex<BTreeSet<String>>,
    changed: Notify,
}

/// One time of one workflow, for people and programs.
#[derive(Debug, Serialize)]
pub struct ScheduleView {
    /// The repository.
    pub repository: String,
    /// The workflow's path.
    pub workflow: String,
    /// The pattern.
    pub cron: String,
    /// The time zone; UTC when absent.
    pub timezone: Option<String>,
    /// When it comes next.
    pub next_at: Option<Timestamp>,
    /// For when it was started last.
    pub last_at: Option<Timestamp>,
    /// Why it never comes.
    pub error: Option<String>,
}

/// The component: starts what is due until the server goes down.
pub(crate) async fn run(control: Control) {
    let place = control.options().data_dir.join("schedules.json");
    match load(&place).await {
        Ok(calendar) => *control.schedules().calendar.lock() = calendar,
        Err(error) => tracing::error!(%error, "it is not known which schedules were kept"),
    }
    let all = control.host().list().unwrap_or_default();
    control.schedules().moved.lock().extend(all);
    loop {
        look(&control, &place).await;
        let now = control.now();
        let next = control.schedules().calendar.lock().next(now);
        let pause = next.map_or(LONGEST, |next| next.since(now).to_std().min(LONGEST));
        tokio::select! {
            () = control.closing().cancelled() => return,
            () = control.schedules().changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn look(control: &Control, place: &Utf8Path) {
    let moved = std::mem::take(&mut *control.schedules().moved.lock());
    let is_news = !moved.is_empty();
    for repository in moved {
        match entries(control, &repository).await {
            Ok(entries) => {
                let now = control.now();
                let mut calendar = control.schedules().calendar.lock();
                calendar.set(&repository, entries, now);
            }
            Err(error) => tracing::error!(%error, repository, "schedules were not read"),
        }
    }
    let due = control.schedules().calendar.lock().due(control.now());
    for due in &due {
        if let Err(error) = fire(control, due).await {
            tracing::error!(%error, workflow = due.entry.workflow, "what was due was not started");
        }
        control.schedules().calendar.lock().done(due);
    }
    if is_news || !due.is_empty() {
        let calendar = control.schedules().calendar.lock().clone();
        if let Err(error) = save(place, &calendar).await {
            tracing::error!(%error, "what has been started by the clock could not be kept");
        }
        // Whoever shows it reads it again.
        control.announce("*", 0);
    }
}

/// What the workflows of the default branch ask for.
async fn entries(control: &Control, name: &str) -> Result<Vec<Entry>, Error> {
    let Some((_, tree)) = head(control, name).await? else {
        return Ok(Vec::new());
    };
    let mut entries = Vec::new();
    for workflow in dialect::workflows(&tree) {
        for time in dialect::schedules(&tree, &workflow) {
            entries.push(Entry {
                repository: name.to_owned(),
                workflow: workflow.clone(),
                cron: time.cron,
                timezone: time.timezone,
            });
        }
    }
    Ok(entries)
}

/// The state of a default branch, and its ref; `None` before the first push.
async fn head(
    control: &Control,
    name: &str,
) -> Result<Option<(crate::hear::Head, dialect::SourceTree)>, Error> {
    let Some(head) = control.head_of(name).await? else {
        return Ok(None);
    };
    let repository = control.host().repository(name)?;
    let tree = tree_of(&repository, &head.revision).await?;
    Ok(Some((head, tree)))
}

/// Starts what is due; nothing happens when that has been done before.
async fn fire(control: &Control, due: &Due) -> Result<(), Error> {
    let Entry {
        repository,
        workflow,
        cron,
        timezone,
    } = &due.entry;
    let Some((head, tree)) = head(control, repository).await? else {
        return Ok(());
    };
    let scene = control.scene(repository, ACTOR, &head.branch);
    let trigger = Trigger {
        kind: TriggerKind::Schedule,
        repository: repository.clone(),
        payload: scene.schedule(cron, workflow),
        git_ref: GitRef(format!("refs/heads/{}", head.branch)),
        revision: head.revision.clone(),
        before: None,
        actor: ACTOR.to_owned(),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        inputs: std::collections::BTreeMap::new(),
        // What is on the default branch came through the door.
        trust: Trust::Trusted,
    };
    let zone = timezone.as_deref().unwrap_or_default();
    let at = due.at.0.to_string();
    let id = RunId::derived(&["schedule", repository, workflow, cron, zone, &at]);
    let started = control.start_once(&id, &tree, workflow, &trigger).await?;
    if let Some(started) = started {
        tracing::info!(run = %started.run, workflow, at = %due.at, "started by the clock");
    }
    Ok(())
}

impl Control {
    /// The default branch of a repository has moved: its schedules are read again.
    pub(crate) fn schedules_moved(&self, repository: &str) {
        let schedules = self.schedules();
        schedules.moved.lock().insert(repository.to_owned());
        schedules.changed.notify_one();
    }

    /// All times of all workflows.
    pub fn scheduled(&self) -> Vec<ScheduleView> {
        let now = self.now();
        let calendar = self.schedules().calendar.lock();
        let view = |(entry, next, last): calendar::Row<'_>| {
            let (next_at, error) = match next {
                Ok(next) => (Some(next), None),
                Err(error) => (None, Some(error)),
            };
            ScheduleView {
                repository: entry.repository.clone(),
                workflow: entry.workflow.clone(),
                cron: entry.cron.clone(),
                timezone: entry.timezone.clone(),
                next_at,
                last_at: last,
                error,
            }
        };
        calendar.rows(now).map(view).collect()
    }
}

async fn load(place: &Utf8Path) -> Result<Calendar, Error> {
    match tokio::fs::read(place).await {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|error| Error::io("read", place)(error.into()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Calendar::default()),
        Err(error) => Err(Error::io("read", place)(error)),
    }
}

/// As a whole or not at all.
async fn save(place: &Utf8Path, calendar: &Calendar) -> Result<(), Error> {
    let bytes =
        serde_json::to_vec(calendar).map_err(|error| Error::io("write", place)(error.into()))?;
    let beside = Utf8PathBuf::from(format!("{place}.new"));
    tokio::fs::write(&beside, bytes)
        .await
        .map_err(Error::io("write", &beside))?;
    tokio::fs::rename(&beside, place)
        .await
        .map_err(Error::io("write", place))
}
