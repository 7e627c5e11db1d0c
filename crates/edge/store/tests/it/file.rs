//! What only a file can suffer: to be closed and opened again, cut, overwritten, copied, and a disk
//! that is full.

use std::{fs, path::Path, process::Command};

use camino::Utf8Path;
use cutover_store::{Error, Store};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::sample::{event, events, release, run_id, run_row, url};

const FILE: &str = "store.db";

/// A closed store with ten events.
async fn filled() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&url(&directory, FILE)).await.unwrap();
    store
        .append_run(&run_id(1), 0, &events(1..=10), &run_row(1), &[])
        .await
        .unwrap();
    store.put_release(&release(1)).await.unwrap();
    store.close().await;
    directory
}

/// Says something to the file behind the store's back.
async fn sql(directory: &TempDir, text: &'static str) {
    let options = SqliteConnectOptions::new().filename(directory.path().join(FILE));
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn refusal(directory: &TempDir) -> Error {
    Store::open(&url(directory, FILE)).await.unwrap_err()
}

#[tokio::test]
async fn what_was_stored_is_there_when_it_is_opened_again() {
    let directory = filled().await;
    for _ in 0..2 {
        let store = Store::open(&url(&directory, FILE)).await.unwrap();
        assert_eq!(store.read_run(&run_id(1)).await.unwrap(), events(1..=10));
        assert_eq!(store.run(&run_id(1)).await.unwrap(), Some(run_row(1)));
        assert_eq!(*store.subscribe().borrow(), 10);
        store.close().await;
    }
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "nothing else is left behind: {names:?}");
}

#[tokio::test]
async fn who_only_looks_sees_what_another_writes_and_changes_nothing() {
    let directory = filled().await;
    let path = directory.path().join(FILE);
    let path = Utf8Path::from_path(&path).unwrap();
    let writer = Store::open(&url(&directory, FILE)).await.unwrap();
    let reader = Store::open_to_read(path).await.unwrap().unwrap();
    let more = events(11..=12);
    writer
        .append_run(&run_id(1), 10, &more, &run_row(1), &[])
        .await
        .unwrap();
    assert_eq!(reader.read_run(&run_id(1)).await.unwrap(), events(1..=12));
    assert!(reader.next_run_number("demo/hello").await.is_err());
    writer.close().await;
    assert_eq!(reader.run(&run_id(1)).await.unwrap(), Some(run_row(1)));
    let missing = path.with_file_name("none.db");
    assert!(Store::open_to_read(&missing).await.unwrap().is_none());
    assert!(!missing.exists());
    sql(
        &directory,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', 1, x'', 0)",
    )
    .await;
    let refused = Store::open_to_read(path).await.unwrap_err();
    assert!(matches!(refused, Error::Newer { found: 9999, .. }));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = filled().await;
    sql(
        &directory,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', 1, x'', 0)",
    )
    .await;
    let refused = refusal(&directory).await;
    assert!(
        matches!(refused, Error::Newer { found: 9999, .. }),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains("use the newer cutover"),
        "{refused}"
    );
}

#[tokio::test]
async fn an_event_of_a_newer_schema_is_refused() {
    let directory = filled().await;
    sql(&directory, "UPDATE event SET schema = 77 WHERE version = 4").await;
    let store = Store::open(&url(&directory, FILE)).await.unwrap();
    let refused = store.read_run(&run_id(1)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::NewerEvent {
                version: 4,
                found: 77,
                ..
            }
        ),
        "{refused:?}"
    );
    assert_eq!(
        store.tail(0, 100).await.unwrap().len(),
        10,
        "those who only show may go on"
    );
}

