//! One server at a time in a data directory.

use camino::Utf8Path;
use cutover_store::{Error, lock_directory};

#[test]
fn the_second_is_told_who_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(directory.path()).unwrap();
    let first = lock_directory(path).unwrap();
    let refused = lock_directory(path).unwrap_err();
    let expected = format!("`{path}` is in use by process {}", std::process::id());
    assert!(refused.to_string().starts_with(&expected), "{refused}");
    drop(first);
    drop(lock_directory(path).unwrap());
}

#[test]
fn what_a_dead_holder_left_stops_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(directory.path()).unwrap();
    std::fs::write(path.join("lock"), "4294967\nold words".repeat(10)).unwrap();
    let _lock = lock_directory(path).unwrap();
    let text = std::fs::read_to_string(path.join("lock")).unwrap();
    assert_eq!(
        text.lines().next(),
        Some(std::process::id().to_string().as_str())
    );
    assert!(!text.contains("old words"));
}

#[test]
fn a_directory_that_is_not_there_is_refused() {
    let refused = lock_directory("/no/such/directory".into()).unwrap_err();
    assert!(
        matches!(refused, Error::File { action: "open", .. }),
        "{refused:?}"
    );
}
