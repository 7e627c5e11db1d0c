//! Archives that are as they should be, and those that are made to harm.

use std::{
    fs,
    io::{Cursor, Write as _},
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
};

use ::tar::{Builder, EntryType, Header};
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use super::*;

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.path("into")).unwrap();
        place
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    fn extract(&self, archive: &[u8]) -> Result<Extracted, ArchiveError> {
        fs::write(self.path("archive"), archive).unwrap();
        extract(
            &self.path("archive"),
            &self.path("into"),
            Bounds {
                entries: 20,
                bytes: 1_000,
            },
        )
    }

    /// What is beside the folder: nothing that an archive could have made.
    fn check_outside(&self) {
        let names = disk_names(&self.path(""));
        let known = |name: &String| ["archive", "into", "victim"].contains(&name.as_str());
        assert!(names.iter().all(known), "{names:?}");
    }
}

fn disk_names(path: &Utf8Path) -> Vec<String> {
    crate::disk::names(path).unwrap()
}

/// A tar archive by its bytes: the library would not write most of these.
fn tar(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for &(name, kind, contents) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o4755);
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        let body = if is_link {
            header.as_old_mut().linkname[..contents.len()].copy_from_slice(contents.as_bytes());
            ""
        } else {
            contents
        };
        header.set_size(body.len() as u64);
        header.set_cksum();
        builder.append(&header, body.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip(entries: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for &(name, mode, contents) in entries {
        let options = ::zip::write::SimpleFileOptions::default().unix_permissions(mode);
        if mode == 0o120_777 {
            writer.add_symlink(name, contents, options).unwrap();
        } else {
            writer.start_file(name, options).unwrap();
            writer.write_all(contents.as_bytes()).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn what_is_packed_is_unpacked_with_modes_and_links_in_every_format() {
    for format in [Format::Zip, Format::Tar, Format::TarGz] {
        let place = Place::new();
        let from = place.path("from");
        fs::create_dir_all(from.join("deep/empty")).unwrap();
        fs::write(from.join("deep/run"), "#!").unwrap();
        fs::set_permissions(from.join("deep/run"), fs::Permissions::from_mode(0o755)).unwrap();
        let long = format!("deep/{}", "ü".repeat(120));
        fs::write(from.join(&long), "long").unwrap();
        symlink("../deep/run", from.join("deep/link")).unwrap();
        let _socket = UnixListener::bind(from.join("socket")).unwrap();
        let (archive, into) = (place.path("archive"), place.path("into"));
        let packed = pack(&from, &["".into()], format, &archive).unwrap();
        assert_eq!(packed.entries, 5, "{format:?}");
        assert_eq!(packed.skipped, ["socket"]);
        assert_eq!(packed.size, fs::metadata(&archive).unwrap().len());
        let again = pack(&from, &["".into()], format, &place.path("again")).unwrap();
        assert_eq!(again.entries, packed.entries);
        // Twice: what is there is replaced.
        for _ in 0..2 {
            let there = extract(&archive, &into, Bounds::default()).unwrap();
            assert_eq!((there.entries, there.bytes), (5, 6));
        }
        assert_eq!(fs::read_to_string(into.join(&long)).unwrap(), "long");
        assert_eq!(
            fs::read_link(into.join("deep/link")).unwrap().to_str(),
            Some("../deep/run")
        );
        let mode = fs::metadata(into.join("deep/run"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert!(into.join("deep/empty").is_dir());
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../out", "/tmp/out", "a/../../out", "a/b/../../../out"] {
        let place = Place::new();
        for archive in [
            tar(&[(name, EntryType::Regular, "x")]),
            zip(&[(name, 0o644, "x")]),
        ] {
            let refused = place.extract(&archive);
            assert!(
                matches!(refused, Err(ArchiveError::Path { .. })),
                "{name}: {refused:?}"
            );
            place.check_outside();
        }
    }
    let refused = Place::new().extract(&zip(&[("..\\out", 0o644, "x")]));
    assert!(
        matches!(refused, Err(ArchiveError::Path { .. })),
        "{refused:?}"
    );
}

#[test]
fn links_that_lead_out_are_refused() {
    for target in ["../out", "/etc", "a/../../out"] {
        let place = Place::new();
        let archives = [
            tar(&[("link", EntryType::Symlink, target)]),
            tar(&[("file", EntryType::Link, target)]),
            zip(&[("link", 0o120_777, target)]),
        ];
        for archive in archives {
            let refused = place.extract(&archive);
            let is_refused = matches!(
                refused,
                Err(ArchiveError::Link { .. } | ArchiveError::Path { .. })
            );
            assert!(is_refused, "{target}: {refused:?}");
            assert!(disk_names(&place.path("into")).is_empty());
        }
    }
}

#[test]
fn no_file_goes_through_a_link_of_the_archive_or_of_the_folder() {
    let place = Place::new();
    let through = tar(&[
        ("dir", EntryType::Symlink, "other"),
        ("dir/file", EntryType::Regular, "x"),
    ]);
    assert!(place.extract(&through).is_err());

    let place = Place::new();
    fs::create_dir(place.path("victim")).unwrap();
    symlink("../victim", place.path("into/dir")).unwrap();
    let refused = place.extract(&tar(&[("dir/file", EntryType::Regular, "x")]));
    assert!(
        matches!(refused, Err(ArchiveError::Path { .. })),
        "{refused:?}"
    );
    assert!(disk_names(&place.path("victim")).is_empty());

    // A link in the place of a file is replaced, not written through.
    let place = Place::new();
    fs::write(place.path("victim"), "mine").unwrap();
    symlink("../victim", place.path("into/file")).unwrap();
    place
        .extract(&tar(&[("file", EntryType::Regular, "x")]))
        .unwrap();
    assert_eq!(fs::read_to_string(place.path("victim")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(place.path("into/file")).unwrap(), "x");
}

#[test]
fn devices_and_pipes_are_refused_and_set_user_bits_are_not_taken_over() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let refused = Place::new().extract(&tar(&[("dev", kind, "")]));
        assert!(
            matches!(refused, Err(ArchiveError::Kind(_))),
            "{kind:?}: {refused:?}"
        );
    }
    let place = Place::new();
    place
        .extract(&tar(&[("run", EntryType::Regular, "x")]))
        .unwrap();
    let mode = fs::metadata(place.path("into/run"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn bombs_are_stopped_at_their_limit() {
    let large = "0".repeat(600);
    let two = [
        ("a", EntryType::Regular, large.as_str()),
        ("b", EntryType::Regular, &large),
    ];
    let zipped = [("a", 0o644, large.as_str()), ("b", 0o644, &large)];
    for archive in [tar(&two), zip(&zipped)] {
        let refused = Place::new().extract(&archive);
        assert!(
            matches!(refused, Err(ArchiveError::TooMuch { what: "bytes", .. })),
            "{refused:?}"
        );
    }
    let many: Vec<String> = (0..21).map(|number| format!("f{number}")).collect();
    let many: Vec<_> = many
        .iter()
        .map(|name| (name.as_str(), EntryType::Regular, ""))
        .collect();
    let refused = Place::new().extract(&tar(&many));
    assert!(
        matches!(
            refused,
            Err(ArchiveError::TooMuch {
                what: "entries",
                ..
            })
        ),
        "{refused:?}"
    );
    // A name without an end takes no memory.
    let long = "n".repeat(1 << 17);
    let refused = Place::new().extract(&tar(&[("l", EntryType::GNULongName, &long)]));
    assert!(
        matches!(refused, Err(ArchiveError::Damaged(_))),
        "{refused:?}"
    );
}

#[test]
fn what_is_no_archive_or_half_of_one_is_told_so() {
    let refused = Place::new().extract(b"hello");
    assert!(
        matches!(refused, Err(ArchiveError::Unknown(_))),
        "{refused:?}"
    );
    let whole = tar(&[("file", EntryType::Regular, &"x".repeat(900))]);
    let refused = Place::new().extract(&whole[..900]);
    assert!(
        matches!(refused, Err(ArchiveError::Damaged(_))),
        "{refused:?}"
    );
    let whole = zip(&[("file", 0o644, "x")]);
    let refused = Place::new().extract(&whole[..whole.len() - 10]);
    assert!(
        matches!(refused, Err(ArchiveError::Damaged(_))),
        "{refused:?}"
    );
}
