//! One job in a directory, and what its steps say to have made.

use std::{fs, os::unix::fs::symlink};

use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Of `abc`.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct Job {
    layout: Layout,
    seen: Option<Mounts>,
    _directory: tempfile::TempDir,
}

impl Job {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dir = Utf8PathBuf::from_path_buf(directory.path().canonicalize().unwrap()).unwrap();
        let layout = Layout { dir };
        fs::create_dir_all(layout.workspace()).unwrap();
        fs::create_dir_all(layout.private()).unwrap();
        fs::write(layout.workspace().join("app.tar"), "abc").unwrap();
        Self {
            layout,
            seen: None,
            _directory: directory,
        }
    }

    fn take(&self, step: &str, text: &str) -> Result<Vec<Subject>, String> {
        let declares = Declares {
            layout: &self.layout,
            step,
            seen: self.seen.as_ref(),
            survives: Survives::ProcessDeath,
        };
        declares.take(text, &Masker::new(["hunter2"]).unwrap())
    }

    fn list(&self) -> serde_json::Value {
        let known = Known::read(&self.layout).unwrap();
        serde_json::from_str(&known.list()).unwrap()
    }
}

#[test]
fn files_are_hashed_and_images_are_taken_at_their_word() {
    let job = Job::new();
    let upper = ABC.to_uppercase();
    let text = format!(
        "\u{feff}# what this step made\n\n  app.tar \r\nghcr.io/me/app:1@sha256:{upper}\n\
         OCI://registry:5000/x@sha512:{}\nfile://app.tar@sha256:{ABC}\n",
        "a".repeat(128)
    );
    let found = job.take("0.1", &text).unwrap();
    let said: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.digest.as_str(), one.kind))
        .collect();
    let abc = format!("sha256:{ABC}");
    let long = format!("sha512:{}", "a".repeat(128));
    let expected = [
        ("app.tar", abc.as_str(), SubjectKind::File),
        ("ghcr.io/me/app:1", abc.as_str(), SubjectKind::Oci),
        ("registry:5000/x", long.as_str(), SubjectKind::Oci),
    ];
    assert_eq!(said, expected);
    // A path with an unfinished digest is a path like any other.
    fs::write(job.layout.workspace().join("x@sha256:ab"), "").unwrap();
    let found = job.take("1.1", "x@sha256:ab").unwrap();
    assert_eq!(found[0].digest, format!("sha256:{EMPTY}"));
    let list = job.list();
    assert_eq!(list["version"], 1);
    assert_eq!(list["subjects"].as_array().unwrap().len(), 4);
    assert_eq!(
        list["subjects"][0],
        serde_json::json!({ "name": "app.tar", "digest": abc, "kind": "file" })
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_nothing_of_the_file_is_taken() {
    let job = Job::new();
    fs::create_dir(job.layout.workspace().join("dist")).unwrap();
    let zeros = "0".repeat(64);
    for (text, expected) in [
        ("app.tar\na=b", "line 2: `=` is kept"),
        ("app.tar\nlost", "line 2: `lost` does not exist; paths are"),
        ("/lost", "line 1: `/lost` does not exist"),
        ("dist", "line 1: `dist` is not a regular file"),
        ("file:// ", "line 1: a path is missing"),
        ("https://example.org/x", "line 1: `https://` is not known"),
        ("oci://app:1", "line 1: an image needs its digest"),
        ("oci://app@sha256:ab", "line 1: `sha256:ab` has too few"),
        (&format!("file://app.tar@sha256:{zeros}"), "has the digest"),
        (&format!("hunter2@sha256:{zeros}"), "a secret in its name"),
    ] {
        let reason = job.take("0.1", text).unwrap_err();
        let begin =
            "Unable to process file command 'artifacts' successfully. `$GITHUB_ARTIFACTS` line ";
        assert!(reason.starts_with(begin), "{reason}");
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(job.list()["subjects"], serde_json::json!([]));
}

#[test]
fn one_name_has_one_digest_in_a_job_that_has_500_at_most() {
    let job = Job::new();
    assert_eq!(job.take("0.1", "app.tar").unwrap().len(), 1);
    assert_eq!(job.take("1.1", "app.tar\napp.tar").unwrap(), []);
    fs::write(job.layout.workspace().join("app.tar"), "abcd").unwrap();
    let reason = job.take("2.1", "app.tar").unwrap_err();
    assert!(reason.contains("with another digest"), "{reason}");
    let image = |index: usize| format!("image{index}@sha256:{ABC}\n");
    let many: String = (1..500).map(image).collect();
    assert_eq!(job.take("3.1", &many).unwrap().len(), 499);
    assert_eq!(job.take("4.1", &many).unwrap().len(), 0);
    let reason = job.take("5.1", &image(500)).unwrap_err();
    assert!(reason.contains("500 at most"), "{reason}");
}

#[test]
fn who_goes_on_from_a_step_keeps_what_those_before_it_made() {
    let job = Job::new();
    for step in ["0.1", "1.0.1", "2.1", "post.0.1"] {
        let name = step.replace('.', "-");
        job.take(step, &format!("{name}@sha256:{ABC}")).unwrap();
    }
    forget_after(&job.layout, 2).unwrap();
    let list = job.list();
    let subjects = list["subjects"].as_array().unwrap().iter();
    let names: Vec<_> = subjects.map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["0-1", "1-0-1"]);
}

#[test]
fn a_container_names_nothing_that_is_not_seen_in_it() {
    let mut job = Job::new();
    let secret = job.layout.private().join("masks.json");
    fs::write(&secret, "abc").unwrap();
    symlink(&secret, job.layout.workspace().join("link")).unwrap();
    symlink("app.tar", job.layout.workspace().join("fine")).unwrap();
    job.seen = Some(Mounts::default().with(&job.layout.workspace(), "/github/workspace"));
    assert_eq!(job.take("0.1", "/github/workspace/fine").unwrap().len(), 1);
    assert_eq!(job.take("0.1", "app.tar").unwrap(), []);
    for path in ["link", "/github/workspace/link", "../private/masks.json"] {
        let reason = job.take("0.1", path).unwrap_err();
        assert!(reason.contains("leads out of the container"), "{reason}");
    }
    let reason = job.take("0.1", "/etc/passwd").unwrap_err();
    assert!(reason.contains("is not in a directory"), "{reason}");
}
