use std::{collections::BTreeMap, os::unix::fs::symlink};

use super::*;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn bytes_of(root: &Path, dockerfile: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    Context::open(root, dockerfile)
        .unwrap()
        .write(&mut bytes)
        .unwrap();
    bytes
}

fn entries(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(bytes);
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut text = String::new();
            match entry.link_name().unwrap() {
                Some(link) => text = format!("-> {}", link.display()),
                None => {
                    entry.read_to_string(&mut text).unwrap();
                }
            }
            (path, text)
        })
        .collect()
}

#[test]
fn sends_what_is_not_ignored_and_always_the_dockerfile() {
    let root = tree(&[
        ("Dockerfile", "FROM scratch"),
        (".dockerignore", "*\n!src\nsrc/*.tmp"),
        ("src/main", "m"),
        ("src/x.tmp", "t"),
        ("big/file", "b"),
    ]);
    symlink("main", root.path().join("src/link")).unwrap();
    let sent = entries(&bytes_of(root.path(), &root.path().join("Dockerfile")));
    let names: Vec<_> = sent.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [".dockerignore", "Dockerfile", "src", "src/link", "src/main"]
    );
    assert_eq!(sent["src/link"], "-> main");
    assert_eq!(sent["src/main"], "m");
}

#[test]
fn a_dockerfile_outside_comes_along_under_another_name() {
    let root = tree(&[("a", "1")]);
    let other = tree(&[("Docker.prod", "FROM scratch")]);
    let file = other.path().join("Docker.prod");
    let context = Context::open(root.path(), &file).unwrap();
    assert_eq!(context.dockerfile(), FOREIGN_DOCKERFILE);
    let sent = entries(&bytes_of(root.path(), &file));
    assert_eq!(sent[FOREIGN_DOCKERFILE], "FROM scratch");
}

#[test]
fn times_do_not_change_the_stream() {
    let root = tree(&[("Dockerfile", "FROM scratch"), ("a/b", "1")]);
    let file = root.path().join("Dockerfile");
    let before = bytes_of(root.path(), &file);
    fs::write(root.path().join("a/b"), "1").unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
    File::open(root.path().join("a/b"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    assert_eq!(before, bytes_of(root.path(), &file));
}

#[test]
fn a_missing_dockerfile_is_named() {
    let root = tree(&[]);
    let error = Context::open(root.path(), &root.path().join("Dockerfile")).unwrap_err();
    assert!(
        error.to_string().contains("Dockerfile` cannot be sent"),
        "{error}"
    );
}

#[tokio::test]
async fn a_reader_that_hangs_up_ends_the_walk() {
    let root = tree(&[("Dockerfile", "FROM scratch")]);
    fs::write(root.path().join("large"), vec![7_u8; 4 * 1024 * 1024]).unwrap();
    let context = Context::open(root.path(), &root.path().join("Dockerfile")).unwrap();
    let (stream, walk) = context.stream();
    drop(stream);
    assert!(matches!(walk.await.unwrap(), Err(Error::Context { .. })));
}