#[tokio::test]
async fn an_event_that_is_not_understood_names_its_place() {
    let directory = filled().await;
    sql(
        &directory,
        "UPDATE event SET body = '{\"kind\":\"no_such\"}' WHERE version = 4",
    )
    .await;
    let store = Store::open(&url(&directory, FILE)).await.unwrap();
    let refused = store.read_run(&run_id(1)).await.unwrap_err();
    assert!(
        matches!(refused, Error::Unreadable { version: 4, .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_file_that_was_cut_is_refused() {
    for left in [0_u64, 10, 100, 4_096, 8_192] {
        let directory = filled().await;
        let file = fs::OpenOptions::new()
            .write(true)
            .open(directory.path().join(FILE))
            .unwrap();
        file.set_len(left).unwrap();
        let refused = refusal(&directory).await;
        assert!(
            matches!(refused, Error::Unusable { .. }),
            "{left} bytes left: {refused:?}"
        );
        assert!(
            refused.to_string().contains("restore a backup"),
            "{refused}"
        );
        assert_eq!(file.metadata().unwrap().len(), left, "it was not touched");
    }
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    fs::write(&path, "my shopping list, and it is longer than a header").unwrap();
    let refused = refusal(&directory).await;
    assert!(
        refused.to_string().contains("not a SQLite database"),
        "{refused}"
    );
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .starts_with("my shopping list")
    );
}

#[tokio::test]
async fn an_address_of_another_form_is_refused_without_its_password() {
    for address in [
        "mysql://me:hunter2@host/x",
        "sqlite://relative.db",
        "sqlite:///",
        "nonsense",
    ] {
        let refused = Store::open(address).await.unwrap_err();
        assert!(matches!(refused, Error::Address(_)), "{refused:?}");
        assert!(
            !format!("{refused} {refused:?}").contains("hunter2"),
            "{refused:?}"
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let refused = Store::open(&url(&directory, "no/such/folder.db"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            Error::File {
                action: "create",
                ..
            }
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn two_that_create_the_same_file_share_it() {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory, FILE);
    let (one, two) = tokio::join!(Store::open(&url), Store::open(&url));
    let (one, two) = (one.unwrap(), two.unwrap());
    one.append_run(&run_id(1), 0, &events(1..=3), &run_row(1), &[])
        .await
        .unwrap();
    assert_eq!(two.read_run(&run_id(1)).await.unwrap(), events(1..=3));
    let late = two
        .append_run(&run_id(1), 2, &events(3..=3), &run_row(1), &[])
        .await;
    assert!(
        matches!(late, Err(Error::Conflict { found: 3, .. })),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_backup_is_a_whole_store() {
    let directory = filled().await;
    let store = Store::open(&url(&directory, FILE)).await.unwrap();
    let copy = directory.path().join("copy.db");
    let copy_path = Utf8Path::from_path(&copy).unwrap();
    store.backup_to(copy_path).await.unwrap();
    store
        .append_run(&run_id(1), 10, &events(11..=11), &run_row(1), &[])
        .await
        .unwrap();
    assert!(
        store.backup_to(copy_path).await.is_err(),
        "a backup is never written over"
    );
    let backup = Store::open(&url(&directory, "copy.db")).await.unwrap();
    assert_eq!(backup.read_run(&run_id(1)).await.unwrap(), events(1..=10));
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = match SmallDisk::mount(directory.path()) {
        Ok(disk) => disk,
        Err(reason) => {
            eprintln!("SKIPPED: the store on a full disk, because {reason}");
            return;
        }
    };
    let store = Store::open(&url(&directory, FILE)).await.unwrap();
    let mut stored = 0;
    let refused = loop {
        let next = event(stored + 1);
        let mut row = run_row(1);
        row.name = "x".repeat(20_000);
        match store
            .append_run(&run_id(1), stored, &[next], &row, &[])
            .await
        {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Full(_)), "{refused:?}");
    assert!(
        refused.to_string().contains("nothing was stored"),
        "{refused}"
    );
    assert!(stored > 10, "{stored}");
    assert_eq!(
        store.read_run(&run_id(1)).await.unwrap(),
        events(1..=stored)
    );

    disk.grow();
    let next = [event(stored + 1)];
    store
        .append_run(&run_id(1), stored, &next, &run_row(1), &[])
        .await
        .unwrap();
    store.close().await;
    let store = Store::open(&url(&directory, FILE)).await.unwrap();
    assert_eq!(
        store.read_run(&run_id(1)).await.unwrap(),
        events(1..=stored + 1)
    );
    store.close().await;
}

/// A disk of one mebibyte, mounted until this value is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Result<Self, String> {
        mount("size=1m", at).map(|()| Self(at))
    }

    fn grow(&self) {
        mount("remount,size=32m", self.0).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: when an assertion failed, the store still has the file open.
        let done = Command::new("umount").arg("--lazy").arg(self.0).status();
        assert!(done.is_ok_and(|status| status.success()));
    }
}

fn mount(options: &str, at: &Path) -> Result<(), String> {
    let mut command = Command::new("mount");
    let command = command
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(at);
    let output = command
        .output()
        .map_err(|error| format!("mount: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
